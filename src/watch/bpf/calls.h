/* The verdict: one call of a supervised thread, held against the table in force. Every place where a call can be judged
 * (before it runs, at the network hooks, when a program was opened, after it has returned) fills the same skep_call and
 * comes to `judge_call`.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_CALLS_H
#define SKEP_WATCH_BPF_CALLS_H

#include "match/automaton.h"
#include "watch/bpf/alerts.h"
#include "watch/bpf/fields.h"
#include "watch/bpf/scopes.h"

enum { VERDICT_GO_ON = 0, VERDICT_KILL = -1 }; /* > 0: the errno of a refusal */

struct judging {
  const struct skep_table *table;
  struct skep_call *call;
  struct skep_task *state;
  struct task_struct *task;
  struct task_struct *leader;
  struct linux_binprm *program; /* EXEC, else none */
  const struct skep_user_path *what; /* FIRST_SEEN of a file, else none */
  uint32_t run_first;
  uint32_t run_count;
  uint32_t second_net;   /* LISTEN hook: steps of stage PRE are judged too, in case the notifier was deceived */
  int32_t chosen_action; /* the strongest action of all that fired, -1: none did; of equals the first in the table */
  uint32_t chosen;       /* its signature */
  uint32_t chosen_step;
  uint32_t chosen_run;   /* of a sequence: the run that has come to its end */
  uint32_t crossed;      /* evidence that has newly reached a level, and which, from 1; level 0: none */
  uint32_t crossed_level;
  uint32_t feeding;
};

static __always_inline const struct skep_table *table_in_force(void) {
  void *inner = bpf_map_lookup_elem(&table, &kZero);
  return inner ? bpf_map_lookup_elem(inner, &kZero) : 0;
}

/* The call of `task`, to be filled for `stage`: nothing is known of it yet. */
static __always_inline struct skep_pending *begin_pending(struct task_struct *task, uint32_t nr, uint8_t stage) {
  struct skep_pending *pending = bpf_task_storage_get(&pending_calls, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!pending) {
    COUNT(helper_failures);
    return 0;
  }
  struct skep_call *call = &pending->call;
  call->has = 0;
  call->has_bound = 0;
  call->folder_count = 0;
  call->nr = nr;
  call->stage = stage;
  call->fields[SKEP_FIELD_RESULT] = 0;
  call->remote[0] = call->remote[1] = 0;
  for (int i = 0; i < 6; ++i) call->fields[SKEP_FIELD_ARG0 + i] = 0;
  call->fields[SKEP_FIELD_FD_TYPE] = call->fields[SKEP_FIELD_FD_PORT] = 0;
  return pending;
}

static __always_inline struct skep_call *begin_call(struct task_struct *task, uint32_t nr, uint8_t stage) {
  struct skep_pending *pending = begin_pending(task, nr, stage);
  return pending ? &pending->call : 0;
}

static __always_inline int name_state(struct judging *j, const struct skep_signature *signature,
                                      struct skep_scope_key *key) {
  key->slot = signature->slot & (SKEP_SLOTS_MAX - 1);
  return name_scope(key, signature->scope, j->state, j->task, j->leader);
}

/* Global, as what takes many ways is: verified once in each program, not once on each way that leads there. A run of a
 * sequence begins. */
__attribute__((noinline)) int begin_run(const struct skep_table *t, const struct skep_scope_key *key, uint32_t index,
                                        uint32_t which, const struct skep_call *call) {
  if (!t || !key || !call) return 0;
  struct skep_state *state = make_state(key);
  if (!state) return 0;
  skep_renew_state(t, index, state);
  return skep_sequence_begin(t, which, state, call);
}

/* A call is held against one step of a sequence, for each of its runs: true if one has come to its end. */
static __always_inline int follow_sequence(struct judging *j, const struct skep_scope_key *key, uint32_t index,
                                           const struct skep_table_step *step, uint32_t which) {
  if (step->role == SKEP_ROLE_STEP && step->index == 0) {
    if (skep_step_matches(j->table, which, j->call)) begin_run(j->table, key, index, which, j->call);
    return 0;
  }
  struct skep_state *state = find_state(key);
  if (!state) return 0;
  skep_renew_state(j->table, index, state);
  for (uint32_t place = 0; place < SKEP_INSTANCES_MAX; ++place) {
    if (skep_run_advance(j->table, which, state, place, j->call) != SKEP_SEQUENCE_COMPLETE) continue;
    j->chosen_run = place;
    return 1;
  }
  return 0;
}

