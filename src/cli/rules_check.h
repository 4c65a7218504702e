// skep rules check: what became of every rule of the files, a line each, and how many it were of which kind.
#pragma once

#include <string>
#include <vector>

#include "payload/rule_files.h"

namespace CLI {
class App;
}

namespace skep::cli {

// One rule of a file. Texts lie in what it was made from.
struct CheckedRule {
  const formats::RuleFile* file = nullptr;
  int line = 0;
  uint32_t sid = 0;  // 0: none could be read
  enum class State : uint8_t { loaded, refused, not_applicable } state = State::loaded;
  std::string_view reason;                   // "": loaded
  std::string_view protocol;                 // "": it was not read so far
  const payload::GivenRule* rule = nullptr;  // where it could be understood
};

// By file, and by line in it. Refused are those too of which the set can look for nothing. `files.rules` are the set's
// own: they may have been moved there.
std::vector<CheckedRule> checked_rules(const payload::RuleFiles& files, const payload::RuleSet& set);

std::string rule_line(const CheckedRule& rule);
std::string rule_json(const CheckedRule& rule);
// Counts, the reasons by how often they were given, and what the set costs: several lines.
std::string rules_summary(const std::vector<CheckedRule>& rules, const payload::RuleSet& set);

// A subcommand of `skep rules`.
class RulesCheck {
 public:
  explicit RulesCheck(CLI::App& rules);
  bool wanted() const;
  int run() const;

 private:
  CLI::App* app_;
  std::vector<std::string> files_;
  std::string config_;
  bool json_ = false;
  bool strict_ = false;  // a refused rule is a failure
};

}  // namespace skep::cli
