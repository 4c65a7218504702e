/* What the programs remember: the mark and label of each supervised thread, the flow of each service socket, the states of
 * sequences and evidence, the table in force. Shared with the loader for the sizes of the maps' values.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_STATE_H
#define SKEP_WATCH_BPF_STATE_H

#include "model/kernel_event.h"
#include "model/signature_table.h"

enum skep_task_flag {
  SKEP_TASK_LAUNCHING = 1, /* the launcher before its exec: judged by nothing */
  SKEP_TASK_IN_GROUP = 2,  /* runs a program of an app group */
  SKEP_TASK_STICKY = 4,    /* it has violated, or was forked for a session that had: what was forked keeps its label (label.h) */
  SKEP_TASK_READS = 8,     /* this thread itself reads from flows */
  SKEP_TASK_WRITTEN = 16,   /* it runs a program that `writer` wrote, not only a script */
};

/* In task storage of every supervised thread. `epoch` is the service slot's: a task of a service that was removed and whose
 * slot was given away again is not taken for one of the new service. */
struct skep_task {
  uint32_t service;
  uint32_t epoch;
  uint32_t flags;
  uint32_t waiting; /* flows that this thread has read and nobody has answered */
  uint64_t tree;        /* 0: it was not forked on behalf of a session */
  uint64_t exe;         /* skep_file_id of the program that it runs; 0: not known (adopted, and never seen to exec) */
  uint64_t exe_name;    /* skep_name_hash */
  struct skep_label label;
  struct skep_label writer; /* who wrote the program or script that it works by; serial 0: nobody known */
  uint64_t pending_ns;      /* since when it has read what its writer has not told (handoff.h); 0: it has not */
  uint32_t conduct;         /* of a process, at its leader: skep_conduct */
  uint32_t pad;
};

struct skep_service_entry {
  uint32_t active;
  uint32_t epoch;
  uint32_t port_count;
  uint32_t netns;      /* inode of the network namespace that it serves in */
  uint16_t ports[16];
  uint32_t profile;    /* skep_profile_mode */
  uint32_t reads_data_alone; /* 1: nothing that it reads is a script */
};

struct skep_profile_key {
  uint64_t key;
  uint32_t service;
  uint32_t kind; /* skep_profile_kind */
};

/* Bit n: call n is in the service's profile. */
struct skep_known_calls {
  uint64_t bits[SKEP_CALLS_MAX / 64];
};

enum { SKEP_USER_PATH_BYTES = 256 };

/* A path that a call was given, as it was read from the caller's memory. */
struct skep_user_path {
  char text[SKEP_USER_PATH_BYTES];
  uint64_t name; /* hash of its last part */
  uint64_t extension;
  uint32_t traits; /* skep_path_trait */
  uint32_t bytes;  /* of what the kernel knows of its name, where `text` holds that (profile.h) */
};

/* The call that a thread is in, while it is judged. */
struct skep_pending {
  struct skep_call call;
  struct skep_user_path path;
};

/* In socket storage of every connection to a service's port. */
struct skep_flow_state {
  struct skep_flow flow;
  uint64_t bytes_in;
  uint64_t bytes_out;
  uint64_t read_ns;    /* last */
  uint32_t reader_pid; /* who read from it first; 0: nobody yet */
  uint32_t unanswered; /* it was read since it was last written */
  uint32_t waits_tid;  /* by this thread, of this process, which began then */
  uint32_t waits_pid;
  uint64_t waits_start_ns;
};

/* The alerts that wait for one thread's next answer: its own first (a later one stands for the earlier ones), then those of
 * threads that have handed their answers to it. */
enum { SKEP_AWAITED_MAX = 4 };
struct skep_awaited {
  uint64_t alert[SKEP_AWAITED_MAX]; /* 0: none */
  uint32_t tid[SKEP_AWAITED_MAX];   /* the thread that the alert waits for */
};

struct skep_port_key {
  uint32_t netns;
  uint32_t port;
};

struct skep_program_key {
  uint64_t file; /* skep_file_id; of a pair: program and parent, mixed by the same */
  uint32_t service;
  uint32_t is_pair;
};
enum skep_program_kind {
  SKEP_PROGRAM_OWN = 1,
  SKEP_PROGRAM_GROUP = 2,
  SKEP_PROGRAM_OF_PARENTS = 3, /* of a group that only some programs may start: there is a pair for each */
};

/* Where the state of a sequence or of evidence belongs. `a` and `b` by scope: start time and tid of the thread, or of the
 * process's leader; serial of the flow; slot of the service; tree, or what names a process. */
struct skep_scope_key {
  uint64_t a;
  uint32_t b;
  uint16_t scope; /* skep_scope */
  uint16_t slot;  /* skep_signature.slot; of scope_slots: 0 */
};

/* The notifier's question to the program `decide`, and the launcher's to `mark`. */
struct skep_notice {
  uint32_t tid;
  uint32_t arch;
  int32_t nr;
  int32_t verdict; /* out: 0 go on, > 0 errno, -1 kill */
  uint64_t args[6];
};
struct skep_mark {
  uint32_t tid;
  uint32_t service;
  uint32_t epoch;
  uint32_t flags;
  int32_t done; /* out: 1 marked, 0 no such task */
  uint32_t children_of; /* adopt: mark only if the parent is marked for this service already */
};

/* Calls that carry a label from thread to thread, or to a file: looked at after they have returned. */
enum skep_follow { SKEP_FOLLOW_NONE, SKEP_FOLLOW_READ, SKEP_FOLLOW_WRITE, SKEP_FOLLOW_OPEN, SKEP_FOLLOW_RENAME };

static inline enum skep_follow skep_followed_as(uint32_t nr) {
  switch (nr) {
    case 0:  /* read */
    case 19: /* readv */
      return SKEP_FOLLOW_READ;
    case 1:  /* write */
    case 20: /* writev */
      return SKEP_FOLLOW_WRITE;
    case 2:   /* open */
    case 85:  /* creat */
    case 257: /* openat */
    case 319: /* memfd_create */
    case 437: /* openat2 */
      return SKEP_FOLLOW_OPEN;
    case 82:  /* rename */
    case 86:  /* link */
    case 264: /* renameat */
    case 265: /* linkat */
    case 316: /* renameat2 */
      return SKEP_FOLLOW_RENAME;
    default:
      return SKEP_FOLLOW_NONE;
  }
}

SKEP_STATIC_ASSERT(sizeof(struct skep_task) == 216, "skep_task");
SKEP_STATIC_ASSERT(sizeof(struct skep_scope_key) == 16, "skep_scope_key");
SKEP_STATIC_ASSERT(sizeof(struct skep_service_entry) == 56, "skep_service_entry");
SKEP_STATIC_ASSERT(sizeof(struct skep_notice) == 64, "skep_notice");

#endif
