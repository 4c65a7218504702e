// `filter:` of proxy.yaml: which payload rules are held against what clients send, and what is done when one says that
// the attack is known. docs/reference/filter.md has each key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/rule_grade.h"
#include "formats/rule_head.h"
#include "formats/yaml.h"
#include "model/session.h"

namespace skep::formats {

// What becomes of a session that a rule suppresses: to the bait it goes no further, whichever it is.
enum class FilterAction : uint8_t { drop, reset, tarpit, divert };

// Which of a client's bytes wait until they are judged.
enum class Hold : uint8_t {
  none,       // a read that fulfils no rule goes on at once
  line,       // up to the end of its line
  http_head,  // while an HTTP request's head is not whole
  automatic,  // http_head; line, where the client speaks FTP, SMTP, POP3 or IMAP
};

enum class SourceAction : uint8_t { drop, reset, tag };

// Networks of known sources, one a line of a file.
struct SourceList {
  std::string file;
  std::string name;
  SourceAction action = SourceAction::tag;
};

struct FilterOptions {
  std::vector<std::string> rules;  // files, or shell patterns of them; none: no rules
  GradeOverrides grades;
  RuleVariables variables;  // over those that default_rule_variables() has
  FilterAction action = FilterAction::reset;
  std::optional<Endpoint> divert_to;
  Hold hold = Hold::automatic;
  uint32_t hold_bytes = 8192;
  uint32_t hold_ms = 500;
  uint32_t tarpit_ms = 60'000;
  uint32_t tarpits_max = 1000;
  uint32_t samples_per_rule_per_day = 20;
  uint64_t scan_bytes_max = uint64_t{1} << 20;  // of a session; so much is Suricata's too
  uint32_t switch_ms = 3'600'000;  // that a source's sessions go to the bait after a rule has fired (mode: switch)
  uint32_t switched_max = 65'536;  // such sources at once
  uint32_t switch_prefix_v4 = 32;  // bits of an IPv4 address that make one; of IPv6 source_prefix_v6
  std::vector<SourceList> sources;
  std::vector<std::string> allow;  // networks, or files of them: never filtered
};

// What a service has otherwise.
struct ServiceFilter {
  bool off = false;
  std::optional<FilterAction> action;
  std::optional<Hold> hold;
};

constexpr size_t kSourceListsMax = 64;
constexpr size_t kAllowMax = 4096;

std::string_view to_string(FilterAction value);
std::string_view to_string(Hold value);
std::string_view to_string(SourceAction value);

FilterOptions read_filter(const YAML::Node& node, Complaints& complaints);
void emit_filter(YAML::Emitter& out, const FilterOptions& filter);
// `filter:` of a service: `off`, or a map.
ServiceFilter read_service_filter(const YAML::Node& node, Complaints& complaints);
void emit_service_filter(YAML::Emitter& out, const ServiceFilter& filter);

}  // namespace skep::formats
