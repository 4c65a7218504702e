/* A task's open files, as the kernel's objects.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_FILES_H
#define SKEP_WATCH_BPF_FILES_H

#include "watch/bpf/maps.h"

static __always_inline struct file *file_of(struct task_struct *task, uint64_t descriptor) {
  struct fdtable *table = AS(struct task_struct, task)->files->fdt;
  if (descriptor >= table->max_fds) return 0;
  struct file **slots = table->fd;
  struct file *file = 0;
  if (bpf_probe_read_kernel(&file, sizeof file, slots + descriptor)) return 0;
  return file;
}

static __always_inline struct inode *inode_of(const struct file *file) { return AS(struct file, file)->f_inode; }

static __always_inline uint64_t file_of_inode(const struct inode *inode) {
  const struct inode *i = AS(struct inode, inode);
  return skep_file_id(i->i_sb->s_dev, i->i_ino);
}

/* An inode for as long as it lives: a number that is given to another file has another generation. */
static __always_inline uint64_t id_of_inode(const struct inode *inode) {
  return file_of_inode(inode) ^ (uint64_t)AS(struct inode, inode)->i_generation << 32;
}

static __always_inline uint64_t inode_id(const struct file *file) { return id_of_inode(inode_of(file)); }

static __always_inline uint32_t file_mode(const struct file *file) { return AS(struct file, file)->f_mode; }

static __always_inline uint32_t inode_mode(const struct file *file) { return inode_of(file)->i_mode; }

static __always_inline uint32_t file_kind(const struct file *file) { return inode_mode(file) & K_S_IFMT; }

/* The socket that a file is; or none. */
static __always_inline struct sock *socket_of(struct file *file) {
  if (file_kind(file) != K_S_IFSOCK) return 0;
  return AS(struct socket, AS(struct file, file)->private_data)->sk;
}

/* A place in the tree of folders. */
struct standing {
  struct dentry *dentry;
  struct vfsmount *mount;
};

static __always_inline struct standing stand_at(struct file *file) {
  struct standing at = {};
  at.dentry = AS(struct file, file)->f_path.dentry;
  at.mount = AS(struct file, file)->f_path.mnt;
  return at;
}

enum step_up { STEP_END, STEP_OVER_MOUNT, STEP_TO_FOLDER };

/* One step up, by the kernel's own links, over the edge of a mount too. END: at the root of all. */
static __always_inline enum step_up step_up(struct standing *at) {
  struct dentry *here = at->dentry;
  struct vfsmount *mounted = at->mount;
  struct dentry *parent = AS(struct dentry, here)->d_parent;
  if (parent != here && here != AS(struct vfsmount, mounted)->mnt_root) {
    at->dentry = parent;
    return STEP_TO_FOLDER;
  }
  struct mount *mount = (void *)mounted - bpf_core_field_offset(struct mount, mnt);
  struct mount *above = AS(struct mount, mount)->mnt_parent;
  if (above == mount || !above) return STEP_END;
  at->dentry = AS(struct mount, mount)->mnt_mountpoint;
  at->mount = (void *)above + bpf_core_field_offset(struct mount, mnt);
  return STEP_OVER_MOUNT;
}

#endif