static __always_inline uint8_t level_action(const struct judging *j, uint32_t index, uint32_t level) {
  if (index >= SKEP_SIGNATURES_MAX) return SKEP_OBSERVED;
  return j->table->signatures[index].levels[(level - 1) & (SKEP_LEVELS_MAX - 1)].action;
}

/* Global, as `begin_run`: the level that this weight newly reaches, or none. */
__attribute__((noinline)) int add_weight(const struct skep_table *t, const struct skep_scope_key *key, uint32_t index,
                                         uint32_t weight, const struct skep_call *call) {
  if (!t || !key || !call) return 0;
  struct skep_state *state = make_state(key);
  if (!state) return 0;
  skep_renew_state(t, index, state);
  return skep_add_evidence(t, index, state, weight, call);
}

/* The highest level newly reached by this call is told; of several signatures' that of the strongest action, of equals
 * the first. */
static __always_inline void weigh(struct judging *j, const struct skep_scope_key *key, uint32_t index,
                                  uint32_t weight) {
  int level = add_weight(j->table, key, index, weight, j->call);
  if (level <= 0) return;
  if (j->crossed_level && j->crossed != index &&
      level_action(j, index, (uint32_t)level) <= level_action(j, j->crossed, j->crossed_level))
    return;
  j->crossed = index;
  j->crossed_level = (uint32_t)level;
}

/* A step of evidence: a weight adds, a gate holds where its level has been reached. */
static __always_inline int follow_evidence(struct judging *j, const struct skep_scope_key *key, uint32_t index,
                                           const struct skep_table_step *step, uint32_t which) {
  if (!skep_step_matches(j->table, which, j->call)) return 0;
  if (step->role != SKEP_ROLE_GATE) {
    weigh(j, key, index, step->index);
    return 0;
  }
  struct skep_state *state = find_state(key);
  return state && skep_gate_open(step, &j->table->signatures[index], state);
}

/* bpf_loop's callback: signature `feeding` holds, and adds to the evidence that asks for it. */
static long feed_one(uint32_t i, struct judging *j) {
  if (j->feeding >= SKEP_SIGNATURES_MAX) return 1;
  const struct skep_signature *signature = &j->table->signatures[j->feeding];
  if (i >= signature->feed_count) return 1;
  const struct skep_feed *to = SKEP_AT(j->table->feeds, signature->feed_first + i);
  uint32_t index = to->signature;
  if (index >= SKEP_SIGNATURES_MAX) return 1;
  const struct skep_signature *evidence = &j->table->signatures[index];
  struct skep_scope_key key = {};
  if (!(evidence->services >> (j->call->service & 63) & 1) || !name_state(j, evidence, &key)) return 0;
  weigh(j, &key, index, to->weight);
  return 0;
}

static __always_inline int stage_fits(const struct judging *j, uint8_t stage) {
  return stage == j->call->stage || (j->second_net && stage == SKEP_STAGE_PRE);
}

static __always_inline int step_holds(struct judging *j, const struct skep_signature *signature, uint32_t index,
                                      const struct skep_table_step *step, uint32_t which) {
  if (signature->kind == SKEP_BLACKLIST) return skep_step_matches(j->table, which, j->call);
  struct skep_scope_key key = {};
  if (!name_state(j, signature, &key)) return 0; /* it works for no session */
  if (signature->kind == SKEP_SEQUENCE) return follow_sequence(j, &key, index, step, which);
  return follow_evidence(j, &key, index, step, which);
}

