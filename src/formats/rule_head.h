// The head of a payload rule: action, protocol, addresses and ports, with variables resolved. Values only; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/rule.h"

namespace skep::formats {

constexpr size_t kSetItemsMax = 4096;  // of one set, its variables resolved
constexpr int kSetDepthMax = 16;       // lists and variables within each other
constexpr size_t kRuleVariablesMax = 1024;

// By name, without the `$`: the text that `var`, `ipvar` or `portvar` gave. It is resolved where it is used.
using RuleVariables = std::map<std::string, std::string, std::less<>>;

// What a sensor's configuration would have said, and a rule file does not: every address is home and abroad, for a bait
// has no network of its own to tell apart; ports as the engines ship them.
RuleVariables default_rule_variables();

Result<AddressSet> read_addresses(std::string_view text, const RuleVariables& variables);
Result<PortSet> read_ports(std::string_view text, const RuleVariables& variables);

// Action, protocol, addresses and ports into `rule`. Snort 3's short form (`alert http`) is any to any.
Status read_head(const std::vector<std::string>& words, const RuleVariables& variables, Rule& rule);
// Whether the words (not what they resolve to) say that a home network speaks to the outside.
bool outbound(const std::vector<std::string>& words);

std::string_view protocol_name(RuleProtocol protocol);
std::string_view action_name(RuleAction action);

}  // namespace skep::formats
