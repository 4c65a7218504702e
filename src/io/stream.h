// Stream: one connection's socket. It is read and written as a socket that does not block, whichever engine the loop
// has: what io_uring has received before it was asked for is given first. Not copied, not outlived by its loop.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/fd.h"

namespace skep::io {

class Uring;

class Stream {
 public:
  Stream() = default;
  explicit Stream(Fd socket) : socket_(std::move(socket)) {}
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  int get() const { return socket_.get(); }
  explicit operator bool() const { return static_cast<bool>(socket_); }
  // As recv(2) and send(2): -1 and errno, EAGAIN where nothing is there or nothing is taken.
  ssize_t receive(std::span<uint8_t> room);
  ssize_t send(ByteView bytes);
  // The same when the loop next waits, those of many connections in one call; what became of it is told (Event::sent).
  // Until then the bytes stay where they are, and nothing else is sent. False: only `send` can do it here.
  bool send_soon(ByteView bytes);
  // What has become of that, at once; it is not told any more.
  int send_now();
  // Where less was taken than was given: it is told when there is room.
  void want_writable();

 private:
  friend class Uring;
  void close();
  Fd socket_;
  Uring* uring_ = nullptr;  // which reads it; none: it is read by calls
  uint32_t index_ = 0;      // there
};

}  // namespace skep::io
