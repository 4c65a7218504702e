/* An alert's record: what every one of them has, whoever raises it. The ring gives memory that holds what was there before, so
 * each field is set here, or by who raises it.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_ALERTS_H
#define SKEP_WATCH_BPF_ALERTS_H

#include "watch/bpf/confirm.h"
#include "watch/bpf/emit.h"
#include "watch/bpf/label.h"

/* Of one call, not of a series; of no program, nobody's and by nobody yet. Or none: the ring is full, and it is counted. */
static __always_inline struct skep_alert_record *begin_alert(uint32_t service, uint32_t call, uint8_t action,
                                                             uint8_t stage) {
  COUNT(alerts);
  struct skep_alert_record *record = RESERVE(alerts, record, SKEP_ALERT);
  if (!record) return 0;
  record->id = __sync_fetch_and_add(&last_alert, 1) + 1;
  record->service = service;
  record->call = call;
  record->action = action;
  record->stage = stage;
  record->provenance = SKEP_FROM_REGISTER;
  record->level = 0;
  record->score = 0;
  record->result = 0;
  record->exe_device = record->exe_inode = 0;
  record->path_bytes = record->args_bytes = record->interpreter_bytes = 0;
  record->path[0] = record->exec_args[0] = record->interpreter[0] = 0;
  record->step_count = 1;
  record->steps[0].time_ns = record->head.time_ns;
  record->steps[0].call = call;
  return record;
}

static __always_inline void fill_violator(struct skep_alert_record *record, struct task_struct *task) {
  const struct task_struct *who = AS(struct task_struct, task);
  record->pid = (uint32_t)task->tgid;
  record->tid = (uint32_t)task->pid;
  record->parent = (uint32_t)who->real_parent->tgid;
  record->uid = who->cred->euid.val;
  record->start_ns = who->group_leader->start_boottime;
  record->steps[0].tid = record->tid;
  BPF_CORE_READ_STR_INTO(&record->comm, task, comm);
}

/* Of a script: what the kernel runs in its place, whose file is `exe_inode` then. */
static __always_inline void fill_interpreter(struct skep_alert_record *record, struct linux_binprm *program) {
  const char *interpreter = BPF_CORE_READ(program, interp);
  if (interpreter == BPF_CORE_READ(program, filename)) return;
  long bytes = bpf_probe_read_kernel_str(record->interpreter, sizeof record->interpreter, interpreter);
  record->interpreter_bytes = bytes > 0 ? (uint16_t)(bytes - 1) : 0;
}

/* Whose alert it is, and who wrote the program or script that acts; what a session wrote for itself is its own alone. */
static __always_inline void fill_labels(struct skep_alert_record *record, struct skep_task *state,
                                        struct task_struct *task, struct task_struct *leader) {
  label_now(&record->label, state, task, leader);
  record->writer = state->writer;
  if (record->writer.flow.serial == record->label.flow.serial) record->writer.flow.serial = 0;
  state->flags |= SKEP_TASK_STICKY;
  if (state->label.source == SKEP_LABEL_NONE) return;
  if (bpf_map_update_elem(&violators, &state->label.flow.serial, &kZero, BPF_ANY)) COUNT(helper_failures);
}

/* The last thing that is done to a record: it wakes a judge that has read all before it; one that has not comes by anyway. */
static __always_inline void send_alert(struct skep_alert_record *record) { bpf_ringbuf_submit(record, 0); }

#endif
