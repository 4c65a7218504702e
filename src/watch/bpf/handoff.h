/* Work that one thread hands to another over an AF_UNIX socket or a pipe: the label goes with the bytes.
 *
 * A channel counts what was put in and what was taken out, and remembers which label each stretch bore. Both are told after
 * the fact, so a reader may come before its writer has told: then it is pending, and the writer's word reaches it late. Where
 * several have written, their words may come in another order than their bytes: then every label is in doubt.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_HANDOFF_H
#define SKEP_WATCH_BPF_HANDOFF_H

#include "watch/bpf/confirm.h"
#include "watch/bpf/files.h"
#include "watch/bpf/label.h"

enum {
  SKEP_PASSAGES_MAX = 8,
  SKEP_PIPES_MAX = 2048,  /* that are remembered: a power of two */
  SKEP_PIPE_PLACES = 4, /* where one pipe may stand; the one unused longest gives way */
};

/* A stretch of bytes (of datagrams: of messages) with one label; serial 0: of nobody, or with doubts: not known of whom. */
struct skep_passage {
  uint64_t from;
  uint64_t to;
  struct skep_label label;
};

struct skep_channel {
  struct bpf_spin_lock lock;
  uint32_t writer_tid;
  uint32_t shared; /* several threads have written */
  uint32_t pending_tid;
  uint64_t written;
  uint64_t read;
  uint64_t pending_ns;
  uint64_t known_from; /* older stretches have been forgotten */
  uint64_t count;      /* of passages, ever */
  struct skep_passage passages[SKEP_PASSAGES_MAX];
  struct skep_awaited awaited;
  uint64_t replies;   /* something has been sent back by it */
  uint64_t unreplied; /* of a socket that requests come by: the flow of the last, until something is sent back; else 0 */
  uint64_t pipe; /* inode_id of the pipe; 0: of none yet */
  uint64_t used_ns;
};

/* In the storage of the socket that is read from. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct skep_channel);
} socket_channels SEC(".maps");

/* Pipes. Their end is not told, and the kernel has no lock in the values of a map that forgets by itself. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SKEP_PIPES_MAX);
  __type(key, uint32_t);
  __type(value, struct skep_channel);
} pipe_channels SEC(".maps");

static const struct skep_channel kNewChannel;

enum handed { HANDED_BY_NOBODY, HANDED_BY_UNKNOWN, HANDED_BY_LABEL, HANDED_LATER };

/* What a thread writes bears its label, where that is sure. In doubt is what is dealt out by a thread that has several clients
 * in hand, or by a process that answers in another order than it reads, unless it has been seen to answer just whom it was
 * handed the reply for; and always what is dealt out after the answer, or on occasion of a reply to another. */
static __always_inline void label_to_hand(struct skep_label *label, const struct skep_task *state,
                                          struct task_struct *task) {
  label_now(label, state, task, task->group_leader);
  uint32_t *conduct = conduct_of(task->group_leader);
  uint32_t shown = conduct ? *conduct : 0;
  int trusted = (shown & SKEP_CONDUCT_HANDED_BITS) >= SKEP_CONDUCT_TRUSTED * SKEP_CONDUCT_HANDED &&
                !(shown & SKEP_CONDUCT_MISHANDED);
  uint32_t root = skep_label_root(label);
  uint64_t serial = label->flow.serial;
  int in_front = state->flags & SKEP_TASK_READS;
  int doubted = label->doubts & SKEP_DOUBT_HANDED || root == SKEP_LABEL_WAKE || (root == SKEP_LABEL_NONE && serial) ||
                (!trusted && label->doubts & (SKEP_DOUBT_READS | SKEP_DOUBT_CONDUCT)) ||
                (in_front && (label->source == SKEP_LABEL_HANDED || !bpf_map_lookup_elem(&unanswered, &serial)));
  if (root == SKEP_LABEL_NONE) label->flow.serial = 0;
  label->doubts = doubted ? SKEP_DOUBT_HANDED : 0;
}

/* Puts a stretch in. Returns the thread that has read it already, or 0. */
static __always_inline uint32_t channel_put(struct skep_channel *c, uint64_t units, const struct skep_label *label,
                                            uint32_t tid) {
  uint32_t late = 0;
  uint64_t now = bpf_ktime_get_boot_ns();
  bpf_spin_lock(&c->lock);
  if (c->writer_tid && c->writer_tid != tid) c->shared = 1;
  c->writer_tid = tid;
  if (c->read > c->written && now - c->pending_ns > kPendingNs) c->written = c->read;
  uint64_t from = c->written;
  c->written += units;
  struct skep_passage *last = &c->passages[(c->count - 1) & (SKEP_PASSAGES_MAX - 1)];
  if (c->count && last->label.flow.serial == label->flow.serial && last->label.doubts == label->doubts) {
    last->to = c->written;
    last->label.stream_offset = label->stream_offset;
  } else {
    struct skep_passage *fresh = &c->passages[c->count & (SKEP_PASSAGES_MAX - 1)];
    if (c->count >= SKEP_PASSAGES_MAX) c->known_from = fresh->to;
    fresh->from = from;
    fresh->to = c->written;
    fresh->label = *label;
    c->count++;
  }
  if (c->read > from) {
    late = c->pending_tid;
    c->pending_tid = 0;
  }
  bpf_spin_unlock(&c->lock);
  return late;
}

