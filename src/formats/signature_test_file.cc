#include "formats/signature_test_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "formats/yaml.h"

namespace skep::formats {
namespace {

constexpr std::array<std::string_view, 4> kStages = {"before", "hook", "exec", "after"};
constexpr std::array<std::string_view, 3> kActions = {"observed", "denied", "killed"};

template <size_t N>
void one_of(YamlMap& map, std::string_view key, const std::array<std::string_view, N>& words, std::string& out) {
  if (!map.text(key, out)) return;
  if (std::find(words.begin(), words.end(), out) == words.end())
    map.complain(key, fmt::format("'{}' is none of: {}", out, fmt::join(words, ", ")));
}

// Every key with a dot in it is a field.
std::vector<std::string> fields_among(const YAML::Node& node) {
  std::vector<std::string> names;
  if (!node.IsMap()) return names;
  for (const auto& item : node) {
    if (item.first.IsScalar() && item.first.Scalar().find('.') != std::string::npos)
      names.push_back(item.first.Scalar());
  }
  return names;
}

TraceCall read_call(const YAML::Node& node, Complaints& complaints) {
  const std::vector<std::string> names = fields_among(node);
  YamlMap map(node, complaints, "a call");
  TraceCall call;
  call.line = map.line();
  map.require("call");
  map.text("call", call.call);
  map.text("thread", call.thread);
  map.text("process", call.process);
  map.text("tree", call.tree);
  map.text("session", call.session);
  map.text("service", call.service);
  one_of(map, "stage", kStages, call.stage);
  map.truth("intercepted", call.intercepted);
  std::string after;
  if (map.text("after", after)) {
    const auto span = parse_span(after);
    if (!span) map.complain("after", fmt::format("'{}' is no span (10s, 5m)", after));
    call.after_ns = span.value_or(0);
  }
  for (const std::string& name : names) {
    std::vector<std::string> values;
    if (map.texts(name, values)) call.fields.emplace_back(name, std::move(values));
  }
  map.finish();
  return call;
}

ExpectedAlert read_expected(const YAML::Node& node, Complaints& complaints, size_t calls) {
  YamlMap map(node, complaints, "what is expected");
  ExpectedAlert expected;
  expected.line = map.line();
  map.require("at");
  map.require("signature");
  map.number("at", expected.at, 1, calls);
  map.text("signature", expected.signature);
  one_of(map, "action", kActions, expected.action);
  uint64_t level = 0;
  if (map.number("level", level, 1, 4)) expected.level = level;
  map.finish();
  return expected;
}

SignatureTest read_test(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "a test");
  SignatureTest test;
  test.file = complaints.path();
  test.line = map.line();
  for (const char* key : {"test", "trace", "expect"}) map.require(key);
  map.text("test", test.name);
  map.text("about", test.about);
  for (const YAML::Node& call : map.list("trace")) {
    test.trace.push_back(read_call(call, complaints));
    if (test.trace.size() <= kTraceMax) continue;
    map.complain("trace", fmt::format("more than {} calls", kTraceMax));
    break;
  }
  if (test.trace.empty()) map.complain("trace", "no call");
  for (const YAML::Node& expected : map.list("expect"))
    test.expect.push_back(read_expected(expected, complaints, test.trace.size()));
  map.finish();
  return test;
}

}  // namespace

std::vector<SignatureTest> read_tests(YamlMap& file) {
  std::vector<SignatureTest> tests;
  for (const YAML::Node& node : file.list("tests")) {
    if (tests.size() >= kTestsMax) {
      file.complain("tests", fmt::format("more than {} tests", kTestsMax));
      break;
    }
    tests.push_back(read_test(node, file.complaints()));
  }
  return tests;
}

}  // namespace skep::formats
