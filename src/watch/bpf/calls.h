/* The verdict: one call of a supervised thread, held against the table in force. Every place where a call can be judged
 * (before it runs, at the network hooks, when a program was opened, after it has returned) fills the same skep_call and
 * comes to `judge_call`.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_CALLS_H
#define SKEP_WATCH_BPF_CALLS_H

#include "match/automaton.h"
#include "watch/bpf/emit.h"
#include "watch/bpf/fields.h"
#include "watch/bpf/label.h"

enum { VERDICT_GO_ON = 0, VERDICT_KILL = -1 }; /* > 0: the errno of a refusal */

static const struct skep_sequence_memory kNoSequences;

struct judging {
  const struct skep_table *table;
  struct skep_call *call;
  struct skep_task *state;
  struct task_struct *task;
  struct task_struct *leader;
  struct linux_binprm *program; /* EXEC, else none */
  uint32_t run_first;
  uint32_t run_count;
  uint32_t second_net;   /* LISTEN hook: steps of stage PRE are judged too, in case the notifier was deceived */
  int32_t chosen_action; /* the strongest action of all that fired, -1: none did; of equals the first in the table */
  uint32_t chosen;       /* its signature */
  uint32_t chosen_step;
};

static __always_inline const struct skep_table *table_in_force(void) {
  void *inner = bpf_map_lookup_elem(&table, &kZero);
  return inner ? bpf_map_lookup_elem(inner, &kZero) : 0;
}

static __always_inline struct skep_sequence_memory *session_memory(uint64_t serial) {
  struct skep_sequence_memory *memory = bpf_map_lookup_elem(&session_sequences, &serial);
  if (memory) return memory;
  bpf_map_update_elem(&session_sequences, &serial, &kNoSequences, BPF_NOEXIST);
  return bpf_map_lookup_elem(&session_sequences, &serial);
}

static __always_inline struct skep_process_key process_key(struct task_struct *leader) {
  struct skep_process_key key = {.start_ns = BPF_CORE_READ(leader, start_boottime), .pid = (uint32_t)leader->tgid};
  return key;
}

static __always_inline struct skep_sequence_memory *process_memory(struct task_struct *leader) {
  struct skep_process_key key = process_key(leader);
  struct skep_sequence_memory *memory = bpf_map_lookup_elem(&process_sequences, &key);
  if (memory) return memory;
  bpf_map_update_elem(&process_sequences, &key, &kNoSequences, BPF_NOEXIST);
  return bpf_map_lookup_elem(&process_sequences, &key);
}

