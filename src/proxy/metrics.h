// The metrics of skep-proxy, in Prometheus' text format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/). One row a family: from it come the text and, by a
// test, docs/reference/metrics.md. No label names an attacker's address: what they send must not decide how many series
// there are.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proxy/picture.h"

namespace skep::proxy {

// Lines of one family.
class Samples {
 public:
  Samples(std::string& out, std::string_view name) : out_(out), name_(name) {}
  void add(uint64_t value) { add({}, value); }
  // `labels`: name, value, name, value …; values are escaped and cut at kLabelBytesMax.
  void add(std::initializer_list<std::string_view> labels, uint64_t value);

 private:
  static constexpr size_t kLabelBytesMax = 128;
  std::string& out_;
  std::string_view name_;
};

struct MetricFamily {
  std::string_view name;
  std::string_view type;  // "counter", "gauge"
  std::string_view labels;
  std::string_view help;
  void (*samples)(Samples& to, const Picture& of);
};
std::span<const MetricFamily> metric_families();

std::string metrics_text(const Picture& picture);

}  // namespace skep::proxy
