/* Programs that watch runs by hand: the answer to a seccomp notice, the mark of a task.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_NOTICES_H
#define SKEP_WATCH_BPF_NOTICES_H

#include "watch/bpf/calls.h"
#include "watch/bpf/containment.h"
#include "watch/bpf/user_memory.h"

/* A call through the 32-bit or x32 entry has other numbers: it is judged as one pseudo-call. */
static __always_inline uint32_t call_number(const struct skep_notice *notice) {
  if (notice->arch != K_AUDIT_ARCH_X86_64 || notice->nr & K_X32_BIT) return SKEP_CALL_FOREIGN_ABI;
  return skep_canonical_call((uint32_t)notice->nr);
}

static __always_inline int judge_notice(struct skep_notice *notice, struct task_struct *task,
                                        struct task_struct *leader, struct skep_task *state) {
  struct skep_call *call = begin_call(task, call_number(notice), SKEP_STAGE_PRE);
  if (!call) return 1; /* EPERM: what cannot be judged is not done */
  struct judging j = {.call = call, .state = state, .task = task, .leader = leader};
  fill_caller(call, state, task);
  fill_arguments(call, notice->args);
  set_field(call, SKEP_FIELD_ABI, notice->arch != K_AUDIT_ARCH_X86_64 ? 1 : call->nr == SKEP_CALL_FOREIGN_ABI ? 2 : 0);
  fill_descriptor(call, task, notice->args[0]);
  fill_code(call, task);
  int verdict = judge_call(&j);
  return verdict == VERDICT_GO_ON ? judge_family(call_number(notice), notice->args, task, leader, state) : verdict;
}

/* Verdict on a call that waits under seccomp notification. A task under our filter without a mark has slipped out of
 * supervision: nothing that is intercepted is allowed to it. */
SEC("syscall")
int decide(struct skep_notice *notice) {
  notice->verdict = 1; /* EPERM */
  if (!bpf_task_from_pid) return 0;
  struct task_struct *task = bpf_task_from_pid((int)notice->tid);
  if (!task) return 0;
  struct task_struct *leader = bpf_task_from_pid(task->tgid);
  if (leader) {
    struct skep_task *state = bpf_task_storage_get(&tasks, task, 0, 0);
    if (state && (state->flags & SKEP_TASK_LAUNCHING || !in_force(state)))
      notice->verdict = VERDICT_GO_ON; /* the launcher itself, or a service that is not supervised any more */
    else if (state)
      notice->verdict = judge_notice(notice, task, leader, state);
    else
      COUNT(helper_failures);
    bpf_task_release(leader);
  }
  bpf_task_release(task);
  return 0;
}

SEC("syscall")
int mark(struct skep_mark *request) {
  request->done = 0;
  if (!bpf_task_from_pid) return 0;
  struct task_struct *task = bpf_task_from_pid((int)request->tid);
  if (!task) return 0;
  struct skep_task *state = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (state) {
    struct skep_task fresh = {.service = request->service, .epoch = request->epoch, .flags = request->flags};
    if (state->service != request->service || state->epoch != request->epoch) *state = fresh;
    request->done = 1;
  }
  bpf_task_release(task);
  return 0;
}

#endif
