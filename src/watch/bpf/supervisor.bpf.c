/* The kernel side of skep-monitor: one object, one file a family of hooks.
 *
 *   flows.h    connections to the services: opened, read, answered, closed   (inet_sock_set_state, sock_*_length)
 *   tasks.h    supervised processes: fork, exec, wake-up, crash, exit        (sched_*, signal_deliver)
 *   containment.h sockets and packets that may not leave, by peers.h         (cgroup hooks, egress)
 *   network.h  connect, bind, send of supervised processes                   (cgroup hooks)
 *   notices.h  calls before they run                                         (syscall programs)
 *   returns.h  calls after they have returned: judged, followed              (sys_exit)
 *   profile.h  what a service has never done before, while a profile is learned or held (sys_exit, exec, cgroup hooks)
 *   snapshot.h all of it told again                                          (iterators)
 *   calls.h    the verdict, where they all meet
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#include "watch/bpf/flows.h"
#include "watch/bpf/network.h"
#include "watch/bpf/notices.h"
#include "watch/bpf/profile.h"
#include "watch/bpf/returns.h"
#include "watch/bpf/snapshot.h"
#include "watch/bpf/tasks.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
