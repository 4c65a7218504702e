#include "io/loop.h"

#include <sys/epoll.h>

#include <cerrno>

namespace skep::io {
namespace {

constexpr int kEventsATurn = 256;

epoll_event wanted(Token token, bool read, bool write) {
  epoll_event event{};
  event.events = (read ? uint32_t{EPOLLIN} : 0u) | (write ? uint32_t{EPOLLOUT} : 0u);
  event.data.u64 = token;
  return event;
}

}  // namespace

Result<Loop> Loop::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll");
  return Loop(std::move(epoll));
}

Status Loop::add(int fd, Token token, bool read, bool write) {
  epoll_event event = wanted(token, read, write);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("watch a descriptor");
  return {};
}

void Loop::modify(int fd, Token token, bool read, bool write) {
  epoll_event event = wanted(token, read, write);
  SKEP_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Loop::remove(int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const Event> Loop::wait(int timeout_ms) {
  epoll_event ready[kEventsATurn];
  const int count = ::epoll_wait(epoll_.get(), ready, kEventsATurn, timeout_ms);
  events_.clear();
  for (int i = 0; i < count; ++i) {
    const uint32_t bits = ready[i].events;
    events_.push_back(
        {ready[i].data.u64, (bits & EPOLLIN) != 0, (bits & EPOLLOUT) != 0, (bits & (EPOLLHUP | EPOLLERR)) != 0});
  }
  return events_;
}

}  // namespace skep::io