/* bpf_loop's callback: candidate `i` of the call's run. */
static long judge_candidate(uint32_t i, struct judging *j) {
  if (i >= j->run_count) return 1;
  const struct skep_table *t = j->table;
  uint32_t at = j->run_first + i;
  if (at >= SKEP_TABLE_STEPS_MAX) return 1;
  uint32_t which = t->by_call[at];
  if (which >= SKEP_TABLE_STEPS_MAX) return 1;
  const struct skep_table_step *step = &t->steps[which];
  uint32_t index = step->signature;
  if (!stage_fits(j, step->stage) || index >= SKEP_SIGNATURES_MAX) return 0;
  const struct skep_signature *signature = &t->signatures[index];
  if (!(signature->services >> (j->call->service & 63) & 1)) return 0;
  uint32_t run = j->chosen_run;
  if (!step_holds(j, signature, index, step, which)) return 0;
  if (signature->feed_count) {
    j->feeding = index;
    bpf_loop(SKEP_SIGNATURE_FEEDS_MAX, feed_one, j, 0);
  }
  if ((int32_t)signature->action > j->chosen_action) {
    j->chosen_action = signature->action;
    j->chosen = index;
    j->chosen_step = which;
  } else {
    j->chosen_run = run;
  }
  return 0;
}

/* The calls that led to it: the run's steps, the latest contributions to the evidence, or this call alone. */
static __always_inline void copy_steps(struct skep_alert_record *record, struct judging *j,
                                       const struct skep_signature *signature) {
  if (signature->kind == SKEP_BLACKLIST) return;
  struct skep_scope_key key = {};
  struct skep_state *state = name_state(j, signature, &key) ? find_state(&key) : 0;
  if (!state) return;
  if (signature->kind == SKEP_EVIDENCE) {
    record->step_count = SKEP_STEPS_MAX;
    record->score = state->evidence.score / SKEP_SCORE_UNIT;
    __builtin_memcpy(record->steps, state->evidence.steps, sizeof record->steps);
    return;
  }
  record->step_count = signature->step_count;
  __builtin_memcpy(record->steps, state->runs[j->chosen_run & (SKEP_INSTANCES_MAX - 1)].steps, sizeof record->steps);
}

/* `level`: of evidence that has newly reached one, else 0. */
static __always_inline void raise_alert(struct judging *j, uint32_t index, uint8_t action, uint32_t level) {
  if (index >= SKEP_SIGNATURES_MAX) return;
  const struct skep_signature *signature = &j->table->signatures[index];
  struct skep_alert_record *record = begin_alert(j->call->service, j->call->nr, action, j->call->stage);
  if (!record) return;
  struct task_struct *task = j->task;
  record->generation = j->table->generation;
  record->signature = index;
  record->level = (uint8_t)level;
  if (!level && j->chosen_step < SKEP_TABLE_STEPS_MAX) record->provenance = j->table->steps[j->chosen_step].provenance;
  fill_violator(record, task);
  record->result = (int64_t)j->call->fields[SKEP_FIELD_RESULT];
  __builtin_memcpy(record->args, &j->call->fields[SKEP_FIELD_ARG0], sizeof record->args);
  __builtin_memcpy(record->address, j->call->remote, sizeof record->address);
  record->port = (uint16_t)(j->call->has >> SKEP_FIELD_FD_RPORT & 1 ? j->call->fields[SKEP_FIELD_FD_RPORT]
                                                                    : j->call->fields[SKEP_FIELD_FD_PORT]);
  record->family = (uint16_t)j->call->fields[SKEP_FIELD_FD_TYPE];
  fill_labels(record, j->state, task, j->leader);
  copy_steps(record, j, signature);
  struct linux_binprm *program = j->program;
  if (program) {
    fill_program(record->path, &record->path_bytes, record->exec_args, &record->args_bytes, program);
    record->exe_device = BPF_CORE_READ(program, file, f_inode, i_sb, s_dev);
    record->exe_inode = BPF_CORE_READ(program, file, f_inode, i_ino);
    fill_interpreter(record, program);
  }
  const struct skep_user_path *what = j->what;
  if (what) {
    bpf_probe_read_kernel(record->path, sizeof record->path, what->text);
    record->path_bytes = (uint16_t)what->bytes;
  }
  ask_for_confirmation(&record->label, record->tid, record->id);
  send_alert(record);
}

/* What can be done at this stage of what the signature wants; DENIED at a stage that is too late for it becomes KILLED. */
static __always_inline uint8_t possible_action(const struct judging *j, uint8_t wanted) {
  int can_deny = j->call->stage == SKEP_STAGE_PRE || (j->call->stage == SKEP_STAGE_HOOK && j->call->nr != K_NR_LISTEN);
  return wanted == SKEP_DENIED && !can_deny ? SKEP_KILLED : wanted;
}

