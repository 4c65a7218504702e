// The control channel of one bait, on a thread of its own, so that no handshake and no slow monitor is ever felt by a
// session. The shard puts frames in and takes events out; both queues are bounded and say what they refused.
#pragma once

#include <atomic>
#include <thread>

#include "base/bounded_queue.h"
#include "wire/control_client.h"

namespace skep::proxy {

class ControlLink {
 public:
  ControlLink(const Endpoint& monitor, wire::TlsContext tls, int64_t silence_ns);
  ~ControlLink();

  // False where the way out is full.
  bool send(wire::Frame frame) { return out_.push(std::move(frame)); }
  std::deque<wire::ControlEvent> take_events() { return in_.take_all(); }
  int wake_fd() const { return in_.wake_fd(); }
  uint64_t refused() const { return out_.refused() + in_.refused(); }
  wire::ChannelCounters counters() const;

 private:
  void run();
  void send_queued();

  wire::ControlClient client_;  // the thread's alone
  const int64_t silence_ns_;    // after which a connected monitor counts as gone
  BoundedQueue<wire::Frame> out_{65536};
  BoundedQueue<wire::ControlEvent> in_{65536};
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> missing_{0};
  std::atomic<uint64_t> malformed_{0};
  std::thread thread_;
};

}  // namespace skep::proxy
