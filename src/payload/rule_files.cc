#include "payload/rule_files.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "formats/rule_text.h"

namespace skep::payload {
namespace {

using formats::RuleFile;
using formats::RuleSetAside;

Result<std::vector<std::string>> paths_of(const std::vector<std::string>& patterns) {
  std::vector<std::string> paths;
  std::set<std::string> seen;
  for (const std::string& pattern : patterns) {
    const std::vector<std::string> found = expand_glob(pattern);
    if (found.empty()) return fail("rules: no file is named '{}'", printable(pattern));
    for (const std::string& path : found) {
      if (seen.insert(path).second) paths.push_back(path);
    }
  }
  return paths;
}

class Reader {
 public:
  Reader(const formats::GradeOverrides& overrides, formats::RuleVariables variables)
      : overrides_(overrides), variables_(std::move(variables)) {}

  Status read(const std::string& path) {
    auto file = formats::read_rule_file(path, variables_);
    if (!file) return wrap("rules", file);
    out_.files.push_back(std::move(*file));
    const size_t which = out_.files.size() - 1;
    for (formats::LoadedRule& each : std::exchange(out_.files.back().rules, {})) {
      if (out_.rules.size() - given_up_.size() >= formats::kRulesMax)
        return fail("rules: {} and the files before it have more than {} rules", path, formats::kRulesMax);
      take(which, {std::move(each.rule), path, each.line, {}});
    }
    return {};
  }

  RuleFiles finish() {
    std::vector<GivenRule> kept;
    for (size_t i = 0; i < out_.rules.size(); ++i) {
      if (given_up_.count(i) == 0) kept.push_back(std::move(out_.rules[i]));
    }
    out_.rules = std::move(kept);
    for (RuleFile& file : out_.files)
      std::stable_sort(file.refused.begin(), file.refused.end(),
                       [](const RuleSetAside& a, const RuleSetAside& b) { return a.line < b.line; });
    return std::move(out_);
  }

 private:
  // Where a rule is kept, and of which file.
  struct Place {
    size_t rule = 0;
    size_t file = 0;
  };

  void take(size_t file, GivenRule given) {
    given.grading = formats::grade(given.rule, given.file, overrides_);
    const auto [at, first] = places_.try_emplace({given.rule.gid, given.rule.sid}, Place{out_.rules.size(), file});
    if (!first) {
      const GivenRule& before = out_.rules[at->second.rule];
      if (before.rule.rev > given.rule.rev) return give_up(file, given, before);
      give_up(at->second.file, before, given);
      given_up_.insert(at->second.rule);
      at->second = {out_.rules.size(), file};
    }
    out_.rules.push_back(std::move(given));
  }

  void give_up(size_t file, const GivenRule& loser, const GivenRule& winner) {
    out_.files[file].refused.push_back(
        {loser.line, loser.rule.sid,
         fmt::format("sid: {}:{} has rev {} of it", winner.file, winner.line, winner.rule.rev),
         std::string(formats::protocol_name(loser.rule.protocol))});
  }

  const formats::GradeOverrides& overrides_;
  formats::RuleVariables variables_;
  RuleFiles out_;
  std::map<std::pair<uint32_t, uint32_t>, Place> places_;  // by gid and sid
  std::set<size_t> given_up_;                              // in out_.rules: another has taken their place
};

}  // namespace

Result<RuleFiles> read_rule_files(const std::vector<std::string>& patterns, const formats::GradeOverrides& overrides,
                                  formats::RuleVariables variables) {
  const auto paths = paths_of(patterns);
  if (!paths) return tl::unexpected<Error>(paths.error());
  Reader reader(overrides, std::move(variables));
  for (const std::string& path : *paths) {
    if (const Status read = reader.read(path); !read) return tl::unexpected<Error>(read.error());
  }
  return reader.finish();
}

std::string words_of(const RuleSet& set, const RuleRefused& refused) {
  const GivenRule& given = set.rules()[refused.given];
  return fmt::format("{}:{}: sid {}: {}", given.file, given.line, given.rule.sid, refused.reason);
}

}  // namespace skep::payload
