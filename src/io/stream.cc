#include "io/stream.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/result.h"
#include "io/uring.h"

namespace skep::io {

Stream::Stream(Stream&& other) noexcept
    : socket_(std::move(other.socket_)), uring_(std::exchange(other.uring_, nullptr)), index_(other.index_) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  close();
  socket_ = std::move(other.socket_);
  uring_ = std::exchange(other.uring_, nullptr);
  index_ = other.index_;
  return *this;
}

ssize_t Stream::receive(std::span<uint8_t> room) {
  if (uring_ != nullptr && !uring_->read_by_calls(index_)) return uring_->take(index_, room);
  return ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
}

ssize_t Stream::send(ByteView bytes) {
  const ssize_t put = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  const bool short_of = put < 0 ? errno == EAGAIN : put < static_cast<ssize_t>(bytes.size());
  if (!short_of || uring_ == nullptr) return put;
  const int error = errno;
  uring_->want_writable(index_);
  errno = error;
  return put;
}

bool Stream::send_soon(ByteView bytes) {
  return uring_ != nullptr && uring_->send_soon(index_, bytes);
}

int Stream::send_now() {
  SKEP_CHECK(uring_ != nullptr);
  return uring_->send_now(index_);
}

void Stream::want_writable() {
  if (uring_ != nullptr) uring_->want_writable(index_);
}

void Stream::close() {
  if (uring_ != nullptr) std::exchange(uring_, nullptr)->forget(index_);
  socket_.reset();
}

}  // namespace skep::io
