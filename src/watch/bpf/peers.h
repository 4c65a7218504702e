/* May this service speak with that address? Its peers, its limits and what it has used of them, the fence (model/outgoing.h).
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_PEERS_H
#define SKEP_WATCH_BPF_PEERS_H

#include "model/outgoing.h"
#include "watch/bpf/maps.h"

/* What a service is about to send, or to have a socket for. */
struct sending {
  uint64_t address[2]; /* v4-mapped */
  uint64_t args[3];    /* of socket() */
  uint32_t service;
  uint32_t nr;
  uint16_t port;
  uint16_t protocol; /* IPPROTO_* */
  uint8_t family;    /* '4' or '6'; 0: it could not be read */
  uint8_t stage;     /* skep_stage */
  uint8_t pad[2];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SKEP_SERVICES_MAX);
  __type(key, uint32_t);
  __type(value, struct skep_outgoing);
} outgoing SEC(".maps");

struct skep_let_go_of_service {
  struct bpf_spin_lock lock;
  struct skep_let_go kinds[SKEP_OUT_KINDS];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SKEP_SERVICES_MAX);
  __type(key, uint32_t);
  __type(value, struct skep_let_go_of_service);
} let_go_times SEC(".maps");

/* UDP peers that were let go within a limit: until the limit's period is over they are spoken with freely. */
struct skep_granted_key {
  uint64_t address[2];
  uint32_t service;
  uint32_t port;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct skep_granted_key);
  __type(value, uint64_t);
} granted SEC(".maps");

enum {
  OUT_REFUSED = 0,
  OUT_LISTED = 1,
  OUT_GRANTED = 2,      /* within a limit, by an earlier call */
  OUT_LET_GO = 3,       /* within a limit, by this one */
  OUT_NOTHING_SENT = 4, /* nobody was asked: by this call nothing leaves */
};

static __always_inline uint32_t kind_of(uint32_t protocol) {
  if (protocol == K_IPPROTO_TCP) return SKEP_OUT_TCP;
  if (protocol == K_IPPROTO_UDP) return SKEP_OUT_UDP;
  return protocol == K_IPPROTO_ICMP || protocol == K_IPPROTO_ICMPV6 ? SKEP_OUT_ICMP : SKEP_OUT_OTHER;
}

static __always_inline int fenced(const struct sending *to) {
  uint32_t slot = to->service;
  const struct skep_outgoing *rules = bpf_map_lookup_elem(&outgoing, &slot);
  if (!rules) return 1;
  for (uint32_t i = 0; i < SKEP_FENCES_MAX; ++i) {
    if (i >= rules->fence_count) return 0;
    if (skep_net_holds(&rules->fences[i], to->address)) return 1;
  }
  return 0;
}

static __always_inline int listed_peer(const struct sending *to) {
  uint32_t slot = to->service;
  const struct skep_outgoing *rules = bpf_map_lookup_elem(&outgoing, &slot);
  if (!rules) return 0;
  uint64_t protocol = to->protocol;
  uint64_t port = to->port;
  for (uint32_t i = 0; i < SKEP_PEERS_MAX; ++i) {
    if (i >= rules->peer_count) return 0;
    const struct skep_peer *peer = &rules->peers[i];
    int fits = (!peer->protocol || peer->protocol == protocol) && (!peer->port || peer->port == port);
    if (fits && skep_net_holds(&peer->net, to->address)) return 1;
  }
  return 0;
}

/* Whether a packet of this protocol could ever be allowed: else no socket for it is made. */
__attribute__((noinline)) int protocol_allowed(uint32_t slot, uint32_t protocol) {
  const struct skep_outgoing *rules = bpf_map_lookup_elem(&outgoing, &slot);
  if (!rules) return 0;
  uint32_t kind = kind_of(protocol);
  if (rules->limits[kind & (SKEP_OUT_KINDS - 1)].count) return 1;
  for (uint32_t i = 0; i < SKEP_PEERS_MAX; ++i) {
    if (i >= rules->peer_count) return 0;
    if (!rules->peers[i].protocol || rules->peers[i].protocol == protocol) return 1;
  }
  return 0;
}

static __always_inline int within_limit(uint32_t slot, uint32_t kind, const struct skep_outgoing_limit *limit) {
  struct skep_let_go_of_service *past = bpf_map_lookup_elem(&let_go_times, &slot);
  if (!past) return 0;
  uint64_t now = bpf_ktime_get_boot_ns();
  uint64_t period = (uint64_t)limit->period_s * 1000000000ull;
  uint32_t count = limit->count;
  bpf_spin_lock(&past->lock);
  int within = skep_let_one_go(&past->kinds[kind & (SKEP_OUT_KINDS - 1)], count, period, now);
  bpf_spin_unlock(&past->lock);
  return within;
}

static __always_inline void fill_granted_key(struct skep_granted_key *key, const struct sending *to) {
  key->address[0] = to->address[0];
  key->address[1] = to->address[1];
  key->service = to->service;
  key->port = to->port;
}

static __always_inline int let_go_now(const struct sending *to, uint32_t kind,
                                      const struct skep_outgoing_limit *limit) {
  struct skep_granted_key key;
  fill_granted_key(&key, to);
  uint64_t now = bpf_ktime_get_boot_ns();
  if (kind == SKEP_OUT_UDP) {
    uint64_t *since = bpf_map_lookup_elem(&granted, &key);
    if (since && now - *since < (uint64_t)limit->period_s * 1000000000ull) return OUT_GRANTED;
  }
  if (!within_limit(to->service, kind, limit)) return OUT_REFUSED;
  if (kind == SKEP_OUT_UDP && bpf_map_update_elem(&granted, &key, &now, BPF_ANY)) COUNT(helper_failures);
  COUNT(let_go);
  return OUT_LET_GO;
}

/* May the service speak with this address? Asking uses up the limit. */
__attribute__((noinline)) int outgoing_verdict(const struct sending *to) {
  if (!to || fenced(to)) return OUT_REFUSED;
  if (listed_peer(to)) return OUT_LISTED;
  uint32_t slot = to->service;
  const struct skep_outgoing *rules = bpf_map_lookup_elem(&outgoing, &slot);
  if (!rules) return OUT_REFUSED;
  uint32_t kind = kind_of(to->protocol) & (SKEP_OUT_KINDS - 1);
  const struct skep_outgoing_limit *limit = &rules->limits[kind];
  return limit->count ? let_go_now(to, kind, limit) : OUT_REFUSED;
}

#endif
