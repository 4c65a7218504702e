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

/* 1: a < b, else 0, without a branch: the verifier walks every way through a loop. */
SKEP_INLINE uint32_t skep_is_less(uint64_t a, uint64_t b) {
  uint64_t borrowed = ((~a & b) | (~(a ^ b) & (a - b))) >> 63;
  __asm__("" : "+r"(borrowed)); /* else the compiler makes a branch of it */
  return (uint32_t)borrowed;
}

enum { SKEP_HALVINGS = 12 }; /* of SKEP_VALUES_MAX, until one is left */
SKEP_STATIC_ASSERT(SKEP_VALUES_MAX == 1 << SKEP_HALVINGS, "one value is left after so many halvings");

/* `value` among `count` ascending values from `first`. */
SKEP_SUBPROGRAM int skep_in_values(const struct skep_table* t, uint64_t value, uint32_t first, uint32_t count) {
  if (!t || !count) return 0;
  uint32_t at = first;
  for (int i = 0; i < SKEP_HALVINGS; ++i) {
    uint32_t half = count / 2; /* of one none: it stays where it is */
    at += half * (1 - skep_is_less(value, *SKEP_AT(t->values, at + half)));
    count -= half;
  }
  return *SKEP_AT(t->values, at) == value;
}

enum { SKEP_NETS_A_LIST_MAX = 32 };

SKEP_SUBPROGRAM int skep_in_nets(const struct skep_table* t, const struct skep_call* c, uint32_t first,
                                 uint32_t count) {
  if (!t || !c) return 0;
  for (uint32_t i = 0; i < SKEP_NETS_A_LIST_MAX; ++i) {
    if (i >= count) return 0;
    if (skep_net_holds(SKEP_AT(t->nets, first + i), c->remote)) return 1;
  }
  return 0;
}

SKEP_SUBPROGRAM int skep_in_folders(const struct skep_table* t, const struct skep_call* c, uint32_t first,
                                    uint32_t count) {
  if (!t || !c) return 0;
  for (uint32_t i = 0; i < SKEP_FOLDERS_MAX; ++i) {
    if (i >= c->folder_count) return 0;
    if (skep_in_values(t, c->folders[i], first, count)) return 1;
  }
  return 0;
}

