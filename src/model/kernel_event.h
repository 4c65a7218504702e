/* What the kernel programs tell the judge: fixed-size records in two BPF ring buffers. `alerts` holds what must not be
 * lost (alerts, crashes, confirmations, flows) and wakes its reader; `telemetry` holds the processes' lives.
 * Every record begins with skep_record; its `seq` counts the records of its ring, also those that could not be stored,
 * so that a gap is a loss; two CPUs may store their records in the other order than they took their numbers. Times are
 * CLOCK_BOOTTIME nanoseconds. Addresses are IPv6 or v4-mapped (::ffff:a.b.c.d), network order; ports are host order.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_MODEL_KERNEL_EVENT_H
#define SKEP_MODEL_KERNEL_EVENT_H

#include "model/c_types.h"

enum {
  SKEP_NAME_BYTES = 16,  /* a task's comm */
  SKEP_PATH_BYTES = 256, /* paths are cut here; `path_bytes` says how long they were */
  SKEP_ARGS_BYTES = 256, /* the start of a program's arguments, NUL between them */
  SKEP_INTERPRETER_BYTES = 128,
  SKEP_SERVICES_MAX = 64,
  SKEP_STEPS_MAX = 8, /* steps of one sequence */
};

/* In the place of a signature's index: not a signature, but containment (model/outgoing.h). */
#define SKEP_SIGNATURE_CONTAINMENT 0xffffffffu

enum skep_record_type {
  SKEP_FLOW_OPENED = 1, /* skep_flow_record: the kernel has established a connection to a service's port */
  SKEP_FLOW_SERVED = 2, /* skep_flow_record: a process has read from it for the first time: the one that serves it */
  SKEP_FLOW_CLOSED = 3, /* skep_flow_record */
  SKEP_FORK = 4,        /* skep_process_record: pid is the child, parent its parent; threads are not told */
  SKEP_EXEC = 5,        /* skep_process_record with file and arguments */
  SKEP_EXIT = 6,        /* skep_process_record with `status`; a crash carries its label and goes to `alerts` */
  SKEP_ALERT = 7,       /* skep_alert_record */
  SKEP_CONFIRM = 8,     /* skep_confirm_record: the answer after an alert whose session was not certain */
  SKEP_CRASH = 12,      /* skep_crash_record: a signal that will end the process; its SKEP_EXIT follows */
  SKEP_FIRST_SEEN = 13, /* skep_first_seen_record: while a profile is learned, what it has not got yet */
  SKEP_WROTE = 14,      /* skep_wrote_record: a session has opened a file to write */
  SKEP_RENAMED = 15,    /* skep_renamed_record: a session has given a file another name, or one more */
};

enum {
  SKEP_REGISTERS = 18,
  SKEP_CODE_BYTES = 32,
  SKEP_STACK_BYTES = 64,
};

/* How a thread came to its label, surest first. */
enum skep_label_source {
  SKEP_LABEL_NONE = 0, /* no session known: it has read from none, or has answered what it was handed */
  SKEP_LABEL_RECV = 1, /* this thread itself read from the flow */
  SKEP_LABEL_FORK = 2, /* inherited from the thread that forked it; `inherited` says how that one had come to it */
  SKEP_LABEL_WAKE = 3, /* another thread of its process, which bore the label, woke it or began it */
  SKEP_LABEL_HANDED = 4, /* read from an AF_UNIX socket or a pipe what a thread with the label had written */
};

/* Why another session than the label's may be meant: bits of skep_label.doubts. */
enum skep_label_doubt {
  SKEP_DOUBT_READS = 1,   /* the thread had other flows in hand: read by it, not answered */
  SKEP_DOUBT_CONDUCT = 2, /* its process has been seen to answer what is not its thread's label (skep_conduct) */
  SKEP_DOUBT_HANDED = 4,  /* what was handed over may have been another's */
  SKEP_DOUBT_THREADS = 8, /* its process has other threads, and may yet be seen to do so */
};

/* How a process works, as it has shown: what it answers, held against the label of the thread that answers. A count in
 * each of the two low bytes; once disorderly, always. */
