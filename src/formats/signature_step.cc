#include "formats/signature_step.h"

#include <fmt/format.h>

namespace skep::formats {
namespace {

// `on: [calls]` is the same as `evt.type in (calls) and …`.
void prepend_calls(Disjunction& condition, const std::vector<std::string>& calls) {
  for (Conjunction& all : condition) all.insert(all.begin(), Predicate{"evt.type", Comparison::in, false, calls});
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

}  // namespace

bool read_condition(YamlMap& map, std::string_view key, const Vocabulary& vocabulary, Disjunction& out) {
  std::string text;
  std::vector<std::string> calls;
  map.texts("on", calls);
  map.text(key, text);
  auto condition = parse_condition(text, vocabulary);
  if (!condition) {
    map.complain(key, condition.error().message);
    return false;
  }
  out = std::move(*condition);
  if (!calls.empty()) prepend_calls(out, calls);
  return true;
}

SignatureStep read_step(const YAML::Node& node, Complaints& complaints, const Vocabulary& vocabulary) {
  YamlMap map(node, complaints, "a step");
  SignatureStep step;
  step.line = map.line();
  read_condition(map, "where", vocabulary, step.condition);
  map.truth("optional", step.optional);
  map.text("as", step.as);
  map.finish();
  return step;
}

void apply_exceptions(YamlMap& map, SignatureStep& step) {
  for (const YAML::Node& node : map.list("exceptions")) apply_exception(node, map.complaints(), step.condition);
}

}  // namespace skep::formats
