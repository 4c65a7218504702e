/* connect, bind and send of internet sockets at the cgroup hooks: the address is the kernel's own copy, and "no" means that
 * nothing has left. Attached to the root of the hierarchy: who is supervised is known by the mark, not by the cgroup.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_NETWORK_H
#define SKEP_WATCH_BPF_NETWORK_H

#include "watch/bpf/calls.h"
#include "watch/bpf/containment.h"
#include "watch/bpf/flows.h"

/* Whether a connection to this address ends at a listener on this host. One on all addresses is found for every address:
 * then only those count that lead nowhere else. */
static __always_inline int listens_here(struct bpf_sock_addr *ctx, struct bpf_sock_tuple *to, uint32_t bytes,
                                        int leads_nowhere_else) {
  struct bpf_sock *sk = bpf_sk_lookup_tcp(ctx, to, bytes, BPF_F_CURRENT_NETNS, 0);
  if (!sk) return 0;
  int bound_there = sk->src_ip4 && sk->src_ip4 == to->ipv4.daddr;
  if (bytes == sizeof to->ipv6)
    bound_there = sk->src_ip6[3] && sk->src_ip6[0] == to->ipv6.daddr[0] && sk->src_ip6[1] == to->ipv6.daddr[1] &&
                  sk->src_ip6[2] == to->ipv6.daddr[2] && sk->src_ip6[3] == to->ipv6.daddr[3];
  int listening = sk->state == K_TCP_LISTEN && (bound_there || leads_nowhere_else);
  bpf_sk_release(sk);
  return listening;
}

static __always_inline int listens_here_v4(struct bpf_sock_addr *ctx) {
  struct bpf_sock_tuple to = {};
  to.ipv4.daddr = ctx->user_ip4;
  to.ipv4.dport = (uint16_t)ctx->user_port;
  return listens_here(ctx, &to, sizeof to.ipv4, !to.ipv4.daddr || bpf_ntohl(to.ipv4.daddr) >> 24 == 127);
}

static __always_inline int listens_here_v6(struct bpf_sock_addr *ctx) {
  struct bpf_sock_tuple to = {};
  to.ipv6.daddr[0] = ctx->user_ip6[0];
  to.ipv6.daddr[1] = ctx->user_ip6[1];
  to.ipv6.daddr[2] = ctx->user_ip6[2];
  to.ipv6.daddr[3] = ctx->user_ip6[3];
  to.ipv6.dport = (uint16_t)ctx->user_port;
  uint32_t last = bpf_ntohl(to.ipv6.daddr[3]);
  int leads_nowhere_else = !to.ipv6.daddr[0] && !to.ipv6.daddr[1] && !to.ipv6.daddr[2] && last <= 1; /* :: and ::1 */
  return listens_here(ctx, &to, sizeof to.ipv6, leads_nowhere_else);
}

static __always_inline void fill_sending(struct sending *to, struct bpf_sock_addr *ctx, const struct skep_call *call) {
  to->address[0] = call->remote[0];
  to->address[1] = call->remote[1];
  to->service = call->service;
  to->nr = call->nr;
  to->port = (uint16_t)call->fields[SKEP_FIELD_FD_RPORT];
  to->protocol = (uint16_t)ctx->protocol;
  to->family = ctx->family == K_AF_INET ? '4' : '6';
  to->stage = SKEP_STAGE_HOOK;
}

/* Neither of these is inline: beside the automaton there is little room on the stack. */
static __attribute__((noinline)) int may_send(struct bpf_sock_addr *ctx, const struct skep_call *call) {
  struct sending to = {};
  fill_sending(&to, ctx, call);
  int wakes_itself = call->fields[SKEP_FIELD_OWN_LISTENER] && !call->fields[SKEP_FIELD_FOR_SESSION];
  return sends_nothing(&to, wakes_itself) ? OUT_NOTHING_SENT : outgoing_verdict(&to);
}

