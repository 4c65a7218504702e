/* The compiled signatures: one flat table, the same for BPF and for the host. The judge compiles it from YAML, watch
 * checks its bounds and puts it in the kernel as a whole: a new set takes the place of the old one between two calls.
 *
 * A signature is one step (a black-list), 2..SKEP_STEPS_MAX of them (a sequence), or weights and gates (evidence). A step
 * is an alternative (OR) of conjunctions (AND) of predicates over the fields of one call. Steps are found by call number:
 * `calls[nr]` names a run in `by_call`.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_MODEL_SIGNATURE_TABLE_H
#define SKEP_MODEL_SIGNATURE_TABLE_H

#include "model/c_types.h"
#include "model/kernel_event.h"

enum {
  SKEP_SIGNATURES_MAX = 256,
  SKEP_TABLE_STEPS_MAX = 2048,
  SKEP_CONJUNCTIONS_MAX = 2048,
  SKEP_PREDICATES_MAX = 4096,
  SKEP_VALUES_MAX = 4096,
  SKEP_NETS_MAX = 256,
  SKEP_SLOTS_MAX = 64,     /* sequences and evidence: each has a slot of state a scope */
  SKEP_INSTANCES_MAX = 4,  /* runs of one sequence that are followed at once in one scope */
  SKEP_BOUND_MAX = 2,      /* values that a run of a sequence remembers */
  SKEP_WEIGHTS_MAX = 16,   /* of one evidence signature */
  SKEP_TABLE_WEIGHTS_MAX = 256,
  SKEP_LEVELS_MAX = 4,     /* of one evidence signature */
  SKEP_FEEDS_MAX = 512,    /* signatures that add to evidence when they hold */
  SKEP_SIGNATURE_FEEDS_MAX = 8,
  SKEP_FOLDERS_MAX = 12,   /* folders above a file that are looked at, the nearest first */
  SKEP_SCORE_UNIT = 1024,  /* parts of a point in which evidence is kept */
  SKEP_STEP_CONJUNCTIONS_MAX = 16,
  SKEP_CONJUNCTION_PREDICATES_MAX = 16,
  SKEP_CALL_STEPS_MAX = 64,    /* steps that one call may be a candidate for */
  SKEP_CALL_GUARDS_MAX = 4,    /* guards of one call: with more it has none */
  SKEP_GUARDS_MAX = 512,
  SKEP_CALLS_MAX = 512,        /* x86-64 numbers, and the ones below */
  SKEP_CALL_FOREIGN_ABI = 508, /* any call through the 32-bit or x32 entry */
  SKEP_CALL_FIRST_SEEN = 509,  /* no call: something that the service's profile does not know; argument 0: its kind */
  SKEP_CALL_SENDTO = 44,
  SKEP_CALL_SENDMSG = 46,
  SKEP_CALL_SENDMMSG = 307,
};

/* The number under which a call is compiled, judged and told: every way of sending to an address is sendto, because the
 * network hook tells them as one. */
static inline uint32_t skep_canonical_call(uint32_t nr) {
  return nr == SKEP_CALL_SENDMSG || nr == SKEP_CALL_SENDMMSG ? (uint32_t)SKEP_CALL_SENDTO : nr;
}

/* When a step is judged. A call passes PRE (if it is intercepted), then HOOK or EXEC where it has one, then POST. */
enum skep_stage {
  SKEP_STAGE_PRE = 0,  /* before it runs, by seccomp notification: can be denied. Registers and fd-table objects only */
  SKEP_STAGE_HOOK = 1, /* connect, bind, send of an internet socket, at the cgroup hook: can be denied; kernel's copy of
                          the address. listen: the socket has begun to listen: can be killed */
  SKEP_STAGE_EXEC = 2, /* a program was opened and is about to run: can be killed */
  SKEP_STAGE_POST = 3, /* it has returned: result known */
};

enum skep_kind { SKEP_BLACKLIST = 0, SKEP_SEQUENCE = 1, SKEP_EVIDENCE = 2 };

/* A tree: a process that was forked on behalf of a session, with all its descendants; any other process alone. */
enum skep_scope {
  SKEP_BY_THREAD = 0,
  SKEP_BY_PROCESS = 1,
  SKEP_BY_SESSION = 2,
  SKEP_BY_SERVICE = 3,
  SKEP_BY_TREE = 4,
};

enum skep_role {
  SKEP_ROLE_STEP = 0,   /* `index`: which step of its signature, 0 first */
  SKEP_ROLE_UNTIL = 1,  /* throws the sequence's runs away */
  SKEP_ROLE_WEIGHT = 2, /* `index`: which weight of the evidence it adds */
  SKEP_ROLE_GATE = 3,   /* the signature's action, where evidence has reached level `index` */
};

