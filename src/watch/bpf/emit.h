/* Records out: reserve, number, fill, submit; a full ring is counted and leaves a gap in the numbers.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_EMIT_H
#define SKEP_WATCH_BPF_EMIT_H

#include "watch/bpf/maps.h"

static __always_inline void fill_head(struct skep_record *head, uint64_t seq, uint32_t size, uint16_t type) {
  head->seq = seq;
  head->time_ns = bpf_ktime_get_boot_ns();
  head->size = size;
  head->type = type;
  head->cpu = (uint16_t)bpf_get_smp_processor_id();
}

/* A macro, because the verifier wants the size to be a constant and the ring a map. */
#define RESERVE(ring, record, type_)                                               \
  ({                                                                               \
    uint64_t seq_ = __sync_fetch_and_add(&ring##_seq, 1) + 1;                      \
    typeof(record) r_ = bpf_ringbuf_reserve(&ring, sizeof *(record), 0);           \
    if (r_)                                                                        \
      fill_head(&r_->head, seq_, sizeof *(record), type_);                         \
    else                                                                           \
      COUNT(ring##_dropped);                                                       \
    r_;                                                                            \
  })

static __always_inline void emit_flow(const struct skep_flow_state *state, uint16_t type) {
  struct skep_flow_record *record = RESERVE(alerts, record, type);
  if (!record) return;
  uint64_t who = bpf_get_current_pid_tgid();
  record->flow = state->flow;
  record->bytes_in = state->bytes_in;
  record->bytes_out = state->bytes_out;
  record->pid = type == SKEP_FLOW_SERVED ? (uint32_t)(who >> 32) : state->reader_pid;
  record->tid = type == SKEP_FLOW_SERVED ? (uint32_t)who : 0;
  bpf_ringbuf_submit(record, 0);
}

static __always_inline void fill_process(struct skep_process_record *record, struct task_struct *task,
                                         const struct skep_task *state) {
  const struct task_struct *who = AS(struct task_struct, task);
  record->service = state->service;
  record->pid = (uint32_t)task->tgid;
  record->tid = (uint32_t)task->pid;
  record->parent = (uint32_t)who->real_parent->tgid;
  record->uid = who->cred->euid.val;
  record->status = 0;
  record->start_ns = who->group_leader->start_boottime;
  record->exe_device = 0;
  record->exe_inode = 0;
  record->label = state->label;
  record->path_bytes = 0;
  record->args_bytes = 0;
  record->pad = 0;
  record->path[0] = 0;
  record->args[0] = 0;
  BPF_CORE_READ_STR_INTO(&record->comm, task, comm);
}

/* The start of the arguments of the program that `current` is about to run: its memory is new and nobody else's yet. */
static __always_inline uint16_t read_arguments(char *to) {
  struct task_struct *task = bpf_get_current_task_btf();
  unsigned long begin = BPF_CORE_READ(task, mm, arg_start);
  unsigned long end = BPF_CORE_READ(task, mm, arg_end);
  unsigned long bytes = end - begin;
  if (end < begin) return 0;
  if (bytes > SKEP_ARGS_BYTES) bytes = SKEP_ARGS_BYTES;
  if (bpf_probe_read_user(to, (uint32_t)bytes, (const void *)begin)) return 0;
  return (uint16_t)bytes;
}

static __always_inline void fill_program(char *path, uint16_t *path_bytes, char *args, uint16_t *args_bytes,
                                         struct linux_binprm *program) {
  long bytes = bpf_probe_read_kernel_str(path, SKEP_PATH_BYTES, program->filename);
  *path_bytes = bytes > 0 ? (uint16_t)(bytes - 1) : 0;
  *args_bytes = read_arguments(args);
}

#endif
