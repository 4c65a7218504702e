/* A task's open files, as the kernel's objects.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_FILES_H
#define SKEP_WATCH_BPF_FILES_H

#include "watch/bpf/maps.h"

static __always_inline struct file *file_of(struct task_struct *task, uint64_t descriptor) {
  struct fdtable *table = BPF_CORE_READ(task, files, fdt);
  if (!table || descriptor >= BPF_CORE_READ(table, max_fds)) return 0;
  struct file **slots = BPF_CORE_READ(table, fd);
  struct file *file = 0;
  if (bpf_probe_read_kernel(&file, sizeof file, slots + descriptor)) return 0;
  return file;
}

/* An inode for as long as it lives: a number that is given to another file has another generation. */
static __always_inline uint64_t inode_id(struct file *file) {
  uint64_t id = skep_file_id(BPF_CORE_READ(file, f_inode, i_sb, s_dev), BPF_CORE_READ(file, f_inode, i_ino));
  return id ^ (uint64_t)BPF_CORE_READ(file, f_inode, i_generation) << 32;
}

static __always_inline uint32_t file_kind(struct file *file) { return BPF_CORE_READ(file, f_inode, i_mode) & K_S_IFMT; }

#endif