/* Fields of a call. Names in the signature file stand beside them; docs/reference/signatures.md explains each. */
enum skep_field {
  SKEP_FIELD_RESULT = 0,        /* evt.res */
  SKEP_FIELD_ARG0 = 1,          /* evt.arg.0 ... evt.arg.5 = SKEP_FIELD_ARG0 + n: registers */
  SKEP_FIELD_ABI = 7,           /* evt.abi: 0 native, 1 ia32, 2 x32 */
  SKEP_FIELD_FD_TYPE = 8,       /* fd.typechar of argument 0: the character: 4 6 u f p d ..., kernel's object */
  SKEP_FIELD_FD_PORT = 9,       /* fd.sport: bind and listen: the local port */
  SKEP_FIELD_FD_RPORT = 10,     /* fd.rport: connect and send */
  SKEP_FIELD_FD_RIP = 11,       /* fd.rip; only with IN_NETS */
  SKEP_FIELD_FD_PROTO = 12,     /* fd.l4proto: IPPROTO_TCP, IPPROTO_UDP ...; 0 none */
  SKEP_FIELD_EXE_NAME = 13,     /* proc.name: hash of the opened file's own name (skep_name_hash) */
  SKEP_FIELD_EXE_LISTED = 14,   /* proc.is_listed: 1 where the service or its app_groups allow the opened file */
  SKEP_FIELD_EXE_MEMFD = 15,    /* proc.is_exe_from_memfd */
  SKEP_FIELD_EXE_FILE = 16,     /* proc.exepath: skep_file_id of the opened file; paths become ids when loaded */
  SKEP_FIELD_UID = 17,          /* user.uid (effective) */
  SKEP_FIELD_SERVICE_PORT = 18, /* fd.is_service_port: 1 where fd.sport is one of the service's ports */
  SKEP_FIELD_IN_GROUP = 19,     /* proc.in_app_group: 1 where the calling process runs a program of an app group */
  SKEP_FIELD_OWN_LISTENER = 20, /* fd.is_own_listener: 1 where connect leads to a listener of the service on this host */
  SKEP_FIELD_FOR_SESSION = 21,  /* proc.works_for_session: 1 where the calling thread bears a session's label */
  SKEP_FIELD_FD_FILE = 22,      /* fd.name: skep_file_id of the descriptor's file */
  SKEP_FIELD_FD_FILENAME = 23,  /* fd.filename: hash of its own name */
  SKEP_FIELD_FD_EXTENSION = 24, /* fd.extension: hash of what stands behind the last dot of it; of none 0 */
  SKEP_FIELD_FD_MODE = 25,      /* fd.mode: permission bits of the file */
  SKEP_FIELD_OPEN_WRITE = 26,   /* evt.is_open_write: 1 where the descriptor can be written through */
  SKEP_FIELD_OPEN_CREATED = 27, /* evt.is_open_create: 1 where the call made the file */
  SKEP_FIELD_FOLDER = 28,       /* fd.folder, proc.folder; only with IN_FOLDERS */
  SKEP_FIELD_CALLER_FILE = 29,  /* caller.exepath: skep_file_id of the program that the caller runs, at exec: ran */
  SKEP_FIELD_CALLER_NAME = 30,  /* caller.name: hash of its own name */
  SKEP_FIELD_EXE_DROPPED = 31,  /* proc.is_dropped: 1 where a session had opened the file for writing */
  SKEP_FIELD_PATH_NAME = 32,    /* evt.path.name: hash of the last part of a path argument, from user memory */
  SKEP_FIELD_PATH_EXTENSION = 33, /* evt.path.extension: likewise */
  SKEP_FIELD_PATH_TRAITS = 34,  /* evt.path.traits: PATH_CLIMBS 1, PATH_HIDDEN 2; likewise */
  SKEP_FIELD_DATA = 35,         /* evt.data: first four bytes of what write() was given, from user memory */
  SKEP_FIELD_ANONYMOUS_CODE = 36, /* evt.is_from_anonymous_code: 1 where the call came from memory that is no file's */
  SKEP_FIELD_ALLOWED_PEER = 37, /* fd.is_allowed_peer: 1 where the service may speak with the remote address */
  SKEP_FIELD_COUNT = 38,
};