enum skep_conduct {
  SKEP_CONDUCT_READ = 1,               /* answered the flow read last, with others in hand: counts up */
  SKEP_CONDUCT_READ_BITS = 0xff,
  SKEP_CONDUCT_HANDED = 0x100,         /* answered the flow whose reply was handed to it last: counts up */
  SKEP_CONDUCT_HANDED_BITS = 0xff00,
  SKEP_CONDUCT_TRUSTED = 8,            /* so many, and none against them, are believed */
  SKEP_CONDUCT_DISORDERLY = 1 << 24,   /* answered another flow than it had read last, or than its thread had read */
  SKEP_CONDUCT_MISHANDED = 1 << 25,    /* answered another flow than was handed to it */
};

/* One connection from the proxy to the service. `serial` is never used again on this host, the
 * 4-tuple is not. */
struct skep_flow {
  uint64_t serial; /* 0: none */
  uint8_t remote[16];
  uint8_t local[16];
  uint16_t remote_port;
  uint16_t local_port;
  uint32_t service;
  uint64_t opened_ns;
};

struct skep_label {
  struct skep_flow flow;
  uint64_t since_ns;
  uint64_t stream_offset; /* bytes the service had read from the flow when the label was taken */
  uint32_t origin_tid;    /* the thread whose next answer would confirm the label */
  uint8_t source;         /* skep_label_source */
  uint8_t inherited;      /* for FORK: the source at the thread where the chain of forks began */
  uint8_t doubts;         /* skep_label_doubt */
  uint8_t pad;
};

struct skep_record {
  uint64_t seq;
  uint64_t time_ns;
  uint32_t size;
  uint16_t type;
  uint16_t cpu;
};

struct skep_flow_record {
  struct skep_record head;
  struct skep_flow flow;
  uint64_t bytes_in;  /* read by the service so far */
  uint64_t bytes_out; /* sent by it */
  uint32_t pid;       /* SERVED: who reads */
  uint32_t tid;
};

struct skep_process_record {
  struct skep_record head;
  uint32_t service;
  uint32_t pid;
  uint32_t tid; /* of the forking thread, for FORK; else the process's own */
  uint32_t parent;
  uint32_t uid;
  uint32_t status;   /* EXIT: wait status: signal in the low 7 bits, 0x80 core dumped, exit code << 8 */
  uint64_t start_ns; /* pid and start name a process for ever */
  uint64_t exe_device;
  uint64_t exe_inode;
  struct skep_label label;
  char comm[SKEP_NAME_BYTES];
  uint16_t path_bytes;
  uint16_t args_bytes;
  uint32_t pad;
  char path[SKEP_PATH_BYTES]; /* EXEC: the file as it was named to the kernel */
  char args[SKEP_ARGS_BYTES];
};

enum skep_action {
  SKEP_OBSERVED = 0, /* the call went on */
  SKEP_DENIED = 1,   /* it did not run; the caller got an error */
  SKEP_KILLED = 2,   /* the process was ended; for an exec before the new program's first instruction */
};

/* Where an argument's value was taken from: how far it can be believed. */
enum skep_provenance {
  SKEP_FROM_REGISTER = 0,
  SKEP_FROM_KERNEL = 1, /* the kernel's own copy or object */
  SKEP_FROM_USER = 2,   /* user memory: another thread may have changed it */
};

struct skep_step {
  uint64_t time_ns;
  uint32_t call;
  uint32_t tid;
};
/* Of evidence, `call` carries in its upper half which weight it was, and what it added is in the table. */
enum { SKEP_STEP_WEIGHT_SHIFT = 16 };

