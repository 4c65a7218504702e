/* All that is supervised now, told as the records that would have told it: for a judge that begins anew.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_SNAPSHOT_H
#define SKEP_WATCH_BPF_SNAPSHOT_H

#include "watch/bpf/emit.h"
#include "watch/bpf/label.h"

/* A process's record is larger than a program's stack. Only watch runs the iterator, one at a time. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __type(value, struct skep_process_record);
} snapshot_record SEC(".maps");

SEC("iter/task")
int list_processes(struct bpf_iter__task *ctx) {
  struct task_struct *task = ctx->task;
  if (!task || task->pid != task->tgid) return 0;
  struct skep_task *state = supervised(task);
  struct skep_process_record *record = bpf_map_lookup_elem(&snapshot_record, &kZero);
  if (!state || !record) return 0;
  fill_head(&record->head, 0, sizeof *record, SKEP_FORK);
  fill_process(record, task, state);
  bpf_seq_write(ctx->meta->seq, record, sizeof *record);
  return 0;
}

SEC("iter/bpf_sk_storage_map")
int list_flows(struct bpf_iter__bpf_sk_storage_map *ctx) {
  struct skep_flow_state *state = ctx->value;
  if (!state || !ctx->sk) return 0;
  struct skep_flow_record record = {};
  record.head.type = SKEP_FLOW_OPENED;
  record.head.size = sizeof record;
  record.head.time_ns = bpf_ktime_get_boot_ns();
  record.flow = state->flow;
  record.bytes_in = state->bytes_in;
  record.bytes_out = state->bytes_out;
  record.pid = state->reader_pid;
  bpf_seq_write(ctx->meta->seq, &record, sizeof record);
  return 0;
}

#endif