/* A predicate on a field that is not known at this stage does not hold, nor does its negation. */
SKEP_SUBPROGRAM int skep_predicate_holds(const struct skep_table* t, uint32_t index, const struct skep_call* c) {
  if (!t || !c) return 0;
  const struct skep_predicate* p = SKEP_AT(t->predicates, index);
  uint32_t field = p->field;
  if (field >= SKEP_FIELD_COUNT || !(c->has >> (field & 63) & 1)) return 0;
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
    case SKEP_IN_FOLDERS:
      holds = skep_in_folders(t, c, first, p->count);
      break;
    case SKEP_EQUAL_BOUND:
      if (first >= SKEP_BOUND_MAX || !(c->has_bound >> first & 1)) return 0;
      holds = value == c->bound[first];
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

/* Whether a step of the call, which has returned, may match: asked before all that takes longer is gathered. */
SKEP_INLINE int skep_guards_admit(const struct skep_table* t, const struct skep_call* c) {
  if (c->nr >= SKEP_CALLS_MAX) return 0;
  uint32_t first = t->guarded[c->nr].first;
  uint32_t count = t->guarded[c->nr].count;
  if (count == 0) return 1;
  for (uint32_t i = 0; i < SKEP_CALL_GUARDS_MAX; ++i) {
    if (i >= count) return 0;
    const struct skep_guard* guard = SKEP_AT(t->guards, first + i);
    uint32_t field = guard->field;
    if (field >= SKEP_FIELD_COUNT || !(c->has >> (field & 63) & 1)) continue;
    if ((c->fields[field] & guard->mask) - guard->low <= guard->span) return 1;
  }
  return 0;
}

/* ---- sequences ---- */

/* Whether the run, which waits for `next`, can take `index`: it is that step, or all between may be left out. */
SKEP_INLINE int skep_run_takes(const struct skep_signature* signature, uint32_t next, uint32_t index) {
  uint32_t between = (1u << (index & 7)) - (1u << (next & 7));
  return next && index >= next && (signature->optional & between) == between;
}

/* What has passed since `then_ns`. Another thread may have written a time later than this call's: nothing has passed.
 */
SKEP_INLINE uint64_t skep_passed(uint64_t now_ns, uint64_t then_ns) {
  return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* What older than maxspan has begun counts as none. */
SKEP_INLINE int skep_run_lives(const struct skep_signature* signature, const struct skep_instance* run,
                               uint64_t now_ns) {
  return run->next && (!signature->maxspan_ns || skep_passed(now_ns, run->begun_ns) <= signature->maxspan_ns);
}

/* What the run has bound becomes known of the call. */
SKEP_INLINE void skep_lend_bound(struct skep_call* c, const struct skep_instance* run) {
  c->has_bound = run->has_bound;
  for (uint32_t i = 0; i < SKEP_BOUND_MAX; ++i) c->bound[i] = run->bound[i];
}

/* The field that the step binds in place `i`, of a call of which it is known; SKEP_FIELD_COUNT: none. */
SKEP_INLINE uint32_t skep_bound_field(const struct skep_table_step* step, const struct skep_call* c, uint32_t i) {
  uint32_t field = step->bind[i];
  if (!field || field > SKEP_FIELD_COUNT || !(c->has >> ((field - 1) & 63) & 1)) return SKEP_FIELD_COUNT;
  return field - 1;
}

/* The fields that this step binds, of the call that was it. */
SKEP_INLINE void skep_bind(struct skep_instance* run, const struct skep_table_step* step, const struct skep_call* c) {
  for (uint32_t i = 0; i < SKEP_BOUND_MAX; ++i) {
    uint32_t field = skep_bound_field(step, c, i);
    if (field >= SKEP_FIELD_COUNT) continue;
    run->bound[i] = c->fields[field];
    run->has_bound |= (uint8_t)(1u << i);
  }
}

/* Whether the first step, seen now, binds what the run that has just begun has bound: then it is the same run anew. A
 * call of which that is not known is not the same as one of which it is. */
SKEP_INLINE int skep_same_begin(const struct skep_instance* run, const struct skep_table_step* step,
                                const struct skep_call* c) {
  for (uint32_t i = 0; i < SKEP_BOUND_MAX; ++i) {
    uint32_t field = skep_bound_field(step, c, i);
    uint32_t known = field < SKEP_FIELD_COUNT;
    if (known != (uint32_t)(run->has_bound >> i & 1)) return 0;
    if (known && run->bound[i] != c->fields[field]) return 0;
  }
  return 1;
}

SKEP_INLINE void skep_note_step(struct skep_step* to, const struct skep_call* c) {
  to->time_ns = c->now_ns;
  to->call = c->nr;
  to->tid = c->tid;
}

/* The place for a run that begins now: that of the same run while it waits for its second step (the latest begin leaves
 * the most time), a free one, or, all taken, that of the oldest which waits for its second step. What has come further
 * is never thrown away for a beginning: SKEP_INSTANCES_MAX then, for none. */
SKEP_INLINE uint32_t skep_place_to_begin(const struct skep_signature* signature, const struct skep_state* state,
                                         const struct skep_table_step* step, const struct skep_call* c) {
  uint32_t place = SKEP_INSTANCES_MAX;
  int rank = 0; /* 1: the oldest, 2: free, 3: the same */
  uint64_t oldest = 0;
  for (uint32_t i = 0; i < SKEP_INSTANCES_MAX; ++i) {
    if (i >= signature->instances) break;
    const struct skep_instance* run = &state->runs[i];
    int lives = skep_run_lives(signature, run, c->now_ns);
    if (lives && run->next == 1 && rank < 3 && skep_same_begin(run, step, c)) {
      place = i;
      rank = 3;
    } else if (!lives && rank < 2) {
      place = i;
      rank = 2;
    } else if (lives && run->next == 1 && (rank < 1 || (rank == 1 && run->begun_ns < oldest))) {
      place = i;
      rank = 1;
      oldest = run->begun_ns;
    }
  }
  return place;
}

SKEP_INLINE void skep_clear_steps(struct skep_step* steps) {
  for (uint32_t i = 0; i < SKEP_STEPS_MAX; ++i) steps[i].time_ns = 0;
}

/* State of another epoch counts as none: it begins anew. */
SKEP_SUBPROGRAM int skep_renew_state(const struct skep_table* t, uint32_t index, struct skep_state* state) {
  if (!t || !state) return 0;
  const struct skep_signature* signature = SKEP_AT(t->signatures, index);
  if (state->epoch == signature->epoch) return 0;
  state->epoch = signature->epoch;
  if (signature->kind != SKEP_EVIDENCE) {
    for (uint32_t i = 0; i < SKEP_INSTANCES_MAX; ++i) state->runs[i].next = 0;
    return 0;
  }
  struct skep_evidence* e = &state->evidence;
  e->since_ns = 0;
  e->score = 0;
  e->level = e->next_step = 0;
  for (uint32_t i = 0; i < SKEP_WEIGHTS_MAX; ++i) e->added[i] = 0;
  skep_clear_steps(e->steps);
  return 0;
}

/* The first step was seen: a run begins. */
SKEP_SUBPROGRAM int skep_sequence_begin(const struct skep_table* t, uint32_t which, struct skep_state* state,
                                        const struct skep_call* c) {
  if (!t || !state || !c) return SKEP_SEQUENCE_NOTHING;
  const struct skep_table_step* step = SKEP_AT(t->steps, which);
  const struct skep_signature* signature = SKEP_AT(t->signatures, step->signature);
  uint32_t place = skep_place_to_begin(signature, state, step, c);
  if (place >= SKEP_INSTANCES_MAX) return SKEP_SEQUENCE_NOTHING;
  struct skep_instance* run = SKEP_AT(state->runs, place);
  run->begun_ns = c->now_ns;
  run->next = 1;
  run->has_bound = 0;
  skep_clear_steps(run->steps);
  skep_bind(run, step, c);
  skep_note_step(&run->steps[0], c);
  return SKEP_SEQUENCE_ADVANCED;
}

/* A later step of the table, or an `until`, is held against the call for run `place`. COMPLETE leaves the run's steps
 * for the alert. */
SKEP_SUBPROGRAM int skep_run_advance(const struct skep_table* t, uint32_t which, struct skep_state* state,
                                     uint32_t place, struct skep_call* c) {
  if (!t || !state || !c) return SKEP_SEQUENCE_NOTHING;
  const struct skep_table_step* step = SKEP_AT(t->steps, which);
  const struct skep_signature* signature = SKEP_AT(t->signatures, step->signature);
  struct skep_instance* run = SKEP_AT(state->runs, place);
  uint32_t index = step->index & (SKEP_STEPS_MAX - 1);
  int until = step->role == SKEP_ROLE_UNTIL;
  if (!skep_run_lives(signature, run, c->now_ns)) return SKEP_SEQUENCE_NOTHING;
  if (!until && !skep_run_takes(signature, run->next, index)) return SKEP_SEQUENCE_NOTHING;
  skep_lend_bound(c, run);
  if (!skep_step_matches(t, which, c)) return SKEP_SEQUENCE_NOTHING;
  if (until) {
    run->next = 0;
    return SKEP_SEQUENCE_NOTHING;
  }
  skep_bind(run, step, c);
  skep_note_step(&run->steps[index], c);
  if (index + 1 < signature->step_count) {
    run->next = (uint8_t)(index + 1);
    return SKEP_SEQUENCE_ADVANCED;
  }
  run->next = 0;
  return SKEP_SEQUENCE_COMPLETE;
}

/* ---- evidence ---- */

/* 2^(-n/16), in 1/65536 parts. */
SKEP_INLINE uint64_t skep_sixteenth_power(uint32_t sixteenths) {
  switch (sixteenths & 15) {
    case 0:
      return 65536;
    case 1:
      return 62757;
    case 2:
      return 60097;
    case 3:
      return 57549;
    case 4:
      return 55109;
    case 5:
      return 52773;
    case 6:
      return 50535;
    case 7:
      return 48393;
    case 8:
      return 46341;
    case 9:
      return 44376;
    case 10:
      return 42495;
    case 11:
      return 40693;
    case 12:
      return 38968;
    case 13:
      return 37316;
    case 14:
      return 35734;
    default:
      return 34219;
  }
}

/* The score after so many sixteenths of a half-life: halved for each 16 of them. */
SKEP_INLINE uint32_t skep_decayed(uint32_t score, uint64_t sixteenths) {
  if (sixteenths >= 16 * 31) return 0;
  return (uint32_t)(((uint64_t)score * skep_sixteenth_power((uint32_t)sixteenths) >> 16) >> (sixteenths / 16 & 31));
}

/* The score falls by the whole sixteenths of the half-life that have passed (at most 4.5 % off); what is left of one
 * counts the next time, so that many small contributions do not stop the fall. */
SKEP_INLINE void skep_decay(struct skep_evidence* e, uint64_t half_life_ns, uint64_t now_ns) {
  uint64_t sixteenth_ns = half_life_ns / 16;
  if (!sixteenth_ns) return;
  uint64_t sixteenths = skep_passed(now_ns, e->since_ns) / sixteenth_ns;
  e->score = skep_decayed(e->score, sixteenths);
  e->since_ns += sixteenths * sixteenth_ns;
}

/* How many levels `score` has reached. */
SKEP_INLINE uint32_t skep_levels_reached(const struct skep_signature* signature, uint32_t score) {
  uint32_t reached = 0;
  for (uint32_t i = 0; i < SKEP_LEVELS_MAX; ++i) {
    if (i < signature->level_count && score >= signature->levels[i].at * (uint32_t)SKEP_SCORE_UNIT) reached = i + 1;
  }
  return reached;
}

/* Weight `weight` of the evidence is added. Returns the level that is newly reached, counted from 1, else 0. A level
 * once reached stays reached for as long as the state lives: what it refuses, it goes on refusing. */
SKEP_SUBPROGRAM int skep_add_evidence(const struct skep_table* t, uint32_t index, struct skep_state* state,
                                      uint32_t weight, const struct skep_call* c) {
  if (!t || !state || !c) return 0;
  const struct skep_signature* signature = SKEP_AT(t->signatures, index);
  struct skep_evidence* e = &state->evidence;
  uint32_t place = weight & (SKEP_WEIGHTS_MAX - 1);
  const struct skep_weight* w = SKEP_AT(t->weights, signature->weight_first + place);
  uint32_t add = w->add;
  uint32_t already = e->added[place];
  if (w->most && already + add > w->most) add = w->most > already ? w->most - already : 0;
  if (!add) return 0;
  if (already + add <= 0xffff) e->added[place] = (uint16_t)(already + add);
  skep_decay(e, signature->half_life_ns, c->now_ns);
  uint64_t score = e->score + (uint64_t)add * SKEP_SCORE_UNIT;
  e->score = score > 0xffffffffu ? 0xffffffffu : (uint32_t)score;
  struct skep_step* note = &e->steps[e->next_step & (SKEP_STEPS_MAX - 1)];
  skep_note_step(note, c);
  note->call |= (place + 1) << SKEP_STEP_WEIGHT_SHIFT;
  e->next_step = (uint8_t)((e->next_step + 1) & (SKEP_STEPS_MAX - 1));
  uint32_t reached = skep_levels_reached(signature, e->score);
  if (reached <= e->level) return 0;
  e->level = (uint8_t)reached;
  return (int)reached;
}

/* Has the evidence reached the level at which the call is refused? */
SKEP_INLINE int skep_gate_open(const struct skep_table_step* step, const struct skep_signature* signature,
                               const struct skep_state* state) {
  return state->epoch == signature->epoch && state->evidence.level >= step->index;
}

#ifndef __bpf__
/* Every index, run and count of the table lies within it. What the privileged side checks before it takes a table over.
 */
static inline int skep_signature_valid(const struct skep_table* t, const struct skep_signature& s) {
  if (s.kind > SKEP_EVIDENCE || s.slot >= SKEP_SLOTS_MAX || s.action > SKEP_KILLED || s.scope > SKEP_BY_TREE) return 0;
  if (s.step_count > (s.kind == SKEP_EVIDENCE ? int{SKEP_WEIGHTS_MAX} : int{SKEP_STEPS_MAX})) return 0;
  if (s.deny_errno < 0 || s.deny_errno > 4095 || (s.action == SKEP_DENIED && s.deny_errno == 0)) return 0;
  if (s.kind == SKEP_SEQUENCE && (s.instances == 0 || s.instances > SKEP_INSTANCES_MAX)) return 0;
  if (s.level_count > SKEP_LEVELS_MAX || s.feed_count > SKEP_SIGNATURE_FEEDS_MAX) return 0;
  if (s.kind == SKEP_EVIDENCE && s.weight_first + s.step_count > SKEP_TABLE_WEIGHTS_MAX) return 0;
  if (s.feed_first + s.feed_count > SKEP_FEEDS_MAX) return 0;
  for (uint32_t i = 0; i < s.feed_count; ++i) {
    const struct skep_feed& feed = t->feeds[s.feed_first + i];
    if (feed.signature >= t->signature_count || t->signatures[feed.signature].kind != SKEP_EVIDENCE) return 0;
    if (feed.weight >= t->signatures[feed.signature].step_count) return 0;
  }
  for (const struct skep_level& level : s.levels) {
    if (level.action > SKEP_KILLED) return 0;
  }
  return 1;
}

static inline int skep_step_valid(const struct skep_table_step& s) {
  if (s.conjunction_count > SKEP_STEP_CONJUNCTIONS_MAX || s.stage > SKEP_STAGE_POST || s.role > SKEP_ROLE_GATE)
    return 0;
  if (s.index >= (s.role == SKEP_ROLE_WEIGHT ? int{SKEP_WEIGHTS_MAX} : int{SKEP_STEPS_MAX})) return 0;
  if (s.conjunction_first + s.conjunction_count > SKEP_CONJUNCTIONS_MAX) return 0;
  for (const uint8_t field : s.bind) {
    if (field > SKEP_FIELD_COUNT) return 0;
  }
  return 1;
}

static inline int skep_predicate_valid(const struct skep_predicate& p) {
  if (p.field >= SKEP_FIELD_COUNT || p.op > SKEP_EQUAL_BOUND) return 0;
  if (p.op == SKEP_EQUAL_BOUND && p.value >= SKEP_BOUND_MAX) return 0;
  const bool listed = p.op == SKEP_IN_VALUES || p.op == SKEP_IN_FOLDERS;
  if (listed && (p.value > SKEP_VALUES_MAX || p.value + p.count > SKEP_VALUES_MAX)) return 0;
  if (p.op == SKEP_IN_FOLDERS && p.field != SKEP_FIELD_FOLDER) return 0;
  if (p.op != SKEP_IN_NETS) return 1;
  if (p.field != SKEP_FIELD_FD_RIP || p.count > SKEP_NETS_A_LIST_MAX) return 0;
  return p.value <= SKEP_NETS_MAX && p.value + p.count <= SKEP_NETS_MAX;
}

static inline int skep_guards_valid(const struct skep_table* t) {
  for (const struct skep_run& run : t->guarded) {
    if (run.count > SKEP_CALL_GUARDS_MAX || run.first + run.count > SKEP_GUARDS_MAX) return 0;
  }
  for (const struct skep_guard& guard : t->guards) {
    if (guard.field >= SKEP_FIELD_COUNT) return 0;
  }
  return 1;
}

static inline int skep_table_valid(const struct skep_table* t) {
  if (t->signature_count > SKEP_SIGNATURES_MAX || !skep_guards_valid(t)) return 0;
  for (const struct skep_run& run : t->calls) {
    if (run.count > SKEP_CALL_STEPS_MAX || run.first + run.count > SKEP_TABLE_STEPS_MAX) return 0;
    for (uint32_t i = 0; i < run.count; ++i) {
      if (t->by_call[run.first + i] >= SKEP_TABLE_STEPS_MAX) return 0;
      if (t->steps[t->by_call[run.first + i]].signature >= t->signature_count) return 0;
    }
  }
  for (uint32_t i = 0; i < t->signature_count; ++i) {
    if (!skep_signature_valid(t, t->signatures[i])) return 0;
  }
  for (const struct skep_table_step& s : t->steps) {
    if (!skep_step_valid(s)) return 0;
  }
  for (const struct skep_conjunction& c : t->conjunctions) {
    if (c.count > SKEP_CONJUNCTION_PREDICATES_MAX || c.first + c.count > SKEP_PREDICATES_MAX) return 0;
  }
  for (const struct skep_predicate& p : t->predicates) {
    if (!skep_predicate_valid(p)) return 0;
  }
  return 1;
}
#endif

#endif
