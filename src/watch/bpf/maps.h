/* The maps. Sizes are the limits of the honeypot host; at each of them `counters` says what was not done.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_MAPS_H
#define SKEP_WATCH_BPF_MAPS_H

#include "watch/bpf/kernel.h"
#include "watch/bpf/state.h"

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct skep_task);
} tasks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct skep_flow_state);
} flows SEC(".maps");

/* The call that a thread is in, while it is judged: larger than a program's stack. A thread is in one call at a time. */
struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct skep_pending);
} pending_calls SEC(".maps");

/* What a state begins as. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __type(value, struct skep_state);
} no_state SEC(".maps");

/* States of sequences and evidence. Never in a task's storage: a thread that runs a program takes its leader's place, and
 * only start time and pid stay. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 32768);
  __type(key, struct skep_scope_key);
  __type(value, struct skep_state);
} states SEC(".maps");

/* Which slots of a scope have a state, so that they go with it. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 32768);
  __type(key, struct skep_scope_key);
  __type(value, uint64_t);
} scope_slots SEC(".maps");

/* How many processes of a tree live. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 16384);
  __type(key, uint64_t);
  __type(value, uint32_t);
} trees SEC(".maps");

/* The last flows that closed and had a state: a daemon that was left behind acts on. The state goes when as many others
 * have closed. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4096);
  __type(key, uint32_t);
  __type(value, uint64_t);
} closed_flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SKEP_SERVICES_MAX);
  __type(key, uint32_t);
  __type(value, struct skep_service_entry);
} services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, SKEP_SERVICES_MAX * 16);
  __type(key, struct skep_port_key);
  __type(value, uint32_t);
} service_ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct skep_program_key);
  __type(value, uint32_t);
} programs SEC(".maps");

/* The table in force: an array of one array of one table, so that a new one takes its place in one store, after which the
 * kernel waits until no program uses the old. */
struct table_slot {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __type(value, struct skep_table);
} first_table SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __array(values, struct table_slot);
} table SEC(".maps") = {.values = {&first_table}};

/* The profiles of all services: what is theirs, whatever it is. Value: 1. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 65536);
  __type(key, struct skep_profile_key);
  __type(value, uint32_t);
} profile_keys SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SKEP_SERVICES_MAX);
  __type(key, uint32_t);
  __type(value, struct skep_known_calls);
} known_calls SEC(".maps");

/* Flows that were read and not yet answered, by serial: the thread that read them. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, uint64_t);
  __type(value, uint32_t);
} unanswered SEC(".maps");

/* Threads whose next answer the judge waits for, and the alerts that wait. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, uint32_t);
  __type(value, struct skep_awaited);
} confirmations SEC(".maps");

/* Flows whose sessions have violated, by serial: what is forked on behalf of one of them is the intruder's own. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, uint64_t);
  __type(value, uint32_t);
} violators SEC(".maps");

/* Files that supervised threads have opened to write, by device, inode and generation: the label of the last one. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, uint64_t);
  __type(value, struct skep_label);
} written SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4 << 20);
} alerts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4 << 20);
} telemetry SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __type(value, struct skep_counters);
} counters SEC(".maps");

/* Set at load to a time: what an earlier life of the monitor had numbered is never numbered again. */
uint64_t last_flow_serial;
uint64_t last_alert;
uint64_t last_tree;
uint64_t last_closed; /* flows that closed and had a state */
uint64_t alerts_seq;
uint64_t telemetry_seq;

/* Bit n: a step of the table in force may judge a call of number n after it has returned (all, where it judges those through a
 * foreign ABI, whose numbers mean other calls). Watched are besides those that carry labels (skep_followed_as). Read at every
 * call's return on this host, so they have cache lines that nothing else writes to. The loader sets them: new bits before the
 * table takes its place, old ones away after. */
uint64_t watched_returns[SKEP_CALLS_MAX / 64] __attribute__((aligned(128)));
uint64_t judged_returns[SKEP_CALLS_MAX / 64] __attribute__((aligned(128)));
/* Of each call: bit f: a step of the table in force looks at field f, or binds it. What takes more than a few loads is only
 * gathered where it is set. Set by the loader as the one above. */
uint64_t wanted_fields[SKEP_CALLS_MAX] __attribute__((aligned(128)));
uint64_t after_wanted_fields __attribute__((aligned(128))); /* keeps what follows off those lines */

static const uint32_t kZero = 0;

static __always_inline struct skep_counters *counter(void) { return bpf_map_lookup_elem(&counters, &kZero); }

#define COUNT(name)                      \
  do {                                   \
    struct skep_counters *c_ = counter(); \
    if (c_) c_->name++;                  \
  } while (0)

#endif
