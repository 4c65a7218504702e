#include "io/loop.h"

#include <sys/epoll.h>

#include <cerrno>

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

Result<Loop> Loop::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll");
  return Loop(std::move(epoll));
}

Status Loop::add(int fd, Token token) {
  return watch(epoll_.get(), fd, token, EPOLLIN);
}

Status Loop::add_connection(int fd, Token token) {
  return watch(epoll_.get(), fd, token, EPOLLIN | EPOLLOUT | EPOLLRDHUP | uint32_t{EPOLLET});
}

std::span<const Event> Loop::wait(int timeout_ms) {
  epoll_event ready[kEventsATurn];
  const int count = ::epoll_wait(epoll_.get(), ready, kEventsATurn, timeout_ms);
  events_.clear();
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
  return events_;
}

}  // namespace skep::io
