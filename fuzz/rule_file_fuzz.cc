// links: skep_formats
// A rule file of any bytes: each line is loaded or set aside with words; what is loaded is read again from what is
// written of it as the same rule.
#include <algorithm>

#include "formats/rule_file.h"
#include "formats/rule_text.h"

namespace formats = skep::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  formats::RuleVariables variables = formats::default_rule_variables();
  const auto file = formats::parse_rule_file("fuzz", {reinterpret_cast<const char*>(data), size}, variables);
  for (const auto* list : {&file.refused, &file.not_applicable}) {
    for (const auto& each : *list) SKEP_CHECK(each.line > 0 && !each.reason.empty());
  }
  for (const auto& [rule, line] : file.rules) {
    const std::string text = formats::rule_text(rule);
    // Written at length, a rule may pass the limits of what is read.
    if (text.size() > formats::kRuleBytesMax || std::count(text.begin(), text.end(), ';') > formats::kRuleOptionsMax)
      continue;
    const auto again = formats::parse_rule_file("again", text, variables);
    SKEP_CHECK(again.rules.size() == 1);
    SKEP_CHECK(again.rules[0].rule == rule);
  }
  return 0;
}
