// One captured packet: the TCP segment or the datagram in it, under whatever link it was captured on. Nothing of the
// bytes is trusted. Functions of values; any thread.
#pragma once

#include "base/bytes.h"
#include "model/session.h"

namespace skep::capture {

struct TcpSegment {
  Endpoint source;
  Endpoint destination;
  uint32_t seq = 0;
  uint32_t ack = 0;
  bool is_syn = false;
  bool is_ack = false;
  bool is_fin = false;
  bool is_rst = false;
  uint32_t bytes = 0;   // of payload, as its headers say
  int64_t time_ns = 0;  // realtime, when it was captured
  ByteView payload;     // fewer where the capture cut the packet short; borrowed
};

struct Datagram {
  Endpoint source{};
  Endpoint destination{};
  uint32_t bytes = 0;   // of payload, as its headers say
  int64_t time_ns = 0;  // realtime, when it was captured
  ByteView payload;     // fewer where the capture cut the packet short; borrowed
};

struct Frame {
  enum class Kind : uint8_t {
    tcp,
    udp,
    fragment,  // of an IP packet: not put together
    other,     // another protocol
    damaged,   // headers that say more than is there
  } kind = Kind::other;
  TcpSegment segment{};  // where tcp
  Datagram datagram{};   // where udp
};

// Link types as libpcap numbers them (DLT_...): Ethernet, Linux "any" (v1, v2), loopback of BSD, IP without a link.
bool knows_link_type(int link_type);
Frame read_frame(int link_type, ByteView bytes);

}  // namespace skep::capture
