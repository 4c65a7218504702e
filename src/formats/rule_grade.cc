#include "formats/rule_grade.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/rule_text.h"

namespace skep::formats {
namespace {

// They name a way, a wish or an oddity: what is new looks the same.
constexpr std::string_view kGenericClasses[] = {"attempted-recon",
                                                "bad-unknown",
                                                "icmp-event",
                                                "misc-activity",
                                                "network-scan",
                                                "non-standard-protocol",
                                                "not-suspicious",
                                                "policy-violation",
                                                "protocol-command-decode",
                                                "rpc-portmap-decode",
                                                "shellcode-detect",
                                                "string-detect",
                                                "suspicious-filename-detect",
                                                "suspicious-login",
                                                "system-call-detect",
                                                "tcp-connection",
                                                "unknown",
                                                "unusual-client-port-connection",
                                                "web-application-activity"};

constexpr std::string_view kCatalogues[] = {"cve", "bugtraq", "nessus", "arachnids"};

// As they stand in messages, in lower case.
constexpr std::string_view kWorms[] = {"blaster", "code red", "codered", "conficker", "gafgyt", "mirai",
                                       "mydoom",  "nachi",    "nimda",   "sadmind",   "santy",  "sasser",
                                       "slammer", "slapper",  "welchia", "witty",     "worm"};

template <typename List>
bool among(const List& list, std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool wants_bytes(const RuleOption& option) {
  if (const auto* const content = std::get_if<Content>(&option)) return !content->negated;
  if (const auto* const pcre = std::get_if<Pcre>(&option)) return !pcre->negated;
  return false;
}

RuleGrading by_itself(const Rule& rule) {
  if (std::none_of(rule.options.begin(), rule.options.end(), wants_bytes))
    return {RuleGrade::generic, "no bytes that must be there"};
  if (among(kGenericClasses, rule.classtype)) return {RuleGrade::generic, fmt::format("classtype {}", rule.classtype)};
  for (const RuleReference& each : rule.references) {
    if (among(kCatalogues, each.system)) return {RuleGrade::specific, fmt::format("{} {}", each.system, each.id)};
  }
  const std::string message = lower_case(rule.message);
  for (const std::string_view worm : kWorms) {
    if (message.find(worm) != std::string::npos) return {RuleGrade::specific, fmt::format("names '{}'", worm)};
  }
  return {RuleGrade::generic, "no reference to a catalogue, no worm's name"};
}

}  // namespace

RuleGrading grade(const Rule& rule, std::string_view file, const GradeOverrides& overrides) {
  if (const auto sid = overrides.by_sid.find(rule.sid); sid != overrides.by_sid.end())
    return {sid->second, "said of its sid"};
  if (const auto of_class = overrides.by_classtype.find(rule.classtype); of_class != overrides.by_classtype.end())
    return {of_class->second, "said of its classtype"};
  if (const auto of_file = overrides.by_file.find(file); of_file != overrides.by_file.end())
    return {of_file->second, "said of its file"};
  return by_itself(rule);
}

}  // namespace skep::formats
