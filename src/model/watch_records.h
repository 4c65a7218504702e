/* What judge (unprivileged, parses) and watch (privileged, copies) say to each other: fixed-size records over one
 * SOCK_SEQPACKET pair, one record a packet. Watch checks bounds and does what the record says, or answers with an
 * error; it never interprets text beyond the file names that judge asks it to open as programs. */
#ifndef SKEP_MODEL_WATCH_RECORDS_H
#define SKEP_MODEL_WATCH_RECORDS_H

#include "model/c_types.h"
#include "model/kernel_event.h"
#include "model/outgoing.h"
#include "model/signature_table.h"

enum {
  SKEP_ARGV_BYTES = 4096, /* strings with their NUL, one after the other */
  SKEP_PORTS_MAX = 16,
  SKEP_GROUP_FILES_MAX = 128,
  SKEP_INTERCEPTS_MAX = 64,
  SKEP_TEXT_BYTES = 512,
  SKEP_PROFILE_ENTRIES_MAX = 8192, /* of one service's profile */
  SKEP_PROFILE_BATCH = 14,
  SKEP_FILE_BYTES_MAX = 8 << 20, /* of a file that is evidence: its beginning, where it is longer */
};

enum skep_watch_type {
  /* judge to watch */
  SKEP_SET_TABLE = 1,      /* no body: the table itself lies in the shared memory that both map */
  SKEP_SET_SERVICE = 2,    /* skep_service_order: launch, or adopt, or change ports and groups of one that runs */
  SKEP_REMOVE_SERVICE = 3, /* skep_service_order, name only: its processes go on, unsupervised */
  SKEP_SNAPSHOT = 4, /* all live supervised processes and flows are told again, as records, then SKEP_SNAPSHOT_END */
  SKEP_GET_COUNTERS = 5,
  SKEP_STOP = 6, /* end the services and exit */
  SKEP_SEAL = 7, /* head only, sent before the first byte from outside is read. From here on a command is launched
                    only if a SET_SERVICE before the seal was the same to the byte: a judge that has been taken over
                    cannot have programs of its own started. Adopting, ports, groups and removal stay possible. */
  SKEP_GET_FILE = 8, /* skep_file_order: no answer at once, but SKEP_FILE with its ticket later */
  SKEP_SET_PROFILE = 9, /* skep_profile_order: a part of a service's profile; in force when the last part has come */
  SKEP_END_PROCESSES = 10, /* skep_end_order */
  /* watch to judge */
  SKEP_DONE = 32,            /* skep_answer: what was asked is in force */
  SKEP_REFUSED = 33,         /* skep_answer: it is not; the text says why */
  SKEP_SNAPSHOT_RECORD = 34, /* a kernel record (kernel_event.h) after the head */
  SKEP_SNAPSHOT_END = 35,
  SKEP_COUNTERS = 36,      /* skep_counters_answer */
  SKEP_SERVICE_STATE = 37, /* skep_service_state: unasked, when it changes */
  SKEP_FILE = 38,          /* skep_file_answer; with a descriptor (SCM_RIGHTS) where it is SKEP_FILE_COPIED */
};

struct skep_watch_head {
  uint32_t type;
  uint32_t ticket; /* an answer carries the ticket of its question */
};

/* Programs of app groups are given as paths or shell patterns; watch resolves them to device and inode. */
struct skep_service_order {
  struct skep_watch_head head;
  uint32_t service;   /* slot, < SKEP_SERVICES_MAX: judge gives them out */
  uint32_t adopt_pid; /* 0: not by pid */
  uint16_t ports[SKEP_PORTS_MAX];
  uint32_t port_count;
  uint32_t argc; /* 0: not launched */
  uint32_t envc;
  uint32_t group_file_count; /* texts after argv and env, of its app_groups: for each its programs, "", the programs
                                that alone may start them (none: any), "" */
  uint32_t intercept_count;
  uint16_t intercepts[SKEP_INTERCEPTS_MAX]; /* calls to ask about; socket and clone: all of them, not by argument */
  uint32_t texts_bytes;
  uint32_t no_address_randomisation; /* 1: personality(ADDR_NO_RANDOMIZE) for the service */
  uint32_t reads_data_alone; /* 1: nothing that it reads is a script */
  struct skep_outgoing outgoing;
  char name[32];
  char user[32]; /* empty: as watch runs */
  char workdir[SKEP_PATH_BYTES];
  char output[SKEP_PATH_BYTES]; /* stdout and stderr are appended there; empty: /dev/null */
  char cgroup[SKEP_PATH_BYTES]; /* adopt all of this cgroup; empty: not by cgroup */
  char texts[SKEP_ARGV_BYTES];
};

/* One thing that a service does. Of files and folders the path of the folder, which watch looks up: judge may not look
 * everywhere. */
struct skep_profile_entry {
  uint32_t kind; /* skep_profile_kind */
  uint32_t pad;
  uint64_t key;  /* of a program or a file: skep_name_hash of its name; of a folder: 0; else as skep_profile_kind says */
  char path[SKEP_PATH_BYTES];
};

