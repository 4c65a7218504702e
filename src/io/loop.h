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
  bool hung_up = false;  // both directions are over, or an error waits
};

class Loop {
 public:
  static Result<Loop> make();

  Status add(int fd, Token token, bool read, bool write);
  void modify(int fd, Token token, bool read, bool write);
  void remove(int fd);
  // What is ready; waits up to `timeout_ms`. Valid until the next call.
  std::span<const Event> wait(int timeout_ms);

 private:
  explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}
  Fd epoll_;
  std::vector<Event> events_;
};

}  // namespace skep::io
