/* The fields of a call, each from where it can be believed: registers, the kernel's own copies and objects.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_FIELDS_H
#define SKEP_WATCH_BPF_FIELDS_H

#include "watch/bpf/files.h"

/* v4-mapped where it is IPv4. */
static __always_inline void mapped_address(uint8_t *to, uint32_t v4) {
  __builtin_memset(to, 0, 10);
  to[10] = 0xff;
  to[11] = 0xff;
  __builtin_memcpy(to + 12, &v4, 4);
}

static __always_inline void set_field(struct skep_call *call, uint32_t field, uint64_t value) {
  call->fields[field] = value;
  call->has |= 1ull << field;
}

/* Does a step look at one of these fields of this call? */
static __always_inline int wanted(const struct skep_call *call, uint64_t fields) {
  return (wanted_fields[call->nr % SKEP_CALLS_MAX] & fields) != 0;
}

/* What is known of every call, at every stage. */
static __always_inline void fill_caller(struct skep_call *call, const struct skep_task *state,
                                        struct task_struct *task) {
  call->service = state->service;
  set_field(call, SKEP_FIELD_UID, AS(struct task_struct, task)->cred->euid.val);
  set_field(call, SKEP_FIELD_IN_GROUP, (state->flags & SKEP_TASK_IN_GROUP) != 0);
  set_field(call, SKEP_FIELD_FOR_SESSION, state->label.source != SKEP_LABEL_NONE && state->label.flow.serial);
  if (!state->exe) return;
  set_field(call, SKEP_FIELD_CALLER_FILE, state->exe);
  set_field(call, SKEP_FIELD_CALLER_NAME, state->exe_name);
}

/* As the registers held them. Those of socket are cut to what the kernel takes of them, and the seccomp filter looks at:
 * the upper halves are the caller's to choose. */
static __always_inline void fill_arguments(struct skep_call *call, const uint64_t *args) {
  for (int i = 0; i < 6; ++i)
    call->fields[SKEP_FIELD_ARG0 + i] = call->nr == K_NR_SOCKET ? (uint32_t)args[i] : args[i];
  call->has |= 0x3full << SKEP_FIELD_ARG0;
}

/* `compat`: it came through the 32-bit entry. */
static __always_inline void fill_registers(struct skep_call *call, struct pt_regs *regs, int compat) {
  uint64_t args[6];
  args[0] = compat ? (uint32_t)regs->bx : regs->di;
  args[1] = compat ? (uint32_t)regs->cx : regs->si;
  args[2] = compat ? (uint32_t)regs->dx : regs->dx;
  args[3] = compat ? (uint32_t)regs->si : regs->r10;
  args[4] = compat ? (uint32_t)regs->di : regs->r8;
  args[5] = compat ? (uint32_t)regs->bp : regs->r9;
  fill_arguments(call, args);
}

/* The number of the call that `task` is in. */
static __always_inline unsigned long running_call(struct task_struct *task) {
  return AS(struct pt_regs, bpf_task_pt_regs(task))->orig_ax;
}

static __always_inline int is_service_port(uint32_t slot, uint16_t port) {
  const struct skep_service_entry *service = bpf_map_lookup_elem(&services, &slot);
  if (!service) return 0;
  for (uint32_t i = 0; i < 16; ++i) {
    if (i >= service->port_count) return 0;
    if (service->ports[i] == port) return 1;
  }
  return 0;
}

static __always_inline void fill_local_port(struct skep_call *call, uint16_t port) {
  set_field(call, SKEP_FIELD_FD_PORT, port);
  set_field(call, SKEP_FIELD_SERVICE_PORT, (uint64_t)is_service_port(call->service, port));
}