/* The memory of the scope in which a sequence is followed; made when its first step is seen. */
static __always_inline struct skep_sequence_memory *sequence_memory(struct judging *j, uint32_t scope) {
  uint32_t slot = j->state->service;
  switch (scope) {
    case SKEP_BY_THREAD:
      return bpf_task_storage_get(&thread_sequences, j->task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    case SKEP_BY_PROCESS:
      return process_memory(j->leader);
    case SKEP_BY_SERVICE:
      return bpf_map_lookup_elem(&service_sequences, &slot);
    default:
      return session_memory(j->state->label.flow.serial);
  }
}

/* One step of a sequence was seen: true if it was the last. */
static __always_inline int follow_sequence(struct judging *j, const struct skep_signature *signature,
                                           const struct skep_table_step *step) {
  if (signature->scope == SKEP_BY_SESSION && !j->state->label.flow.serial) return 0; /* it works for no session */
  struct skep_sequence_memory *memory = sequence_memory(j, signature->scope);
  if (!memory) {
    COUNT(helper_failures);
    return 0;
  }
  uint32_t slot = signature->slot & (SKEP_SEQUENCES_MAX - 1);
  uint32_t index = step->index & (SKEP_STEPS_MAX - 1);
  uint64_t now = bpf_ktime_get_boot_ns();
  int outcome = skep_sequence_advance(signature, &memory->states.at[slot], index, now);
  if (!outcome) return 0;
  struct skep_step *seen = &memory->steps[slot][index];
  seen->time_ns = now;
  seen->call = j->call->nr;
  seen->tid = (uint32_t)j->task->pid;
  if (index == 0) COUNT(sequence_states);
  return outcome == SKEP_SEQUENCE_COMPLETE;
}

static __always_inline int stage_fits(const struct judging *j, uint8_t stage) {
  return stage == j->call->stage || (j->second_net && stage == SKEP_STAGE_PRE);
}

/* bpf_loop's callback: candidate `i` of the call's run. */
static long judge_candidate(uint32_t i, struct judging *j) {
  if (i >= j->run_count) return 1;
  const struct skep_table *t = j->table;
  uint32_t at = j->run_first + i;
  if (at >= SKEP_TABLE_STEPS_MAX * 4) return 1;
  uint32_t which = t->by_call[at];
  if (which >= SKEP_TABLE_STEPS_MAX) return 1;
  const struct skep_table_step *step = &t->steps[which];
  uint32_t index = step->signature;
  if (!stage_fits(j, step->stage) || index >= SKEP_SIGNATURES_MAX) return 0;
  const struct skep_signature *signature = &t->signatures[index];
  if (!(signature->services >> (j->call->service & 63) & 1)) return 0;
  if (!skep_step_matches(t, which, j->call)) return 0;
  if (signature->step_count > 1 && !follow_sequence(j, signature, step)) return 0;
  if ((int32_t)signature->action > j->chosen_action) {
    j->chosen_action = signature->action;
    j->chosen = index;
    j->chosen_step = which;
  }
  return 0;
}

/* The judge waits for the answer of the thread for which this one works, where its session is not certain. */
static __always_inline void ask_for_confirmation(const struct skep_label *label, uint32_t tid, uint64_t alert) {
  uint32_t how = label->source == SKEP_LABEL_FORK ? label->inherited : label->source;
  if (how == SKEP_LABEL_RECV && !label->ambiguous) return;
  uint32_t origin = label->origin_tid ? label->origin_tid : tid;
  if (bpf_map_update_elem(&confirmations, &origin, &alert, BPF_ANY)) COUNT(helper_failures);
}

static __always_inline void copy_steps(struct skep_alert_record *record, struct judging *j,
                                       const struct skep_signature *signature) {
  record->step_count = 1;
  record->steps[0].time_ns = record->head.time_ns;
  record->steps[0].call = j->call->nr;
  record->steps[0].tid = record->tid;
  if (signature->step_count < 2) return;
  struct skep_sequence_memory *memory = sequence_memory(j, signature->scope);
  if (!memory) return;
  record->step_count = signature->step_count;
  __builtin_memcpy(record->steps, memory->steps[signature->slot & (SKEP_SEQUENCES_MAX - 1)], sizeof record->steps);
}

static __always_inline void raise_alert(struct judging *j, const struct skep_signature *signature, uint8_t action) {
  COUNT(alerts);
  struct skep_alert_record *record = RESERVE(alerts, record, SKEP_ALERT);
  if (!record) return;
  struct task_struct *task = j->task;
  record->id = __sync_fetch_and_add(&last_alert, 1) + 1;
  record->generation = j->table->generation;
  record->signature = j->chosen;
  record->service = j->call->service;
  record->call = j->call->nr;
  record->action = action;
  record->stage = j->call->stage;
  record->provenance = j->chosen_step < SKEP_TABLE_STEPS_MAX ? j->table->steps[j->chosen_step].provenance : 0;
  record->pid = (uint32_t)task->tgid;
  record->tid = (uint32_t)task->pid;
  record->parent = (uint32_t)BPF_CORE_READ(task, real_parent, tgid);
  record->uid = (uint32_t)j->call->fields[SKEP_FIELD_UID];
  record->result = (int64_t)j->call->fields[SKEP_FIELD_RESULT];
  record->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
  __builtin_memcpy(record->args, &j->call->fields[SKEP_FIELD_ARG0], sizeof record->args);
  record->exe_device = record->exe_inode = 0;
  __builtin_memcpy(record->address, j->call->remote, sizeof record->address);
  record->port = (uint16_t)(j->call->has >> SKEP_FIELD_FD_RPORT & 1 ? j->call->fields[SKEP_FIELD_FD_RPORT]
                                                                    : j->call->fields[SKEP_FIELD_FD_PORT]);
  record->family = (uint16_t)j->call->fields[SKEP_FIELD_FD_TYPE];
  record->path_bytes = record->args_bytes = 0;
  record->path[0] = record->exec_args[0] = 0;
  record->label = j->state->label;
  BPF_CORE_READ_STR_INTO(&record->comm, task, comm);
  copy_steps(record, j, signature);
  struct linux_binprm *program = j->program;
  if (program) {
    fill_program(record->path, &record->path_bytes, record->exec_args, &record->args_bytes, program);
    record->exe_device = BPF_CORE_READ(program, file, f_inode, i_sb, s_dev);
    record->exe_inode = BPF_CORE_READ(program, file, f_inode, i_ino);
  }
  ask_for_confirmation(&record->label, record->tid, record->id);
  bpf_ringbuf_submit(record, 0); /* wakes a judge that has read all before it: one that has not comes by anyway */
}

/* What can be done at this stage of what the signature wants; DENIED at a stage that is too late for it becomes KILLED. */
static __always_inline uint8_t possible_action(const struct judging *j, uint8_t wanted) {
  int can_deny = j->call->stage == SKEP_STAGE_PRE || (j->call->stage == SKEP_STAGE_HOOK && j->call->nr != K_NR_LISTEN);
  return wanted == SKEP_DENIED && !can_deny ? SKEP_KILLED : wanted;
}

static __always_inline int judge_call(struct judging *j) {
  j->table = table_in_force();
  uint32_t nr = j->call->nr;
  if (!j->table || nr >= SKEP_CALLS_MAX) return VERDICT_GO_ON;
  j->run_first = j->table->calls[nr].first;
  j->run_count = j->table->calls[nr].count;
  j->chosen_action = -1;
  j->chosen = 0;
  j->chosen_step = 0;
  bpf_loop(SKEP_CALL_STEPS_MAX, judge_candidate, j, 0);
  if (j->chosen_action < 0 || j->chosen >= SKEP_SIGNATURES_MAX) return VERDICT_GO_ON;
  const struct skep_signature *signature = &j->table->signatures[j->chosen];
  uint8_t action = possible_action(j, (uint8_t)j->chosen_action);
  if (action == SKEP_DENIED) COUNT(denied);
  if (action == SKEP_KILLED) COUNT(killed);
  raise_alert(j, signature, action);
  if (action == SKEP_KILLED) return VERDICT_KILL;
  return action == SKEP_DENIED ? signature->deny_errno : VERDICT_GO_ON;
}

/* Whether any signature looks at this call at all: asked before the fields are gathered. */
static __always_inline int has_candidates(uint32_t nr) {
  const struct skep_table *t = table_in_force();
  return t && nr < SKEP_CALLS_MAX && t->calls[nr].count;
}

/* A program was opened and is about to run in `task`, which is current. */
static __always_inline void judge_program(struct task_struct *task, struct skep_task *state,
                                          struct linux_binprm *program) {
  int at = running_call(task) == K_NR_EXECVEAT;
  struct skep_call call = {.nr = at ? K_NR_EXECVEAT : K_NR_EXECVE, .stage = SKEP_STAGE_EXEC};
  struct judging j = {.call = &call, .state = state, .task = task, .leader = task->group_leader, .program = program};
  int launching = state->flags & SKEP_TASK_LAUNCHING;
  fill_caller(&call, state, task);
  uint32_t kind = fill_executable(&call, program);
  state->flags = kind == SKEP_PROGRAM_GROUP ? SKEP_TASK_IN_GROUP : 0;
  if (launching) return; /* the service's own program, by watch's own hand */
  if (judge_call(&j) == VERDICT_KILL) bpf_send_signal(K_SIGKILL);
}

/* A socket has begun to listen: current called listen(). */
static __always_inline void judge_listening(struct sock *sk) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state) return;
  struct skep_call call = {.nr = K_NR_LISTEN, .stage = SKEP_STAGE_HOOK};
  struct judging j = {.call = &call, .state = state, .task = task, .leader = task->group_leader, .second_net = 1};
  fill_caller(&call, state, task);
  fill_socket(&call, sk);
  if (judge_call(&j) == VERDICT_KILL) bpf_send_signal(K_SIGKILL);
}

#endif
