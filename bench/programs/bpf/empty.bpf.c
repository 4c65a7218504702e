/* The least that any observer of the same events costs: programs that do nothing, at every hook where those of
 * src/watch/bpf are. What skep adds is held against what these add.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#include "watch/bpf/kernel.h"

#define NOTHING(name, hook) \
  SEC(hook) int name(void *ctx) { return 0; }
#define ALLOWS_ALL(name, hook) \
  SEC(hook) int name(struct bpf_sock_addr *ctx) { return 1; }

NOTHING(on_socket_state, "tp_btf/inet_sock_set_state")
NOTHING(on_receive, "tp_btf/sock_recv_length")
NOTHING(on_send, "tp_btf/sock_send_length")
NOTHING(on_fork, "tp_btf/sched_process_fork")
NOTHING(on_exec, "tp_btf/sched_process_exec")
NOTHING(on_signal, "tp_btf/signal_deliver")
NOTHING(on_exit, "tp_btf/sched_process_exit")
NOTHING(on_waking, "tp_btf/sched_waking")
NOTHING(on_return, "tp_btf/sys_exit")
ALLOWS_ALL(on_connect4, "cgroup/connect4")
ALLOWS_ALL(on_connect6, "cgroup/connect6")
ALLOWS_ALL(on_bind4, "cgroup/bind4")
ALLOWS_ALL(on_bind6, "cgroup/bind6")
ALLOWS_ALL(on_sendmsg4, "cgroup/sendmsg4")
ALLOWS_ALL(on_sendmsg6, "cgroup/sendmsg6")

char LICENSE[] SEC("license") = "Dual BSD/GPL";
