// What a saved SYN says (model/tcp_leg.h): the fields that a pcapng shows of it, and that tell systems and scanners
// apart. The bytes came from the wire and then from a file: nothing of them is trusted. Pure.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "model/session.h"

namespace skep::formats {

struct SynHeaders {
  Endpoint source;
  uint8_t ttl = 64;  // hop limit
  uint8_t traffic_class = 0;
  uint16_t ip_id = 0;         // IPv4
  bool dont_fragment = true;  // IPv4
  uint32_t flow_label = 0;    // IPv6
  uint32_t seq = 0;
  uint16_t flags = 0;  // all nine
  uint16_t window = 0;
  ByteView options;  // of TCP, borrowed, a multiple of 4 bytes
};

// nullopt: these are no headers of a SYN over IPv4 or IPv6.
std::optional<SynHeaders> parse_saved_syn(ByteView bytes);

}  // namespace skep::formats
