// When a source port may be used again. The port names the session on the honeypot host, so a port whose session has
// ended is held back until nothing can come any more that would be taken for its next session: until the monitor's
// FlowOpened of the former use has been bound, or a ping that was sent after the end has been answered (whatever the
// kernel had told came before that answer). While the monitor is away nothing is answered: then only so many ports are
// held, and the oldest is used again *unnamed*: whoever has it is tagged by nobody, until an answer has come. Pure; one
// a bait.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

namespace skep::proxy {

class SourcePorts {
 public:
  static constexpr size_t kHeldAwayMax = 4096;  // or half of a chosen range

  // 0-0: the kernel chooses, and `usable` is asked of its choice.
  SourcePorts(uint16_t first, uint16_t last) : first_(first), last_(last), next_(first) {}

  bool chosen_here() const { return first_ != 0; }
  // The next free port of the range, and the ones after it should it not do; nullopt: none is free.
  std::optional<uint16_t> next_free();
  bool usable(uint16_t port) const { return held_.count(port) == 0; }
  // False where what the monitor may still say of the port can mean a former session.
  bool names(uint16_t port) const { return unnamed_.count(port) == 0; }

  void taken(uint16_t port);
  // Its flow on the honeypot host is known.
  void bound(uint16_t port);
  // The session has ended; `connected`: its leg had stood, so that the kernel may still tell of it.
  void ended(uint16_t port, bool connected, bool monitor_there);
  void ping_sent(uint64_t number) { last_ping_ = number; }
  void pong_received(uint64_t number);
  size_t held() const { return held_.size(); }
  size_t unnamed() const { return unnamed_.size(); }

 private:
  struct Use {
    bool live = true;
    bool bound = false;
    uint64_t after_ping = 0;  // free once a ping of a higher number is answered
  };
  size_t away_max() const;

  const uint16_t first_;
  const uint16_t last_;
  uint16_t next_;
  uint64_t last_ping_ = 0;
  std::map<uint16_t, Use> held_;
  std::map<uint16_t, uint64_t> unnamed_;  // port to `after_ping`
  std::deque<uint16_t> ended_away_;       // oldest first
};

}  // namespace skep::proxy
