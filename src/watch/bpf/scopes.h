/* Scopes: where the states of sequences and evidence belong, and when they go.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_SCOPES_H
#define SKEP_WATCH_BPF_SCOPES_H

#include "watch/bpf/label.h"

enum { SLOTS_IN_MASK = 64, CLOSED_FLOWS = 4096 };

static __always_inline void name_thread(struct skep_scope_key *key, struct task_struct *task) {
  key->a = task->start_boottime;
  key->b = (uint32_t)task->pid;
}

/* A process is named by its leader, whichever of its threads that is by now. */
static __always_inline void name_process(struct skep_scope_key *key, struct task_struct *leader) {
  key->a = leader->start_boottime;
  key->b = (uint32_t)leader->tgid;
}

/* False: the caller belongs to no such scope. */
static __always_inline int name_scope(struct skep_scope_key *key, uint32_t scope, const struct skep_task *state,
                                      struct task_struct *task, struct task_struct *leader) {
  key->scope = (uint16_t)scope;
  switch (scope) {
    case SKEP_BY_THREAD:
      name_thread(key, task);
      return 1;
    case SKEP_BY_SERVICE:
      key->a = state->epoch;
      key->b = state->service;
      return 1;
    case SKEP_BY_SESSION:
      key->a = state->label.flow.serial;
      key->b = 0;
      return key->a != 0;
    case SKEP_BY_TREE:
      if (state->tree) {
        key->a = state->tree;
        key->b = 0;
        return 1;
      }
      name_process(key, leader);
      return 1;
    default:
      name_process(key, leader);
      return 1;
  }
}

static __always_inline void remember_slot(const struct skep_scope_key *key) {
  struct skep_scope_key whole = *key;
  whole.slot = 0;
  uint64_t bit = 1ull << (key->slot & 63);
  uint64_t *slots = bpf_map_lookup_elem(&scope_slots, &whole);
  if (slots) {
    __sync_fetch_and_or(slots, bit);
    return;
  }
  if (!bpf_map_update_elem(&scope_slots, &whole, &bit, BPF_NOEXIST)) return;
  slots = bpf_map_lookup_elem(&scope_slots, &whole);
  if (slots)
    __sync_fetch_and_or(slots, bit);
  else
    COUNT(helper_failures);
}

static __always_inline struct skep_state *find_state(const struct skep_scope_key *key) {
  return bpf_map_lookup_elem(&states, key);
}

/* The state of a scope, begun where there is none. */
static __always_inline struct skep_state *make_state(const struct skep_scope_key *key) {
  struct skep_state *state = find_state(key);
  if (state) return state;
  struct skep_state *none = bpf_map_lookup_elem(&no_state, &kZero);
  if (!none) return 0;
  bpf_map_update_elem(&states, key, none, BPF_NOEXIST);
  state = find_state(key);
  if (!state) {
    COUNT(helper_failures);
    return 0;
  }
  COUNT(sequence_states);
  remember_slot(key);
  return state;
}

struct forgetting {
  struct skep_scope_key key;
  uint64_t slots;
};

static long forget_slot(uint32_t slot, struct forgetting *f) {
  if (!(f->slots >> (slot & 63) & 1)) return 0;
  f->key.slot = (uint16_t)slot;
  bpf_map_delete_elem(&states, &f->key);
  return 0;
}

/* The scope has ended: its states go. */
static __always_inline void forget_scope(const struct skep_scope_key *key) {
  struct forgetting f = {.key = *key};
  f.key.slot = 0;
  uint64_t *slots = bpf_map_lookup_elem(&scope_slots, &f.key);
  if (!slots) return;
  f.slots = *slots;
  bpf_map_delete_elem(&scope_slots, &f.key);
  bpf_loop(SLOTS_IN_MASK, forget_slot, &f, 0);
}

static __always_inline void forget_thread(struct task_struct *task) {
  struct skep_scope_key key = {.scope = SKEP_BY_THREAD};
  name_thread(&key, task);
  forget_scope(&key);
}

static __always_inline void leave_tree(uint64_t tree) {
  uint32_t *members = bpf_map_lookup_elem(&trees, &tree);
  if (!members || __sync_fetch_and_sub(members, 1) > 1) return;
  bpf_map_delete_elem(&trees, &tree);
  struct skep_scope_key key = {.a = tree, .scope = SKEP_BY_TREE};
  forget_scope(&key);
}

static __always_inline void forget_process(struct task_struct *leader, uint64_t tree) {
  struct skep_scope_key key = {.scope = SKEP_BY_PROCESS};
  name_process(&key, leader);
  forget_scope(&key);
  if (tree) {
    leave_tree(tree);
    return;
  }
  key.scope = SKEP_BY_TREE;
  forget_scope(&key);
}

/* A process is forked: on behalf of a session a tree begins with it, else it is of its parent's. */
static __always_inline void join_tree(struct skep_task *child, const struct skep_task *parent) {
  uint32_t one = 1;
  child->tree = parent->tree;
  if (child->tree) {
    uint32_t *members = bpf_map_lookup_elem(&trees, &child->tree);
    if (members) __sync_fetch_and_add(members, 1);
    return;
  }
  if (parent->label.source == SKEP_LABEL_NONE || !parent->label.flow.serial) return;
  child->tree = __sync_fetch_and_add(&last_tree, 1) + 1;
  if (bpf_map_update_elem(&trees, &child->tree, &one, BPF_ANY)) COUNT(helper_failures);
}

/* The flow has closed. What it left behind may act on: its states go when CLOSED_FLOWS others that had any have closed. */
static __always_inline void retire_session(uint64_t serial) {
  struct skep_scope_key key = {.a = serial, .scope = SKEP_BY_SESSION};
  if (!bpf_map_lookup_elem(&scope_slots, &key)) return;
  uint32_t place = (uint32_t)(__sync_fetch_and_add(&last_closed, 1) % CLOSED_FLOWS);
  uint64_t *former = bpf_map_lookup_elem(&closed_flows, &place);
  if (!former) return;
  uint64_t gone = __sync_lock_test_and_set(former, serial);
  key.a = gone;
  if (gone) forget_scope(&key);
}

#endif
