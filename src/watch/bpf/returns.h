/* After a call has returned, with its result. Two look at it: what carries labels from thread to thread or to a file
 * (handoff.h, written.h), and the judging of what can only be judged then. Every return of the host comes by, so they are one
 * program, which first looks at one bit: whether anybody wants calls of this number at all.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_RETURNS_H
#define SKEP_WATCH_BPF_RETURNS_H

#include "watch/bpf/calls.h"
#include "watch/bpf/user_memory.h"
#include "watch/bpf/written.h"

/* Set before loading: does the monitor follow work over pipes and files? */
const volatile uint32_t follows_work = 1;

/* Of a number beyond the table another's bit is read: `judge_call` and `skep_followed_as` look at the number itself. */
static __always_inline int has_bit(const uint64_t *bits, unsigned long number) {
  return bits[number / 64 % (SKEP_CALLS_MAX / 64)] >> number % 64 & 1;
}

static __always_inline void follow_return(struct task_struct *task, struct skep_task *state, struct pt_regs *regs,
                                          long result) {
  switch (skep_followed_as((uint32_t)regs->orig_ax)) {
    case SKEP_FOLLOW_OPEN:
      follow_open(task, state, (uint64_t)result);
      return;
    case SKEP_FOLLOW_RENAME:
      follow_rename(task, state, regs);
      return;
    case SKEP_FOLLOW_READ:
      if (result > 0) follow_pipe(task, state, regs->di, (uint64_t)result, 0);
      return;
    case SKEP_FOLLOW_WRITE:
      if (result > 0) follow_pipe(task, state, regs->di, (uint64_t)result, 1);
      return;
    default:
      return;
  }
}

/* What the call was about is only asked where its guards let it through. */
static __always_inline void judge_return(struct task_struct *task, struct skep_task *state, struct pt_regs *regs,
                                         long result, int compat) {
  unsigned long number = regs->orig_ax;
  uint32_t nr = compat || number & K_X32_BIT ? SKEP_CALL_FOREIGN_ABI : skep_canonical_call((uint32_t)number);
  const struct skep_table *t = table_in_force();
  if (!t || !t->calls[nr & (SKEP_CALLS_MAX - 1)].count) return;
  struct skep_pending *pending = begin_pending(task, nr, SKEP_STAGE_POST);
  if (!pending) return;
  struct skep_call *call = &pending->call;
  fill_registers(call, regs, compat);
  set_field(call, SKEP_FIELD_RESULT, (uint64_t)result);
  set_field(call, SKEP_FIELD_ABI, nr != SKEP_CALL_FOREIGN_ABI ? 0 : compat ? 1 : 2);
  fill_data(call);
  if (!skep_guards_admit(t, call)) return;
  struct judging j = {.call = call, .state = state, .task = task, .leader = task->group_leader};
  fill_caller(call, state, task);
  fill_returned(pending);
  if (judge_call(&j) == VERDICT_KILL) bpf_send_signal(K_SIGKILL);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_return, struct pt_regs *regs, long result) {
  unsigned long number = regs->orig_ax;
  if (!has_bit(watched_returns, number)) return 0;
  if ((long)number < 0) return 0; /* the return from a signal's handler: it has no number any more */
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state || state->flags & SKEP_TASK_LAUNCHING) return 0;
  int compat = task->thread_info.status & K_TS_COMPAT;
  if (follows_work && result >= 0 && !compat && !(number & K_X32_BIT)) follow_return(task, state, regs, result);
  if (has_bit(judged_returns, number)) judge_return(task, state, regs, result, compat);
  return 0;
}

#endif
