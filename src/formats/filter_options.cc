#include "formats/filter_options.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "formats/outgoing.h"

namespace skep::formats {
namespace {

constexpr std::string_view kActions[] = {"drop", "reset", "tarpit", "divert"};
constexpr std::string_view kHolds[] = {"none", "line", "http-head", "auto"};
constexpr std::string_view kSourceActions[] = {"drop", "reset", "tag"};
constexpr std::string_view kGrades[] = {"specific", "generic"};

// One row an option; those that need 64 bits are in a table of their own.
template <typename Number>
struct Row {
  std::string_view key;
  Number FilterOptions::*field;
  uint64_t least;
  uint64_t most;
};
constexpr Row<uint32_t> kNumbers[] = {
    {"hold_bytes", &FilterOptions::hold_bytes, 64, 1 << 20},
    {"hold_ms", &FilterOptions::hold_ms, 1, 60'000},
    {"tarpit_ms", &FilterOptions::tarpit_ms, 1, 86'400'000},
    {"tarpits_max", &FilterOptions::tarpits_max, 0, 1'000'000},
    {"switch_ms", &FilterOptions::switch_ms, 1, UINT32_MAX},
    {"switched_max", &FilterOptions::switched_max, 0, 16'000'000},
    {"switch_prefix_v4", &FilterOptions::switch_prefix_v4, 1, 32},
    {"samples_per_rule_per_day", &FilterOptions::samples_per_rule_per_day, 0, 1'000'000},
};
constexpr Row<uint64_t> kBytes[] = {
    {"scan_bytes_max", &FilterOptions::scan_bytes_max, 1, uint64_t{1} << 50},
};

template <typename Value, size_t N>
std::optional<Value> named(const std::string_view (&names)[N], std::string_view text) {
  const auto* const found = std::find(std::begin(names), std::end(names), text);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Value>(found - std::begin(names));
}

template <typename Value, size_t N>
void read_word(YamlMap& map, std::string_view key, const std::string_view (&names)[N], Value& out) {
  std::string text;
  if (!map.text(key, text)) return;
  if (const auto value = named<Value>(names, text)) {
    out = *value;
  } else {
    map.complain(key, fmt::format("wants one of {}, found '{}'", fmt::join(names, ", "), text));
  }
}

// `take` is given each key and its word; it says what is wrong.
template <typename Take>
void read_pairs(YamlMap& map, std::string_view key, Take take) {
  const YAML::Node pairs = map.node(key);
  if (!pairs.IsDefined()) return;
  if (!pairs.IsMap()) return map.complain(key, fmt::format("wants a map, found {}", kind_of(pairs)));
  for (const auto& pair : pairs) {
    if (!pair.first.IsScalar() || !pair.second.IsScalar()) {
      map.complain(key, "wants words for words");
      continue;
    }
    const std::string wrong = take(pair.first.Scalar(), pair.second.Scalar());
    if (!wrong.empty()) map.complain(key, wrong);
  }
}

GradeOverrides read_grades(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "grades");
  GradeOverrides grades;
  const auto into = [](auto& overrides, auto key, const std::string& word) -> std::string {
    const auto grade = named<RuleGrade>(kGrades, word);
    if (!grade) return fmt::format("'{}' is none of specific, generic", printable(word));
    overrides[std::move(key)] = *grade;
    return "";
  };
  read_pairs(map, "sid", [&](const std::string& key, const std::string& word) -> std::string {
    uint32_t sid = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), sid);
    if (error != std::errc{} || end != key.data() + key.size())
      return fmt::format("'{}' is no rule's number", printable(key));
    return into(grades.by_sid, sid, word);
  });
  read_pairs(map, "classtype",
             [&](const std::string& key, const std::string& word) { return into(grades.by_classtype, key, word); });
  read_pairs(map, "file",
             [&](const std::string& key, const std::string& word) { return into(grades.by_file, key, word); });
  map.finish();
  return grades;
}

SourceList read_source_list(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "a list of sources");
  SourceList list;
  map.require("file");
  map.require("name");
  map.text("file", list.file);
  map.text("name", list.name);
  read_word(map, "action", kSourceActions, list.action);
  map.finish();
  return list;
}

void read_divert_to(YamlMap& map, FilterOptions& filter) {
  std::string text;
  if (map.text("divert_to", text)) {
    filter.divert_to = parse_endpoint(text);
    if (!filter.divert_to || filter.divert_to->port == 0)
      map.complain("divert_to", fmt::format("'{}' is no address:port", printable(text)));
  } else if (filter.action == FilterAction::divert) {
    map.complain("action", "divert wants to know where: `divert_to: ADDRESS:PORT`");
  }
}

void read_sources(YamlMap& map, Complaints& complaints, FilterOptions& filter) {
  for (const YAML::Node& node : map.list("sources")) {
    filter.sources.push_back(read_source_list(node, complaints));
    const std::string& name = filter.sources.back().name;
    if (std::count_if(filter.sources.begin(), filter.sources.end(),
                      [&](const auto& each) { return each.name == name; }) > 1)
      map.complain("sources", fmt::format("two lists are named '{}'", printable(name)));
  }
  if (filter.sources.size() > kSourceListsMax)
    map.complain("sources", fmt::format("more than {} lists", kSourceListsMax));
  map.texts("allow", filter.allow);
  if (filter.allow.size() > kAllowMax) map.complain("allow", fmt::format("more than {} entries", kAllowMax));
}

