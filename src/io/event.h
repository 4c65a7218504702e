// What the loop tells of a descriptor. Of a connection: edges, each told once.
#pragma once

#include <cstdint>

namespace skep::io {

using Token = uint64_t;  // the caller's: index and generation

struct Event {
  Token token = 0;
  bool readable = false;
  bool writable = false;
  bool finished = false;  // the peer sends no more
  bool hung_up = false;   // both directions are over
  bool failed = false;    // an error waits
  bool sent = false;      // what was given to Stream::send_soon: the kernel has taken `taken` bytes of it
  int taken = 0;          // negative: none, and the error's number
};

}  // namespace skep::io