/* `begins` throws away what had come before; `ends` puts all that has come since in force, as a whole. */
struct skep_profile_order {
  struct skep_watch_head head;
  uint32_t service; /* slot */
  uint32_t mode;    /* skep_profile_mode; only HELD has entries */
  uint32_t begins;
  uint32_t ends;
  uint32_t count;
  uint32_t pad;
  struct skep_profile_entry entries[SKEP_PROFILE_BATCH];
};

/* The processes that were begun since the flow was opened and work for it. */
struct skep_end_order {
  struct skep_watch_head head;
  struct skep_flow flow; /* its ends; opened by `opened_ns`: a later one of the same ends is another's */
  uint32_t signal;       /* SIGTERM or SIGKILL */
  uint32_t pad;
};

struct skep_answer {
  struct skep_watch_head head;
  int32_t error;  /* errno or 0 */
  uint32_t count; /* END_PROCESSES: so many were sent the signal */
  uint32_t text_bytes;
  char text[SKEP_TEXT_BYTES];
};

enum skep_service_phase {
  SKEP_SERVICE_STARTING = 0,
  SKEP_SERVICE_RUNNING = 1,
  SKEP_SERVICE_ENDED = 2,
  SKEP_SERVICE_REMOVED = 3
};

struct skep_service_state {
  struct skep_watch_head head;
  uint32_t service;
  uint32_t phase;
  uint32_t pid;
  uint32_t status; /* ENDED: wait status */
  uint32_t restarts;
  uint32_t enforces; /* 1: seccomp filter in place (launched); 0: adopted, kill and cgroup hooks only */
};

struct skep_counters_answer {
  struct skep_watch_head head;
  struct skep_counters counters;
  uint64_t notices; /* seccomp notifications answered */
  uint64_t notices_denied;
  uint64_t programs_missed; /* about to run, and not looked at: too slow, or too many at a time */
  uint64_t programs_ns; /* run time of all BPF programs, where bpf_stats is on */
};

/* How a file that is evidence is found. */
enum skep_file_how {
  SKEP_FILE_PENDING = 0, /* what the process was about to run when seccomp stopped it: held */
  SKEP_FILE_RUNNING = 1, /* what it runs (/proc/PID/exe); where it has ended, as NAMED */
  SKEP_FILE_NAMED = 2,   /* a program by its name: device and inode must be these, and everybody may read and run it, or
                            it is the service's own */
  SKEP_FILE_WRITTEN = 3, /* what a session has written: device and inode must be these, and the kernel must have seen it */
};
enum { SKEP_FILE_PROCESSES = 2, SKEP_FILE_NAMES = 2 };

/* What led to it. */
enum skep_file_clue {
  SKEP_FILE_BY_NEWEST_NAME = 0,
  SKEP_FILE_BY_FORMER_NAME = 1,
  SKEP_FILE_BY_DESCRIPTOR = 2, /* of one of the processes: it may have no name any more */
  SKEP_FILE_BY_FOLDER = 3,     /* in the folder of one of its names it is called otherwise */
};

/* Watch opens names of judge's here: never a file that the kernel's own records do not lead to, or that is a secret. */
struct skep_file_order {
  struct skep_watch_head head;
  uint32_t pid[SKEP_FILE_PROCESSES]; /* the process; where it has ended, another one with the same files; 0: none */
  uint32_t service;
  uint32_t how;    /* skep_file_how */
  uint64_t device; /* of the file that the kernel opened, if that is known: preferred among those that are held */
  uint64_t inode;
  uint64_t key;    /* WRITTEN: as in skep_wrote_record */
  char path[SKEP_FILE_NAMES][SKEP_PATH_BYTES]; /* absolute, the likelier one first; empty: none */
};

enum skep_file_outcome {
  SKEP_FILE_COPIED = 0,     /* the descriptor: a sealed memfd with the first SKEP_FILE_BYTES_MAX bytes */
  SKEP_FILE_SAME = 1,       /* unchanged since it was copied for this judge */
  SKEP_FILE_NOT_HELD = 2,   /* nobody was asked before it ran, or that is too long ago; the process has ended */
  SKEP_FILE_NO_FILE = 3,    /* no regular file: nothing of it is read */
  SKEP_FILE_UNREADABLE = 4, /* `error` */
  SKEP_FILE_TOO_SLOW = 5,   /* it gave its bytes too slowly */
  SKEP_FILE_BUSY = 6,       /* too many at a time */
  SKEP_FILE_GONE = 7,       /* NAMED, WRITTEN: none of its names leads to it any more */
  SKEP_FILE_CLOSED = 8,     /* NAMED: not everybody may read and run it; WRITTEN: the kernel knows it no longer */
};

struct skep_file_answer {
  struct skep_watch_head head;
  uint32_t outcome; /* skep_file_outcome */
  int32_t error;    /* errno or 0 */
  uint64_t device;  /* of the file that watch found; 0: none */
  uint64_t inode;
  uint64_t bytes;      /* its size */
  uint64_t changed_ns; /* when it was last changed, by its file system */
  uint64_t copied;     /* bytes in the descriptor */
  uint32_t own;        /* 1: the service's own program, or one of its app groups' */
  uint32_t clue;       /* NAMED, WRITTEN: skep_file_clue */
};

struct skep_snapshot_record {
  struct skep_watch_head head;
  union {
    struct skep_record record;
    struct skep_process_record process;
    struct skep_flow_record flow;
  } kernel;
};

#endif
