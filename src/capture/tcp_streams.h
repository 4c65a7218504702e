// The bytes that the two ends of captured TCP connections sent, each direction in its order, out of segments in any:
// doubled, overlapping, late, lost. Of bytes that came twice the first win. Memory is bounded. One thread an object.
#pragma once

#include <list>
#include <map>

#include "capture/frame.h"
#include "capture/stream_events.h"

namespace skep::capture {

struct StreamLimits {
  size_t connections = 65'536;  // beyond it the one that was silent longest is ended
  // Of one direction, that wait for bytes before them, with what it costs to keep them; beyond it those are lost.
  size_t early_bytes = size_t{1} << 20;
  size_t all_early_bytes = size_t{64} << 20;
};

// Of one direction of all connections.
struct DirectionCounts {
  uint64_t bytes = 0;        // that were given on
  uint64_t lost_bytes = 0;   // that the capture does not have
  uint64_t gaps = 0;         // in so many places
  uint64_t again_bytes = 0;  // that had come before
  bool operator==(const DirectionCounts&) const = default;
};

struct StreamCounts {
  uint64_t connections = 0;
  uint64_t midstream = 0;       // of them, whose beginning was not captured: who serves is a guess by the ports
  uint64_t stray_segments = 0;  // too far from what is expected to be of this connection
  uint64_t put_out = 0;         // connections that were ended for the limit of connections
  DirectionCounts of_clients;
  DirectionCounts of_servers;
  bool operator==(const StreamCounts&) const = default;
};

class TcpStreams {
 public:
  explicit TcpStreams(StreamEvents& events, const StreamLimits& limits = {});
  ~TcpStreams();
  TcpStreams(const TcpStreams&) = delete;
  TcpStreams& operator=(const TcpStreams&) = delete;

  void take(const TcpSegment& segment);
  // The capture ends: what waits for lost bytes is given on, and every connection ended.
  void finish();
  const StreamCounts& counts() const { return counts_; }
  size_t bytes_held() const { return all_early_cost_; }

 private:
  using Ends = std::pair<Endpoint, Endpoint>;  // the lower first
  // What one end sends.
  struct Half {
    bool begun = false;      // first_seq says something
    bool over = false;       // its FIN has come, and all before it
    uint32_t first_seq = 0;  // of its bytes
    uint64_t next = 0;       // offset of the byte that is expected
    uint64_t fin_at = UINT64_MAX;
    std::map<uint64_t, Bytes> early;  // by offset; they do not overlap
    size_t early_cost = 0;

    uint32_t next_seq() const { return first_seq + static_cast<uint32_t>(next); }
  };
  struct Flow {
    Connection connection;
    bool known_start = false;  // by a SYN of either side
    bool ended = false;        // it is kept, so that what comes late opens no connection of its own
    EndReason reason = EndReason::open;
    Half halves[2];                          // by direction
    std::list<const Ends*>::iterator place;  // in by_silence_

    Half& half(Direction direction) { return halves[static_cast<size_t>(direction)]; }
    const Half& half(Direction direction) const { return halves[static_cast<size_t>(direction)]; }
  };
  using Flows = std::map<Ends, Flow>;

  static bool begins_another(const Flow& flow, const TcpSegment& segment);
  Flows::iterator open(const Ends& ends, const TcpSegment& first);
  void end(Flow& flow, EndReason reason);
  void put_out_one();
  void take(Flow& flow, Direction direction, const TcpSegment& segment);
  void confirm(Flow& flow, Direction direction, const TcpSegment& segment);
  void reset(Flow& flow, Direction direction, int32_t ahead);
  void take_bytes(Flow& flow, Direction direction, uint64_t offset, ByteView bytes);
  void hold(Half& half, DirectionCounts& counts, uint64_t offset, ByteView bytes);
  void give(Flow& flow, Direction direction, ByteView bytes);
  Bytes take_out(Half& half);
  void give_early(Flow& flow, Direction direction);
  void lose(Flow& flow, Direction direction, uint64_t up_to);
  void skip(Flow& flow, Direction direction);
  void let_go(Flow& flow, Direction direction);
  void finish_if_whole(Flow& flow, Direction direction);
  DirectionCounts& counts_of(Direction direction) {
    return direction == Direction::to_bait ? counts_.of_clients : counts_.of_servers;
  }

  StreamEvents& events_;
  const StreamLimits limits_;
  StreamCounts counts_;
  Flows flows_;
  std::list<const Ends*> by_silence_;  // the longest silent first
  size_t all_early_cost_ = 0;
};

}  // namespace skep::capture
