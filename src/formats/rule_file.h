// A file of payload rules: what each line became. A rule is loaded whole, or set aside with file, line and reason; the
// rest of the file loads. Values only; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/rule.h"
#include "formats/rule_head.h"

namespace skep::formats {

constexpr size_t kRuleFileBytesMax = 64 << 20;
constexpr size_t kFileSetItemsMax = 1'000'000;  // addresses and ports of all rules of a file, variables resolved

struct LoadedRule {
  Rule rule;
  int line = 0;
};

struct RuleSetAside {
  int line = 0;
  uint32_t sid = 0;        // 0: none could be read
  std::string reason;      // "option: why" where it is about one
  std::string protocol{};  // as its head says it; "": it was not read so far
};

struct RuleFile {
  std::string path;
  std::vector<LoadedRule> rules;
  // Understood well enough to know that it cannot be about what a client sends to a bait.
  std::vector<RuleSetAside> not_applicable;
  std::vector<RuleSetAside> refused;
};

// `variables` are those that hold before the file; the file's own are put into it.
RuleFile parse_rule_file(std::string path, std::string_view text, RuleVariables& variables);
// Errors: the file cannot be read, or is larger than kRuleFileBytesMax.
Result<RuleFile> read_rule_file(const std::string& path, RuleVariables& variables);

// "file:line: sid N: reason".
std::string words_of(const RuleFile& file, const RuleSetAside& aside);

// One line that is read as the same rule: Suricata's words, buffers named before what looks at them.
std::string rule_text(const Rule& rule);

}  // namespace skep::formats
