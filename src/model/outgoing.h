/* What a service may send beside the answers on its connections: the judge reads it from monitor.yaml, watch hands it
 * to the kernel as it is. All zero: nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_MODEL_OUTGOING_H
#define SKEP_MODEL_OUTGOING_H

#include "model/c_types.h"
#include "model/signature_table.h"

enum {
  SKEP_PEERS_MAX = 64,   /* a network with three ports is three */
  SKEP_FENCES_MAX = 32,  /* networks */
  SKEP_LET_GO_MAX = 256, /* of one limit: so many times are remembered */
};

enum skep_outgoing_kind {
  SKEP_OUT_TCP = 0,
  SKEP_OUT_UDP = 1,
  SKEP_OUT_ICMP = 2,
  SKEP_OUT_OTHER = 3,
  SKEP_OUT_KINDS = 4
};

struct skep_peer {
  struct skep_net net;
  uint16_t port;     /* 0: any */
  uint16_t protocol; /* IPPROTO_*; 0: any */
  uint32_t pad;
};

/* So many in so long are let go: TCP connections, UDP peers, packets of ICMP and of anything else. */
struct skep_outgoing_limit {
  uint32_t count; /* at most SKEP_LET_GO_MAX; 0: none */
  uint32_t period_s;
};

struct skep_outgoing {
  uint32_t peer_count;
  uint32_t fence_count;
  struct skep_outgoing_limit limits[SKEP_OUT_KINDS];
  struct skep_peer peers[SKEP_PEERS_MAX];
  struct skep_net fences[SKEP_FENCES_MAX]; /* hold over peers and limits */
};

/* When the last were let go: a ring of as many times as the limit counts, the oldest next. */
struct skep_let_go {
  uint32_t next;
  uint32_t pad;
  uint64_t times_ns[SKEP_LET_GO_MAX]; /* 0: never */
};

/* 1, and remembered: within the limit. The window slides: at no moment have more than `count` been let go in the period
 * before it. */
static inline int skep_let_one_go(struct skep_let_go* past, uint32_t count, uint64_t period_ns, uint64_t now_ns) {
  if (!count || count > SKEP_LET_GO_MAX) return 0;
  uint32_t at = past->next & (SKEP_LET_GO_MAX - 1);
  if (at >= count) at = 0; /* the limit has become less */
  uint64_t oldest = past->times_ns[at];
  if (oldest && now_ns - oldest < period_ns) return 0;
  past->times_ns[at] = now_ns;
  past->next = at + 1;
  return 1;
}

SKEP_STATIC_ASSERT(sizeof(struct skep_peer) == 40, "skep_peer");
SKEP_STATIC_ASSERT(sizeof(struct skep_outgoing) == 8 + 32 + 64 * 40 + 32 * 32, "skep_outgoing");

#endif
