// Channel: one authenticated connection as messages. TLS, frames and sequence numbers together, over memory. One
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "wire/frame.h"
#include "wire/tls.h"

namespace skep::wire {

constexpr size_t kOutgoingBytesMax = 4 << 20;

struct ChannelCounters {
  uint64_t received = 0;
  uint64_t stale = 0;      // sequence numbers seen before: left aside
  uint64_t missing = 0;    // sequence numbers that never came
  uint64_t malformed = 0;  // frames that were no message, or outside its limits: left aside
  uint64_t refused = 0;    // frames of ours that found the way out full
};

class Channel {
 public:
  explicit Channel(const TlsContext& context) : tls_(context) {}

  // Bytes from the peer; an error ends the connection.
  Status receive(ByteView ciphertext);
  bool established() const { return tls_.established(); }
  std::vector<Frame> take_frames() { return std::exchange(frames_, {}); }

  // Numbers the frame and queues it; false where too much waits already: it is dropped and counted, its number is used
  // up, so that the peer sees the gap.
  bool send(Frame frame);
  // Ciphertext that waits to be written; `sent` says how much of it was.
  ByteView outgoing();
  void sent(size_t bytes);
  const ChannelCounters& counters() const { return counters_; }

 private:
  void take(const Bytes& content);

  TlsChannel tls_;
  FrameReader reader_;
  std::vector<Frame> frames_;
  Bytes outgoing_;
  uint64_t next_seq_ = 1;
  uint64_t last_seq_ = 0;
  ChannelCounters counters_;
};

}  // namespace skep::wire