enum skep_operator {
  SKEP_EQUAL = 0,
  SKEP_LESS = 1,       /* signed */
  SKEP_GREATER = 2,    /* signed */
  SKEP_INTERSECTS = 3, /* field & value != 0 */
  SKEP_IN_VALUES = 4,  /* value: first index in values[], count: how many, sorted ascending, unsigned */
  SKEP_IN_NETS = 5,    /* the same in nets[], unsorted */
  SKEP_IN_FOLDERS = 6, /* one of the folders above is in values[], as IN_VALUES */
  SKEP_EQUAL_BOUND = 7, /* equals what this run of the sequence has bound in place `value` */
};

struct skep_predicate {
  uint64_t value;
  uint16_t field;
  uint8_t op;
  uint8_t negated;
  uint16_t count;
  uint16_t pad;
};

struct skep_conjunction {
  uint16_t first; /* in predicates[] */
  uint16_t count;
};

struct skep_table_step {
  uint16_t signature;
  uint16_t conjunction_first; /* none (count 0): every such call matches */
  uint16_t conjunction_count;
  uint8_t index;      /* see skep_role */
  uint8_t stage;      /* skep_stage */
  uint8_t provenance; /* the least reliable field that it looks at */
  uint8_t role;       /* skep_role */
  uint8_t bind[SKEP_BOUND_MAX]; /* field + 1 that a run binds in this place when the step is seen; 0: none */
};

struct skep_level {
  uint16_t at;    /* points */
  uint8_t action; /* skep_action; KILLED ends the process whose call reached it */
  uint8_t suspect; /* 1: the session is told to be suspect, not an attack */
};

struct skep_signature {
  uint64_t services;   /* bit n: holds for service n */
  uint64_t maxspan_ns; /* sequence: first to last step; 0: no limit */
  uint64_t half_life_ns; /* evidence: in which the points fall to half; 0: never */
  int32_t deny_errno;  /* positive */
  uint32_t epoch; /* changes with the signature's text: state of another epoch counts as none */
  uint8_t kind;   /* skep_kind */
  uint8_t action;      /* skep_action: what is done to the last call */
  uint8_t step_count;  /* steps; of evidence: weights */
  uint8_t scope;  /* skep_scope; thread, process and tree state dies with them */
  uint8_t slot;   /* of sequence and evidence: its place in the state, < SKEP_SLOTS_MAX */
  uint8_t instances; /* of a sequence: runs followed at once, 1..SKEP_INSTANCES_MAX */
  uint8_t optional;  /* of a sequence: bit n: step n may be left out */
  uint8_t level_count;
  uint16_t weight_first; /* in weights[] */
  uint16_t feed_first;   /* in feeds[]: evidence that it adds to when it holds */
  uint16_t feed_count;
  uint16_t pad;
  struct skep_level levels[SKEP_LEVELS_MAX]; /* ascending */
};

struct skep_weight {
  uint16_t add; /* points */
  uint16_t most; /* that it adds in all, as long as the state lives; 0: no limit */
};

struct skep_feed {
  uint16_t signature; /* evidence */
  uint16_t weight;    /* of it */
};

/* An address belongs to the net if (address & mask) == net; both as they lie in memory: 16 bytes, network order,
 * v4-mapped. */
struct skep_net {
  uint64_t address[2];
  uint64_t mask[2];
};

static inline int skep_net_holds(const struct skep_net* net, const uint64_t* address) {
  /* One branch, not two: the verifier walks each of them for every net of a list. */
  return !(((address[0] & net->mask[0]) ^ net->address[0]) | ((address[1] & net->mask[1]) ^ net->address[1]));
}

struct skep_run {
  uint16_t first;
  uint16_t count;
};

/* What is cheap to know of a call that has returned (its registers, its result, the first bytes of what it wrote) and without
 * which none of its steps of stage POST can match: it holds where (field & mask) lies in `span` values from `low` on, counted
 * round the end of 64 bits. A call of which no guard holds is looked at no further. match/guards.h makes them. */
struct skep_guard {
  uint64_t mask;
  uint64_t low;
  uint64_t span; /* the last value is low + span */
  uint16_t field;
  uint8_t pad[6];
};

struct skep_table {
  uint32_t generation;
  uint32_t signature_count;
  struct skep_run calls[SKEP_CALLS_MAX];  /* candidates for each call: runs in by_call[] */
  uint16_t by_call[SKEP_TABLE_STEPS_MAX]; /* indexes of steps[] */
  struct skep_signature signatures[SKEP_SIGNATURES_MAX];
  struct skep_table_step steps[SKEP_TABLE_STEPS_MAX];
  struct skep_conjunction conjunctions[SKEP_CONJUNCTIONS_MAX];
  struct skep_predicate predicates[SKEP_PREDICATES_MAX];
  uint64_t values[SKEP_VALUES_MAX];
  struct skep_net nets[SKEP_NETS_MAX];
  struct skep_weight weights[SKEP_TABLE_WEIGHTS_MAX];
  struct skep_feed feeds[SKEP_FEEDS_MAX];
  struct skep_run guarded[SKEP_CALLS_MAX]; /* of each call: a run in guards[]; an empty one: every return is judged */
  struct skep_guard guards[SKEP_GUARDS_MAX];
};

