/* First seen: what a service does is held against its profile. While that is learned, what is not there yet is told and put
 * there; once it is held, what is not there is judged as the pseudo-call SKEP_CALL_FIRST_SEEN, by whatever signature looks at
 * that. Programs of their own, attached while there is a profile at all: a host without one pays nothing for them.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_PROFILE_H
#define SKEP_WATCH_BPF_PROFILE_H

#include "watch/bpf/calls.h"
#include "watch/bpf/emit.h"
#include "watch/bpf/fields.h"
#include "watch/bpf/names.h"
#include "watch/bpf/network.h"

enum { K_NR_RESTART_SYSCALL = 219 };

/* The mode in which `state`'s service is looked at. Held to its profile is only what is done for a session: how a service
 * starts, and what it does by itself, is nobody's attack. */
static __always_inline uint32_t profile_mode(const struct skep_task *state) {
  uint32_t slot = state->service;
  const struct skep_service_entry *service = bpf_map_lookup_elem(&services, &slot);
  if (!service || state->flags & SKEP_TASK_LAUNCHING) return SKEP_PROFILE_NONE;
  uint32_t mode = service->profile;
  if (mode == SKEP_PROFILE_HELD && (state->label.source == SKEP_LABEL_NONE || !state->label.flow.serial))
    return SKEP_PROFILE_NONE;
  return mode;
}

static __always_inline int is_known(uint32_t service, uint32_t kind, uint64_t key) {
  struct skep_profile_key of = {.key = key, .service = service, .kind = kind};
  return bpf_map_lookup_elem(&profile_keys, &of) != 0;
}

/* Empty for what is no file. */
static __always_inline void fill_name(struct skep_pending *pending, struct file *file) {
  pending->path.text[0] = 0;
  pending->path.bytes = pending->path.traits = 0;
  if (file) fill_name_at(&pending->path, stand_at(file));
}

/* ---- what is new ---- */

/* Bits of calls, keys of all else. */
static __always_inline uint64_t *calls_word(uint32_t service, uint32_t nr) {
  struct skep_known_calls *known = bpf_map_lookup_elem(&known_calls, &service);
  return known ? &known->bits[(nr / 64) & (SKEP_CALLS_MAX / 64 - 1)] : 0;
}

static __always_inline void remember(uint32_t service, uint32_t kind, uint64_t key) {
  if (kind == SKEP_PROFILE_CALL) {
    uint64_t *word = calls_word(service, (uint32_t)key);
    if (word) __sync_fetch_and_or(word, 1ull << (key & 63));
    return;
  }
  uint32_t one = 1;
  struct skep_profile_key of = {.key = key, .service = service, .kind = kind};
  if (bpf_map_update_elem(&profile_keys, &of, &one, BPF_ANY)) COUNT(helper_failures);
}

/* Told first: what could not be told is not learned, and told the next time. */
static __always_inline void learn(const struct skep_task *state, const struct skep_pending *pending, uint32_t kind,
                                  uint64_t key) {
  struct skep_first_seen_record *record = RESERVE(telemetry, record, SKEP_FIRST_SEEN);
  if (!record) return;
  record->service = state->service;
  record->kind = kind;
  record->key = key;
  __builtin_memcpy(record->address, pending->call.remote, sizeof record->address);
  record->name_bytes = pending->path.bytes;
  record->whole = pending->path.traits;
  record->label = state->label;
  __builtin_memcpy(record->name, pending->path.text, sizeof record->name);
  bpf_ringbuf_submit(record, 0);
  remember(state->service, kind, key);
}

/* What is not in the profile. Kind 0: nothing. */
struct newcomer {
  uint32_t kind;
  uint64_t key; /* not of a file: that has file_is_known left in the pending call */
  struct file *file;
  uint64_t remote[2];
};

/* What current, which is `task`, does is not in the profile. Once in each program: the judging is large, and as many calls
 * deep as a program may be. */
