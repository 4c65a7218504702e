/* Written by one session, started by another: files bear the label of the last supervised thread that opened them to write,
 * and who works by such a file works by that session's word as well.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_WRITTEN_H
#define SKEP_WATCH_BPF_WRITTEN_H

#include "watch/bpf/calls.h"
#include "watch/bpf/emit.h"
#include "watch/bpf/files.h"
#include "watch/bpf/handoff.h"
#include "watch/bpf/label.h"
#include "watch/bpf/names.h"

/* A thread works by a file that a session wrote: a program that it runs, or a script that it reads. */
static __always_inline void work_by(struct skep_task *state, struct file *file, uint32_t flag) {
  uint64_t id = inode_id(file);
  const struct skep_label *writer = bpf_map_lookup_elem(&written, &id);
  if (!writer) return;
  state->writer = *writer;
  state->flags |= flag;
}

/* Told to the judge, which lists what a session wrote with its alerts. A full ring is counted like any other loss. */
static __always_inline void tell_written(struct task_struct *task, const struct skep_task *state, struct inode *inode,
                                         struct standing at) {
  struct skep_pending *pending = bpf_task_storage_get(&pending_calls, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!pending) {
    COUNT(helper_failures);
    return;
  }
  fill_name_at(&pending->path, at);
  struct skep_wrote_record *record = RESERVE(telemetry, record, SKEP_WROTE);
  if (!record) return;
  record->service = state->service;
  record->pid = (uint32_t)task->tgid;
  record->tid = (uint32_t)task->pid;
  record->pad = 0;
  record->device = inode->i_sb->s_dev;
  record->inode = inode->i_ino;
  record->key = id_of_inode(inode);
  record->name_bytes = pending->path.bytes;
  record->whole = pending->path.traits;
  label_now(&record->label, state, task, task->group_leader);
  __builtin_memcpy(record->name, pending->path.text, sizeof record->name);
  bpf_ringbuf_submit(record, 0);
}

/* The last letters of a name, the first of them lowest. */
#define EXTENSION(a, b, c) ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16)

/* What also a service that interprets nothing takes for code, by its name. */
static __always_inline int is_named_as_code(struct file *file) {
  const struct dentry *dentry = AS(struct dentry, AS(struct file, file)->f_path.dentry);
  const struct qstr *name = &dentry->d_name;
  uint64_t last = 0; /* four bytes in the upper half */
  if (name->len < 4 || bpf_probe_read_kernel((char *)&last + 4, 4, name->name + name->len - 4)) return 0;
  uint64_t three = last >> 40, two = last >> 48;
  if ((last >> 32 & 0xff) == '.')
    return three == EXTENSION('p', 'h', 'p') || three == EXTENSION('l', 'u', 'a') || three == EXTENSION('c', 'g', 'i');
  if ((three & 0xff) != '.') return 0;
  return two == EXTENSION('s', 'o', 0) || two == EXTENSION('s', 'h', 0) || two == EXTENSION('p', 'l', 0) ||
         two == EXTENSION('p', 'y', 0) || two == EXTENSION('j', 's', 0);
}

/* A database reads what others have written all the time: nobody acts through that. */
static __always_inline int reads_data_alone(const struct skep_task *state) {
  uint32_t slot = state->service;
  const struct skep_service_entry *service = bpf_map_lookup_elem(&services, &slot);
  return service && service->reads_data_alone;
}

/* Files whose last name is gone, or that never had one, can be run as well: a memfd is a file like any other here. Told
 * once for each thing that the session has asked: the label is a new one then. */
static __always_inline void follow_open(struct task_struct *task, struct skep_task *state, uint64_t descriptor) {
  struct file *file = file_of(task, descriptor);
  if (!file || file_kind(file) != K_S_IFREG) return;
  if (!(file_mode(file) & K_FMODE_WRITE)) {
    if (state->flags & SKEP_TASK_WRITTEN) return;
    if (!reads_data_alone(state) || is_named_as_code(file)) work_by(state, file, 0);
    return;
  }
  if (!state->label.flow.serial) return;
  struct skep_label label;
  label_now(&label, state, task, task->group_leader);
  uint64_t id = inode_id(file);
  const struct skep_label *before = bpf_map_lookup_elem(&written, &id);
  int told = before && before->flow.serial == label.flow.serial && before->since_ns == label.since_ns;
  if (bpf_map_update_elem(&written, &id, &label, BPF_ANY)) COUNT(helper_failures);
  if (!told) tell_written(task, state, inode_of(file), stand_at(file));
}

/* Where a name in a call begins: at the descriptor's folder, or where the thread works. */
static __always_inline struct standing stand_at_folder(struct task_struct *task, int descriptor) {
  struct standing at = {};
  if (descriptor == K_AT_FDCWD) {
    const struct fs_struct *fs = AS(struct task_struct, task)->fs;
    at.dentry = fs->pwd.dentry;
    at.mount = fs->pwd.mnt;
    return at;
  }
  struct file *file = file_of(task, (uint64_t)descriptor);
  return file ? stand_at(file) : at;
}

/* What a session wrote may have another name from here on: written beside, put in place. Both names are the caller's own
 * words, read again after the call: hints of where to look, no more. Which file it is, its inode says. */
static __always_inline void follow_rename(struct task_struct *task, const struct skep_task *state, struct pt_regs *regs) {
  if (!state->label.flow.serial) return;
  struct skep_pending *pending = bpf_task_storage_get(&pending_calls, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!pending) {
    COUNT(helper_failures);
    return;
  }
  int plain = regs->orig_ax == K_NR_RENAME || regs->orig_ax == K_NR_LINK;
  const char *old = (const char *)(plain ? regs->di : regs->si);
  const char *fresh = (const char *)(plain ? regs->si : regs->r10);
  fill_name_at(&pending->path, stand_at_folder(task, plain ? K_AT_FDCWD : (int)regs->dx));
  struct skep_renamed_record *record = RESERVE(telemetry, record, SKEP_RENAMED);
  if (!record) return;
  record->serial = state->label.flow.serial;
  record->folder_bytes = pending->path.bytes;
  record->whole = pending->path.traits;
  __builtin_memcpy(record->folder, pending->path.text, sizeof record->folder);
  record->former[0] = record->name[0] = 0;
  bpf_probe_read_user_str(record->former, sizeof record->former, old);
  bpf_probe_read_user_str(record->name, sizeof record->name, fresh);
  bpf_ringbuf_submit(record, 0);
}

#endif