/* A level of evidence was reached by this call: told, and ended where the level says so. */
static __always_inline int tell_level(struct judging *j) {
  if (!j->crossed_level || j->crossed >= SKEP_SIGNATURES_MAX) return VERDICT_GO_ON;
  uint8_t action = level_action(j, j->crossed, j->crossed_level);
  if (action == SKEP_KILLED) COUNT(killed);
  raise_alert(j, j->crossed, action, j->crossed_level);
  return action == SKEP_KILLED ? VERDICT_KILL : VERDICT_GO_ON;
}

static __always_inline int tell_chosen(struct judging *j) {
  if (j->chosen_action < 0 || j->chosen >= SKEP_SIGNATURES_MAX) return VERDICT_GO_ON;
  const struct skep_signature *signature = &j->table->signatures[j->chosen];
  uint8_t action = possible_action(j, (uint8_t)j->chosen_action);
  if (action == SKEP_DENIED) COUNT(denied);
  if (action == SKEP_KILLED) COUNT(killed);
  raise_alert(j, j->chosen, action, 0);
  if (action == SKEP_KILLED) return VERDICT_KILL;
  return action == SKEP_DENIED ? signature->deny_errno : VERDICT_GO_ON;
}

static __always_inline int judge_call(struct judging *j) {
  j->table = table_in_force();
  uint32_t nr = j->call->nr;
  if (!j->table || nr >= SKEP_CALLS_MAX) return VERDICT_GO_ON;
  j->run_first = j->table->calls[nr].first;
  j->run_count = j->table->calls[nr].count;
  j->chosen_action = -1;
  j->call->now_ns = bpf_ktime_get_boot_ns();
  j->call->tid = (uint32_t)j->task->pid;
  bpf_loop(SKEP_CALL_STEPS_MAX, judge_candidate, j, 0);
  int verdict = tell_chosen(j);
  int of_level = tell_level(j);
  return of_level == VERDICT_KILL ? of_level : verdict;
}

/* Whether any signature looks at this call at all: asked before the fields are gathered. */
static __always_inline int has_candidates(uint32_t nr) {
  const struct skep_table *t = table_in_force();
  return t && nr < SKEP_CALLS_MAX && t->calls[nr].count;
}

/* A program was opened and is about to run in `task`, which is current. */
static __always_inline void judge_program(struct task_struct *task, struct skep_task *state,
                                          struct linux_binprm *program) {
  int launching = state->flags & SKEP_TASK_LAUNCHING;
  int at = running_call(task) == K_NR_EXECVEAT;
  struct skep_call *call = begin_call(task, at ? K_NR_EXECVEAT : K_NR_EXECVE, SKEP_STAGE_EXEC);
  if (!call) {
    if (!launching) bpf_send_signal(K_SIGKILL); /* what cannot be judged is not run */
    return;
  }
  struct judging j = {.call = call, .state = state, .task = task, .leader = task->group_leader, .program = program};
  fill_caller(call, state, task);
  uint32_t kind = fill_executable(call, program);
  state->flags &= ~(uint32_t)(SKEP_TASK_LAUNCHING | SKEP_TASK_IN_GROUP);
  if (kind == SKEP_PROGRAM_GROUP) state->flags |= SKEP_TASK_IN_GROUP;
  state->exe = call->fields[SKEP_FIELD_EXE_FILE];
  state->exe_name = call->fields[SKEP_FIELD_EXE_NAME];
  if (launching) return; /* the service's own program, by watch's own hand */
  if (judge_call(&j) == VERDICT_KILL) bpf_send_signal(K_SIGKILL);
}

/* A socket has begun to listen: current called listen(). */
static __always_inline void judge_listening(struct sock *sk) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state) return;
  struct skep_call *call = begin_call(task, K_NR_LISTEN, SKEP_STAGE_HOOK);
  if (!call) return;
  struct judging j = {.call = call, .state = state, .task = task, .leader = task->group_leader, .second_net = 1};
  fill_caller(call, state, task);
  fill_socket(call, sk);
  if (judge_call(&j) == VERDICT_KILL) bpf_send_signal(K_SIGKILL);
}

#endif
