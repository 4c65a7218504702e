// Loop: readiness of descriptors, for one shard. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace skep::io {

using Token = uint64_t;  // the caller's: index and generation

struct Event {
  Token token = 0;
  bool readable = false;
  bool writable = false;
  bool finished = false;  // the peer sends no more
  bool hung_up = false;   // both directions are over
  bool failed = false;    // an error waits
};

class Loop {
 public:
  static Result<Loop> make();

  // Told as long as there is something to read.
  Status add(int fd, Token token);
  // Of a connection: told once whenever it becomes readable or writable, finishes, or fails; until it is closed.
  Status add_connection(int fd, Token token);
  // What is ready; waits up to `timeout_ms`. Valid until the next call.
  std::span<const Event> wait(int timeout_ms);

 private:
  explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}
  Fd epoll_;
  std::vector<Event> events_;
};

}  // namespace skep::io
