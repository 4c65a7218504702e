// What the two ends of captured connections said: told as it comes out of the packets, by `tcp_streams` and
// `datagram_sessions`. One thread an object.
#pragma once

#include "base/bytes.h"
#include "model/session.h"

namespace skep::capture {

// A connection by its number, from 1 in the order in which they began, of each protocol on its own.
struct Connection {
  uint64_t number = 0;
  Endpoint client;
  Endpoint server;
  int64_t begun_ns = 0;  // realtime, its first packet
  int64_t now_ns = 0;    // of the packet that leads to what is told
  Protocol protocol = Protocol::tcp;
};

// Bytes come before what follows from them; nothing comes after `ended`.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  // The next bytes of a direction; the first of them is number `offset` of what was sent there, lost ones counted in.
  // Over UDP one datagram, which may be empty.
  virtual void sent(const Connection& connection, Direction direction, uint64_t offset, ByteView bytes) = 0;
  // The capture does not have the next `bytes` of the direction.
  virtual void lost(const Connection& connection, Direction direction, uint64_t offset, uint64_t bytes) = 0;
  // The direction's last byte has come: a FIN.
  virtual void finished(const Connection& connection, Direction direction) = 0;
  // Nothing more is known of it. `reason`: open where the capture does not have its end.
  virtual void ended(const Connection& connection, EndReason reason) = 0;
};

}  // namespace skep::capture
