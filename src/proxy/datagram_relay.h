// DatagramRelay: one session's datagrams, between a socket that it shares with all who come to the same port and one
// of its own towards the bait. Each is received into memory that all share, recorded, and sent on from there at once;
// what a socket does not take then is dropped, as the network would have done, and counted. Kept for later is only what
// may not go yet: while there is no socket towards the bait, or its record is not on disk where that was asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "archive/writer.h"
#include "base/fd.h"
#include "io/datagrams.h"
#include "proxy/buffers.h"
#include "proxy/datagram_session.h"
#include "proxy/limits.h"
#include "proxy/relay.h"
#include "proxy/session_filter.h"

namespace skep::proxy {

class DatagramRelay {
 public:
  using Progress = Relay::Progress;

  // `door` is borrowed: it stays open as long as the session lives. `filter`: nullptr where the session has none.
  DatagramRelay(archive::Writer& writer, Buffers& buffers, SessionId id, const RelayOptions& options, int door,
                const io::Path& path, std::unique_ptr<SessionFilter> filter = nullptr);
  ~DatagramRelay();
  DatagramRelay(const DatagramRelay&) = delete;
  DatagramRelay& operator=(const DatagramRelay&) = delete;

  // From the attacker; the bytes lie in the writer's room.
  void take(const io::Received& received, ByteView bytes);
  void bait_chosen(Fd socket) { bait_ = std::move(socket); }
  void bait_stands();
  void bait_failed(int error);
  void end(EndReason reason);

  // There is something at the bait's socket, or was: edges, not levels.
  void told() { readable_ = true; }
  // Moves what can be moved now.
  Progress move();

  bool over() const { return session_.phase() == Phase::over; }
  bool connecting() const { return session_.phase() == Phase::connecting; }
  const DatagramSession& session() const { return session_; }
  int bait() const { return bait_.get(); }
  const io::Path& path() const { return path_; }
  // True, once: a rule has suppressed it.
  bool take_suppressed() { return std::exchange(suppressed_, false); }
  // It is over: what the filter has still to say.
  void close_filter();
  // A limit that it has met since it was last asked.
  std::optional<Limit> take_limit() { return std::exchange(limit_, std::nullopt); }
  int64_t active_ns() const { return active_ns_; }  // when a datagram came last

 private:
  struct Waiting {
    Bytes bytes;
    uint64_t recorded = 0;  // up to where the log must be on disk before it is sent
  };
  struct Leg {
    std::vector<Waiting> waiting;  // that is to go to it
    size_t held = 0;               // bytes, as they count in `buffers_`
  };
  Leg& at(Side side) { return legs_[static_cast<size_t>(side)]; }
  bool is_known(ByteView bytes);
  void note(const SessionFilter::Outcome& outcome);
  bool record(Side from, const io::Received& received, ByteView bytes);
  void pass_on(Side to, ByteView bytes);
  void keep(Side to, ByteView bytes);
  void hold(Leg& leg, size_t bytes);
  void send_waiting(Side to);
  void send(Side to, ByteView bytes);
  bool receive();
  void bait_refused();
  void dropped(Side to, uint64_t datagrams);
  void say_dropped();
  void note(formats::NoteKind kind, std::string words);

  archive::Writer& writer_;
  Buffers& buffers_;
  const SessionId id_;
  const RelayOptions options_;
  const int door_;
  const io::Path path_;
  DatagramSession session_;
  Fd bait_;
  Leg legs_[2];
  uint32_t lost_ = 0;  // at the bait's socket, as it was last said
  bool readable_ = false;
  bool held_ = false;
  bool full_said_ = false;
  bool failure_said_ = false;
  const std::unique_ptr<SessionFilter> filter_;
  bool suppressed_ = false;
  std::optional<Limit> limit_;
  int64_t active_ns_;
};

}  // namespace skep::proxy
