/* Connections to the services' ports: opened, read, answered, closed. Here a session's flow meets the thread that reads it.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_FLOWS_H
#define SKEP_WATCH_BPF_FLOWS_H

#include "watch/bpf/calls.h"
#include "watch/bpf/confirm.h"
#include "watch/bpf/containment.h"
#include "watch/bpf/emit.h"
#include "watch/bpf/handoff.h"
#include "watch/bpf/label.h"

static __always_inline void fill_flow(struct skep_flow *flow, const struct sock *sk, uint32_t service) {
  flow->serial = __sync_fetch_and_add(&last_flow_serial, 1) + 1;
  if (sk->__sk_common.skc_family == K_AF_INET) {
    mapped_address(flow->remote, sk->__sk_common.skc_daddr);
    mapped_address(flow->local, sk->__sk_common.skc_rcv_saddr);
  } else {
    BPF_CORE_READ_INTO((struct in6_addr *)flow->remote, sk, __sk_common.skc_v6_daddr);
    BPF_CORE_READ_INTO((struct in6_addr *)flow->local, sk, __sk_common.skc_v6_rcv_saddr);
  }
  flow->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
  flow->local_port = sk->__sk_common.skc_num;
  flow->service = service;
  flow->opened_ns = bpf_ktime_get_boot_ns();
}

/* The service whose port this socket's is, in the socket's network namespace; or none. */
static __always_inline uint32_t *service_of_port(const struct sock *sk) {
  struct skep_port_key key = {.netns = AS(struct sock, sk)->__sk_common.skc_net.net->ns.inum,
                              .port = sk->__sk_common.skc_num};
  return bpf_map_lookup_elem(&service_ports, &key);
}

static __always_inline void flow_opened(struct sock *sk) {
  uint32_t *service = service_of_port(sk);
  if (!service) return;
  struct skep_flow_state *state = bpf_sk_storage_get(&flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!state) {
    COUNT(helper_failures);
    return;
  }
  fill_flow(&state->flow, sk, *service);
  state->bytes_in = state->bytes_out = state->read_ns = 0;
  state->reader_pid = state->unanswered = 0;
  state->waits_tid = state->waits_pid = 0;
  state->waits_start_ns = 0;
  emit_flow(state, SKEP_FLOW_OPENED);
}

/* The thread that had read from the flow has it in hand no longer. */
static __always_inline void let_go(struct skep_flow_state *flow) {
  flow->unanswered = 0;
  bpf_map_delete_elem(&unanswered, &flow->flow.serial);
  if (!bpf_task_from_pid) return;
  struct task_struct *task = bpf_task_from_pid((int)flow->waits_tid);
  if (!task) return;
  struct skep_task *state = bpf_task_storage_get(&tasks, task, 0, 0);
  if (state && state->waiting && task->start_boottime == flow->waits_start_ns)
    __sync_fetch_and_add(&state->waiting, (uint32_t)-1);
  bpf_task_release(task);
}

static __always_inline void flow_closed(struct sock *sk) {
  struct skep_flow_state *state = bpf_sk_storage_get(&flows, sk, 0, 0);
  if (!state) return;
  emit_flow(state, SKEP_FLOW_CLOSED);
  if (state->unanswered) let_go(state);
  retire_session(state->flow.serial);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_socket_state, struct sock *sk, int old_state, int new_state) {
  if (sk->sk_protocol != K_IPPROTO_TCP) return 0;
  if (new_state == K_TCP_ESTABLISHED && old_state == K_TCP_SYN_RECV) flow_opened(sk);
  if (new_state == K_TCP_CLOSE) flow_closed(sk);
  if (new_state == K_TCP_LISTEN) judge_listening(sk);
  return 0;
}

static __always_inline void show_disorder(struct task_struct *task, uint32_t what) {
  uint32_t *conduct = conduct_of(task->group_leader);
  if (conduct && !(*conduct & what)) __sync_fetch_and_or(conduct, what);
}

static __always_inline void show_order(struct task_struct *task, uint32_t one, uint32_t bits) {
  uint32_t *conduct = conduct_of(task->group_leader);
  if (conduct && (*conduct & bits) < one * SKEP_CONDUCT_TRUSTED) __sync_fetch_and_add(conduct, one);
}

