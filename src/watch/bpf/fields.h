/* The fields of a call, each from where it can be believed: registers, the kernel's own copies and objects.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_FIELDS_H
#define SKEP_WATCH_BPF_FIELDS_H

#include "watch/bpf/maps.h"

static __always_inline void set_field(struct skep_call *call, uint32_t field, uint64_t value) {
  call->fields[field] = value;
  call->has |= 1u << field;
}

/* What is known of every call, at every stage. */
static __always_inline void fill_caller(struct skep_call *call, const struct skep_task *state,
                                        struct task_struct *task) {
  call->service = state->service;
  set_field(call, SKEP_FIELD_UID, BPF_CORE_READ(task, cred, euid.val));
  set_field(call, SKEP_FIELD_IN_GROUP, (state->flags & SKEP_TASK_IN_GROUP) != 0);
  set_field(call, SKEP_FIELD_FOR_SESSION, state->label.source != SKEP_LABEL_NONE && state->label.flow.serial);
}

/* As the registers held them. Those of socket are cut to what the kernel takes of them, and the seccomp filter looks at:
 * the upper halves are the caller's to choose. */
static __always_inline void fill_arguments(struct skep_call *call, const uint64_t *args) {
  for (int i = 0; i < 6; ++i)
    call->fields[SKEP_FIELD_ARG0 + i] = call->nr == K_NR_SOCKET ? (uint32_t)args[i] : args[i];
  call->has |= 0x3fu << SKEP_FIELD_ARG0;
}

/* `compat`: it came through the 32-bit entry. */
static __always_inline void fill_registers(struct skep_call *call, struct pt_regs *regs, int compat) {
  uint64_t args[6];
  args[0] = compat ? (uint32_t)BPF_CORE_READ(regs, bx) : BPF_CORE_READ(regs, di);
  args[1] = compat ? (uint32_t)BPF_CORE_READ(regs, cx) : BPF_CORE_READ(regs, si);
  args[2] = compat ? (uint32_t)BPF_CORE_READ(regs, dx) : BPF_CORE_READ(regs, dx);
  args[3] = compat ? (uint32_t)BPF_CORE_READ(regs, si) : BPF_CORE_READ(regs, r10);
  args[4] = compat ? (uint32_t)BPF_CORE_READ(regs, di) : BPF_CORE_READ(regs, r8);
  args[5] = compat ? (uint32_t)BPF_CORE_READ(regs, bp) : BPF_CORE_READ(regs, r9);
  fill_arguments(call, args);
}

/* The number of the call that `task` is in. */
static __always_inline unsigned long running_call(struct task_struct *task) {
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  return BPF_CORE_READ(regs, orig_ax);
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
  uint16_t family = BPF_CORE_READ(sk, __sk_common.skc_family);
  int internet = family == K_AF_INET || family == K_AF_INET6;
  set_field(call, SKEP_FIELD_FD_TYPE, family == K_AF_INET ? '4' : family == K_AF_INET6 ? '6' : 'u');
  set_field(call, SKEP_FIELD_FD_PROTO, internet ? BPF_CORE_READ(sk, sk_protocol) : 0);
  if (internet) fill_local_port(call, BPF_CORE_READ(sk, __sk_common.skc_num));
}

/* Falco's fd.typechar of the descriptor in argument 0, by the kernel's object. A second thread may change what the
 * descriptor names before the call uses it; what a refusal must not miss is judged again where the effect is. */
static __always_inline void fill_descriptor(struct skep_call *call, struct task_struct *task, uint64_t descriptor) {
  struct fdtable *table = BPF_CORE_READ(task, files, fdt);
  if (!table || descriptor >= BPF_CORE_READ(table, max_fds)) return;
  struct file **slots = BPF_CORE_READ(table, fd);
  struct file *file = 0;
  if (bpf_probe_read_kernel(&file, sizeof file, slots + descriptor) || !file) return;
  uint32_t kind = BPF_CORE_READ(file, f_inode, i_mode) & K_S_IFMT;
  if (kind == K_S_IFSOCK) {
    struct socket *socket = BPF_CORE_READ(file, private_data);
    struct sock *sk = BPF_CORE_READ(socket, sk);
    if (sk) fill_socket(call, sk);
    return;
  }
  uint64_t type = kind == K_S_IFREG ? 'f' : kind == K_S_IFDIR ? 'd' : kind == K_S_IFIFO ? 'p' : 'o';
  set_field(call, SKEP_FIELD_FD_TYPE, type);
}

static __always_inline uint32_t program_kind(uint32_t service, uint64_t file) {
  struct skep_program_key key = {.file = file, .service = service};
  uint32_t *kind = bpf_map_lookup_elem(&programs, &key);
  return kind ? *kind : 0;
}

/* The file that the kernel opened to run, whatever name led to it. */
static __always_inline uint32_t fill_executable(struct skep_call *call, struct linux_binprm *program) {
  struct file *file = BPF_CORE_READ(program, file);
  uint64_t id = skep_file_id(BPF_CORE_READ(file, f_inode, i_sb, s_dev), BPF_CORE_READ(file, f_inode, i_ino));
  uint32_t kind = program_kind(call->service, id);
  char name[64] = {};
  long bytes = bpf_probe_read_kernel_str(name, sizeof name, BPF_CORE_READ(file, f_path.dentry, d_name.name));
  set_field(call, SKEP_FIELD_EXE_NAME, skep_name_hash(name, bytes > 0 ? (uint32_t)bytes - 1 : 0));
  set_field(call, SKEP_FIELD_EXE_LISTED, kind != 0);
  set_field(call, SKEP_FIELD_EXE_MEMFD, BPF_CORE_READ(file, f_inode, i_nlink) == 0);
  set_field(call, SKEP_FIELD_EXE_FILE, id);
  return kind;
}

#endif
