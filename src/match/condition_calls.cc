#include "match/condition_calls.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "base/text.h"
#include "match/fields.h"
#include "match/syscalls.h"
#include "model/signature_table.h"

namespace skep::match {
namespace {

using formats::Comparison;
using formats::Conjunction;
using formats::Predicate;

Result<std::vector<uint16_t>> calls_named(const Predicate& predicate) {
  if (predicate.comparison != Comparison::equal && predicate.comparison != Comparison::in)
    return fail("evt.type wants = or in");
  if (predicate.negated) return fail("`not evt.type …` names no call: say which calls are meant");
  std::vector<uint16_t> calls;
  for (const std::string& name : predicate.values) {
    const auto number = call_number(name);
    if (!number) return fail("{}", or_nearest(fmt::format("no system call is named '{}'", name), nearest_call(name)));
    calls.push_back(static_cast<uint16_t>(skep_canonical_call(*number)));
  }
  std::sort(calls.begin(), calls.end());
  calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
  return calls;
}

// The calls that a conjunction names, ascending.
Result<std::vector<uint16_t>> calls_of(const Conjunction& all) {
  std::optional<std::vector<uint16_t>> calls;
  for (const Predicate& predicate : all) {
    if (predicate.field != "evt.type") continue;
    auto these = calls_named(predicate);
    if (!these) return these;
    std::vector<uint16_t> common;
    if (calls)
      std::set_intersection(calls->begin(), calls->end(), these->begin(), these->end(), std::back_inserter(common));
    calls = calls ? std::move(common) : std::move(*these);
  }
  if (!calls) return fail("an alternative names no call: every one wants `evt.type = …`, or `on: […]`");
  return std::move(*calls);
}

// The predicates on anything but the call.
Result<Conjunction> fields_of(const Conjunction& all) {
  Conjunction rest;
  for (const Predicate& predicate : all) {
    if (predicate.field == "evt.type") continue;
    if (find_field(predicate.field) == nullptr)
      return fail("{}", or_nearest(fmt::format("unknown field '{}'", predicate.field), nearest_field(predicate.field)));
    rest.push_back(predicate);
  }
  return rest;
}

}  // namespace

std::string or_nearest(std::string words, std::string_view near) {
  return near.empty() ? words : fmt::format("{}; did you mean '{}'?", words, near);
}

Result<std::map<uint16_t, formats::Disjunction>> by_call(const formats::Disjunction& condition) {
  std::map<uint16_t, formats::Disjunction> calls;
  for (const Conjunction& all : condition) {
    const auto these = calls_of(all);
    if (!these) return tl::unexpected<Error>(these.error());
    const auto rest = fields_of(all);
    if (!rest) return tl::unexpected<Error>(rest.error());
    for (const uint16_t call : *these) calls[call].push_back(*rest);
  }
  if (calls.empty()) return fail("no call is all that it wants evt.type to be");
  return calls;
}

}  // namespace skep::match
