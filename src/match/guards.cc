#include "match/guards.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace skep::match {
namespace {

constexpr uint64_t kLeast = uint64_t{1} << 63;  // of signed numbers
constexpr uint64_t kAll = ~uint64_t{0};

constexpr bool is_cheap(uint16_t field) {
  return field == SKEP_FIELD_RESULT || field == SKEP_FIELD_DATA ||
         (field >= SKEP_FIELD_ARG0 && field < SKEP_FIELD_ARG0 + 6);
}

skep_guard between(uint16_t field, uint64_t low, uint64_t high) {
  return {.mask = kAll, .low = low, .span = high - low, .field = field, .pad = {}};
}

// A guard for each value; one that follows on another widens that one's.
std::vector<skep_guard> guards_of_values(uint16_t field, std::span<const uint64_t> ascending) {
  std::vector<skep_guard> guards;
  for (const uint64_t value : ascending) {
    if (!guards.empty() && value - guards.back().low <= guards.back().span + 1)
      guards.back() = between(field, guards.back().low, value);
    else
      guards.push_back(between(field, value, value));
  }
  return guards;
}

// What the predicate takes; none where intervals do not say it.
std::vector<skep_guard> guards_of(const skep_table& table, const skep_predicate& p) {
  if (p.negated != 0 || !is_cheap(p.field)) return {};
  switch (p.op) {
    case SKEP_EQUAL:
      return {between(p.field, p.value, p.value)};
    case SKEP_LESS:
      if (p.value == kLeast) return {};
      return {between(p.field, kLeast, p.value - 1)};
    case SKEP_GREATER:
      if (p.value == kLeast - 1) return {};
      return {between(p.field, p.value + 1, kLeast - 1)};
    case SKEP_INTERSECTS:
      return {{.mask = p.value, .low = 1, .span = kAll - 1, .field = p.field, .pad = {}}};
    case SKEP_IN_VALUES:
      return guards_of_values(p.field, std::span(table.values).subspan(p.value, p.count));
    default:
      return {};
  }
}

// How many values they let through, but one for each.
uint64_t width(const std::vector<skep_guard>& guards) {
  return std::accumulate(guards.begin(), guards.end(), uint64_t{0}, [](uint64_t sum, const skep_guard& guard) {
    return sum > kAll - guard.span ? kAll : sum + guard.span;
  });
}

// Those of its narrowest predicate, because all of them hold where it does.
std::vector<skep_guard> guards_of(const skep_table& table, const skep_conjunction& all) {
  std::vector<skep_guard> narrowest;
  for (const skep_predicate& predicate : std::span(table.predicates).subspan(all.first, all.count)) {
    auto guards = guards_of(table, predicate);
    if (guards.empty() || guards.size() > SKEP_CALL_GUARDS_MAX) continue;
    if (narrowest.empty() || width(guards) < width(narrowest)) narrowest = std::move(guards);
  }
  return narrowest;
}

bool same(const skep_guard& a, const skep_guard& b) {
  return a.field == b.field && a.mask == b.mask && a.low == b.low && a.span == b.span;
}

void add(std::vector<skep_guard>& guards, const skep_guard& one) {
  const auto is_it = [&](const skep_guard& other) { return same(one, other); };
  if (std::none_of(guards.begin(), guards.end(), is_it)) guards.push_back(one);
}

// None: any return of the call may be a step.
std::vector<skep_guard> guards_of(const skep_table& table, const skep_run& run) {
  std::vector<skep_guard> guards;
  for (const uint16_t which : std::span(table.by_call).subspan(run.first, run.count)) {
    const skep_table_step& step = table.steps[which];
    if (step.stage != SKEP_STAGE_POST) continue;
    if (step.conjunction_count == 0) return {};
    for (const auto& all : std::span(table.conjunctions).subspan(step.conjunction_first, step.conjunction_count)) {
      const auto its = guards_of(table, all);
      if (its.empty()) return {};
      for (const skep_guard& guard : its) add(guards, guard);
    }
  }
  return guards.size() > SKEP_CALL_GUARDS_MAX ? std::vector<skep_guard>() : guards;
}

}  // namespace

void fill_guards(skep_table& table) {
  size_t next = 0;
  for (uint32_t nr = 0; nr < SKEP_CALLS_MAX; ++nr) {
    auto guards = guards_of(table, table.calls[nr]);
    if (next + guards.size() > SKEP_GUARDS_MAX) guards.clear();
    table.guarded[nr] = {static_cast<uint16_t>(next), static_cast<uint16_t>(guards.size())};
    std::copy(guards.begin(), guards.end(), table.guards + next);
    next += guards.size();
  }
}

}  // namespace skep::match
