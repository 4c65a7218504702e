#include "wire/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace skep::wire {
namespace {

constexpr int kReadsATurn = 16;  // of 16 KiB: one peer cannot hold up the others for longer

}  // namespace

Connection::Connection(Fd socket, const TlsContext& context) : socket_(std::move(socket)), channel_(context) {
  // An alert does not wait until what was sent before it has been acknowledged.
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Status Connection::pump() {
  if (auto read = read_all(); !read) {
    // The TLS alert that tells the peer why; it may or may not arrive.
    [[maybe_unused]] const auto written = write_all();
    return read;
  }
  return write_all();
}

Status Connection::read_all() {
  uint8_t block[16384];
  for (int i = 0; i < kReadsATurn; ++i) {
    const ssize_t got = ::recv(socket_.get(), block, sizeof block, 0);
    if (got == 0) return fail("the peer has closed the connection");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return {};
    if (got < 0) return fail_errno("receive");
    if (auto taken = channel_.receive({block, static_cast<size_t>(got)}); !taken) return taken;
  }
  return {};
}

Status Connection::write_all() {
  while (true) {
    const ByteView waiting = channel_.outgoing();
    if (waiting.empty()) return {};
    const ssize_t put = ::send(socket_.get(), waiting.data(), waiting.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return {};
    if (put < 0) return fail_errno("send");
    channel_.sent(static_cast<size_t>(put));
  }
}

}  // namespace skep::wire
