// links: skep_formats
// A rule file of any bytes, and the same bytes as the options of a rule: each line is loaded or set aside with words;
// what is loaded is read again from what is written of it as the same rule.
#include <algorithm>

#include "formats/rule_file.h"
#include "formats/rule_text.h"

namespace formats = skep::formats;

namespace {

void read_twice(std::string_view text) {
  formats::RuleVariables variables = formats::default_rule_variables();
  const auto file = formats::parse_rule_file("fuzz", text, variables);
  for (const auto* list : {&file.refused, &file.not_applicable}) {
    for (const auto& each : *list) SKEP_CHECK(each.line > 0 && !each.reason.empty());
  }
  for (const auto& [rule, line] : file.rules) {
    const std::string written = formats::rule_text(rule);
    // Written at length, a rule may pass the limits of what is read.
    const auto options = static_cast<size_t>(std::count(written.begin(), written.end(), ';'));
    if (written.size() > formats::kRuleBytesMax || options > formats::kRuleOptionsMax) continue;
    const auto again = formats::parse_rule_file("again", written, variables);
    SKEP_CHECK(again.rules.size() == 1);
    SKEP_CHECK(again.rules[0].rule == rule);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read_twice(text);
  read_twice("alert tcp any any -> any any (" + text + "; sid:1;)");
  return 0;
}
