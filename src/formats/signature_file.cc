#include "formats/signature_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/text.h"
#include "formats/signature_step.h"
#include "formats/yaml.h"

namespace skep::formats {
namespace {

template <typename E, size_t N>
void choose(YamlMap& map, std::string_view key, const std::array<std::pair<std::string_view, E>, N>& choices, E& out) {
  std::string word;
  if (!map.text(key, word)) return;
  std::vector<std::string_view> known;
  for (const auto& [name, value] : choices) {
    if (name == word) {
      out = value;
      return;
    }
    known.push_back(name);
  }
  const std::string_view near = nearest(word, known);
  map.complain(key, near.empty() ? fmt::format("'{}' is none of: {}", word, fmt::join(known, ", "))
                                 : fmt::format("unknown '{}'; did you mean '{}'?", word, near));
}

template <typename E, size_t N>
using Choices = std::array<std::pair<std::string_view, E>, N>;

constexpr Choices<SignatureKind, 3> kKinds = {{{"blacklist", SignatureKind::blacklist},
                                               {"sequence", SignatureKind::sequence},
                                               {"evidence", SignatureKind::evidence}}};
constexpr Choices<SignatureScope, 5> kScopes = {{{"thread", SignatureScope::thread},
                                                 {"process", SignatureScope::process},
                                                 {"tree", SignatureScope::tree},
                                                 {"session", SignatureScope::session},
                                                 {"service", SignatureScope::service}}};
constexpr Choices<SignatureAction, 3> kActions = {
    {{"observe", SignatureAction::observe}, {"deny", SignatureAction::deny}, {"kill", SignatureAction::kill}}};
constexpr Choices<SignatureAction, 2> kLevelActions = {
    {{"observe", SignatureAction::observe}, {"kill", SignatureAction::kill}}};
constexpr Choices<bool, 2> kClasses = {{{"suspect", true}, {"attack", false}}};
constexpr Choices<bool, 2> kModes = {{{"enforce", false}, {"monitor", true}}};
constexpr Choices<Maturity, 3> kMaturities = {
    {{"stable", Maturity::stable}, {"incubating", Maturity::incubating}, {"sandbox", Maturity::sandbox}}};

void read_lists(YamlMap& file, Vocabulary& vocabulary) {
  for (const YAML::Node& node : file.list("lists")) {
    YamlMap map(node, file.complaints(), "a list");
    std::string name;
    std::vector<std::string> items;
    map.require("list");
    map.require("items");
    map.text("list", name);
    map.texts("items", items);
    map.finish();
    if (items.empty()) map.complain("items", "an empty list");
    if (!vocabulary.lists.emplace(name, std::move(items)).second)
      map.complain("list", fmt::format("two lists are named '{}'", name));
  }
}

void read_macros(YamlMap& file, Vocabulary& vocabulary) {
  for (const YAML::Node& node : file.list("macros")) {
    YamlMap map(node, file.complaints(), "a macro");
    std::string name;
    std::string condition;
    map.require("macro");
    map.require("condition");
    map.text("macro", name);
    map.text("condition", condition);
    map.finish();
    if (!vocabulary.macros.emplace(name, condition).second)
      map.complain("macro", fmt::format("two macros are named '{}'", name));
  }
}

void read_blacklist(YamlMap& map, const Vocabulary& vocabulary, Signature& signature) {
  map.require("condition");
  SignatureStep step;
  step.line = map.line();
  read_condition(map, "condition", vocabulary, step.condition);
  signature.steps.push_back(std::move(step));
}

void read_span(YamlMap& map, std::string_view key, int64_t& out) {
  std::string span;
  if (!map.text(key, span)) return;
  const auto parsed = parse_span(span);
  if (!parsed || *parsed == 0) map.complain(key, fmt::format("'{}' is no span (10s, 5m)", span));
  out = parsed.value_or(0);
}

void check_steps(YamlMap& map, const Signature& signature) {
  const auto& steps = signature.steps;
  if (steps.size() < 2 || steps.size() > kStepsMax)
    return map.complain("steps", fmt::format("a sequence wants 2 to {} steps", kStepsMax));
  if (steps.front().optional || steps.back().optional)
    map.complain("steps", "neither the first step nor the last can be optional");
  if (signature.instances > 1 && steps.front().as.empty())
    map.complain("instances", "several runs at once are told apart by what the first step binds: it wants `as`");
}

void read_sequence(YamlMap& map, const Vocabulary& vocabulary, Signature& signature) {
  choose(map, "by", kScopes, signature.scope);
  read_span(map, "maxspan", signature.maxspan_ns);
  map.number("instances", signature.instances, 1, kInstancesMax);
  map.require("steps");
  for (const YAML::Node& node : map.list("steps"))
    signature.steps.push_back(read_step(node, map.complaints(), vocabulary));
  check_steps(map, signature);
  if (!map.node("until").IsDefined()) return;
  SignatureStep until;
  until.line = map.line();
  std::string text;
  map.text("until", text);
  auto condition = parse_condition(text, vocabulary);
  if (!condition) return map.complain("until", condition.error().message);
  until.condition = std::move(*condition);
  signature.until = std::move(until);
}

EvidenceWeight read_weight(const YAML::Node& node, Complaints& complaints, const Vocabulary& vocabulary) {
  YamlMap map(node, complaints, "a weight");
  EvidenceWeight weight;
  weight.when.line = map.line();
  map.require("when");
  map.require("add");
  if (const YAML::Node when = map.node("when"); when.IsDefined() && when.IsMap()) {
    YamlMap other(when, complaints, "`when`");
    if (!other.text("signature", weight.signature) && !other.text("rule", weight.signature))
      other.complain("signature", "the name of a signature is wanted");
    other.node("rule");
    other.finish();
  } else {
    read_condition(map, "when", vocabulary, weight.when.condition);
  }
  bool once = false;
  map.number("add", weight.add, 1, 1000);
  map.truth("once", once);
  if (map.number("max", weight.most, 1, 60000) && once) map.complain("max", "`once` says it already");
  if (once) weight.most = weight.add;
  map.finish();
  return weight;
}

EvidenceLevel read_level(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "a level");
  EvidenceLevel level;
  level.line = map.line();
  map.require("at");
  map.number("at", level.at, 1, 60000);
  choose(map, "action", kLevelActions, level.action);
  choose(map, "class", kClasses, level.suspect);
  map.texts("deny_next", level.deny_next);
  map.finish();
  return level;
}

void read_evidence(YamlMap& map, const Vocabulary& vocabulary, Signature& signature) {
  signature.scope = SignatureScope::session;
  choose(map, "by", kScopes, signature.scope);
  read_span(map, "half_life", signature.half_life_ns);
  map.require("weights");
  map.require("levels");
  for (const YAML::Node& node : map.list("weights"))
    signature.weights.push_back(read_weight(node, map.complaints(), vocabulary));
  for (const YAML::Node& node : map.list("levels")) signature.levels.push_back(read_level(node, map.complaints()));
  if (signature.weights.empty() || signature.weights.size() > kWeightsMax)
    map.complain("weights", fmt::format("evidence wants 1 to {} weights", kWeightsMax));
  if (signature.levels.empty() || signature.levels.size() > kLevelsMax)
    map.complain("levels", fmt::format("evidence wants 1 to {} levels", kLevelsMax));
  for (size_t i = 1; i < signature.levels.size(); ++i) {
    if (signature.levels[i].at <= signature.levels[i - 1].at)
      map.complain("levels", "each level wants more points than the one before");
  }
}

void read_kind(YamlMap& map, const Vocabulary& vocabulary, Signature& signature) {
  switch (signature.kind) {
    case SignatureKind::blacklist:
      read_blacklist(map, vocabulary, signature);
      break;
    case SignatureKind::sequence:
      read_sequence(map, vocabulary, signature);
      break;
    case SignatureKind::evidence:
      return read_evidence(map, vocabulary, signature);
  }
  choose(map, "action", kActions, signature.action);
  map.truth("unsafe", signature.unsafe);
  if (!signature.steps.empty()) apply_exceptions(map, signature.steps.back());
}

std::string text_of(const YAML::Node& node) {
  YAML::Emitter out;
  out << node;
  return out.c_str() == nullptr ? "" : out.c_str();
}

Signature read_signature(const YAML::Node& node, Complaints& complaints, const Vocabulary& vocabulary,
                         Maturity maturity, bool& enabled) {
  YamlMap map(node, complaints, "a signature");
  Signature signature;
  signature.maturity = maturity;
  signature.file = complaints.path();
  signature.line = map.line();
  if (!map.text("signature", signature.name) && !map.text("rule", signature.name))
    map.complain("signature", "a signature wants a name");
  map.node("rule");
  choose(map, "kind", kKinds, signature.kind);
  map.text("desc", signature.description);
  map.text("priority", signature.priority);
  map.texts("tags", signature.tags);
  map.texts("services", signature.services);
  choose(map, "maturity", kMaturities, signature.maturity);
  choose(map, "mode", kModes, signature.monitored);
  map.text("errno", signature.errno_name);
  map.truth("enabled", enabled);
  read_kind(map, vocabulary, signature);
  map.finish();
  // Lists and macros are part of its meaning: what they say is in the steps, so the epoch is over the whole vocabulary
  // too.
  std::string text = text_of(node);
  for (const auto& [name, items] : vocabulary.lists) text += name + fmt::format("{}", fmt::join(items, ","));
  for (const auto& [name, condition] : vocabulary.macros) text += name + condition;
  signature.epoch = std::max<uint32_t>(1, crc32(as_bytes(text)));
  return signature;
}

void read_head(YamlMap& file, SignatureSet& set) {
  std::string version;
  std::string kind;
  if (file.text("apiVersion", version) && version != "skep/v1")
    file.complain("apiVersion", fmt::format("'{}' is not skep/v1", version));
  if (file.text("kind", kind) && kind != "SignatureSet")
    file.complain("kind", fmt::format("'{}' is not SignatureSet", kind));
  const YAML::Node metadata = file.node("metadata");
  if (!metadata.IsDefined()) return;
  YamlMap map(metadata, file.complaints(), "metadata");
  std::string other;
  map.text("name", set.name);
  map.text("version", other);
  choose(map, "maturity", kMaturities, set.maturity);
  map.finish();
}

}  // namespace

Result<SignatureSet> parse_signature_file(const std::string& path, const std::string& text) {
  const auto document = parse_yaml(path, text);
  if (!document) return tl::unexpected<Error>(document.error());
  Complaints complaints(path);
  SignatureSet set;
  set.file = path;
  Vocabulary vocabulary;
  YamlMap file(*document, complaints, "a signature file");
  read_head(file, set);
  read_lists(file, vocabulary);
  read_macros(file, vocabulary);
  file.require("signatures");
  for (const YAML::Node& node : file.list("signatures")) {
    bool enabled = true;
    Signature signature = read_signature(node, complaints, vocabulary, set.maturity, enabled);
    for (const Signature& other : set.signatures) {
      if (other.name == signature.name)
        complaints.add(node, fmt::format("two signatures are named '{}'", signature.name));
    }
    if (set.signatures.size() >= kSignaturesMax) {
      complaints.add(node, fmt::format("more than {} signatures", kSignaturesMax));
      break;
    }
    if (enabled) set.signatures.push_back(std::move(signature));
  }
  set.tests = read_tests(file);
  file.finish();
  if (!complaints.none()) return complaints.failure();
  return set;
}

}  // namespace skep::formats