static __always_inline void fill_socket(struct skep_call *call, const struct sock *sk) {
  const struct sock *socket = AS(struct sock, sk);
  uint16_t family = socket->__sk_common.skc_family;
  int internet = family == K_AF_INET || family == K_AF_INET6;
  set_field(call, SKEP_FIELD_FD_TYPE, family == K_AF_INET ? '4' : family == K_AF_INET6 ? '6' : 'u');
  set_field(call, SKEP_FIELD_FD_PROTO, internet ? socket->sk_protocol : 0);
  if (internet) fill_local_port(call, socket->__sk_common.skc_num);
}

/* A file's own name, and what stands behind its last dot: hashes. A dot at the very beginning hides a file and begins no
 * extension. */
struct hashed_name {
  uint64_t whole;
  uint64_t extension;
  uint32_t length; /* so far */
  uint32_t dots;   /* at its beginning */
};

static const struct hashed_name kNoName = {.whole = SKEP_HASH_BEGIN};

/* Its next byte. Global: verified once, by itself, and not for each byte anew. */
__attribute__((noinline)) int hash_next(struct hashed_name *name, uint32_t c) {
  if (!name) return 0;
  if (c == '.' && name->dots == name->length) name->dots++;
  if (c == '.' && name->length)
    name->extension = SKEP_HASH_BEGIN;
  else if (name->extension)
    name->extension = skep_hash_byte(name->extension, (uint8_t)c);
  name->whole = skep_hash_byte(name->whole, (uint8_t)c);
  name->length++;
  return 0;
}

/* Global, for the loop within. `name` holds NUL-terminated text of at most 63 bytes. */
__attribute__((noinline)) int hash_name(const char (*name)[64], struct hashed_name *out) {
  if (!name || !out) return 0;
  for (uint32_t i = 0; i < 63; ++i) {
    char c = (*name)[i];
    if (!c) break;
    hash_next(out, (uint8_t)c);
  }
  return 0;
}

static __always_inline struct hashed_name name_of_dentry(const struct dentry *dentry) {
  struct hashed_name hashed = kNoName;
  char name[64] = {};
  bpf_probe_read_kernel_str(name, sizeof name, AS(struct dentry, dentry)->d_name.name);
  hash_name(&name, &hashed);
  return hashed;
}

struct climbing {
  struct skep_call *call;
  struct standing at;
};

/* bpf_loop's callback: one step up; 1 ends it. */
static long climb(uint32_t i, struct climbing *c) {
  enum step_up step = step_up(&c->at);
  if (step != STEP_TO_FOLDER) return step == STEP_END;
  uint32_t at = c->call->folder_count;
  if (at >= SKEP_FOLDERS_MAX) return 1;
  struct dentry *folder = c->at.dentry;
  c->call->folders[at] = file_of_inode(AS(struct dentry, folder)->d_inode);
  c->call->folder_count = at + 1;
  return 0;
}

/* The folders above a file, the nearest first: whatever path led to it. */
static __always_inline void fill_folders(struct skep_call *call, struct file *file) {
  struct climbing c = {.call = call, .at = stand_at(file)};
  call->folder_count = 0;
  bpf_loop(SKEP_FOLDERS_MAX * 2, climb, &c, 0);
  call->has |= 1ull << SKEP_FIELD_FOLDER;
}

static __always_inline void fill_file(struct skep_call *call, struct file *file, uint32_t mode) {
  set_field(call, SKEP_FIELD_FD_MODE, mode & 07777);
  if (wanted(call, 1ull << SKEP_FIELD_FD_FILENAME | 1ull << SKEP_FIELD_FD_EXTENSION)) {
    struct hashed_name name = name_of_dentry(stand_at(file).dentry);
    set_field(call, SKEP_FIELD_FD_FILENAME, name.whole);
    set_field(call, SKEP_FIELD_FD_EXTENSION, name.extension);
  }
  if (wanted(call, 1ull << SKEP_FIELD_FOLDER)) fill_folders(call, file);
}

/* Falco's fd.typechar of a descriptor, by the kernel's object. A second thread may change what the descriptor names
 * before the call uses it; what a refusal must not miss is judged again where the effect is. */
