/* What the kernel calls a file: its name and those of the folders above it, by the kernel's own links.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_NAMES_H
#define SKEP_WATCH_BPF_NAMES_H

#include "watch/bpf/files.h"

enum {
  NAME_STEPS_MAX = 24, /* parts of a name and edges of mounts */
  NAME_PART_BYTES = 64,
};

struct naming {
  struct skep_user_path *path;
  struct standing at;
};

/* bpf_loop's callback: one part of the name, or one step over the edge of a mount; 1 ends it. */
static long name_part(uint32_t i, struct naming *n) {
  struct skep_user_path *path = n->path;
  struct dentry *here = n->at.dentry;
  enum step_up step = step_up(&n->at);
  path->traits = step == STEP_END;
  if (step != STEP_TO_FOLDER) return step == STEP_END;
  uint32_t at = path->bytes;
  if (at > SKEP_USER_PATH_BYTES - NAME_PART_BYTES) return 1;
  long bytes = bpf_probe_read_kernel_str(path->text + at, NAME_PART_BYTES, BPF_CORE_READ(here, d_name.name));
  if (bytes <= 0) return 1;
  path->bytes = at + (uint32_t)bytes;
  return 0;
}

/* As skep_first_seen_record.name has it; `traits` says whether it is whole. */
static __always_inline void fill_name_at(struct skep_user_path *path, struct standing at) {
  path->text[0] = 0;
  path->bytes = path->traits = 0;
  struct naming n = {.path = path, .at = at};
  bpf_loop(NAME_STEPS_MAX, name_part, &n, 0);
}

#endif
