// Loop: what is ready, for one shard. Connections are read by io_uring or watched by epoll, with one face; everything
// else is epoll's. One thread: whichever waits first.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "io/event.h"
#include "io/stream.h"
#include "model/engine.h"

namespace skep::io {

class Loop {
 public:
  // Automatic: `why_epoll` says it where it is not io_uring.
  static Result<Loop> make(Engine engine);
  Loop(Loop&&) noexcept;
  Loop& operator=(Loop&&) noexcept;
  ~Loop();

  Engine engine() const { return uring_ ? Engine::io_uring : Engine::epoll; }
  const std::string& why_epoll() const { return why_epoll_; }

  // Told as long as there is something to read.
  Status add(int fd, Token token);
  // Told once whenever more has come, or an error waits: of a socket that may be left unread for a while.
  Status add_edges(int fd, Token token);
  // Of a connection: told once whenever it becomes readable or writable, finishes, or fails; until it is closed.
  // `connecting`: first of all, that it has become writable, or has failed.
  Status add_connection(Stream& stream, Token token, bool connecting);
  // What is ready; waits up to `timeout_ms`. Valid until the next call.
  std::span<const Event> wait(int timeout_ms);

 private:
  explicit Loop(Fd epoll);
  size_t wait_epoll(int timeout_ms);
  void wait_both(int timeout_ms);

  Fd epoll_;
  std::unique_ptr<Uring> uring_;
  bool epoll_ready_ = false;  // beside uring_: there may be more
  std::string why_epoll_;
  std::vector<Event> events_;
};

}  // namespace skep::io
