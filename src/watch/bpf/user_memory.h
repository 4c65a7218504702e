/* What a call was given by address: read from the caller's memory after it has returned. Another thread may have changed it
 * between, so it is evidence to tell, never a ground to refuse.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_USER_MEMORY_H
#define SKEP_WATCH_BPF_USER_MEMORY_H

#include "watch/bpf/fields.h"

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

/* A path, as far as it has been looked through. */
struct path_scan {
  struct skep_user_path *path;
  struct hashed_name part; /* of it, the last so far */
  uint64_t traits;
};

/* bpf_loop's callback: byte `i` of it; 1 at its end. */
static long scan_path(uint32_t i, struct path_scan *scan) {
  if (i >= SKEP_USER_PATH_BYTES) return 1;
  char c = scan->path->text[i];
  if (!c || c == '/') {
    if (scan->part.dots == 2 && scan->part.length == 2) scan->traits |= SKEP_PATH_CLIMBS;
    if (!c) return 1;
    scan->part = kNoName;
    return 0;
  }
  hash_next(&scan->part, (uint8_t)c);
  return 0;
}

static __always_inline void look_through_path(struct skep_user_path *path) {
  struct path_scan scan = {.path = path, .part = kNoName};
  bpf_loop(SKEP_USER_PATH_BYTES, scan_path, &scan, 0);
  if (scan.part.dots && scan.part.length > scan.part.dots) scan.traits |= SKEP_PATH_HIDDEN;
  path->name = scan.part.whole;
  path->extension = scan.part.extension;
  path->traits = (uint32_t)scan.traits;
}

static __always_inline void fill_path(struct skep_pending *pending, uint64_t address) {
  struct skep_call *call = &pending->call;
  struct skep_user_path *path = &pending->path;
  if (bpf_probe_read_user_str(path->text, sizeof path->text, (const void *)address) <= 0) return;
  look_through_path(path);
  set_field(call, SKEP_FIELD_PATH_NAME, path->name);
  set_field(call, SKEP_FIELD_PATH_EXTENSION, path->extension);
  set_field(call, SKEP_FIELD_PATH_TRAITS, path->traits);
}

static const uint64_t kPathFields =
    1ull << SKEP_FIELD_PATH_NAME | 1ull << SKEP_FIELD_PATH_EXTENSION | 1ull << SKEP_FIELD_PATH_TRAITS;

static __always_inline void fill_given_path(struct skep_pending *pending) {
  struct skep_call *call = &pending->call;
  uint32_t argument = path_argument(call->nr);
  if (argument && wanted(call, kPathFields)) fill_path(pending, call->fields[SKEP_FIELD_ARG0 + ((argument - 1) & 3)]);
}

/* The first bytes of what was written. */
static __always_inline void fill_data(struct skep_call *call) {
  if (call->nr != K_NR_WRITE && call->nr != K_NR_PWRITE64) return;
  uint32_t begin = 0;
  if (!wanted(call, 1ull << SKEP_FIELD_DATA) || (long)call->fields[SKEP_FIELD_RESULT] < (long)sizeof begin) return;
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

/* All that is known when a call has returned and its guards have let it through. Global: verified once, by itself, for the many ways
 * through it. Of the current task. */
__attribute__((noinline)) int fill_returned(struct skep_pending *pending) {
  if (!pending) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  fill_object(&pending->call, task, (long)pending->call.fields[SKEP_FIELD_RESULT]);
  fill_given_path(pending);
  if (wanted(&pending->call, 1ull << SKEP_FIELD_ANONYMOUS_CODE)) fill_code(&pending->call, task);
  return 0;
}

#endif