/* What no signature refuses, containment may; what it allows, its socket may do from here on. */
static __attribute__((noinline)) int contain(struct bpf_sock_addr *ctx, const struct skep_call *call,
                                             struct task_struct *task, struct skep_task *state, int verdict) {
  struct sending to = {};
  fill_sending(&to, ctx, call);
  struct skep_culprit who = {.task = task, .leader = task->group_leader, .state = state};
  if (verdict == OUT_REFUSED) {
    tell_refused(&to, &who);
    return K_ENETUNREACH;
  }
  if (verdict == OUT_LET_GO) tell_contained(&to, &who, SKEP_OBSERVED);
  struct bpf_sock *sk = ctx->sk;
  struct skep_sender *sender = sk ? bpf_sk_storage_get(&senders, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
  if (!sender) {
    COUNT(helper_failures);
    return K_ENETUNREACH;
  }
  become_sender(sender, task, state);
  int allowed = to.protocol == K_IPPROTO_TCP || verdict != OUT_NOTHING_SENT;
  if (to.nr == K_NR_CONNECT) remember_peer(sender, &to, allowed);
  return VERDICT_GO_ON;
}

static __always_inline int judge_address(struct bpf_sock_addr *ctx, uint32_t nr, const uint8_t *address, int v6) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state || (nr == K_NR_BIND && !has_candidates(nr))) return 1;
  struct skep_call *call = begin_call(task, nr, SKEP_STAGE_HOOK);
  if (!call) return 0; /* what cannot be judged does not leave */
  struct judging j = {.call = call, .state = state, .task = task, .leader = task->group_leader};
  fill_caller(call, state, task);
  set_field(call, SKEP_FIELD_FD_TYPE, ctx->family == K_AF_INET ? '4' : '6');
  set_field(call, SKEP_FIELD_FD_PROTO, ctx->protocol);
  uint16_t port = bpf_ntohs((uint16_t)ctx->user_port);
  __builtin_memcpy(call->remote, address, sizeof call->remote);
  call->has |= 1ull << SKEP_FIELD_FD_RIP;
  if (nr == K_NR_BIND)
    fill_local_port(call, port);
  else
    set_field(call, SKEP_FIELD_FD_RPORT, port);
  if (nr == K_NR_CONNECT) {
    int own = ctx->protocol == K_IPPROTO_TCP && is_service_port(call->service, port);
    if (own) own = v6 ? listens_here_v6(ctx) : listens_here_v4(ctx);
    set_field(call, SKEP_FIELD_OWN_LISTENER, (uint64_t)own);
  }
  int outgoing = nr == K_NR_BIND ? OUT_NOTHING_SENT : may_send(ctx, call);
  if (nr != K_NR_BIND)
    set_field(call, SKEP_FIELD_ALLOWED_PEER, outgoing != OUT_REFUSED && outgoing != OUT_NOTHING_SENT);
  int verdict = judge_call(&j);
  if (verdict == VERDICT_GO_ON && nr != K_NR_BIND) verdict = contain(ctx, call, task, state, outgoing);
  if (verdict == VERDICT_KILL) bpf_send_signal(K_SIGKILL);
  if (verdict > 0) bpf_set_retval(-verdict);
  return verdict == VERDICT_GO_ON;
}

static __always_inline int judge_v4(struct bpf_sock_addr *ctx, uint32_t nr) {
  uint8_t address[16];
  mapped_address(address, ctx->user_ip4);
  return judge_address(ctx, nr, address, 0);
}

static __always_inline int judge_v6(struct bpf_sock_addr *ctx, uint32_t nr) {
  uint32_t address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
  return judge_address(ctx, nr, (const uint8_t *)address, 1);
}

SEC("cgroup/connect4") int on_connect4(struct bpf_sock_addr *ctx) { return judge_v4(ctx, K_NR_CONNECT); }
SEC("cgroup/connect6") int on_connect6(struct bpf_sock_addr *ctx) { return judge_v6(ctx, K_NR_CONNECT); }
SEC("cgroup/bind4") int on_bind4(struct bpf_sock_addr *ctx) { return judge_v4(ctx, K_NR_BIND); }
SEC("cgroup/bind6") int on_bind6(struct bpf_sock_addr *ctx) { return judge_v6(ctx, K_NR_BIND); }
SEC("cgroup/sendmsg4") int on_sendmsg4(struct bpf_sock_addr *ctx) { return judge_v4(ctx, K_NR_SENDTO); }
SEC("cgroup/sendmsg6") int on_sendmsg6(struct bpf_sock_addr *ctx) { return judge_v6(ctx, K_NR_SENDTO); }

#endif
