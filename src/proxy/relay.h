// Relay: one session's two sockets and the bytes between them. What a side sends is received into memory that all
// sessions share, recorded, and sent on from there; only what the other side does not take at once is copied, and then
// nothing more is read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "archive/writer.h"
#include "base/fd.h"
#include "formats/options.h"
#include "io/loop.h"
#include "proxy/buffers.h"
#include "proxy/limits.h"
#include "proxy/session.h"
#include "proxy/session_filter.h"

namespace skep::proxy {

struct RelayOptions {
  uint32_t buffer_bytes = 262'144;
  formats::Durability durability = formats::Durability::memory;
  uint64_t session_bytes_max = 0;  // 0: none
};

class Relay {
 public:
  enum class Progress : uint8_t {
    done,  // until a socket is ready again
    more,  // there is more to be done: others first
    held,  // the disk is waited for
  };

  // Without `filter` the client's bytes are held against no rules.
  Relay(archive::Writer& writer, Buffers& buffers, SessionId id, const RelayOptions& options, Fd client,
        std::unique_ptr<SessionFilter> filter = nullptr);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void bait_chosen(Fd socket) { at(Side::bait).socket = io::Stream(std::move(socket)); }
  void bait_stands();
  void bait_failed(int error);
  void bait_was_reset();  // its error has been taken from the socket already
  void end(EndReason reason);
  // It is over, or is about to be: what the filter has still to say is recorded.
  void close_filter();

  // What was told of a side's socket stays true until the socket has said otherwise: edges, not levels.
  void told(Side side, const io::Event& event);
  // Moves what can be moved now.
  Progress move();

  bool over() const { return session_.phase() == Phase::over; }
  bool connecting() const { return session_.phase() == Phase::connecting; }
  // Without a bait, for a rule says that it is known: its leg has been closed.
  bool alone() const { return session_.phase() == Phase::alone; }
  // … or wants to go to another one. `divert`, not among events of the old leg: that is closed, and it is connecting.
  bool wants_diversion() const { return diverting_; }
  void divert();
  // When it is to be told that the time has come; 0: it waits for none.
  int64_t due_ns() const;
  void due(int64_t now_ns);
  // Once: it has been suppressed.
  bool take_suppressed() { return std::exchange(suppressed_, false); }
  const SessionFilter* filter() const { return filter_.get(); }
  // Of a trap: whether it is still open whom it goes to; it is connecting so long, and nobody is asked.
  bool undecided() const { return filter_ != nullptr && filter_->way() == SessionFilter::Way::undecided; }
  std::optional<RuleHit> take_switch() { return filter_->take_switch(); }
  const Session& session() const { return session_; }
  io::Stream& stream(Side side) { return at(side).socket; }
  int socket(Side side) const { return legs_[static_cast<size_t>(side)].socket.get(); }
  // A limit that it has met since it was last asked.
  std::optional<Limit> take_limit() { return std::exchange(limit_, std::nullopt); }
  int64_t active_ns() const { return active_ns_; }  // when bytes were last moved, or the bait's leg stood

 private:
  struct Leg {
    Bytes waiting;  // that it has not taken yet; outlives the socket, which may be sending it
    io::Stream socket;
    bool readable = false;
    bool writable = false;
    bool ended = false;     // its FIN or its reset is there: a short read was not the last
    bool failed = false;    // an error waits
    bool sending = false;   // what waits is on its way; it is told how much of it was taken
    size_t sent = 0;        // of what waits
    size_t given = 0;       // … is on its way
    uint64_t recorded = 0;  // up to where the log must be on disk before it is sent
  };
  Leg& at(Side side) { return legs_[static_cast<size_t>(side)]; }
  bool receive(Side from);
  bool record(Side from, ByteView bytes);
  bool sift(Side from, ByteView bytes, int64_t now_ns);
  void sift_client(ByteView bytes, int64_t now_ns);
  void obey(const SessionFilter::Outcome& outcome);
  SessionFilter::Standing standing() const;
  void note(const SessionFilter::Outcome& outcome);
  void suppress(HitAction action);
  void let_bait_go();
  ByteView due_to(Side to);
  void drain(Side from);
  void pass_on(Side to, ByteView bytes);
  void keep(Leg& leg, ByteView bytes);
  size_t readable(Side from);
  void end_at_bytes_max();
  bool send_waiting(Side to);
  size_t send(Side to, ByteView bytes);
  bool send_soon(Side to);
  void sent(Side to, int taken);
  void settle();
  void took(Side to, size_t bytes);
  void obey(const Commands& commands);

  archive::Writer& writer_;
  Buffers& buffers_;
  const SessionId id_;
  const RelayOptions options_;
  Session session_;
  Leg legs_[2];
  bool held_ = false;
  bool in_pieces_ = false;  // it has met the bound of what all may hold
  std::optional<Limit> limit_;
  const std::unique_ptr<SessionFilter> filter_;
  int64_t active_ns_;
  bool diverting_ = false;
  bool suppressed_ = false;
  int64_t next_read_ns_ = 0;  // alone: the attacker is read slowly
  int64_t alone_until_ns_ = 0;
};

}  // namespace skep::proxy
