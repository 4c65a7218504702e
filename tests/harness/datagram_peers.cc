#include "harness/datagram_peers.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "harness/hosts.h"
#include "io/datagrams.h"
#include "model/socket_address.h"

namespace skep::harness {

Fd peer(const std::string& netns, const std::string& to, const std::string& at) {
  const SocketAddress target = to_socket_address(*parse_endpoint(to.empty() ? at : to));
  auto socket = socket_in(netns, target.family(), SOCK_DGRAM, 0);
  EXPECT_TRUE(socket);
  if (!at.empty()) {
    const SocketAddress own = to_socket_address(*parse_endpoint(at));
    EXPECT_EQ(::bind(socket->get(), own.get(), own.bytes), 0) << at << ": " << std::strerror(errno);
  }
  if (!to.empty()) {
    EXPECT_EQ(::connect(socket->get(), target.get(), target.bytes), 0) << to << ": " << std::strerror(errno);
  }
  const int bytes = 4 << 20;
  for (const int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE})
    ::setsockopt(socket->get(), SOL_SOCKET, option, &bytes, sizeof bytes);
  return std::move(*socket);
}

void say(const Fd& socket, const std::string& bytes) {
  EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

std::string hear(const Fd& socket, int flags) {
  Bytes room(io::kDatagramRoom);
  const ssize_t got = ::recv(socket.get(), room.data(), room.size(), flags);
  return got < 0 ? "nothing came" : std::string(as_text(ByteView(room).first(static_cast<size_t>(got))));
}

void Echo::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  socket_.reset();
}

void Echo::run() {
  Bytes room(io::kDatagramRoom);
  while (!stopping_) {
    timeval pause{0, 20'000};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof pause);
    sockaddr_storage from{};
    socklen_t bytes = sizeof from;
    const ssize_t got =
        ::recvfrom(socket_.get(), room.data(), room.size(), 0, reinterpret_cast<sockaddr*>(&from), &bytes);
    if (got < 0) continue;
    ++heard_;
    asked_[to_endpoint(from).port].emplace_back(as_text(ByteView(room).first(static_cast<size_t>(got))));
    ::sendto(socket_.get(), room.data(), static_cast<size_t>(got), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&from),
             bytes);
  }
}

}  // namespace skep::harness