/* One call as the automaton sees it. `has` has bit f set where field f is known at this stage; a predicate on a field
 * that is not known does not hold (nor does its negation). `bound` is of the run that is looked at. */
struct skep_call {
  uint64_t fields[SKEP_FIELD_COUNT];
  uint64_t remote[2]; /* fd.rip: 16 bytes in network order */
  uint64_t folders[SKEP_FOLDERS_MAX];
  uint64_t bound[SKEP_BOUND_MAX];
  uint64_t has;
  uint64_t now_ns;
  uint32_t tid;
  uint32_t has_bound; /* bit n: bound[n] is known */
  uint32_t folder_count;
  uint32_t nr;
  uint32_t service;
  uint8_t stage;
  uint8_t pad[3];
};

/* One run of a sequence. */
struct skep_instance {
  uint64_t begun_ns;
  uint64_t bound[SKEP_BOUND_MAX];
  uint8_t next; /* the step that is waited for; 0: not begun */
  uint8_t has_bound;
  uint8_t pad[6];
  struct skep_step steps[SKEP_STEPS_MAX]; /* the calls that brought it where it is; time 0: left out */
};

struct skep_evidence {
  uint64_t since_ns; /* up to when the fall of `score` was reckoned: whole sixteenths of the half-life */
  uint32_t score;    /* in SKEP_SCORE_UNIT parts of a point */
  uint8_t level;     /* levels reached so far */
  uint8_t next_step; /* in `steps`, which are the latest contributions */
  uint8_t pad[2];
  uint16_t added[SKEP_WEIGHTS_MAX]; /* points that each weight has added in all */
  struct skep_step steps[SKEP_STEPS_MAX];
};

/* The state of one sequence or evidence in one scope. */
struct skep_state {
  uint32_t epoch;
  uint32_t pad;
  union {
    struct skep_instance runs[SKEP_INSTANCES_MAX];
    struct skep_evidence evidence;
  };
};

enum skep_path_trait {
  SKEP_PATH_CLIMBS = 1, /* a part of it is `..` */
  SKEP_PATH_HIDDEN = 2, /* its last part begins with a dot */
};

/* FNV-1a, 64 bits, over the at most 63 bytes of a file's name. */
#define SKEP_HASH_BEGIN 0xcbf29ce484222325ull
static inline uint64_t skep_hash_byte(uint64_t hash, uint8_t byte) { return (hash ^ byte) * 0x100000001b3ull; }

static inline uint64_t skep_name_hash(const char* name, uint32_t bytes) {
  uint64_t hash = SKEP_HASH_BEGIN;
  for (uint32_t i = 0; i < 63; ++i) {
    if (i >= bytes) break;
    hash = skep_hash_byte(hash, (uint8_t)name[i]);
  }
  return hash;
}

/* A file is its device and inode, mixed to 64 bits (device as the kernel's s_dev: major << 20 | minor). */
static inline uint64_t skep_file_id(uint64_t device, uint64_t inode) {
  uint64_t x = inode ^ (device << 40 | device >> 24);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/* A file of a profile: its folder and its own name, so that one that took its place is the same. */
static inline uint64_t skep_profile_file(uint64_t folder, uint64_t name) { return skep_file_id(folder, name); }

/* An address: its 16 bytes as they lie in memory. */
static inline uint64_t skep_profile_peer(uint64_t first, uint64_t second) { return skep_file_id(first, second); }

SKEP_STATIC_ASSERT(sizeof(struct skep_predicate) == 16, "skep_predicate");
SKEP_STATIC_ASSERT(sizeof(struct skep_guard) == 32, "skep_guard");
SKEP_STATIC_ASSERT(sizeof(struct skep_table_step) == 12, "skep_table_step");
SKEP_STATIC_ASSERT(sizeof(struct skep_signature) == 64, "skep_signature");
SKEP_STATIC_ASSERT(sizeof(struct skep_instance) == 160, "skep_instance");
SKEP_STATIC_ASSERT(sizeof(struct skep_state) == 648, "skep_state");

#endif
