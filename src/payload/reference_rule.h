// A rule on the payload, held against a whole stream by trying every place for every content: slow, and straight from
// what docs/reference/rules.md says of each option. For a test and for fuzz/scanner_fuzz.cc; no program has it.
#pragma once

#include <algorithm>
#include <cctype>
#include <limits>
#include <string>
#include <string_view>

#include "formats/rule.h"

namespace skep::payload {

class ReferenceRule {
 public:
  // Options of the payload alone, without variables, expressions and jumps.
  ReferenceRule(const formats::Rule& rule, std::string_view stream) : rule_(rule), stream_(stream) {}

  bool holds() const { return from(0, 0); }

 private:
  static constexpr int64_t kEnd = std::numeric_limits<int64_t>::max() / 4;

  bool from(size_t index, int64_t here) const {
    if (index == rule_.options.size()) return true;
    const formats::RuleOption& option = rule_.options[index];
    if (const auto* content = std::get_if<formats::Content>(&option)) return content_from(*content, index, here);
    if (const auto* at = std::get_if<formats::DataAt>(&option)) {
      const int64_t size = size_of_stream();
      const bool there = at->relative ? here + at->at.value <= size : at->at.value < size;
      return there != at->negated && from(index + 1, here);
    }
    if (const auto* size = std::get_if<formats::PacketSize>(&option)) {
      const bool inside = size->size.least <= stream_.size() && stream_.size() <= size->size.most;
      return inside != size->size.negated && from(index + 1, here);
    }
    const auto& test = std::get<formats::ByteTest>(option);
    return test_holds(test, here) && from(index + 1, here);
  }

  int64_t size_of_stream() const { return static_cast<int64_t>(stream_.size()); }

  bool stands_at(const formats::Content& content, int64_t place) const {
    if (place < 0 || place + static_cast<int64_t>(content.bytes.size()) > size_of_stream()) return false;
    const std::string_view there = stream_.substr(static_cast<size_t>(place), content.bytes.size());
    return std::equal(there.begin(), there.end(), content.bytes.begin(), [&content](char a, char b) {
      return content.nocase ? std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b))
                            : a == b;
    });
  }

  bool content_from(const formats::Content& content, size_t index, int64_t here) const {
    int64_t low = 0;
    int64_t high = kEnd;  // no end of it may stand beyond
    if (content.distance || content.within) {
      low = here + (content.distance ? content.distance->value : 0);
      if (content.within) high = low + content.within->value;
    } else {
      if (content.offset) low = content.offset->value;
      if (content.depth) high = low + content.depth->value;
      if (content.starts_with) high = static_cast<int64_t>(content.bytes.size());
    }
    bool any = false;
    for (int64_t place = std::max<int64_t>(low, 0); place <= size_of_stream(); ++place) {
      const int64_t end = place + static_cast<int64_t>(content.bytes.size());
      if (end > high || !stands_at(content, place)) continue;
      if (content.ends_with && end != size_of_stream()) continue;
      any = true;
      if (!content.negated && from(index + 1, end)) return true;
    }
    return content.negated && !any && from(index + 1, here);
  }

  bool test_holds(const formats::ByteTest& test, int64_t here) const {
    const int64_t at = (test.number.relative ? here : 0) + test.number.offset.value;
    if (at < 0 || at + test.number.bytes > size_of_stream()) return false;
    uint64_t number = 0;
    for (int64_t i = 0; i < test.number.bytes; ++i) {
      const int64_t place = test.number.little_endian ? at + test.number.bytes - 1 - i : at + i;
      number = number * 256 + static_cast<unsigned char>(stream_[static_cast<size_t>(place)]);
    }
    const auto value = static_cast<uint64_t>(test.value.value);
    bool holds = false;
    if (test.comparison == "<") holds = number < value;
    if (test.comparison == ">") holds = number > value;
    if (test.comparison == "=") holds = number == value;
    if (test.comparison == "&") holds = (number & value) != 0;
    return holds != test.negated;
  }

  const formats::Rule& rule_;
  const std::string_view stream_;
};

}  // namespace skep::payload
