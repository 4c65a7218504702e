/* The automaton: does this call match that step, and what does the step do to its sequence? The same text is compiled
 * for BPF and for the host; it allocates nothing, calls nothing, and every loop has a constant bound. The table may be
 * anything that skep_table_valid has passed; indexes are checked again where they are used, because the verifier must
 * see it.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_MATCH_AUTOMATON_H
#define SKEP_MATCH_AUTOMATON_H

#include "model/signature_table.h"

#ifdef __bpf__
#define SKEP_INLINE static inline __attribute__((always_inline))
/* A global function is verified once, by itself: loops within loops would else be walked through turn by turn. */
#define SKEP_SUBPROGRAM __attribute__((noinline))
#else
#define SKEP_INLINE static inline
#define SKEP_SUBPROGRAM static inline
#endif

enum skep_sequence_outcome {
  SKEP_SEQUENCE_NOTHING = 0,
  SKEP_SEQUENCE_ADVANCED = 1,
  SKEP_SEQUENCE_COMPLETE = 2, /* the last step was seen; the state is back at its beginning */
};

/* Indexes are cut to the array by a mask (the limits are powers of two): a valid table is not changed by it, and the
 * verifier has its bound. They are passed on as numbers, because a pointer would lose what is known of it. */
#define SKEP_AT(array, index) (&(array)[(index) & (sizeof(array) / sizeof((array)[0]) - 1)])

/* `value` among `count` ascending values from `first`: at most 13 halvings for SKEP_VALUES_MAX. */
SKEP_SUBPROGRAM int skep_in_values(const struct skep_table* t, uint64_t value, uint32_t first, uint32_t count) {
  if (!t) return 0;
  uint32_t low = first;
  uint32_t high = first + count;
  for (int i = 0; i < 13; ++i) {
    if (low >= high) return 0;
    uint32_t middle = (low + high) / 2;
    uint64_t at = *SKEP_AT(t->values, middle);
    if (at == value) return 1;
    if (at < value)
      low = middle + 1;
    else
      high = middle;
  }
  return 0;
}

enum { SKEP_NETS_A_LIST_MAX = 32 };

SKEP_SUBPROGRAM int skep_in_nets(const struct skep_table* t, const struct skep_call* c, uint32_t first,
                                 uint32_t count) {
  if (!t || !c) return 0;
  for (uint32_t i = 0; i < SKEP_NETS_A_LIST_MAX; ++i) {
    if (i >= count) return 0;
    const struct skep_net* net = SKEP_AT(t->nets, first + i);
    if ((c->remote[0] & net->mask[0]) == net->address[0] && (c->remote[1] & net->mask[1]) == net->address[1]) return 1;
  }
  return 0;
}

/* A predicate on a field that is not known at this stage does not hold, nor does its negation. */
SKEP_SUBPROGRAM int skep_predicate_holds(const struct skep_table* t, uint32_t index, const struct skep_call* c) {
  if (!t || !c) return 0;
  const struct skep_predicate* p = SKEP_AT(t->predicates, index);
  uint32_t field = p->field;
  if (field >= SKEP_FIELD_COUNT || !(c->has >> (field & 31) & 1)) return 0;
  uint64_t value = c->fields[field];
  uint32_t first = (uint32_t)p->value;
  int holds = 0;
  switch (p->op) {
    case SKEP_EQUAL:
      holds = value == p->value;
      break;
    case SKEP_LESS:
      holds = (int64_t)value < (int64_t)p->value;
      break;
    case SKEP_GREATER:
      holds = (int64_t)value > (int64_t)p->value;
      break;
    case SKEP_INTERSECTS:
      holds = (value & p->value) != 0;
      break;
    case SKEP_IN_VALUES:
      holds = skep_in_values(t, value, first, p->count);
      break;
    case SKEP_IN_NETS:
      holds = skep_in_nets(t, c, first, p->count);
      break;
    default:
      return 0;
  }
  return holds != (p->negated != 0);
}

SKEP_SUBPROGRAM int skep_conjunction_holds(const struct skep_table* t, uint32_t index, const struct skep_call* c) {
  if (!t || !c) return 0;
  const struct skep_conjunction* all = SKEP_AT(t->conjunctions, index);
  uint32_t first = all->first;
  uint32_t count = all->count;
  for (uint32_t i = 0; i < SKEP_CONJUNCTION_PREDICATES_MAX; ++i) {
    if (i >= count) return 1;
    if (!skep_predicate_holds(t, first + i, c)) return 0;
  }
  return count <= SKEP_CONJUNCTION_PREDICATES_MAX;
}