static __always_inline void meet(struct task_struct *task, struct skep_task *state, const struct newcomer *what) {
  struct skep_pending *pending = begin_pending(task, SKEP_CALL_FIRST_SEEN, SKEP_STAGE_POST);
  if (!pending) return;
  uint64_t key = what->file ? pending->path.name : what->key;
  COUNT(first_seen);
  struct skep_call *call = &pending->call;
  call->remote[0] = what->remote[0];
  call->remote[1] = what->remote[1];
  fill_name(pending, what->file);
  if (profile_mode(state) == SKEP_PROFILE_LEARNING) {
    learn(state, pending, what->kind, key);
    return;
  }
  struct judging j = {.call = call, .state = state, .task = task, .leader = task->group_leader, .what = &pending->path};
  fill_caller(call, state, task);
  set_field(call, SKEP_FIELD_ARG0, what->kind);
  set_field(call, SKEP_FIELD_ARG0 + 1, key);
  if (judge_call(&j) == VERDICT_KILL) bpf_send_signal(K_SIGKILL);
}

/* ---- files and programs ---- */

/* One of the folders above is in the profile as a whole. */
static __always_inline int folder_is_known(const struct skep_call *call, uint32_t kind) {
  for (uint32_t i = 0; i < SKEP_FOLDERS_MAX; ++i) {
    if (i >= call->folder_count) return 0;
    if (is_known(call->service, kind, call->folders[i])) return 1;
  }
  return 0;
}

/* Global: verified once, by itself. `file`: the address of a struct file; `meet` finds its key in the pending call. */
__attribute__((noinline)) int file_is_known(uint64_t file, uint32_t kind) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state) return 1;
  struct skep_pending *pending = begin_pending(task, SKEP_CALL_FIRST_SEEN, SKEP_STAGE_POST);
  if (!pending) return 1;
  struct skep_call *call = &pending->call;
  call->service = state->service;
  struct file *opened = (struct file *)file;
  struct hashed_name name = name_of_dentry(stand_at(opened).dentry);
  fill_folders(call, opened);
  uint64_t folder = call->folder_count ? call->folders[0] : 0;
  pending->path.name = kind == SKEP_PROFILE_FOLDER_WRITTEN ? folder : skep_profile_file(folder, name.whole);
  if (is_known(call->service, kind, pending->path.name)) return 1;
  if (kind == SKEP_PROFILE_FILE_READ) return folder_is_known(call, SKEP_PROFILE_FOLDER_READ);
  if (kind == SKEP_PROFILE_FOLDER_WRITTEN) return folder_is_known(call, SKEP_PROFILE_TREE_WRITTEN);
  return 0;
}

static __always_inline struct newcomer look_at_file(struct file *file, uint32_t kind) {
  struct newcomer found = {.file = file};
  if (!file_is_known((uint64_t)file, kind)) found.kind = kind;
  return found;
}