/* What a thread itself has put in hands it nothing: an event loop wakes itself by a pipe, and keeps locks there, which bear
 * the label of whom it worked for when it let go. */
static __always_inline enum handed channel_take(struct skep_channel *c, uint64_t units, struct skep_label *label,
                                                uint32_t tid) {
  enum handed how = HANDED_BY_NOBODY;
  uint64_t latest = 0, now = bpf_ktime_get_boot_ns();
  uint32_t chosen = 0;
  bpf_spin_lock(&c->lock);
  uint64_t from = c->read;
  c->read += units;
  int own = !c->shared && c->writer_tid == tid;
  int doubted = c->shared || from < c->known_from;
  for (uint32_t i = 0; i < SKEP_PASSAGES_MAX; ++i) {
    const struct skep_passage *p = &c->passages[i];
    if (p->from >= c->read || p->to <= from) continue;
    if (!p->label.flow.serial) {
      if (p->label.doubts) doubted = 1;
      continue;
    }
    if (how == HANDED_BY_LABEL) doubted = 1; /* of two sessions at once */
    how = HANDED_BY_LABEL;
    if (p->from >= latest) {
      latest = p->from;
      chosen = i;
    }
  }
  *label = c->passages[chosen & (SKEP_PASSAGES_MAX - 1)].label;
  if (c->read > c->written) {
    c->pending_tid = tid;
    c->pending_ns = now;
    how = HANDED_LATER;
  }
  bpf_spin_unlock(&c->lock);
  if (own && how != HANDED_LATER) return HANDED_BY_NOBODY;
  if (doubted) label->doubts |= SKEP_DOUBT_HANDED;
  if (how == HANDED_BY_NOBODY && doubted) return HANDED_BY_UNKNOWN;
  return how;
}

/* The reader's label, by what it has read. */
static __always_inline void take_over(struct skep_task *state, enum handed how, const struct skep_label *label,
                                      uint32_t tid) {
  if (keeps_label(state)) return;
  if (how == HANDED_LATER) {
    state->pending_ns = bpf_ktime_get_boot_ns();
    return;
  }
  state->pending_ns = 0;
  struct skep_label *own = &state->label;
  if (how == HANDED_BY_UNKNOWN) own->doubts |= SKEP_DOUBT_HANDED;
  if (how != HANDED_BY_LABEL) return;
  int same = own->flow.serial == label->flow.serial;
  if (same && own->source != SKEP_LABEL_NONE) {
    /* The session's next request, handed as the one before was: so far its client has been read by now. */
    if (own->stream_offset < label->stream_offset) own->stream_offset = label->stream_offset;
    return;
  }
  if (!same) begin_work(state, tid);
  *own = *label;
  own->source = SKEP_LABEL_HANDED;
  own->inherited = SKEP_LABEL_NONE;
  own->origin_tid = tid;
  own->since_ns = bpf_ktime_get_boot_ns();
}

/* The writer's word, for a reader that was there first. */
static __always_inline void reach_late(uint32_t tid, const struct skep_label *label, int shared) {
  if (!tid || !bpf_task_from_pid) return;
  struct task_struct *task = bpf_task_from_pid((int)tid);
  if (!task) return;
  struct skep_task *state = supervised(task);
  if (state && state->pending_ns) {
    struct skep_label handed = *label;
    if (shared) handed.doubts |= SKEP_DOUBT_HANDED;
    enum handed how = handed.flow.serial ? HANDED_BY_LABEL : handed.doubts ? HANDED_BY_UNKNOWN : HANDED_BY_NOBODY;
    take_over(state, how, &handed, tid);
  }
  bpf_task_release(task);
}

/* What waits for an answer that goes this way waits for the reader's next one. */
static __always_inline void pass_on(struct skep_channel *c, uint32_t reader) {
  if (!c->awaited.alert[1]) return; /* the place that `carry` fills first */
  struct skep_awaited *awaited = awaited_by(reader);
  if (awaited) carry(awaited, &c->awaited);
  for (int i = 0; i < SKEP_AWAITED_MAX; ++i) c->awaited.alert[i] = 0;
}

/* `state`: of current; 0 where it is not supervised, and what it writes is nobody's. */
static __always_inline void hand(struct skep_channel *c, struct skep_task *state, uint64_t units) {
  struct task_struct *task = bpf_get_current_task_btf();
  uint32_t tid = (uint32_t)task->pid;
  struct skep_label label = {};
  if (state) label_to_hand(&label, state, task);
  if (state) {
    struct skep_awaited *awaited = bpf_map_lookup_elem(&confirmations, &tid);
    if (awaited) carry(&c->awaited, awaited);
  }
  uint32_t late = channel_put(c, units, &label, tid);
  if (!late) return;
  reach_late(late, &label, (int)c->shared);
  pass_on(c, late);
}

