/* The lives of supervised processes: fork, exec, wake-up, death. The mark and the label travel here.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_TASKS_H
#define SKEP_WATCH_BPF_TASKS_H

#include "watch/bpf/calls.h"
#include "watch/bpf/emit.h"
#include "watch/bpf/label.h"
#include "watch/bpf/written.h"

static __always_inline void emit_fork(struct task_struct *parent, struct task_struct *child,
                                      const struct skep_task *state) {
  struct skep_process_record *record = RESERVE(telemetry, record, SKEP_FORK);
  if (!record) return;
  fill_process(record, child, state);
  record->parent = (uint32_t)parent->tgid; /* the new task's own links may not stand yet */
  record->tid = (uint32_t)parent->pid;
  bpf_ringbuf_submit(record, 0);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child) {
  struct skep_task *from = supervised(parent);
  if (!from) return 0;
  struct skep_task *to = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!to) {
    /* Unmarked, but under our seccomp filter: `decide` refuses every deciding call of such a task. */
    COUNT(helper_failures);
    return 0;
  }
  to->service = from->service;
  to->epoch = from->epoch;
  int is_thread = parent->tgid == child->tgid;
  to->exe = from->exe;
  to->exe_name = from->exe_name;
  to->tree = from->tree;
  to->flags = from->flags & ~(uint32_t)(SKEP_TASK_READS | (is_thread ? SKEP_TASK_STICKY : 0));
  if (!is_thread && from->label.source != SKEP_LABEL_NONE && bpf_map_lookup_elem(&violators, &from->label.flow.serial))
    to->flags |= SKEP_TASK_STICKY;
  to->writer = from->writer;
  label_now(&to->label, from, parent, parent->group_leader);
  inherit(&to->label, (uint32_t)parent->pid, is_thread);
  if (!is_thread) join_tree(to, from);
  if (!is_thread) emit_fork(parent, child, to);
  return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *program) {
  struct skep_task *state = supervised(task);
  if (!state) return 0;
  struct skep_process_record *record = RESERVE(telemetry, record, SKEP_EXEC);
  if (record) {
    fill_process(record, task, state);
    fill_program(record->path, &record->path_bytes, record->args, &record->args_bytes, program);
    const struct inode *inode = inode_of(AS(struct linux_binprm, program)->file);
    record->exe_device = inode->i_sb->s_dev;
    record->exe_inode = inode->i_ino;
    bpf_ringbuf_submit(record, 0);
  }
  state->conduct = 0; /* the former program's */
  state->flags &= ~(uint32_t)SKEP_TASK_READS;
  work_by(state, AS(struct linux_binprm, program)->file, SKEP_TASK_WRITTEN);
  judge_program(task, state, program);
  return 0;
}

static __always_inline int is_crash(int signal) {
  /* SIGILL 4, SIGTRAP 5, SIGABRT 6, SIGBUS 7, SIGFPE 8, SIGSEGV 11, SIGSYS 31 */
  return signal > 0 && signal < 32 && ((1u << signal) & ((1u << 4) | (1u << 5) | (1u << 6) | (1u << 7) | (1u << 8) | (1u << 11) | (1u << 31)));
}

static __always_inline void fill_registers_at(uint64_t *to, struct pt_regs *regs) {
  to[0] = regs->ip;
  to[1] = regs->sp;
  to[2] = regs->flags;
  to[3] = regs->ax;
  to[4] = regs->bx;
  to[5] = regs->cx;
  to[6] = regs->dx;
  to[7] = regs->si;
  to[8] = regs->di;
  to[9] = regs->bp;
  to[10] = regs->r8;
  to[11] = regs->r9;
  to[12] = regs->r10;
  to[13] = regs->r11;
  to[14] = regs->r12;
  to[15] = regs->r13;
  to[16] = regs->r14;
  to[17] = regs->r15;
}

