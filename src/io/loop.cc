#include "io/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "io/uring.h"

namespace skep::io {
namespace {

constexpr int kEventsATurn = 256;

Status watch(int epoll, int fd, Token token, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("watch a descriptor");
  return {};
}

}  // namespace

Loop::Loop(Fd epoll) : epoll_(std::move(epoll)) {}
Loop::Loop(Loop&&) noexcept = default;
Loop& Loop::operator=(Loop&&) noexcept = default;
Loop::~Loop() = default;

Result<Loop> Loop::make(Engine engine) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll");
  Loop loop(std::move(epoll));
  if (engine == Engine::epoll) return loop;
  auto uring = Uring::make();
  if (!uring && engine == Engine::io_uring) return tl::unexpected<Error>(uring.error());
  if (!uring) {
    loop.why_epoll_ = uring.error().message;
    return loop;
  }
  loop.uring_ = std::move(*uring);
  loop.uring_->await_readable(loop.epoll_.get());
  return loop;
}

Status Loop::add(int fd, Token token) {
  return watch(epoll_.get(), fd, token, EPOLLIN);
}

Status Loop::add_edges(int fd, Token token) {
  return watch(epoll_.get(), fd, token, EPOLLIN | uint32_t{EPOLLET});
}

Status Loop::add_connection(Stream& stream, Token token, bool connecting) {
  if (!uring_) return watch(epoll_.get(), stream.get(), token, EPOLLIN | EPOLLOUT | EPOLLRDHUP | uint32_t{EPOLLET});
  uring_->add(stream, token, connecting);
  return {};
}

std::span<const Event> Loop::wait(int timeout_ms) {
  events_.clear();
  if (uring_) {
    wait_both(timeout_ms);
  } else {
    wait_epoll(timeout_ms);
  }
  return events_;
}

size_t Loop::wait_epoll(int timeout_ms) {
  epoll_event ready[kEventsATurn];
  const int count = ::epoll_wait(epoll_.get(), ready, kEventsATurn, timeout_ms);
  for (int i = 0; i < count; ++i) {
    const uint32_t bits = ready[i].events;
    Event event;
    event.token = ready[i].data.u64;
    event.readable = (bits & EPOLLIN) != 0;
    event.writable = (bits & EPOLLOUT) != 0;
    event.finished = (bits & EPOLLRDHUP) != 0;
    event.hung_up = (bits & EPOLLHUP) != 0;
    event.failed = (bits & EPOLLERR) != 0;
    events_.push_back(event);
  }
  return static_cast<size_t>(std::max(count, 0));
}

// The ring is told when epoll has something; epoll is asked from then on until it has nothing any more.
void Loop::wait_both(int timeout_ms) {
  if (epoll_ready_ && wait_epoll(0) == 0) {
    epoll_ready_ = false;
    uring_->await_readable(epoll_.get());
  }
  if (!uring_->wait(epoll_ready_ ? 0 : timeout_ms, events_)) return;
  epoll_ready_ = true;
  wait_epoll(0);
}

}  // namespace skep::io