/* 1: the call is step `index` of the table. No conjunctions: every call of its number is. */
SKEP_SUBPROGRAM int skep_step_matches(const struct skep_table* t, uint32_t index, const struct skep_call* c) {
  if (!t || !c) return 0;
  const struct skep_table_step* step = SKEP_AT(t->steps, index);
  uint32_t first = step->conjunction_first;
  uint32_t count = step->conjunction_count;
  if (count == 0) return 1;
  for (uint32_t i = 0; i < SKEP_STEP_CONJUNCTIONS_MAX; ++i) {
    if (i >= count) return 0;
    if (skep_conjunction_holds(t, first + i, c)) return 1;
  }
  return 0;
}

/* Step `index` of the sequence was seen at `now_ns`. State of another epoch, or older than maxspan, counts as none.
 * While the second step is waited for, the first, seen again, begins anew (the latest begin leaves the most time);
 * later it does not throw away what was reached. */
SKEP_INLINE int skep_sequence_advance(const struct skep_signature* signature, struct skep_sequence_state* state,
                                      uint32_t index, uint64_t now_ns) {
  uint32_t next = state->next;
  int old =
      state->epoch != signature->epoch || (signature->maxspan_ns && now_ns - state->begun_ns > signature->maxspan_ns);
  if (old) next = 0;
  if (index == 0 && next <= 1) {
    state->epoch = signature->epoch;
    state->begun_ns = now_ns;
    state->next = 1;
    return SKEP_SEQUENCE_ADVANCED;
  }
  if (next == 0) state->next = 0;
  if (next == 0 || index != next) return SKEP_SEQUENCE_NOTHING;
  if (index + 1 < signature->step_count) {
    state->next = (uint8_t)(index + 1);
    return SKEP_SEQUENCE_ADVANCED;
  }
  state->next = 0;
  return SKEP_SEQUENCE_COMPLETE;
}

#ifndef __bpf__
/* Every index, run and count of the table lies within it. What the privileged side checks before it takes a table over.
 */
static inline int skep_table_valid(const struct skep_table* t) {
  if (t->signature_count > SKEP_SIGNATURES_MAX) return 0;
  for (const struct skep_run& run : t->calls) {
    if (run.count > SKEP_CALL_STEPS_MAX || run.first + run.count > SKEP_TABLE_STEPS_MAX * 4) return 0;
    for (uint32_t i = 0; i < run.count; ++i) {
      if (t->by_call[run.first + i] >= SKEP_TABLE_STEPS_MAX) return 0;
      if (t->steps[t->by_call[run.first + i]].signature >= t->signature_count) return 0;
    }
  }
  for (const struct skep_signature& s : t->signatures) {
    if (s.step_count > SKEP_STEPS_MAX || s.slot >= SKEP_SEQUENCES_MAX || s.action > SKEP_KILLED) return 0;
    if (s.scope > SKEP_BY_SERVICE || s.deny_errno < 0 || s.deny_errno > 4095) return 0;
    if (s.action == SKEP_DENIED && s.deny_errno == 0) return 0;
  }
  for (const struct skep_table_step& s : t->steps) {
    if (s.conjunction_count > SKEP_STEP_CONJUNCTIONS_MAX || s.stage > SKEP_STAGE_POST || s.index >= SKEP_STEPS_MAX)
      return 0;
    if (s.conjunction_first + s.conjunction_count > SKEP_CONJUNCTIONS_MAX) return 0;
  }
  for (const struct skep_conjunction& c : t->conjunctions) {
    if (c.count > SKEP_CONJUNCTION_PREDICATES_MAX || c.first + c.count > SKEP_PREDICATES_MAX) return 0;
  }
  for (const struct skep_predicate& p : t->predicates) {
    if (p.field >= SKEP_FIELD_COUNT || p.op > SKEP_IN_NETS) return 0;
    if (p.op == SKEP_IN_VALUES && (p.value > SKEP_VALUES_MAX || p.value + p.count > SKEP_VALUES_MAX)) return 0;
    if (p.op != SKEP_IN_NETS) continue;
    if (p.field != SKEP_FIELD_FD_RIP || p.count > SKEP_NETS_A_LIST_MAX) return 0;
    if (p.value > SKEP_NETS_MAX || p.value + p.count > SKEP_NETS_MAX) return 0;
  }
  return 1;
}
#endif

#endif
