#include "match/bindings.h"

#include <algorithm>

#include "match/condition_calls.h"
#include "model/signature_table.h"

namespace skep::match {
namespace {

using formats::Comparison;
using formats::Predicate;

Result<Binding> binding_of(const formats::Signature& signature, size_t step, const Predicate& predicate) {
  const std::string& word = predicate.values.at(0);
  const size_t dot = word.find('.');
  if (dot == std::string::npos) return fail("'{}': a step's name and a field are wanted: $name.field", word);
  const std::string name = word.substr(1, dot - 1);
  const std::string field_name = word.substr(dot + 1);
  const auto named = std::find_if(signature.steps.begin(), signature.steps.end(),
                                  [&](const formats::SignatureStep& other) { return other.as == name; });
  if (named == signature.steps.end()) return fail("'{}': no step is named `as: {}`", word, name);
  const auto at = static_cast<size_t>(named - signature.steps.begin());
  if (at >= step) return fail("'{}' speaks of a step that does not come before", word);
  const Field* field = find_field(field_name);
  if (field == nullptr)
    return fail("{}", or_nearest(fmt::format("'{}': unknown field '{}'", word, field_name), nearest_field(field_name)));
  const Field* compared = find_field(predicate.field);
  if (compared == nullptr) return fail("unknown field '{}'", predicate.field);
  const auto type = [](const Field& f) { return f.type == ValueType::path ? ValueType::object : f.type; };
  if (type(*field) != type(*compared)) return fail("{} and {} are of different types", predicate.field, field_name);
  if (field->type == ValueType::network || field->type == ValueType::folder)
    return fail("'{}' has no one value that could be remembered", field_name);
  if (predicate.comparison != Comparison::equal) return fail("'{}': only = and !=", word);
  return Binding{at, word, field};
}

// The binding's place, made where it is new.
Status add(std::vector<Binding>& bindings, Binding binding) {
  const auto known =
      std::find_if(bindings.begin(), bindings.end(), [&](const Binding& other) { return other.word == binding.word; });
  if (known != bindings.end()) return {};
  if (bindings.size() >= SKEP_BOUND_MAX) return fail("more than {} values are remembered", int{SKEP_BOUND_MAX});
  bindings.push_back(std::move(binding));
  return {};
}

Status collect(const formats::Signature& signature, const formats::Disjunction& condition, size_t step,
               std::vector<Binding>& bindings) {
  for (const formats::Conjunction& all : condition) {
    for (const Predicate& predicate : all) {
      if (!is_binding(predicate)) continue;
      if (signature.kind != formats::SignatureKind::sequence)
        return fail("'{}': only a sequence remembers", predicate.values[0]);
      auto binding = binding_of(signature, step, predicate);
      if (!binding) return tl::unexpected<Error>(binding.error());
      if (auto added = add(bindings, std::move(*binding)); !added) return added;
    }
  }
  return {};
}

}  // namespace

bool is_binding(const Predicate& predicate) {
  return std::any_of(predicate.values.begin(), predicate.values.end(),
                     [](const std::string& value) { return value.starts_with('$'); });
}

Result<std::vector<Binding>> bindings_of(const formats::Signature& signature) {
  std::vector<Binding> bindings;
  for (size_t step = 0; step < signature.steps.size(); ++step) {
    if (auto collected = collect(signature, signature.steps[step].condition, step, bindings); !collected)
      return tl::unexpected<Error>(collected.error());
  }
  if (signature.until) {
    if (auto collected = collect(signature, signature.until->condition, signature.steps.size(), bindings); !collected)
      return tl::unexpected<Error>(collected.error());
  }
  return bindings;
}

std::vector<const Field*> bound_by(const std::vector<Binding>& bindings, size_t step) {
  std::vector<const Field*> fields;
  for (const Binding& binding : bindings) {
    if (binding.step == step) fields.push_back(binding.field);
  }
  return fields;
}

}  // namespace skep::match
