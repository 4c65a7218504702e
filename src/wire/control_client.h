// The proxy's end: dials the monitor and keeps dialling (the honeypot host itself may open no connection).
// Non-blocking, driven by `step`; one thread.
#pragma once

#include <optional>
#include <vector>

#include "wire/control_server.h"

namespace skep::wire {

class ControlClient {
 public:
  ControlClient(const Endpoint& monitor, TlsContext context);

  // Readable when `step` has something to do; call it also at `next_deadline_ns`.
  int poll_fd() const { return epoll_.get(); }
  std::vector<ControlEvent> step(int64_t now_monotonic_ns);
  bool send(const Frame& frame);
  bool connected() const { return connected_; }
  int64_t next_deadline_ns() const { return deadline_ns_; }
  // Ends the connection (a peer that went silent, say); it will be dialled anew.
  void drop(const std::string& why, std::vector<ControlEvent>& events, int64_t now);
  ChannelCounters counters() const { return connection_ ? connection_->channel().counters() : ChannelCounters{}; }

 private:
  void dial(int64_t now);
  void lost(const std::string& why, std::vector<ControlEvent>& events, int64_t now);
  void watch_writes();

  const Endpoint monitor_;
  TlsContext context_;
  Fd epoll_;
  std::optional<Connection> connection_;
  bool connected_ = false;
  int64_t deadline_ns_ = 0;  // of the dialling, or when to dial again
  int64_t pause_ns_ = 0;
  std::string last_words_;
};

}  // namespace skep::wire