static __always_inline void receive_handed(struct skep_channel *c, struct skep_task *state, uint64_t units) {
  struct task_struct *task = bpf_get_current_task_btf();
  uint32_t tid = (uint32_t)task->pid;
  struct skep_label label;
  enum handed how = channel_take(c, units, &label, tid);
  take_over(state, how, &label, tid);
  pass_on(c, tid);
}

static __always_inline uint64_t units_of(const struct sock *sk, int bytes) {
  return sk->sk_type == K_SOCK_STREAM ? (uint64_t)bytes : 1;
}

static __always_inline struct sock *peer_of(struct sock *sk) {
  struct unix_sock *own = bpf_skc_to_unix_sock(sk);
  return own ? own->peer : 0;
}

/* A request has come, if nothing had been written before: the other way lies the reply. */
static __always_inline void note_request(struct skep_channel *channel, struct sock *sk, uint64_t serial) {
  struct sock *peer = peer_of(sk);
  struct skep_channel *back = peer ? bpf_sk_storage_get(&socket_channels, peer, 0, 0) : 0;
  if (!back || !back->written || channel->unreplied || channel->replies) channel->unreplied = serial;
}

/* Writer and reader may both make the socket's channel at the same time: one of them is refused, and finds the other's. */
static __always_inline struct skep_channel *made_channel(struct sock *sk) {
  struct skep_channel *channel = bpf_sk_storage_get(&socket_channels, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  return channel ? channel : bpf_sk_storage_get(&socket_channels, sk, 0, 0);
}

/* A thread replies: is it to whom it was taken to work for? */
static __always_inline void note_reply(struct sock *sk, struct skep_task *state) {
  struct skep_channel *channel = bpf_sk_storage_get(&socket_channels, sk, 0, 0);
  if (!channel || !channel->unreplied) return;
  uint32_t *conduct = conduct_of(bpf_get_current_task_btf()->group_leader);
  if (channel->unreplied != state->label.flow.serial && conduct)
    __sync_fetch_and_or(conduct, (uint32_t)SKEP_CONDUCT_DISORDERLY);
  channel->unreplied = 0;
  channel->replies = 1;
}

/* Something was written to an AF_UNIX socket: it can be read from its peer. */
static __always_inline void hand_to_peer(struct sock *sk, int bytes) {
  struct sock *peer = peer_of(sk);
  if (!peer) return;
  struct skep_task *state = supervised_current();
  if (state && state->flags & SKEP_TASK_LAUNCHING) return;
  struct skep_channel *channel = state ? made_channel(peer) : bpf_sk_storage_get(&socket_channels, peer, 0, 0);
  if (channel) hand(channel, state, units_of(sk, bytes));
  if (state) note_reply(sk, state);
}

static __always_inline void receive_from_peer(struct sock *sk, int bytes) {
  struct skep_task *state = supervised_current();
  if (!state || state->flags & SKEP_TASK_LAUNCHING) return;
  struct skep_channel *channel = made_channel(sk);
  if (!channel) {
    COUNT(helper_failures);
    return;
  }
  receive_handed(channel, state, units_of(sk, bytes));
  if (state->label.source == SKEP_LABEL_HANDED && !state->pending_ns) note_request(channel, sk, state->label.flow.serial);
}

static __always_inline struct skep_channel *channel_of_pipe(uint64_t pipe) {
  uint32_t oldest = 0;
  uint64_t oldest_ns = ~0ull, now = bpf_ktime_get_boot_ns();
  for (uint32_t i = 0; i < SKEP_PIPE_PLACES; ++i) {
    uint32_t place = ((uint32_t)(pipe >> 8) + i) & (SKEP_PIPES_MAX - 1);
    struct skep_channel *channel = bpf_map_lookup_elem(&pipe_channels, &place);
    if (!channel) return 0;
    if (channel->pipe == pipe) {
      channel->used_ns = now;
      return channel;
    }
    if (channel->used_ns < oldest_ns) {
      oldest_ns = channel->used_ns;
      oldest = place;
    }
  }
  if (bpf_map_update_elem(&pipe_channels, &oldest, &kNewChannel, BPF_ANY)) COUNT(helper_failures);
  struct skep_channel *channel = bpf_map_lookup_elem(&pipe_channels, &oldest);
  if (!channel) return 0;
  channel->pipe = pipe;
  channel->used_ns = now;
  return channel;
}

/* A read or write of a supervised thread has returned: was it a pipe? */
static __always_inline void follow_pipe(struct task_struct *task, struct skep_task *state, uint64_t descriptor,
                                        uint64_t bytes, int writes) {
  struct file *file = file_of(task, descriptor);
  if (!file || file_kind(file) != K_S_IFIFO) return;
  struct skep_channel *channel = channel_of_pipe(inode_id(file));
  if (!channel) return;
  if (writes)
    hand(channel, state, bytes);
  else
    receive_handed(channel, state, bytes);
}

#endif
