/* Alerts whose session is not certain wait for the next answer of the thread concerned, also where it reaches its client by
 * way of other threads.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_CONFIRM_H
#define SKEP_WATCH_BPF_CONFIRM_H

#include "watch/bpf/emit.h"
#include "watch/bpf/label.h"

static const struct skep_awaited kNothingAwaited;

static __always_inline struct skep_awaited *awaited_by(uint32_t tid) {
  struct skep_awaited *awaited = bpf_map_lookup_elem(&confirmations, &tid);
  if (awaited) return awaited;
  if (bpf_map_update_elem(&confirmations, &tid, &kNothingAwaited, BPF_NOEXIST)) COUNT(helper_failures);
  return bpf_map_lookup_elem(&confirmations, &tid);
}

/* The judge waits for the answer of the thread for which this one works, where its session is not certain. */
static __always_inline void ask_for_confirmation(const struct skep_label *label, uint32_t tid, uint64_t alert) {
  if (!skep_label_waits(label)) return;
  uint32_t origin = label->origin_tid ? label->origin_tid : tid;
  struct skep_awaited *awaited = awaited_by(origin);
  if (!awaited) return;
  awaited->tid[0] = origin;
  awaited->alert[0] = alert;
}

/* What waits for one thread waits for another from here on, which carries its answer. */
static __always_inline void carry(struct skep_awaited *to, const struct skep_awaited *from) {
  for (int i = 0; i < SKEP_AWAITED_MAX; ++i) {
    if (!from->alert[i]) continue;
    int place = SKEP_AWAITED_MAX - 1; /* the last gives way where there is no room */
    for (int j = SKEP_AWAITED_MAX - 1; j > 0; --j) {
      if (!to->alert[j] || to->tid[j] == from->tid[i]) place = j;
    }
    to->tid[place & (SKEP_AWAITED_MAX - 1)] = from->tid[i];
    to->alert[place & (SKEP_AWAITED_MAX - 1)] = from->alert[i];
  }
}

/* Here is the answer that was waited for. */
static __always_inline void confirm(const struct skep_flow_state *flow, uint32_t tid, struct task_struct *task) {
  struct skep_awaited *awaited = bpf_map_lookup_elem(&confirmations, &tid);
  if (!awaited) return;
  uint32_t *conduct = conduct_of(task->group_leader);
  for (int i = 0; i < SKEP_AWAITED_MAX; ++i) {
    if (!awaited->alert[i]) continue;
    struct skep_confirm_record *record = RESERVE(alerts, record, SKEP_CONFIRM);
    if (!record) continue;
    record->alert = awaited->alert[i];
    record->flow = flow->flow;
    record->read_ns = flow->read_ns;
    record->tid = awaited->tid[i];
    record->conduct = conduct ? *conduct : 0;
    bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
  }
  bpf_map_delete_elem(&confirmations, &tid);
}

#endif
