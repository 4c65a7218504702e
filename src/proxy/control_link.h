// The control channel of one bait, on a thread of its own, so that no handshake and no slow monitor is ever felt by a
// session. Anybody puts frames in, into a bounded queue that says what it refused; what comes is given to the bait on
// this thread.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "wire/control_client.h"

namespace skep::proxy {

class ControlLink {
 public:
  static constexpr int kTurnMs = 50;
  // What has come since the last turn, in order; called when something has, and every kTurnMs at the latest.
  using Turn = std::function<void(const std::vector<wire::ControlEvent>& events, int64_t now_ns)>;
  ControlLink(const Endpoint& monitor, wire::TlsContext tls, int64_t silence_ns);
  ~ControlLink() { stop(); }
  void start(Turn turn);
  // No turn is taken any more.
  void stop();

  // False where the way out is full.
  bool send(wire::Frame frame) { return out_.push(std::move(frame)); }
  uint64_t refused() const { return out_.refused(); }
  wire::ChannelCounters counters() const;

 private:
  void run();
  void send_queued();

  wire::ControlClient client_;  // the thread's alone
  const int64_t silence_ns_;    // after which a connected monitor counts as gone
  Turn turn_;
  BoundedQueue<wire::Frame> out_{65536};
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> missing_{0};
  std::atomic<uint64_t> malformed_{0};
  std::thread thread_;
};

}  // namespace skep::proxy
