#include "proxy/header_intake.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "formats/proxy_header.h"

namespace skep::proxy {
namespace {

using State = formats::ProxyHeader::State;

constexpr int kEventsATurn = 64;
constexpr char kCut[] = "it ended within its PROXY header";

}  // namespace

Result<std::unique_ptr<HeaderIntake>> HeaderIntake::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll_create1");
  return std::unique_ptr<HeaderIntake>(new HeaderIntake(std::move(epoll)));
}

bool HeaderIntake::take(Arrival& arrival, int64_t deadline_ns) {
  // By edges: what was looked at stays in the socket, and is told again when more has come.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.u64 = next_;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, arrival.accepted.socket.get(), &event) != 0) return false;
  deadlines_.emplace(deadline_ns, next_);
  waiting_[next_++] = {std::move(arrival), deadline_ns};
  return true;
}

void HeaderIntake::step(int64_t now_ns, const Done& done) {
  std::array<epoll_event, kEventsATurn> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsATurn, 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event event = events[static_cast<size_t>(i)];
    look(event.data.u64, event.events, done);
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ns)
    end(deadlines_.begin()->second, EndReason::timeout, "its PROXY header did not come in time", done);
}

void HeaderIntake::look(uint64_t number, uint32_t events, const Done& done) {
  const auto found = waiting_.find(number);
  if (found == waiting_.end()) return;
  const int socket = found->second.arrival.accepted.socket.get();
  std::array<uint8_t, formats::kProxyHeaderBytesMax> room;
  const ssize_t got = ::recv(socket, room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return end(number, EndReason::reset_by_client, kCut, done);
  const auto header = formats::read_proxy_header({room.data(), static_cast<size_t>(got)});
  if (header.state == State::refused) {
    const std::string words = fmt::format("its PROXY header is refused: {}", header.why);
    return end(number, EndReason::cut, words.c_str(), done);
  }
  if (header.state == State::incomplete) {
    if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) end(number, EndReason::client_closed, kCut, done);
    return;
  }
  if (::recv(socket, room.data(), header.bytes, MSG_DONTWAIT) != static_cast<ssize_t>(header.bytes))
    return end(number, EndReason::reset_by_client, kCut, done);
  Outcome outcome;
  io::Accepted& accepted = found->second.arrival.accepted;
  found->second.arrival.balancer = accepted.peer;
  if (header.told) {
    accepted.peer = header.client;
    accepted.local = header.entrance;
  } else {
    found->second.arrival.words = "its PROXY header tells no client: the address is the balancer's own";
  }
  finish(number, std::move(outcome), done);
}

void HeaderIntake::end(uint64_t number, EndReason reason, const char* words, const Done& done) {
  const auto found = waiting_.find(number);
  found->second.arrival.words = words;
  Outcome outcome;
  outcome.reason = reason;
  finish(number, std::move(outcome), done);
}

void HeaderIntake::finish(uint64_t number, Outcome outcome, const Done& done) {
  const auto found = waiting_.find(number);
  outcome.arrival = std::move(found->second.arrival);
  auto [at, last] = deadlines_.equal_range(found->second.deadline_ns);
  while (at != last && at->second != number) ++at;
  if (at != last) deadlines_.erase(at);
  waiting_.erase(found);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, outcome.arrival.accepted.socket.get(), nullptr);
  done(std::move(outcome));
}

void HeaderIntake::end_all(EndReason reason, const Done& done) {
  while (!waiting_.empty()) end(waiting_.begin()->first, reason, "no PROXY header had come yet", done);
}

}  // namespace skep::proxy