static __always_inline struct file *fill_descriptor(struct skep_call *call, struct task_struct *task,
                                                    uint64_t descriptor) {
  struct file *file = file_of(task, descriptor);
  if (!file) return 0;
  uint32_t mode = inode_mode(file);
  uint32_t kind = mode & K_S_IFMT;
  set_field(call, SKEP_FIELD_FD_FILE, file_of_inode(inode_of(file)));
  if (kind == K_S_IFSOCK) {
    struct sock *sk = socket_of(file);
    if (sk) fill_socket(call, sk);
    return file;
  }
  uint64_t type = kind == K_S_IFREG ? 'f' : kind == K_S_IFDIR ? 'd' : kind == K_S_IFIFO ? 'p' : 'o';
  set_field(call, SKEP_FIELD_FD_TYPE, type);
  if (kind == K_S_IFREG || kind == K_S_IFDIR) fill_file(call, file, mode);
  return file;
}

/* Calls that open: what they speak of is the descriptor that they give. */
static __always_inline int opens(uint32_t nr) {
  return nr == K_NR_OPENAT || nr == K_NR_OPEN || nr == K_NR_CREAT || nr == K_NR_OPENAT2 ||
         nr == K_NR_OPEN_BY_HANDLE_AT || nr == K_NR_MEMFD_CREATE;
}

/* After the call: the descriptor that it gave, else the one in its first argument. */
static __always_inline void fill_object(struct skep_call *call, struct task_struct *task, long result) {
  if (!opens(call->nr)) {
    fill_descriptor(call, task, call->fields[SKEP_FIELD_ARG0]);
    return;
  }
  if (result < 0) return;
  struct file *file = fill_descriptor(call, task, (uint64_t)result);
  if (!file) return;
  uint32_t mode = file_mode(file);
  set_field(call, SKEP_FIELD_OPEN_WRITE, (mode & K_FMODE_WRITE) != 0);
  set_field(call, SKEP_FIELD_OPEN_CREATED, (mode & K_FMODE_CREATED) != 0);
}

static __always_inline uint32_t program_kind(uint32_t service, uint64_t file) {
  struct skep_program_key key = {.file = file, .service = service};
  uint32_t *kind = bpf_map_lookup_elem(&programs, &key);
  return kind ? *kind : 0;
}

/* What the file is to the service, started by a process that runs `parent`. */
static __always_inline uint32_t program_kind_for(uint32_t service, uint64_t file, uint64_t parent) {
  uint32_t kind = program_kind(service, file);
  if (kind != SKEP_PROGRAM_OF_PARENTS) return kind;
  struct skep_program_key pair = {.file = skep_file_id(file, parent), .service = service, .is_pair = 1};
  return bpf_map_lookup_elem(&programs, &pair) ? SKEP_PROGRAM_GROUP : 0;
}

/* The file that the kernel opened to run, whatever name led to it. */
static __always_inline uint32_t fill_executable(struct skep_call *call, struct linux_binprm *program) {
  struct file *file = AS(struct linux_binprm, program)->file;
  uint64_t id = file_of_inode(inode_of(file));
  int known = call->has >> SKEP_FIELD_CALLER_FILE & 1;
  uint32_t kind = program_kind_for(call->service, id, known ? call->fields[SKEP_FIELD_CALLER_FILE] : 0);
  struct hashed_name name = name_of_dentry(stand_at(file).dentry);
  set_field(call, SKEP_FIELD_EXE_NAME, name.whole);
  set_field(call, SKEP_FIELD_EXE_LISTED, kind != 0);
  set_field(call, SKEP_FIELD_EXE_MEMFD, inode_of(file)->i_nlink == 0);
  set_field(call, SKEP_FIELD_EXE_FILE, id);
  uint64_t of_inode = inode_id(file);
  set_field(call, SKEP_FIELD_EXE_DROPPED, bpf_map_lookup_elem(&written, &of_inode) != 0);
  fill_folders(call, file);
  return kind;
}

#endif
