// What the two ends of captured UDP said, as sessions: datagrams between the same two ends, until they are silent. Who
// spoke first is the client. Memory is bounded. One thread an object.
#pragma once

#include <list>
#include <map>

#include "capture/frame.h"
#include "capture/stream_events.h"

namespace skep::capture {

struct DatagramLimits {
  size_t sessions = 65'536;             // beyond it the one that was silent longest is ended
  int64_t silence_ns = 30'000'000'000;  // as skep-proxy's udp_timeout_ms
};

struct DatagramCounts {
  uint64_t sessions = 0;
  uint64_t datagrams = 0;
  uint64_t lost_bytes = 0;  // that the capture cut off
  uint64_t put_out = 0;     // sessions that were ended for the limit of sessions
  bool operator==(const DatagramCounts&) const = default;
};

class DatagramSessions {
 public:
  explicit DatagramSessions(StreamEvents& events, const DatagramLimits& limits = {});
  DatagramSessions(const DatagramSessions&) = delete;
  DatagramSessions& operator=(const DatagramSessions&) = delete;

  void take(const Datagram& datagram);
  // The capture ends.
  void finish();
  const DatagramCounts& counts() const { return counts_; }

 private:
  using Ends = std::pair<Endpoint, Endpoint>;  // the lower first
  struct Session {
    Connection connection;
    uint64_t next[2] = {0, 0};               // offset of the next byte of each direction
    std::list<const Ends*>::iterator place;  // in by_silence_
  };
  using Sessions = std::map<Ends, Session>;

  Sessions::iterator open(const Ends& ends, const Datagram& first);
  void end_longest_silent(EndReason reason);

  StreamEvents& events_;
  const DatagramLimits limits_;
  DatagramCounts counts_;
  Sessions sessions_;
  std::list<const Ends*> by_silence_;  // the longest silent first
};

}  // namespace skep::capture
