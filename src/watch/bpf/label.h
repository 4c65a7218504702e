/* Marks and labels: is this thread supervised, and for which session does it work?
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_LABEL_H
#define SKEP_WATCH_BPF_LABEL_H

#include "watch/bpf/maps.h"

static __always_inline int in_force(const struct skep_task *task) {
  uint32_t slot = task->service;
  const struct skep_service_entry *service = bpf_map_lookup_elem(&services, &slot);
  return service && service->active && service->epoch == task->epoch;
}

/* The state of a supervised thread, or none. Every such thread has one of its own: given at fork, or when it was adopted. */
static __always_inline struct skep_task *supervised(struct task_struct *task) {
  struct skep_task *state = bpf_task_storage_get(&tasks, task, 0, 0);
  return state && in_force(state) ? state : 0;
}

static __always_inline struct skep_task *supervised_current(void) {
  return supervised(bpf_get_current_task_btf());
}

/* Where the conduct of a process is kept, or none. Its leader is given, because not every program can find it by itself. */
static __always_inline uint32_t *conduct_of(struct task_struct *leader) {
  struct skep_task *state = bpf_task_storage_get(&tasks, leader, 0, 0);
  return state ? &state->conduct : 0;
}

/* Whether the thread has flows in hand other than its label's. */
static __always_inline int others_wait(const struct skep_task *state, uint32_t tid) {
  uint64_t serial = state->label.flow.serial;
  uint32_t *reader = bpf_map_lookup_elem(&unanswered, &serial);
  return state->waiting > (uint32_t)(reader && *reader == tid);
}

/* So late no writer tells any more: what was read came from somebody who is not supervised. */
static const uint64_t kPendingNs = 1000000000;

/* The label of `task` as of now, with all that speaks against it. */
static __always_inline void label_now(struct skep_label *label, const struct skep_task *state, struct task_struct *task,
                                      struct task_struct *leader) {
  *label = state->label;
  if (state->pending_ns && bpf_ktime_get_boot_ns() - state->pending_ns < kPendingNs) label->doubts |= SKEP_DOUBT_HANDED;
  uint32_t *conduct = conduct_of(leader);
  if (conduct && *conduct & SKEP_CONDUCT_DISORDERLY) label->doubts |= SKEP_DOUBT_CONDUCT;
  if (label->source != SKEP_LABEL_RECV) return;
  if (others_wait(state, (uint32_t)task->pid)) label->doubts |= SKEP_DOUBT_READS;
  if (AS(struct task_struct, task)->signal->live.counter > 1) label->doubts |= SKEP_DOUBT_THREADS;
}

/* What an intruder's own processes read does not change whose they are: those forked after a violation, while the label was
 * held. A thread of the service that violated goes on to serve others: it takes the label of what it reads, and is the
 * intruder's no longer. */
static __always_inline int keeps_label(const struct skep_task *state) {
  return state->flags & SKEP_TASK_STICKY && state->label.source == SKEP_LABEL_FORK;
}

/* The thread takes up the work of another flow than before. */
static __always_inline void begin_work(struct skep_task *state, uint32_t tid) {
  state->flags &= ~(uint32_t)SKEP_TASK_STICKY;
  if (!(state->flags & SKEP_TASK_WRITTEN)) state->writer.flow.serial = 0;
  struct skep_awaited *awaited = bpf_map_lookup_elem(&confirmations, &tid);
  if (awaited) awaited->alert[0] = 0; /* the next answer is not to what was done before */
}

/* A thread that reads from a flow works for its session from here on. */
static __always_inline void stamp(struct skep_task *state, const struct skep_flow_state *flow, uint32_t tid) {
  state->flags |= SKEP_TASK_READS;
  if (keeps_label(state)) return;
  struct skep_label *label = &state->label;
  if (label->flow.serial != flow->flow.serial) begin_work(state, tid);
  state->pending_ns = 0;
  label->flow = flow->flow;
  label->since_ns = flow->read_ns;
  label->stream_offset = flow->bytes_in;
  label->origin_tid = tid;
  label->source = SKEP_LABEL_RECV;
  label->inherited = SKEP_LABEL_NONE;
  label->doubts = 0;
}

/* A child works for whom its parent worked, as surely as that was known. A thread is handed its work like one that is woken:
 * which it takes up is not seen, and its own next answer confirms it. */
static __always_inline void inherit(struct skep_label *child, uint32_t parent_tid, int is_thread) {
  if (is_thread) {
    child->origin_tid = 0;
    if (child->source != SKEP_LABEL_NONE && child->source != SKEP_LABEL_FORK) child->source = SKEP_LABEL_WAKE;
    return;
  }
  if (child->source != SKEP_LABEL_NONE && child->source != SKEP_LABEL_FORK) {
    child->inherited = child->source;
    child->source = SKEP_LABEL_FORK;
  }
  if (!child->origin_tid) child->origin_tid = parent_tid;
}

#endif
