/* What a call was given by address: read from the caller's memory after it has returned. Another thread may have changed it
 * between, so it is evidence to tell, never a ground to refuse.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_USER_MEMORY_H
#define SKEP_WATCH_BPF_USER_MEMORY_H

#include "watch/bpf/fields.h"

enum { USER_PATH_BYTES = 256 };

/* Which argument, from 1, holds the path that a call makes, changes or removes: of a rename the new name, of a link what
 * it leads to. 0: none. */
static __always_inline uint32_t path_argument(uint32_t nr) {
  switch (nr) {
    case K_NR_OPEN:
    case K_NR_CREAT:
    case K_NR_UNLINK:
    case K_NR_RMDIR:
    case K_NR_MKDIR:
    case K_NR_CHMOD:
    case K_NR_TRUNCATE:
    case K_NR_LINK:
    case K_NR_SYMLINK:
    case K_NR_SYMLINKAT:
      return 1;
    case K_NR_RENAME:
    case K_NR_OPENAT:
    case K_NR_OPENAT2:
    case K_NR_UNLINKAT:
    case K_NR_FCHMODAT:
    case K_NR_LINKAT:
      return 2;
    case K_NR_RENAMEAT:
    case K_NR_RENAMEAT2:
      return 4;
    default:
      return 0;
  }
}

struct user_path {
  char text[USER_PATH_BYTES];
  struct hashed_name last; /* its last part */
  uint32_t traits;
  uint32_t pad;
};

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct user_path);
} user_paths SEC(".maps");

/* Global: verified once, for the loop within. */
__attribute__((noinline)) int look_through_path(struct user_path *path) {
  if (!path) return 0;
  uint64_t hash = SKEP_HASH_BEGIN;
  uint64_t extension = 0;
  uint32_t length = 0; /* of the part so far */
  uint32_t dots = 0;   /* at its beginning */
  uint32_t traits = 0;
  for (uint32_t i = 0; i < USER_PATH_BYTES; ++i) {
    char c = path->text[i];
    if (!c || c == '/') {
      if (dots == 2 && length == 2) traits |= SKEP_PATH_CLIMBS;
      if (!c) break;
      hash = SKEP_HASH_BEGIN;
      extension = 0;
      length = dots = 0;
      continue;
    }
    if (c == '.' && dots == length) dots++;
    if (c == '.' && length)
      extension = SKEP_HASH_BEGIN;
    else if (extension)
      extension = skep_hash_byte(extension, (uint8_t)c);
    hash = skep_hash_byte(hash, (uint8_t)c);
    length++;
  }
  if (dots && length > dots) traits |= SKEP_PATH_HIDDEN;
  path->last.whole = hash;
  path->last.extension = extension;
  path->traits = traits;
  return 0;
}

static __always_inline void fill_path(struct skep_call *call, struct task_struct *task, uint64_t address) {
  struct user_path *path = bpf_task_storage_get(&user_paths, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!path) {
    COUNT(helper_failures);
    return;
  }
  if (bpf_probe_read_user_str(path->text, sizeof path->text, (const void *)address) <= 0) return;
  look_through_path(path);
  set_field(call, SKEP_FIELD_PATH_NAME, path->last.whole);
  set_field(call, SKEP_FIELD_PATH_EXTENSION, path->last.extension);
  set_field(call, SKEP_FIELD_PATH_TRAITS, path->traits);
}

/* Of `task`, which is current. */
static __always_inline void fill_user_memory(struct skep_call *call, struct task_struct *task) {
  uint32_t argument = path_argument(call->nr);
  if (argument) fill_path(call, task, call->fields[SKEP_FIELD_ARG0 + ((argument - 1) & 3)]);
  if (call->nr != K_NR_WRITE && call->nr != K_NR_PWRITE64) return;
  uint32_t begin = 0;
  if ((long)call->fields[SKEP_FIELD_RESULT] < (long)sizeof begin) return;
  if (!bpf_probe_read_user(&begin, sizeof begin, (const void *)call->fields[SKEP_FIELD_ARG0 + 1]))
    set_field(call, SKEP_FIELD_DATA, begin);
}

/* Whether the instruction at `address` lies in memory that is no file's: what an overflow or a loader without a file
 * leaves there, and what a compiler at run time makes. */
static long look_at_area(struct task_struct *task, struct vm_area_struct *area, uint64_t *anonymous) {
  *anonymous = !area->vm_file;
  return 0;
}

static __always_inline void fill_code(struct skep_call *call, struct task_struct *task) {
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  uint64_t anonymous = 0;
  if (bpf_find_vma(task, BPF_CORE_READ(regs, ip), look_at_area, &anonymous, 0)) return;
  set_field(call, SKEP_FIELD_ANONYMOUS_CODE, anonymous);
}

#endif