struct skep_alert_record {
  struct skep_record head;
  uint64_t id;         /* never used again on this host */
  uint32_t generation; /* of the signature table that matched */
  uint32_t signature;  /* index in it */
  uint32_t service;
  uint32_t call;  /* x86-64 number, or one of SKEP_CALL_* */
  uint8_t action; /* skep_action */
  uint8_t stage;  /* skep_stage */
  uint8_t step_count;
  uint8_t provenance; /* of the deciding field */
  uint8_t level;      /* of evidence: the level that it has reached by this call, from 1; else 0 */
  uint8_t pad[3];
  uint32_t score;     /* of evidence: points, whole */
  uint32_t pid;
  uint32_t tid;
  uint32_t parent;
  uint32_t uid;
  int64_t result; /* where the call has run */
  uint64_t start_ns;
  uint64_t args[6];
  uint64_t exe_device; /* EXEC: of the opened file; of a script that is its interpreter */
  uint64_t exe_inode;
  uint8_t address[16]; /* connect, bind, send: the kernel's copy */
  uint16_t port;
  uint16_t family;
  uint16_t path_bytes;
  uint16_t args_bytes;
  uint16_t interpreter_bytes; /* EXEC of a script: of its interpreter's name; else 0 */
  uint16_t pad2[3];
  struct skep_step steps[SKEP_STEPS_MAX]; /* the steps that matched, the deciding one last */
  struct skep_label label;
  struct skep_label writer; /* who wrote the program or script that acts here, if another session; serial 0: nobody */
  char comm[SKEP_NAME_BYTES];
  char path[SKEP_PATH_BYTES]; /* EXEC: the file; else empty */
  char exec_args[SKEP_ARGS_BYTES];
  char interpreter[SKEP_INTERPRETER_BYTES];
};

struct skep_confirm_record {
  struct skep_record head;
  uint64_t alert; /* id of the last alert that waited for an answer of `tid`; earlier ones have waited for the same */
  struct skep_flow flow;
  uint64_t read_ns; /* when the flow was last read before this answer */
  uint32_t tid;     /* the thread that the alerts wait for; what it handed back may have been answered by another */
  uint32_t conduct; /* skep_conduct of the process that answered */
};

/* Where a thread was when a signal that it does not handle reached it. */
struct skep_crash_record {
  struct skep_record head;
  uint32_t service;
  uint32_t pid;
  uint32_t tid;
  uint32_t signal;
  int32_t code;         /* si_code */
  uint32_t code_bytes;  /* as many of `code_at` and `stack_at` as could be read without waiting: all or none */
  uint32_t stack_bytes;
  uint32_t pad;
  uint64_t start_ns;
  uint64_t address;     /* si_addr */
  uint64_t registers[SKEP_REGISTERS]; /* rip rsp rflags rax rbx rcx rdx rsi rdi rbp r8 … r15 */
  char comm[SKEP_NAME_BYTES];
  uint8_t code_at[SKEP_CODE_BYTES];   /* user memory at rip */
  uint8_t stack_at[SKEP_STACK_BYTES]; /* … and at rsp */
};

/* How the thread had come to the label at which a chain of forks began. */
static inline uint32_t skep_label_root(const struct skep_label* label) {
  return label->source == SKEP_LABEL_FORK ? label->inherited : label->source;
}

/* Whether an alert with this label waits for the thread's next answer. */
static inline int skep_label_waits(const struct skep_label* label) {
  return skep_label_root(label) != SKEP_LABEL_RECV || label->doubts;
}

/* What a service's profile holds; 1 to 6 are also what argument 0 of SKEP_CALL_FIRST_SEEN says. */
enum skep_profile_kind {
  SKEP_PROFILE_PROGRAM = 1,        /* key: skep_profile_file of its folder and name */
  SKEP_PROFILE_PORT = 2,           /* key: port that was bound or listened on; 0: any of those that the kernel chooses from */
  SKEP_PROFILE_PEER = 3,           /* key: skep_profile_peer of the address */
  SKEP_PROFILE_FOLDER_WRITTEN = 4, /* key: skep_file_id of the folder in which a file was opened for writing */
  SKEP_PROFILE_FILE_READ = 5,      /* key: as of a program */
  SKEP_PROFILE_CALL = 6,           /* key: number, as signatures are compiled for it */
  SKEP_PROFILE_FOLDER_READ = 7,    /* key: skep_file_id of a folder of which everything, however deep, may be read */
  SKEP_PROFILE_TREE_WRITTEN = 8,   /* … or written */
};
enum skep_profile_mode { SKEP_PROFILE_NONE = 0, SKEP_PROFILE_LEARNING = 1, SKEP_PROFILE_HELD = 2 };
enum {
  SKEP_EPHEMERAL_FIRST = 32768, /* ports that the kernel chooses from, as it comes */
  SKEP_EPHEMERAL_LAST = 60999,
  SKEP_PROFILE_NAME_BYTES = 256,
};