/* Current has the flow in hand from here on. */
static __always_inline void take_in_hand(struct skep_flow_state *flow, struct skep_task *state, struct task_struct *task) {
  uint32_t tid = (uint32_t)task->pid;
  if (flow->unanswered) {
    if (flow->waits_tid == tid) return;
    if (flow->waits_pid == (uint32_t)task->tgid) show_disorder(task, SKEP_CONDUCT_DISORDERLY);
    let_go(flow);
  }
  flow->unanswered = 1;
  flow->waits_tid = tid;
  flow->waits_pid = (uint32_t)task->tgid;
  flow->waits_start_ns = task->start_boottime;
  __sync_fetch_and_add(&state->waiting, 1);
  if (bpf_map_update_elem(&unanswered, &flow->flow.serial, &tid, BPF_ANY)) COUNT(helper_failures);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_receive, struct sock *sk, int bytes, int flags) {
  if (bytes <= 0) return 0;
  if (sk->__sk_common.skc_family == K_AF_UNIX) {
    receive_from_peer(sk, bytes);
    return 0;
  }
  struct skep_flow_state *flow = bpf_sk_storage_get(&flows, sk, 0, 0);
  if (!flow) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state) return 0;
  if (!flow->reader_pid) {
    flow->reader_pid = (uint32_t)task->tgid;
    emit_flow(flow, SKEP_FLOW_SERVED);
  }
  flow->bytes_in += (uint32_t)bytes;
  flow->read_ns = bpf_ktime_get_boot_ns();
  stamp(state, flow, (uint32_t)task->pid);
  take_in_hand(flow, state, task);
  COUNT(labels);
  return 0;
}

/* A flow is answered for the first time since it was read: how does that fit what its thread was taken to work for? */
static __always_inline void show_conduct(const struct skep_flow_state *flow, const struct skep_task *state,
                                         struct task_struct *task) {
  uint32_t tid = (uint32_t)task->pid;
  int same = state->label.flow.serial == flow->flow.serial;
  if (state->label.source == SKEP_LABEL_HANDED) {
    if (same)
      show_order(task, SKEP_CONDUCT_HANDED, SKEP_CONDUCT_HANDED_BITS);
    else
      show_disorder(task, SKEP_CONDUCT_DISORDERLY | SKEP_CONDUCT_MISHANDED);
  } else if (state->label.source == SKEP_LABEL_RECV) {
    if (!same)
      show_disorder(task, SKEP_CONDUCT_DISORDERLY);
    else if (others_wait(state, tid))
      show_order(task, SKEP_CONDUCT_READ, SKEP_CONDUCT_READ_BITS);
  }
  int by_another = flow->waits_tid != tid && flow->waits_pid == (uint32_t)task->tgid;
  if (by_another && state->flags & SKEP_TASK_READS) show_disorder(task, SKEP_CONDUCT_DISORDERLY);
}

/* What a thread was handed by another of its process is done with its answer; what it takes up next without being woken is
 * not seen. Until then it may still act for what it has answered. */
static __always_inline void finish_work(struct skep_task *state, const struct skep_flow_state *flow) {
  if (state->label.source != SKEP_LABEL_WAKE && state->label.source != SKEP_LABEL_NONE) return;
  state->label.source = SKEP_LABEL_NONE;
  state->label.flow = flow->flow;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk, int bytes, int flags) {
  if (bytes <= 0) return 0;
  if (sk->__sk_common.skc_family == K_AF_UNIX) {
    hand_to_peer(sk, bytes);
    return 0;
  }
  struct skep_flow_state *flow = bpf_sk_storage_get(&flows, sk, 0, 0);
  if (!flow) {
    note_sender(sk);
    return 0;
  }
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state) return 0;
  flow->bytes_out += (uint32_t)bytes;
  if (flow->unanswered) {
    show_conduct(flow, state, task);
    let_go(flow);
  }
  finish_work(state, flow);
  confirm(flow, (uint32_t)task->pid, task);
  return 0;
}

#endif
