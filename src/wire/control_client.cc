#include "wire/control_client.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/log.h"
#include "model/socket_address.h"

namespace skep::wire {
namespace {

constexpr int64_t kPauseMin = 100'000'000;
constexpr int64_t kPauseMax = 2'000'000'000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

ControlClient::ControlClient(const Endpoint& monitor, TlsContext context)
    : monitor_(monitor), context_(std::move(context)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  SKEP_CHECK(epoll_);
}

void ControlClient::dial(int64_t now) {
  deadline_ns_ = now + kHandshakeTimeoutNs;
  const SocketAddress address = to_socket_address(monitor_);
  Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return;  // out of descriptors: the deadline brings us back
  if (::connect(socket.get(), address.get(), address.bytes) != 0 && errno != EINPROGRESS) {
    std::vector<ControlEvent> none;
    lost(std::string("connect: ") + std::strerror(errno), none, now);
    return;
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event);
  connection_.emplace(std::move(socket), context_);
}

void ControlClient::lost(const std::string& why, std::vector<ControlEvent>& events, int64_t now) {
  if (connected_) events.emplace_back(PeerGone{why});
  if (!connected_ && why != last_words_) log::warning("control channel: {}: {}", to_string(monitor_), why);
  last_words_ = why;
  pause_ns_ = connected_ ? kPauseMin : std::clamp(pause_ns_ * 2, kPauseMin, kPauseMax);
  deadline_ns_ = now + pause_ns_;
  connected_ = false;
  connection_.reset();
}

void ControlClient::drop(const std::string& why, std::vector<ControlEvent>& events, int64_t now) {
  lost(why, events, now);
}

std::vector<ControlEvent> ControlClient::step(int64_t now) {
  std::vector<ControlEvent> events;
  if (!connection_) {
    if (now >= deadline_ns_) dial(now);
    if (!connection_) return events;
  }
  Status pumped = connection_->pump();
  if (pumped && !connected_ && connection_->channel().established()) {
    connected_ = true;
    deadline_ns_ = kNever;
    last_words_.clear();
    events.emplace_back(PeerConnected{to_string(monitor_)});
  }
  if (pumped && !connected_ && now >= deadline_ns_) pumped = fail("no answer");
  for (Frame& frame : connection_->channel().take_frames()) events.emplace_back(std::move(frame));
  if (!pumped) {
    lost(pumped.error().message, events, now);
  } else {
    watch_writes();
  }
  return events;
}

void ControlClient::watch_writes() {
  epoll_event event{};
  event.events = EPOLLIN | (connection_->wants_write() ? uint32_t{EPOLLOUT} : 0u);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection_->fd(), &event);
}

bool ControlClient::send(const Frame& frame) {
  if (!connected_ || !connection_->channel().send(frame)) return false;
  watch_writes();
  return true;
}

}  // namespace skep::wire
