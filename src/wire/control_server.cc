#include "wire/control_server.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "model/socket_address.h"

namespace skep::wire {
namespace {

void add_to(int epoll, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

Result<ControlServer> ControlServer::listen(const Endpoint& where, TlsContext context) {
  SocketAddress address = to_socket_address(where);
  Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("control channel: socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), address.get(), address.bytes) != 0)
    return fail_errno("control channel: bind " + to_string(where));
  if (::listen(socket.get(), 64) != 0) return fail_errno("control channel: listen on " + to_string(where));
  socklen_t bytes = sizeof address.storage;
  ::getsockname(socket.get(), address.get(), &bytes);
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("control channel: epoll");
  add_to(epoll.get(), socket.get(), EPOLLIN);
  return ControlServer(std::move(socket), std::move(epoll), to_endpoint(address.storage), std::move(context));
}

std::vector<ControlEvent> ControlServer::step(int64_t now) {
  std::vector<ControlEvent> events;
  accept_all(now);
  step_pending(now, events);
  step_peer(events);
  return events;
}

void ControlServer::accept_all(int64_t now) {
  while (true) {
    sockaddr_storage storage{};
    socklen_t bytes = sizeof storage;
    Fd socket(::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&storage), &bytes, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    const std::string address = address_text(to_endpoint(storage));
    const auto mine =
        std::count_if(pending_.begin(), pending_.end(), [&](const Pending& p) { return p.address == address; });
    if (pending_.size() >= kPendingMax || static_cast<size_t>(mine) >= kPendingPerAddressMax) {
      ++strangers_refused_;
      continue;
    }
    add_to(epoll_.get(), socket.get(), EPOLLIN);
    pending_.push_back({Connection(std::move(socket), context_), address, now + kHandshakeTimeoutNs});
  }
}

void ControlServer::step_pending(int64_t now, std::vector<ControlEvent>& events) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    Status pumped = it->connection.pump();
    if (pumped && !it->connection.channel().established() && it->deadline_ns <= now)
      pumped = fail("handshake timed out");
    if (!pumped) {
      log::write_repeated({"strangers at the control channel"}, log::Level::warning,
                          fmt::format("control channel: {} refused: {}", it->address, pumped.error().message));
      ++strangers_refused_;
      it = pending_.erase(it);
      continue;
    }
    if (!it->connection.channel().established()) {
      ++it;
      continue;
    }
    if (peer_) events.emplace_back(PeerGone{"a newer connection has taken its place"});
    events.emplace_back(PeerConnected{it->address});
    peer_.emplace(Peer{std::move(it->connection), it->address});
    it = pending_.erase(it);
  }
}

void ControlServer::step_peer(std::vector<ControlEvent>& events) {
  if (!peer_) return;
  const Status pumped = peer_->connection.pump();
  for (Frame& frame : peer_->connection.channel().take_frames()) events.emplace_back(std::move(frame));
  if (!pumped) {
    events.emplace_back(PeerGone{pumped.error().message});
    peer_.reset();
    return;
  }
  watch_writes(peer_->connection);
}

void ControlServer::watch_writes(Connection& connection) {
  epoll_event event{};
  event.events = EPOLLIN | (connection.wants_write() ? uint32_t{EPOLLOUT} : 0u);
  event.data.fd = connection.fd();
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd(), &event);
}

bool ControlServer::send(const Frame& frame) {
  if (!peer_ || !peer_->connection.channel().send(frame)) return false;
  watch_writes(peer_->connection);
  return true;
}

}  // namespace skep::wire
