// When a source port may be used again. The port names the session on the honeypot host, so a port whose session has
// ended is held back until nothing can come any more that would be taken for its next session: until the monitor's
// FlowOpened of the former use has been bound, or a ping that was sent after the end has been answered (whatever the
// kernel had told came before that answer), or there is no monitor that could say anything. Pure; one a bait.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace skep::proxy {

class SourcePorts {
 public:
  // 0-0: the kernel chooses, and `usable` is asked of its choice.
  SourcePorts(uint16_t first, uint16_t last) : first_(first), last_(last), next_(first) {}

  bool chosen_here() const { return first_ != 0; }
  // The next free port of the range, and the ones after it should it not do; nullopt: none is free.
  std::optional<uint16_t> next_free();
  bool usable(uint16_t port) const { return held_.count(port) == 0; }

  void taken(uint16_t port);
  // Its flow on the honeypot host is known.
  void bound(uint16_t port);
  // The session has ended; `connected`: its leg had stood, so that the kernel may still tell of it.
  void ended(uint16_t port, bool connected, bool monitor_there);
  void ping_sent(uint64_t number) { last_ping_ = number; }
  void pong_received(uint64_t number);
  void monitor_gone();
  size_t held() const { return held_.size(); }

 private:
  struct Use {
    bool live = true;
    bool bound = false;
    uint64_t after_ping = 0;  // free once a ping of a higher number is answered
  };
  const uint16_t first_;
  const uint16_t last_;
  uint16_t next_;
  uint64_t last_ping_ = 0;
  std::map<uint16_t, Use> held_;
};

}  // namespace skep::proxy
