/* Nothing that a supervised process sends leaves for anywhere but an answer on its service's connections, or a peer that the
 * service may speak with (model/outgoing.h); whatever signatures are in force. Asked when a socket is made, connected or sent
 * by to an address, and last of all for each packet, whatever call it came by.
 *
 * This host itself is like any other place: what listens here may carry on what it is given.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_CONTAINMENT_H
#define SKEP_WATCH_BPF_CONTAINMENT_H

#include "watch/bpf/calls.h"
#include "watch/bpf/peers.h"

/* In socket storage of a socket that a supervised process made, connected or sent by. The label is the one it then had: a
 * packet may leave when nobody's call runs. */
struct skep_sender {
  uint32_t service;
  uint32_t epoch;
  uint32_t pid;
  uint32_t tid;
  uint64_t peer[2]; /* what it was allowed to connect to */
  uint16_t peer_port;
  uint16_t allowed; /* 0: nowhere yet */
  uint32_t pad;
  uint64_t told_ns; /* the last alert for a packet of it */
  struct skep_label label;
};

struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct skep_sender);
} senders SEC(".maps");

/* Who is told of: the calling thread, or who was the sender's last where none calls. */
struct skep_culprit {
  struct task_struct *task; /* with its leader and its state; or none */
  struct task_struct *leader;
  struct skep_task *state;
  const struct skep_sender *sender; /* where there is no task */
};

static __always_inline void fill_last_sender(struct skep_alert_record *record, const struct skep_sender *sender) {
  record->pid = sender->pid;
  record->tid = record->steps[0].tid = sender->tid;
  record->parent = record->uid = 0;
  record->start_ns = 0;
  record->comm[0] = 0;
  record->label = sender->label;
  __builtin_memset(&record->writer, 0, sizeof record->writer);
}

static __always_inline void tell_contained(const struct sending *to, const struct skep_culprit *who,
                                           uint8_t action) {
  struct skep_alert_record *record = begin_alert(to->service, to->nr, action, to->stage);
  if (!record) return;
  record->generation = 0;
  record->signature = SKEP_SIGNATURE_CONTAINMENT;
  if (to->stage != SKEP_STAGE_PRE) record->provenance = SKEP_FROM_KERNEL;
  __builtin_memset(record->args, 0, sizeof record->args);
  __builtin_memcpy(record->args, to->args, sizeof to->args);
  __builtin_memcpy(record->address, to->address, sizeof record->address);
  record->port = to->port;
  record->family = to->family;
  if (who->task && who->state) {
    fill_violator(record, who->task);
    fill_labels(record, who->state, who->task, who->leader);
    ask_for_confirmation(&record->label, record->tid, record->id);
  } else if (who->sender) {
    fill_last_sender(record, who->sender);
  }
  send_alert(record);
}

static __always_inline void tell_refused(const struct sending *to, const struct skep_culprit *who) {
  COUNT(contained);
  tell_contained(to, who, SKEP_DENIED);
}

/* `task` is current. */
static __always_inline void become_sender(struct skep_sender *sender, struct task_struct *task,
                                          const struct skep_task *state) {
  sender->service = state->service;
  sender->epoch = state->epoch;
  sender->pid = (uint32_t)task->tgid;
  sender->tid = (uint32_t)task->pid;
  label_now(&sender->label, state, task, task->group_leader);
}

/* Whether nothing can leave by this connect: a datagram socket that is connected as getaddrinfo does to sort addresses, to
 * port 0 or to 0.0.0.0 and ::, sends nothing by it (what is sent then, is a packet to be judged); a server that connects to
 * its own listener, on behalf of no session, wakes a process of its own. */
static __always_inline int sends_nothing(const struct sending *to, int wakes_itself) {
  if (to->nr != K_NR_CONNECT) return 0;
  if (to->protocol == K_IPPROTO_TCP) return wakes_itself;
  if (!to->port) return 1;
  return !to->address[0] && (!to->address[1] || to->address[1] == bpf_cpu_to_be64(0xffff00000000ull));
}

/* Where a connection that was allowed leads: all of its packets may go there. What is connected to the wildcard leads to this
 * host's loopback; datagrams that nobody has allowed yet are judged each by itself. */
static __always_inline void remember_peer(struct skep_sender *sender, const struct sending *to, int allowed) {
  sender->allowed = (uint16_t)allowed;
  sender->peer[0] = to->address[0];
  sender->peer[1] = to->address[1];
  sender->peer_port = to->port;
  if (sender->peer[0]) return;
  if (!sender->peer[1]) sender->peer[1] = bpf_cpu_to_be64(1);
  if (sender->peer[1] == bpf_cpu_to_be64(0xffff00000000ull)) sender->peer[1] = bpf_cpu_to_be64(0xffff7f000001ull);
}

/* A socket is to be made. Raw ones, and those of other protocols than TCP and UDP, speak with any address by calls that
 * nobody is asked about: they are not had, unless packets of them may leave. Those of MPTCP connect by sockets of the
 * kernel's own, unseen: they are told that there is none, without an alert, and fall back to TCP. */