/* `name`: of a file or folder its parts, the last first, each at most 63 bytes and with its NUL. `whole`: all of them. */
struct skep_first_seen_record {
  struct skep_record head;
  uint32_t service;
  uint32_t kind; /* skep_profile_kind, 1 to 6 */
  uint64_t key;
  uint8_t address[16]; /* of a peer */
  uint32_t name_bytes;
  uint32_t whole;
  struct skep_label label;
  char name[SKEP_PROFILE_NAME_BYTES];
};

/* Told once for each thing that the session asked. `name` as in skep_first_seen_record. */
struct skep_wrote_record {
  struct skep_record head;
  uint32_t service;
  uint32_t pid;
  uint32_t tid;
  uint32_t pad;
  uint64_t device;
  uint64_t inode;
  uint64_t key; /* what the kernel's map of written files knows it by: skep_file_id ^ generation << 32 */
  uint32_t name_bytes;
  uint32_t whole;
  struct skep_label label;
  char name[SKEP_PROFILE_NAME_BYTES];
};

/* The names as the caller gave them, from its memory: they say where to look for what a session wrote. A relative `name`
 * begins in `folder`, whose parts are told as in skep_first_seen_record. */
struct skep_renamed_record {
  struct skep_record head;
  uint64_t serial;
  uint32_t folder_bytes;
  uint32_t whole; /* of the folder's name */
  char folder[SKEP_PROFILE_NAME_BYTES];
  char former[SKEP_PATH_BYTES];
  char name[SKEP_PATH_BYTES];
};

/* Counters of one CPU or of the whole host, never reset. What could not be done is counted here and shown by `status`.
 */
struct skep_counters {
  uint64_t alerts_dropped; /* records that found the alert ring full */
  uint64_t telemetry_dropped;
  uint64_t alerts;
  uint64_t denied;
  uint64_t killed;
  uint64_t labels;          /* reads that stamped a label */
  uint64_t helper_failures; /* a map or storage that could not be had: supervision of that task is in doubt */
  uint64_t sequence_states; /* sequence states begun */
  uint64_t first_seen;      /* what no profile in force or being learned had */
  uint64_t contained;         /* sockets, connections and sends refused by containment */
  uint64_t contained_packets; /* packets that it dropped on their way out */
  uint64_t let_go;            /* connections, peers and packets let go within a limit */
};

SKEP_STATIC_ASSERT(sizeof(struct skep_flow) == 56, "skep_flow");
SKEP_STATIC_ASSERT(sizeof(struct skep_label) == 80, "skep_label");
SKEP_STATIC_ASSERT(sizeof(struct skep_record) == 24, "skep_record");
SKEP_STATIC_ASSERT(sizeof(struct skep_flow_record) == 104, "skep_flow_record");
SKEP_STATIC_ASSERT(sizeof(struct skep_process_record) == 24 + 24 + 24 + 80 + 16 + 8 + 512, "skep_process_record");
SKEP_STATIC_ASSERT(sizeof(struct skep_crash_record) == 24 + 32 + 16 + 144 + 16 + 96, "skep_crash_record");
SKEP_STATIC_ASSERT(sizeof(struct skep_confirm_record) == 104, "skep_confirm_record");
SKEP_STATIC_ASSERT(sizeof(struct skep_renamed_record) == 24 + 16 + 3 * 256, "skep_renamed_record");
SKEP_STATIC_ASSERT(sizeof(struct skep_wrote_record) == 24 + 16 + 24 + 8 + 80 + 256, "skep_wrote_record");
SKEP_STATIC_ASSERT(sizeof(struct skep_first_seen_record) == 24 + 16 + 16 + 8 + 80 + 256, "skep_first_seen_record");

#endif
