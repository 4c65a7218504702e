#include "watch/table_needs.h"

#include <algorithm>
#include <span>

namespace skep::watch {
namespace {

std::span<const uint16_t> steps_of(const skep_table& table, uint32_t call) {
  return {table.by_call + table.calls[call].first, table.calls[call].count};
}

bool judges_return(const skep_table& table, uint32_t call) {
  const auto steps = steps_of(table, call);
  return std::any_of(steps.begin(), steps.end(),
                     [&](uint16_t step) { return table.steps[step].stage == SKEP_STAGE_POST; });
}

uint64_t fields_of(const skep_table& table, const skep_table_step& step) {
  uint64_t fields = 0;
  for (const skep_conjunction& all :
       std::span(table.conjunctions).subspan(step.conjunction_first, step.conjunction_count)) {
    for (const skep_predicate& predicate : std::span(table.predicates).subspan(all.first, all.count))
      fields |= uint64_t{1} << predicate.field;
  }
  for (const uint8_t bound : step.bind) {
    if (bound != 0) fields |= uint64_t{1} << (bound - 1);
  }
  return fields;
}

}  // namespace

TableNeeds needs_of(const skep_table& table) {
  TableNeeds needs;
  for (uint32_t nr = 0; nr < SKEP_CALLS_MAX; ++nr) {
    for (const uint16_t step : steps_of(table, nr)) needs.fields[nr] |= fields_of(table, table.steps[step]);
  }
  const bool all = judges_return(table, SKEP_CALL_FOREIGN_ABI);
  for (uint32_t nr = 0; nr < SKEP_CALLS_MAX; ++nr) {
    if (all || judges_return(table, skep_canonical_call(nr))) needs.returns[nr / 64] |= uint64_t{1} << nr % 64;
  }
  return needs;
}

}  // namespace skep::watch
