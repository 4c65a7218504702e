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

/* Whether the thread, about to read from `serial`, has read from another flow that still waits for its answer. */
static __always_inline int other_flow_waits(const struct skep_label *label, uint64_t serial) {
  uint64_t before = label->flow.serial;
  if (label->source != SKEP_LABEL_RECV || !before) return 0;
  if (before == serial) return label->ambiguous;
  return bpf_map_lookup_elem(&unanswered, &before) != 0;
}

/* A thread that reads from a flow works for its session from here on. */
static __always_inline void stamp(struct skep_label *label, const struct skep_flow_state *flow, uint32_t tid) {
  label->ambiguous = (uint8_t)other_flow_waits(label, flow->flow.serial);
  label->flow = flow->flow;
  label->since_ns = bpf_ktime_get_boot_ns();
  label->stream_offset = flow->bytes_in;
  label->origin_tid = tid;
  label->source = SKEP_LABEL_RECV;
  label->inherited = SKEP_LABEL_NONE;
}

/* A child works for whom its parent worked. A thread keeps no origin: its own next answer confirms it. */
static __always_inline void inherit(struct skep_label *child, const struct skep_label *parent, uint32_t parent_tid,
                                    int is_thread) {
  *child = *parent;
  if (parent->source != SKEP_LABEL_NONE) {
    child->inherited = parent->source == SKEP_LABEL_FORK ? parent->inherited : parent->source;
    child->source = SKEP_LABEL_FORK;
  }
  if (is_thread)
    child->origin_tid = 0;
  else if (!child->origin_tid)
    child->origin_tid = parent_tid;
}

#endif
