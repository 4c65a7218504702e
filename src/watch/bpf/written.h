/* Written by one session, started by another: files bear the label of the last supervised thread that opened them to write,
 * and who works by such a file works by that session's word as well.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_WRITTEN_H
#define SKEP_WATCH_BPF_WRITTEN_H

#include "watch/bpf/files.h"
#include "watch/bpf/handoff.h"
#include "watch/bpf/label.h"

/* A thread works by a file that a session wrote: a program that it runs, or a script that it reads. */
static __always_inline void work_by(struct skep_task *state, struct file *file, uint32_t flag) {
  uint64_t id = inode_id(file);
  const struct skep_label *writer = bpf_map_lookup_elem(&written, &id);
  if (!writer) return;
  state->writer = *writer;
  state->flags |= flag;
}

/* Files whose last name is gone, or that never had one, can be run as well: a memfd is a file like any other here. */
static __always_inline void follow_open(struct task_struct *task, struct skep_task *state, uint64_t descriptor) {
  struct file *file = file_of(task, descriptor);
  if (!file || file_kind(file) != K_S_IFREG) return;
  if (!(BPF_CORE_READ(file, f_mode) & K_FMODE_WRITE)) {
    if (!(state->flags & SKEP_TASK_WRITTEN)) work_by(state, file, 0);
    return;
  }
  if (!state->label.flow.serial) return;
  struct skep_label label;
  label_now(&label, state, task, task->group_leader);
  uint64_t id = inode_id(file);
  if (bpf_map_update_elem(&written, &id, &label, BPF_ANY)) COUNT(helper_failures);
}

/* Calls that carry a label from thread to thread, or to a file: after they have returned. */
enum { FOLLOW_NONE, FOLLOW_READ, FOLLOW_WRITE, FOLLOW_OPEN };

static __always_inline int followed_as(unsigned long nr) {
  switch (nr) {
    case 0:  /* read */
    case 19: /* readv */
      return FOLLOW_READ;
    case 1:  /* write */
    case 20: /* writev */
      return FOLLOW_WRITE;
    case 2:   /* open */
    case 85:  /* creat */
    case 257: /* openat */
    case 319: /* memfd_create */
    case 437: /* openat2 */
      return FOLLOW_OPEN;
    default:
      return FOLLOW_NONE;
  }
}

/* A program of its own, attached only where the monitor's options want it: every return of the host comes by. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_followed_return, struct pt_regs *regs, long result) {
  unsigned long number = regs->orig_ax;
  int how = followed_as(number);
  struct task_struct *task = bpf_get_current_task_btf();
  if (how == FOLLOW_NONE || result < 0 || task->thread_info.status & K_TS_COMPAT) return 0;
  struct skep_task *state = supervised(task);
  if (!state || state->flags & SKEP_TASK_LAUNCHING) return 0;
  if (how == FOLLOW_OPEN)
    follow_open(task, state, (uint64_t)result);
  else if (result > 0)
    follow_pipe(task, state, BPF_CORE_READ(regs, di), (uint64_t)result, how == FOLLOW_WRITE);
  return 0;
}

#endif