static __always_inline int judge_new_socket(struct bpf_sock *ctx, struct task_struct *task, struct skep_task *state) {
  struct sending to = {.nr = K_NR_SOCKET, .stage = SKEP_STAGE_PRE, .service = state->service};
  uint32_t protocol = ctx->protocol;
  int raw = ctx->type == K_SOCK_RAW;
  if (!raw && (protocol == K_IPPROTO_TCP || protocol == K_IPPROTO_UDP)) return 0;
  if (protocol == K_IPPROTO_MPTCP) {
    COUNT(contained);
    return K_EPROTONOSUPPORT;
  }
  if (protocol_allowed(state->service, raw && kind_of(protocol) != SKEP_OUT_ICMP ? K_IPPROTO_RAW : protocol)) return 0;
  to.args[0] = ctx->family;
  to.args[1] = ctx->type;
  to.args[2] = protocol;
  struct skep_culprit who = {.task = task, .leader = task->group_leader, .state = state};
  tell_refused(&to, &who);
  return raw ? 1 /* EPERM */ : K_EPROTONOSUPPORT;
}

SEC("cgroup/sock_create")
int on_socket(struct bpf_sock *ctx) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state || state->flags & SKEP_TASK_LAUNCHING) return 1;
  int error = judge_new_socket(ctx, task, state);
  if (error) {
    bpf_set_retval(-error);
    return 0;
  }
  struct skep_sender *sender = bpf_sk_storage_get(&senders, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (sender)
    become_sender(sender, task, state);
  else
    COUNT(helper_failures);
  return 1;
}

/* Asked by seccomp: a family of which the hooks above know nothing. */
static __always_inline int judge_family(uint32_t nr, const uint64_t *args, struct task_struct *task,
                                        struct task_struct *leader, struct skep_task *state) {
  uint32_t family = (uint32_t)args[0];
  if (nr != K_NR_SOCKET || family == K_AF_UNIX || family == K_AF_INET || family == K_AF_INET6 ||
      family == K_AF_NETLINK || family == K_AF_ALG)
    return 0;
  struct sending to = {.nr = nr, .stage = SKEP_STAGE_PRE, .service = state->service, .args = {args[0], args[1], args[2]}};
  struct skep_culprit who = {.task = task, .leader = leader, .state = state};
  tell_refused(&to, &who);
  return K_EAFNOSUPPORT;
}

/* The socket that `task` sends by in the call that it is in; or none. */
static __always_inline struct sock *socket_of_call(struct task_struct *task) {
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  uint64_t nr = BPF_CORE_READ(regs, orig_ax);
  uint64_t descriptor = BPF_CORE_READ(regs, di);
  if (nr == 275 /* splice */)
    descriptor = BPF_CORE_READ(regs, dx);
  else if (nr != 1 /* write */ && nr != 20 /* writev */ && nr != 40 /* sendfile */ && nr != 44 && nr != 46 && nr != 307 &&
           nr != 296 /* pwritev */ && nr != 328 /* pwritev2 */)
    return 0;
  struct file *file = file_of(task, descriptor);
  return file ? socket_of(file) : 0;
}

/* A socket that no supervised process made or connected, and by which one now sends: it was passed, or is older than the
 * supervision. The current thread need not be the sender (an interrupt sends for others): its call must name this socket. */
static __always_inline struct skep_sender *claim(struct bpf_sock *sk) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  if (!state || state->flags & SKEP_TASK_LAUNCHING) return 0;
  if ((uint64_t)socket_of_call(task) != (uint64_t)sk) return 0;
  struct skep_sender *sender = bpf_sk_storage_get(&senders, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!sender) {
    COUNT(helper_failures);
    return 0;
  }
  become_sender(sender, task, state);
  return sender;
}

/* After a send: what is still queued may leave when nobody's call runs. */
static __always_inline void note_sender(struct sock *sk) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_task *state = supervised(task);
  uint16_t family = BPF_CORE_READ(sk, __sk_common.skc_family);
  if (!state || (family != K_AF_INET && family != K_AF_INET6) || bpf_sk_storage_get(&senders, sk, 0, 0)) return;
  struct skep_sender *sender = bpf_sk_storage_get(&senders, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (sender)
    become_sender(sender, task, state);
  else
    COUNT(helper_failures);
}

/* Where a packet goes, from its own headers: source routes and raw sockets change them. Extension headers are not walked: what
 * comes after is some other protocol. */
