#include "payload/rule_set.h"

namespace skep::payload {

struct Compiled {};

RuleSet::RuleSet() = default;
RuleSet::~RuleSet() = default;

Result<std::shared_ptr<const RuleSet>> RuleSet::make(std::vector<GivenRule> given, const RuleSetOptions&) {
  std::shared_ptr<RuleSet> set(new RuleSet);
  set->given_ = std::move(given);
  return std::shared_ptr<const RuleSet>(std::move(set));
}

}  // namespace skep::payload