/* A regular file was opened: to be written to, or only to be read. */
static __always_inline struct newcomer look_at_opened(struct file *file) {
  struct newcomer none = {};
  if (file_kind(file) != K_S_IFREG) return none;
  int writes = file_mode(file) & K_FMODE_WRITE;
  return look_at_file(file, writes ? SKEP_PROFILE_FOLDER_WRITTEN : SKEP_PROFILE_FILE_READ);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(profile_exec, struct task_struct *task, int old_pid, struct linux_binprm *program) {
  struct skep_task *state = supervised(task);
  if (!state || profile_mode(state) == SKEP_PROFILE_NONE) return 0;
  struct newcomer what = look_at_file(BPF_CORE_READ(program, file), SKEP_PROFILE_PROGRAM);
  if (what.kind) meet(task, state, &what);
  return 0;
}

/* ---- calls, ports, peers ---- */

static __always_inline struct newcomer look_at_call(const struct skep_task *state, uint32_t nr) {
  struct newcomer found = {.key = nr};
  if (nr >= SKEP_CALLS_MAX || nr == K_NR_RESTART_SYSCALL) return found; /* the kernel's own way to go on with another */
  uint64_t *word = calls_word(state->service, nr);
  if (word && !(*word >> (nr & 63) & 1)) found.kind = SKEP_PROFILE_CALL;
  return found;
}

/* A port was bound, or is listened on. Of one that the kernel has chosen the number means nothing. */
static __always_inline struct newcomer look_at_port(const struct skep_task *state, struct file *file) {
  struct newcomer found = {};
  struct sock *sk = socket_of(file);
  if (!sk) return found;
  uint16_t family = BPF_CORE_READ(sk, __sk_common.skc_family);
  if (family != K_AF_INET && family != K_AF_INET6) return found;
  uint16_t port = BPF_CORE_READ(sk, __sk_common.skc_num);
  found.key = port >= SKEP_EPHEMERAL_FIRST && port <= SKEP_EPHEMERAL_LAST ? 0 : port;
  if (!is_known(state->service, SKEP_PROFILE_PORT, found.key)) found.kind = SKEP_PROFILE_PORT;
  return found;
}

/* What a call that has succeeded was about. */
static __always_inline struct newcomer look_at_object(struct task_struct *task, const struct skep_task *state, uint32_t nr,
                                                      struct pt_regs *regs, long result) {
  struct newcomer none = {};
  int opened = nr == K_NR_OPENAT || nr == K_NR_OPEN || nr == K_NR_OPENAT2 || nr == K_NR_CREAT;
  if (result < 0 || !(opened || nr == K_NR_BIND || nr == K_NR_LISTEN)) return none;
  struct file *file = file_of(task, opened ? (uint64_t)result : regs->di);
  if (!file) return none;
  return opened ? look_at_opened(file) : look_at_port(state, file);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(profile_return, struct pt_regs *regs, long result) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state) return 0;
  unsigned long number = regs->orig_ax;
  if (profile_mode(state) == SKEP_PROFILE_NONE || (long)number < 0) return 0;
  int compat = task->thread_info.status & K_TS_COMPAT;
  uint32_t nr = compat || number & K_X32_BIT ? SKEP_CALL_FOREIGN_ABI : skep_canonical_call((uint32_t)number);
#pragma clang loop unroll(disable)
  for (int turn = 0; turn < 2; ++turn) {
    struct newcomer what = turn ? look_at_object(task, state, nr, regs, result) : look_at_call(state, nr);
    if (what.kind) meet(task, state, &what);
  }
  return 0;
}

/* Attached after the hooks that judge: what they have refused is not looked at. */
static __always_inline int look_at_peer(const uint8_t *address) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state || profile_mode(state) == SKEP_PROFILE_NONE || bpf_get_retval()) return 1;
  struct newcomer what = {};
  __builtin_memcpy(what.remote, address, sizeof what.remote);
  what.key = skep_profile_peer(what.remote[0], what.remote[1]);
  if (!is_known(state->service, SKEP_PROFILE_PEER, what.key)) {
    what.kind = SKEP_PROFILE_PEER;
    meet(task, state, &what);
  }
  return 1;
}

static __always_inline int look_at_peer4(struct bpf_sock_addr *ctx) {
  uint8_t address[16];
  mapped_address(address, ctx->user_ip4);
  return look_at_peer(address);
}

static __always_inline int look_at_peer6(struct bpf_sock_addr *ctx) {
  uint32_t address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
  return look_at_peer((const uint8_t *)address);
}

SEC("cgroup/connect4") int profile_connect4(struct bpf_sock_addr *ctx) { return look_at_peer4(ctx); }
SEC("cgroup/connect6") int profile_connect6(struct bpf_sock_addr *ctx) { return look_at_peer6(ctx); }
SEC("cgroup/sendmsg4") int profile_sendmsg4(struct bpf_sock_addr *ctx) { return look_at_peer4(ctx); }
SEC("cgroup/sendmsg6") int profile_sendmsg6(struct bpf_sock_addr *ctx) { return look_at_peer6(ctx); }

#endif