static __always_inline int read_packet(struct __sk_buff *skb, struct sending *to) {
  uint8_t head[40];
  uint32_t offset = 40;
  if (bpf_skb_load_bytes(skb, 0, head, 20)) return 0;
  if (head[0] >> 4 == 4) {
    uint32_t v4;
    __builtin_memcpy(&v4, head + 16, sizeof v4);
    mapped_address((uint8_t *)to->address, v4);
    to->protocol = head[9];
    offset = (head[0] & 15u) * 4;
  } else {
    if (bpf_skb_load_bytes(skb, 0, head, 40)) return 0;
    __builtin_memcpy(to->address, head + 24, sizeof to->address);
    to->protocol = head[6];
  }
  uint16_t ports[2] = {};
  if (to->protocol == K_IPPROTO_TCP || to->protocol == K_IPPROTO_UDP)
    bpf_skb_load_bytes(skb, offset, ports, sizeof ports);
  to->port = bpf_ntohs(ports[1]);
  to->family = head[0] >> 4 == 4 ? '4' : '6';
  return 1;
}

static __always_inline int goes_to(const struct sending *to, const uint64_t *address, uint16_t port) {
  return to->address[0] == address[0] && to->address[1] == address[1] && to->port == port;
}

/* A connection to the service's port, from before it was supervised or not yet established. What connects from such a port
 * is in another state until its first packet has left. */
static __always_inline int is_answer(const struct bpf_sock *sk, uint32_t service, const struct sending *to) {
  if (sk->protocol != K_IPPROTO_TCP || !is_service_port(service, (uint16_t)sk->src_port)) return 0;
  if (sk->state == K_TCP_LISTEN || sk->state == K_TCP_SYN_RECV) return 1;
  if (sk->state == K_TCP_SYN_SENT || sk->state == K_TCP_CLOSE) return 0;
  uint64_t peer[2];
  if (sk->family == K_AF_INET) {
    mapped_address((uint8_t *)peer, sk->dst_ip4);
  } else {
    uint32_t words[4] = {sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2], sk->dst_ip6[3]};
    __builtin_memcpy(peer, words, sizeof peer);
  }
  return goes_to(to, peer, bpf_ntohs(sk->dst_port));
}

static __always_inline int is_own_answer(const struct sending *to, const struct skep_flow *flow) {
  uint64_t remote[2];
  __builtin_memcpy(remote, flow->remote, sizeof remote);
  return to->protocol == K_IPPROTO_TCP && goes_to(to, remote, flow->remote_port);
}

static __always_inline struct skep_culprit culprit_of(const struct skep_sender *sender) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct skep_culprit who = {.sender = sender};
  if ((uint32_t)task->pid != sender->tid) return who;
  who.task = task;
  who.leader = task->group_leader;
  who.state = supervised(task);
  return who;
}

enum { kTellPacketsEveryNs = 1000000000 };

/* A packet that must not leave. The alert names the calling thread where it is the one that sends; one a second a socket. */
static __always_inline int drop_packet(const struct sending *to, struct skep_sender *sender) {
  COUNT(contained_packets);
  uint64_t now = bpf_ktime_get_boot_ns();
  if (sender->told_ns && now - sender->told_ns < kTellPacketsEveryNs) return 0;
  sender->told_ns = now;
  struct skep_culprit who = culprit_of(sender);
  tell_contained(to, &who, SKEP_DENIED);
  return 0;
}

static __always_inline int judge_packet(const struct sending *to, struct bpf_sock *sk, struct skep_sender *sender) {
  if (sender->allowed && goes_to(to, sender->peer, sender->peer_port)) return 1;
  if (is_answer(sk, sender->service, to)) return 1;
  int raw = sk->type == K_SOCK_RAW;
  if (!to->family || (!raw && to->protocol == K_IPPROTO_TCP && !listed_peer(to))) return drop_packet(to, sender);
  int verdict = outgoing_verdict(to);
  if (verdict == OUT_REFUSED) return drop_packet(to, sender);
  if (verdict == OUT_LET_GO) {
    struct skep_culprit who = culprit_of(sender);
    tell_contained(to, &who, SKEP_OBSERVED);
  }
  return 1;
}

static __always_inline int sender_in_force(const struct skep_sender *sender) {
  struct skep_task as_task = {.service = sender->service, .epoch = sender->epoch};
  return in_force(&as_task);
}

/* Every packet of the host that a socket sends, on its way out: the last net. */
SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb) {
  struct bpf_sock *sk = skb->sk;
  if (!sk) return 1;
  sk = bpf_sk_fullsock(sk);
  if (!sk) return 1;
  struct sending to = {.nr = K_NR_SENDTO, .stage = SKEP_STAGE_HOOK};
  struct skep_flow_state *flow = bpf_sk_storage_get(&flows, sk, 0, 0);
  if (flow && (!read_packet(skb, &to) || is_own_answer(&to, &flow->flow))) return 1;
  struct skep_sender *sender = bpf_sk_storage_get(&senders, sk, 0, 0);
  if (!sender) sender = claim(sk);
  if (!sender && !flow) return 1;
  if (!sender) { /* an answer that goes elsewhere: a source route was set */
    COUNT(contained_packets);
    return 0;
  }
  if (!sender_in_force(sender)) return 1;
  read_packet(skb, &to);
  to.service = sender->service;
  return judge_packet(&to, sk, sender);
}

#endif
