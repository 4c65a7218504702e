/* Connections to the services' ports: opened, read, answered, closed. Here a session's flow meets the thread that reads it.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_FLOWS_H
#define SKEP_WATCH_BPF_FLOWS_H

#include "watch/bpf/calls.h"
#include "watch/bpf/emit.h"
#include "watch/bpf/label.h"

/* v4-mapped where it is IPv4. */
static __always_inline void mapped_address(uint8_t *to, uint32_t v4) {
  __builtin_memset(to, 0, 10);
  to[10] = 0xff;
  to[11] = 0xff;
  __builtin_memcpy(to + 12, &v4, 4);
}

static __always_inline void fill_flow(struct skep_flow *flow, const struct sock *sk, uint32_t service) {
  flow->serial = __sync_fetch_and_add(&last_flow_serial, 1) + 1;
  if (BPF_CORE_READ(sk, __sk_common.skc_family) == K_AF_INET) {
    mapped_address(flow->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
    mapped_address(flow->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
  } else {
    BPF_CORE_READ_INTO((struct in6_addr *)flow->remote, sk, __sk_common.skc_v6_daddr);
    BPF_CORE_READ_INTO((struct in6_addr *)flow->local, sk, __sk_common.skc_v6_rcv_saddr);
  }
  flow->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
  flow->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
  flow->service = service;
  flow->opened_ns = bpf_ktime_get_boot_ns();
}

/* The service whose port this socket's is, in the socket's network namespace; or none. */
static __always_inline uint32_t *service_of_port(const struct sock *sk) {
  struct skep_port_key key = {.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum),
                              .port = BPF_CORE_READ(sk, __sk_common.skc_num)};
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
  emit_flow(state, SKEP_FLOW_OPENED);
}

static __always_inline void flow_closed(struct sock *sk) {
  struct skep_flow_state *state = bpf_sk_storage_get(&flows, sk, 0, 0);
  if (!state) return;
  emit_flow(state, SKEP_FLOW_CLOSED);
  bpf_map_delete_elem(&unanswered, &state->flow.serial);
  retire_session(state->flow.serial);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_socket_state, struct sock *sk, int old_state, int new_state) {
  if (BPF_CORE_READ(sk, sk_protocol) != K_IPPROTO_TCP) return 0;
  if (new_state == K_TCP_ESTABLISHED && old_state == K_TCP_SYN_RECV) flow_opened(sk);
  if (new_state == K_TCP_CLOSE) flow_closed(sk);
  if (new_state == K_TCP_LISTEN) judge_listening(sk);
  return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_receive, struct sock *sk, int bytes, int flags) {
  if (bytes <= 0) return 0;
  struct skep_flow_state *flow = bpf_sk_storage_get(&flows, sk, 0, 0);
  if (!flow) return 0;
  struct skep_task *state = supervised_current();
  if (!state) return 0;
  uint64_t who = bpf_get_current_pid_tgid();
  if (!flow->reader_pid) {
    flow->reader_pid = (uint32_t)(who >> 32);
    emit_flow(flow, SKEP_FLOW_SERVED);
  }
  flow->bytes_in += (uint32_t)bytes;
  stamp(&state->label, flow, (uint32_t)who);
  flow->read_ns = state->label.since_ns;
  if (!flow->unanswered) {
    flow->unanswered = 1;
    if (bpf_map_update_elem(&unanswered, &flow->flow.serial, &kZero, BPF_ANY)) COUNT(helper_failures);
  }
  COUNT(labels);
  return 0;
}

/* The judge waits for this thread's next answer: here it is. */
static __always_inline void confirm(const struct skep_flow_state *flow, uint32_t tid) {
  uint64_t *alert = bpf_map_lookup_elem(&confirmations, &tid);
  if (!alert) return;
  struct skep_confirm_record *record = RESERVE(alerts, record, SKEP_CONFIRM);
  if (record) {
    record->alert = *alert;
    record->flow = flow->flow;
    record->read_ns = flow->read_ns;
    record->tid = tid;
    record->pad = 0;
    bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
  }
  bpf_map_delete_elem(&confirmations, &tid);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk, int bytes, int flags) {
  if (bytes <= 0) return 0;
  struct skep_flow_state *flow = bpf_sk_storage_get(&flows, sk, 0, 0);
  if (!flow) return 0;
  struct skep_task *state = supervised_current();
  if (!state) return 0;
  uint32_t tid = (uint32_t)bpf_get_current_pid_tgid();
  flow->bytes_out += (uint32_t)bytes;
  if (flow->unanswered) {
    flow->unanswered = 0;
    bpf_map_delete_elem(&unanswered, &flow->flow.serial);
  }
  /* What it was handed is done; what it takes up next without being woken is not known from this label. */
  if (state->label.source == SKEP_LABEL_WAKE && state->label.flow.serial == flow->flow.serial)
    state->label.source = SKEP_LABEL_NONE;
  confirm(flow, tid);
  return 0;
}

#endif