template <typename Pairs>
void emit_grades(YAML::Emitter& out, const char* key, const Pairs& pairs) {
  if (pairs.empty()) return;
  out << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginMap;
  for (const auto& [name, grade] : pairs)
    out << YAML::Key << name << YAML::Value << std::string(skep::to_string(grade));
  out << YAML::EndMap;
}

}  // namespace

std::string_view to_string(FilterAction value) {
  return kActions[static_cast<size_t>(value)];
}
std::string_view to_string(Hold value) {
  return kHolds[static_cast<size_t>(value)];
}
std::string_view to_string(SourceAction value) {
  return kSourceActions[static_cast<size_t>(value)];
}

FilterOptions read_filter(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "filter");
  FilterOptions filter;
  map.texts("rules", filter.rules);
  if (const YAML::Node grades = map.node("grades"); grades.IsDefined()) filter.grades = read_grades(grades, complaints);
  read_pairs(map, "variables", [&](const std::string& key, const std::string& word) {
    filter.variables[key] = word;
    return std::string();
  });
  read_word(map, "action", kActions, filter.action);
  read_divert_to(map, filter);
  read_word(map, "hold", kHolds, filter.hold);
  for (const auto& row : kNumbers) map.number(row.key, filter.*row.field, row.least, row.most);
  for (const auto& row : kBytes) map.number(row.key, filter.*row.field, row.least, row.most);
  read_sources(map, complaints, filter);
  map.finish();
  return filter;
}

void emit_filter(YAML::Emitter& out, const FilterOptions& filter) {
  out << YAML::BeginMap << YAML::Key << "rules" << YAML::Value << YAML::Flow << filter.rules;
  const GradeOverrides& grades = filter.grades;
  if (!grades.by_sid.empty() || !grades.by_classtype.empty() || !grades.by_file.empty()) {
    out << YAML::Key << "grades" << YAML::Value << YAML::BeginMap;
    emit_grades(out, "sid", grades.by_sid);
    emit_grades(out, "classtype", grades.by_classtype);
    emit_grades(out, "file", grades.by_file);
    out << YAML::EndMap;
  }
  if (!filter.variables.empty()) {
    out << YAML::Key << "variables" << YAML::Value << YAML::BeginMap;
    for (const auto& [name, text] : filter.variables)
      out << YAML::Key << name << YAML::Value << YAML::DoubleQuoted << text;
    out << YAML::EndMap;
  }
  out << YAML::Key << "action" << YAML::Value << std::string(to_string(filter.action));
  if (filter.divert_to) out << YAML::Key << "divert_to" << YAML::Value << skep::to_string(*filter.divert_to);
  out << YAML::Key << "hold" << YAML::Value << std::string(to_string(filter.hold));
  for (const auto& row : kNumbers) out << YAML::Key << std::string(row.key) << YAML::Value << filter.*row.field;
  for (const auto& row : kBytes) out << YAML::Key << std::string(row.key) << YAML::Value << filter.*row.field;
  if (!filter.sources.empty()) {
    out << YAML::Key << "sources" << YAML::Value << YAML::BeginSeq;
    for (const SourceList& list : filter.sources)
      out << YAML::Flow << YAML::BeginMap << YAML::Key << "file" << YAML::Value << list.file << YAML::Key << "name"
          << YAML::Value << list.name << YAML::Key << "action" << YAML::Value << std::string(to_string(list.action))
          << YAML::EndMap;
    out << YAML::EndSeq;
  }
  if (!filter.allow.empty()) out << YAML::Key << "allow" << YAML::Value << YAML::Flow << filter.allow;
  out << YAML::EndMap;
}

ServiceFilter read_service_filter(const YAML::Node& node, Complaints& complaints) {
  ServiceFilter filter;
  if (node.IsScalar() && node.Scalar() == "off") {
    filter.off = true;
    return filter;
  }
  if (!node.IsMap()) {
    complaints.add(node, "filter: wants `off`, or a map of action and hold");
    return filter;
  }
  YamlMap map(node, complaints, "a service's filter");
  if (map.node("action").IsDefined()) read_word(map, "action", kActions, filter.action.emplace());
  if (map.node("hold").IsDefined()) read_word(map, "hold", kHolds, filter.hold.emplace());
  map.finish();
  return filter;
}

void emit_service_filter(YAML::Emitter& out, const ServiceFilter& filter) {
  if (filter.off) {
    out << YAML::Key << "filter" << YAML::Value << "off";
    return;
  }
  if (!filter.action && !filter.hold) return;
  out << YAML::Key << "filter" << YAML::Value << YAML::Flow << YAML::BeginMap;
  if (filter.action) out << YAML::Key << "action" << YAML::Value << std::string(to_string(*filter.action));
  if (filter.hold) out << YAML::Key << "hold" << YAML::Value << std::string(to_string(*filter.hold));
  out << YAML::EndMap;
}

}  // namespace skep::formats
