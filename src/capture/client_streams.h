// The bytes that the clients of captured TCP connections sent, in their order, out of segments in any: doubled,
// overlapping, late, lost. Of bytes that came twice the first win. Memory is bounded. One thread an object.
#pragma once

#include <list>
#include <map>

#include "capture/frame.h"

namespace skep::capture {

// A connection by its number, from 1 in the order in which they began.
struct Connection {
  uint64_t number = 0;
  Endpoint client;
  Endpoint server;
  int64_t begun_ns = 0;  // realtime, its first packet
};

// Bytes come before what follows from them; nothing comes after `ended`.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  // The client's next bytes; the first of them is number `offset` of what it sent, lost ones counted in.
  virtual void sent(const Connection& connection, uint64_t offset, ByteView bytes) = 0;
  // The capture does not have the next `bytes` of the client.
  virtual void lost(const Connection& connection, uint64_t offset, uint64_t bytes) = 0;
  // The server has sent something that it had not before.
  virtual void answered(const Connection& connection) = 0;
  // The client sends no more, or nothing more is known of it.
  virtual void ended(const Connection& connection) = 0;
};

struct StreamLimits {
  size_t connections = 65'536;  // beyond it the one that was silent longest is ended
  // Of one client, that wait for bytes before them, with what it costs to keep them; beyond it those are lost.
  size_t early_bytes = size_t{1} << 20;
  size_t all_early_bytes = size_t{64} << 20;
};

struct StreamCounts {
  uint64_t connections = 0;
  uint64_t midstream = 0;       // of them, whose beginning was not captured: who serves is a guess by the ports
  uint64_t bytes = 0;           // that were given on
  uint64_t lost_bytes = 0;      // that the capture does not have
  uint64_t gaps = 0;            // in so many places
  uint64_t again_bytes = 0;     // that had come before
  uint64_t stray_segments = 0;  // too far from what is expected to be of this connection
  uint64_t put_out = 0;         // connections that were ended for the limit of connections
  bool operator==(const StreamCounts&) const = default;
};

class ClientStreams {
 public:
  ClientStreams(StreamEvents& events, const StreamLimits& limits = {});
  ~ClientStreams();
  ClientStreams(const ClientStreams&) = delete;
  ClientStreams& operator=(const ClientStreams&) = delete;

  void take(const TcpSegment& segment);
  // The capture ends: what waits for lost bytes is given on, and every connection ended.
  void finish();
  const StreamCounts& counts() const { return counts_; }
  size_t bytes_held() const { return all_early_cost_; }

 private:
  using Ends = std::pair<Endpoint, Endpoint>;  // the lower first
  struct Flow {
    Connection connection;
    bool known_start = false;  // by a SYN of either side
    bool ended = false;        // it is kept, so that what comes late opens no connection of its own
    uint32_t first_seq = 0;    // of the client's bytes
    uint64_t next = 0;         // offset of the byte that is expected
    uint64_t fin_at = UINT64_MAX;
    bool server_known = false;        // server_next says something
    uint32_t server_next = 0;         // seq behind all that the server has sent
    std::map<uint64_t, Bytes> early;  // by offset; they do not overlap
    size_t early_cost = 0;
    std::list<const Ends*>::iterator place;  // in by_silence_
  };
  using Flows = std::map<Ends, Flow>;

  static bool begins_another(const Flow& flow, const TcpSegment& segment);
  Flows::iterator open(const Ends& ends, const TcpSegment& first);
  void close(Flow& flow);
  void put_out_one();
  void from_client(Flow& flow, const TcpSegment& segment);
  void from_server(Flow& flow, const TcpSegment& segment);
  void reset(Flow& flow, int32_t ahead);
  void take_bytes(Flow& flow, uint64_t offset, ByteView bytes);
  void hold(Flow& flow, uint64_t offset, ByteView bytes);
  void give(Flow& flow, ByteView bytes);
  Bytes take_out(Flow& flow);
  void give_early(Flow& flow);
  void lose(Flow& flow, uint64_t up_to);
  void skip(Flow& flow);

  StreamEvents& events_;
  const StreamLimits limits_;
  StreamCounts counts_;
  Flows flows_;
  std::list<const Ends*> by_silence_;  // the longest silent first
  size_t all_early_cost_ = 0;
};

}  // namespace skep::capture
