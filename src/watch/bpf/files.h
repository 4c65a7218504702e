/* A task's open files, as the kernel's objects.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_FILES_H
#define SKEP_WATCH_BPF_FILES_H

#include "watch/bpf/maps.h"

/* Where a descriptor's struct file lies, as a number: a global function takes no pointer that the verifier knows; or 0. */
static __always_inline uint64_t file_address(struct task_struct *task, uint64_t descriptor) {
  struct files_struct *files = task->files;
  if (!files || descriptor >= files->fdt->max_fds) return 0;
  struct file **slots = files->fdt->fd;
  uint64_t address = 0;
  if (bpf_probe_read_kernel(&address, sizeof address, slots + descriptor)) return 0;
  return address;
}

/* Known to the verifier for what it is, so that its fields are loads and not a helper's call each. */
static __always_inline struct file *file_at(uint64_t address) {
  return address ? bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct file)) : 0;
}

static __always_inline struct file *file_of(struct task_struct *task, uint64_t descriptor) {
  return file_at(file_address(task, descriptor));
}

/* An inode for as long as it lives: a number that is given to another file has another generation. */
static __always_inline uint64_t id_of_inode(struct inode *inode) {
  uint64_t id = skep_file_id(BPF_CORE_READ(inode, i_sb, s_dev), BPF_CORE_READ(inode, i_ino));
  return id ^ (uint64_t)BPF_CORE_READ(inode, i_generation) << 32;
}

static __always_inline uint64_t inode_id(struct file *file) { return id_of_inode(BPF_CORE_READ(file, f_inode)); }

static __always_inline uint32_t file_kind(struct file *file) { return BPF_CORE_READ(file, f_inode, i_mode) & K_S_IFMT; }

/* The socket that a file is; or none. */
static __always_inline struct sock *socket_of(struct file *file) {
  if (file_kind(file) != K_S_IFSOCK) return 0;
  struct socket *socket = BPF_CORE_READ(file, private_data);
  return BPF_CORE_READ(socket, sk);
}

/* A place in the tree of folders. */
struct standing {
  struct dentry *dentry;
  struct vfsmount *mount;
};

static __always_inline struct standing stand_at(struct file *file) {
  struct standing at = {};
  at.dentry = BPF_CORE_READ(file, f_path.dentry);
  at.mount = BPF_CORE_READ(file, f_path.mnt);
  return at;
}

enum step_up { STEP_END, STEP_OVER_MOUNT, STEP_TO_FOLDER };

/* One step up, by the kernel's own links, over the edge of a mount too. END: at the root of all. */
static __always_inline enum step_up step_up(struct standing *at) {
  struct dentry *here = at->dentry;
  struct vfsmount *mounted = at->mount;
  struct dentry *parent = BPF_CORE_READ(here, d_parent);
  if (parent != here && here != BPF_CORE_READ(mounted, mnt_root)) {
    at->dentry = parent;
    return STEP_TO_FOLDER;
  }
  struct mount *mount = (void *)mounted - bpf_core_field_offset(struct mount, mnt);
  struct mount *above = BPF_CORE_READ(mount, mnt_parent);
  if (above == mount || !above) return STEP_END;
  at->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
  at->mount = (void *)above + bpf_core_field_offset(struct mount, mnt);
  return STEP_OVER_MOUNT;
}

#endif
