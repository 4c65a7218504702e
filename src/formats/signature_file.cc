#include "formats/signature_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/text.h"
#include "formats/yaml.h"

namespace skep::formats {
namespace {

constexpr size_t kSignaturesMax = 128;
constexpr size_t kStepsMax = 8;

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

constexpr std::array<std::pair<std::string_view, SignatureKind>, 2> kKinds = {
    {{"blacklist", SignatureKind::blacklist}, {"sequence", SignatureKind::sequence}}};
constexpr std::array<std::pair<std::string_view, SignatureScope>, 4> kScopes = {{{"thread", SignatureScope::thread},
                                                                                 {"process", SignatureScope::process},
                                                                                 {"session", SignatureScope::session},
                                                                                 {"service", SignatureScope::service}}};
constexpr std::array<std::pair<std::string_view, SignatureAction>, 3> kActions = {
    {{"observe", SignatureAction::observe}, {"deny", SignatureAction::deny}, {"kill", SignatureAction::kill}}};

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

// `on: [calls]` is the same as `evt.type in (calls) and …`.
void prepend_calls(Disjunction& condition, const std::vector<std::string>& calls) {
  for (Conjunction& all : condition) all.insert(all.begin(), Predicate{"evt.type", Comparison::in, false, calls});
}

bool read_condition(YamlMap& map, std::string_view key, const Vocabulary& vocabulary, Disjunction& out) {
  std::string text;
  map.text(key, text);
  auto condition = parse_condition(text, vocabulary);
  if (!condition) {
    map.complain(key, condition.error().message);
    return false;
  }
  out = std::move(*condition);
  return true;
}

SignatureStep read_step(const YAML::Node& node, Complaints& complaints, const Vocabulary& vocabulary, const char* key) {
  YamlMap map(node, complaints, "a step");
  SignatureStep step;
  step.line = map.line();
  std::vector<std::string> calls;
  map.texts("on", calls);
  read_condition(map, key, vocabulary, step.condition);
  if (!calls.empty()) prepend_calls(step.condition, calls);
  map.finish();
  return step;
}

// One value of an exception's row: a text, or for `in` a list of texts. Taken as it is, whatever it holds.
Result<Predicate> exception_predicate(const std::string& field, const std::string& comparison,
                                      const YAML::Node& value) {
  if (comparison == "in" ? !value.IsSequence() : !value.IsScalar())
    return fail("{} {}: wants {}, found {}", field, comparison, comparison == "in" ? "a list of texts" : "a text",
                kind_of(value));
  std::vector<std::string> values;
  if (value.IsScalar()) values.push_back(value.Scalar());
  for (const auto& item : value) {
    if (!item.IsScalar()) return fail("{} in: wants a list of texts, found {} in it", field, kind_of(item));
    values.push_back(item.Scalar());
  }
  return make_predicate(field, comparison, std::move(values));
}

// exceptions: [{name, fields: [f, g], comps: [=, in], values: [[a, [b, c]]]}]: where a row of values holds, the
// signature does not. Each row becomes one more "and not (f = a and g in (b, c))", which is "and (not f = a or not …)".
Result<Disjunction> exception_condition(const std::vector<std::string>& fields,
                                        const std::vector<std::string>& comparisons,
                                        const std::vector<YAML::Node>& rows) {
  if (fields.empty()) return fail("no fields: it would except everything");
  if (comparisons.size() != fields.size()) return fail("as many comps as fields are wanted");
  Disjunction all_rows = {{}};
  for (const YAML::Node& row : rows) {
    if (!row.IsSequence() || row.size() != fields.size())
      return fail("each row of values wants {} items", fields.size());
    Disjunction outside;
    for (size_t i = 0; i < fields.size(); ++i) {
      auto predicate = exception_predicate(fields[i], comparisons[i], row[i]);
      if (!predicate) return tl::unexpected<Error>(predicate.error());
      predicate->negated = !predicate->negated;
      outside.push_back({std::move(*predicate)});
    }
    auto narrowed = both(all_rows, outside);
    if (!narrowed) return narrowed;
    all_rows = std::move(*narrowed);
  }
  return all_rows;
}

void apply_exception(const YAML::Node& node, Complaints& complaints, Disjunction& condition) {
  YamlMap map(node, complaints, "an exception");
  std::string name;
  std::vector<std::string> fields;
  std::vector<std::string> comparisons;
  map.text("name", name);
  map.require("fields");
  map.require("values");
  map.texts("fields", fields);
  if (!map.texts("comps", comparisons)) comparisons.assign(fields.size(), "=");
  const auto rows = map.list("values");
  map.finish();
  auto outside = exception_condition(fields, comparisons, rows);
  if (outside) outside = both(condition, *outside);
  if (outside) {
    condition = std::move(*outside);
  } else {
    complaints.add(node, fmt::format("exception '{}': {}", name, outside.error().message));
  }
}

void apply_exceptions(YamlMap& map, Signature& signature) {
  for (const YAML::Node& node : map.list("exceptions")) {
    if (!signature.steps.empty()) apply_exception(node, map.complaints(), signature.steps.back().condition);
  }
}

void read_steps(YamlMap& map, const Vocabulary& vocabulary, Signature& signature) {
  if (signature.kind == SignatureKind::blacklist) {
    map.require("condition");
    SignatureStep step;
    step.line = map.line();
    std::vector<std::string> calls;
    map.texts("on", calls);
    if (read_condition(map, "condition", vocabulary, step.condition) && !calls.empty())
      prepend_calls(step.condition, calls);
    signature.steps.push_back(std::move(step));
    return;
  }
  choose(map, "by", kScopes, signature.scope);
  std::string span;
  if (map.text("maxspan", span)) {
    const auto parsed = parse_span(span);
    if (!parsed || *parsed == 0) map.complain("maxspan", fmt::format("'{}' is no span (10s, 5m)", span));
    signature.maxspan_ns = parsed.value_or(0);
  }
  map.require("steps");
  for (const YAML::Node& node : map.list("steps"))
    signature.steps.push_back(read_step(node, map.complaints(), vocabulary, "where"));
  if (signature.steps.size() < 2 || signature.steps.size() > kStepsMax)
    map.complain("steps", fmt::format("a sequence wants 2 to {} steps", kStepsMax));
}

std::string text_of(const YAML::Node& node) {
  YAML::Emitter out;
  out << node;
  return out.c_str() == nullptr ? "" : out.c_str();
}

Signature read_signature(const YAML::Node& node, Complaints& complaints, const Vocabulary& vocabulary, bool& enabled) {
  YamlMap map(node, complaints, "a signature");
  Signature signature;
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
  choose(map, "action", kActions, signature.action);
  map.text("errno", signature.errno_name);
  map.truth("enabled", enabled);
  read_steps(map, vocabulary, signature);
  apply_exceptions(map, signature);
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
  map.text("maturity", other);
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
    Signature signature = read_signature(node, complaints, vocabulary, enabled);
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
  file.finish();
  if (!complaints.none()) return complaints.failure();
  return set;
}

}  // namespace skep::formats