/* Evidence: where `task`, which is current, was. User memory as far as it is there; no verdict hangs on it. */
static __always_inline void emit_crash(struct task_struct *task, const struct skep_task *state, int signal,
                                       struct kernel_siginfo *info) {
  struct skep_crash_record *record = RESERVE(alerts, record, SKEP_CRASH);
  if (!record) return;
  record->service = state->service;
  record->pid = (uint32_t)task->tgid;
  record->tid = (uint32_t)task->pid;
  record->signal = (uint32_t)signal;
  record->code = BPF_CORE_READ(info, si_code);
  record->pad = 0;
  record->start_ns = AS(struct task_struct, task)->group_leader->start_boottime;
  record->address = (uint64_t)BPF_CORE_READ(info, _sifields._sigfault._addr);
  fill_registers_at(record->registers, AS(struct pt_regs, bpf_task_pt_regs(task)));
  BPF_CORE_READ_STR_INTO(&record->comm, task, comm);
  record->code_bytes = record->stack_bytes = 0;
  if (!bpf_probe_read_user(record->code_at, sizeof record->code_at, (void *)record->registers[0]))
    record->code_bytes = sizeof record->code_at;
  if (!bpf_probe_read_user(record->stack_at, sizeof record->stack_at, (void *)record->registers[1]))
    record->stack_bytes = sizeof record->stack_at;
  bpf_ringbuf_submit(record, 0);
}

/* The thread that faults is the one whose session it was: its label becomes the process's, which is told at its end. */
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal, int signal, struct kernel_siginfo *info, struct k_sigaction *action) {
  if (!is_crash(signal) || BPF_CORE_READ(action, sa.sa_handler)) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state) return 0;
  struct skep_task *leader = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);
  if (leader) label_now(&leader->label, state, task, task->group_leader);
  emit_crash(task, state, signal, info);
  return 0;
}

/* The last thread's end is the process's; its record is the leader's, whose storage lives as long as the process. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task) {
  if (!supervised(task)) return 0;
  uint32_t tid = (uint32_t)task->pid;
  bpf_map_delete_elem(&confirmations, &tid);
  forget_thread(task);
  if (AS(struct task_struct, task)->signal->live.counter) return 0;
  struct skep_task *state = supervised(task->group_leader);
  forget_process(task->group_leader, state ? state->tree : 0);
  if (!state) return 0;
  int group = AS(struct task_struct, task)->signal->group_exit_code;
  uint32_t status = (uint32_t)(group ? group : task->exit_code);
  struct skep_process_record *record;
  if (is_crash((int)(status & 0x7f)))
    record = RESERVE(alerts, record, SKEP_EXIT);
  else
    record = RESERVE(telemetry, record, SKEP_EXIT);
  if (!record) return 0;
  fill_process(record, task, state);
  record->status = status;
  bpf_ringbuf_submit(record, 0);
  return 0;
}

/* Only calls by which one thread hands another its work: an interrupt that wakes a sleeper in the midst of something else
 * must not pass the label of whom it interrupted. */
static __always_inline int hands_over(struct task_struct *current) {
  unsigned long nr = running_call(current);
  return nr == 202 /* futex */ || nr == 1 /* write */ || nr == 20 /* writev */ || nr == 454 /* futex_wake */;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *woken) {
  struct task_struct *current = bpf_get_current_task_btf();
  if (current->tgid != woken->tgid || current->pid == woken->pid) return 0;
  struct skep_task *from = supervised(current);
  if (!from || from->label.source == SKEP_LABEL_NONE) return 0;
  struct skep_task *to = bpf_task_storage_get(&tasks, woken, 0, 0);
  if (!to || to->label.source == SKEP_LABEL_RECV || to->label.source == SKEP_LABEL_HANDED || keeps_label(to)) return 0;
  if (!hands_over(current)) return 0;
  to->label = from->label;
  to->label.source = SKEP_LABEL_WAKE;
  to->label.inherited = SKEP_LABEL_NONE;
  to->label.origin_tid = (uint32_t)woken->pid;
  return 0;
}

#endif
