#include "replay/exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "io/datagrams.h"
#include "io/sockets.h"

namespace skep::replay {
namespace {

constexpr size_t kBlockBytes = io::kDatagramRoom;
constexpr int64_t kMillisecond = 1'000'000;

int poll_ms(int64_t until_ns) {
  const int64_t left_ms = (until_ns - now_monotonic_ns() + kMillisecond - 1) / kMillisecond;
  return static_cast<int>(std::clamp<int64_t>(left_ms, 0, Exchange::kLookMs));
}

}  // namespace

Exchange::Exchange(const Recording& recording, uint64_t bytes_max, const std::atomic<bool>& stop)
    : recording_(recording), bytes_max_(bytes_max), stop_(stop) {
  for (const RecordedConnection& connection : recording.connections) {
    lines_.push_back(std::make_unique<Line>());
    lines_.back()->protocol = connection.protocol;
  }
}

Status Exchange::listen(const Endpoint& own, uint16_t port) {
  if (listeners_.size() >= kListenersMax) return fail("call-backs are awaited at {} ports already", kListenersMax);
  auto listener = io::listen_tcp({own.address, port});
  if (!listener) listener = io::listen_tcp({own.address, 0});
  if (!listener) return wrap("await call-backs", listener);
  if (sink_port_ == 0) sink_port_ = io::local_end(listener->get()).port;
  listeners_.push_back(std::move(*listener));
  return {};
}

void Exchange::end(Line& line, Line::State state, int error) {
  line.state = state;
  line.error = error;
}

void Exchange::take(Line& line, ByteView bytes) {
  line.came_ns = now_monotonic_ns();
  received_ += std::max<size_t>(bytes.size(), 1);  // empty datagrams are something, too
  if (line.hit) {
    Bytes& kept = hits_[*line.hit].bytes;
    const ByteView fits = bytes.first(std::min(bytes.size(), kHitBytesMax - kept.size()));
    kept.insert(kept.end(), fits.begin(), fits.end());
  } else if (copy_ != nullptr) {
    copy_->insert(copy_->end(), bytes.begin(), bytes.end());
  }
  if (line.protocol == Protocol::tcp) {
    line.came.insert(line.came.end(), bytes.begin(), bytes.end());
  } else if (line.datagrams.size() < kDatagramsMax) {
    line.datagrams.emplace_back(bytes.begin(), bytes.end());
  }
}

void Exchange::look(Line& line) {
  uint8_t block[kBlockBytes];
  while (line.state == Line::State::open && !flooded()) {
    const ssize_t got = ::recv(line.socket.get(), block, sizeof block, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) return end(line, Line::State::reset, errno);
    if (got == 0 && line.protocol == Protocol::tcp) return end(line, Line::State::ended, 0);
    take(line, {block, static_cast<size_t>(got)});
  }
}

bool Exchange::send(Line& line, ByteView& bytes) {
  if (!line.lives()) return false;
  if (line.protocol == Protocol::udp) {
    const int error = io::send_datagram(line.socket.get(), bytes);
    if (error == EAGAIN || error == ENOBUFS) return true;
    if (error != 0) end(line, Line::State::reset, error);
    bytes = {};
    return error == 0;
  }
  const ssize_t put = ::send(line.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (put < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (put < 0) end(line, Line::State::reset, errno);
  if (put > 0) bytes = bytes.subspan(static_cast<size_t>(put));
  return put >= 0;
}

void Exchange::connected(Line& line) {
  const int error = io::pending_error(line.socket.get());
  end(line, error == 0 ? Line::State::open : Line::State::reset, error);
}

// The next that was recorded and has not come yet; else it is one more.
Line& Exchange::line_for_call_back() {
  for (size_t i = 0; i < recording_.connections.size(); ++i) {
    const RecordedConnection& recorded = recording_.connections[i];
    if (recorded.by_service && recorded.protocol == Protocol::tcp && lines_[i]->state == Line::State::unopened)
      return *lines_[i];
  }
  lines_.push_back(std::make_unique<Line>());
  return *lines_.back();
}

void Exchange::accept(int listener) {
  while (true) {
    io::Accepted accepted = io::accept_tcp(listener);
    if (!accepted.socket) return;
    if (hits_.size() >= kHitsMax) continue;
    Line& line = line_for_call_back();
    line.socket = std::move(accepted.socket);
    line.state = Line::State::open;
    line.hit = hits_.size();
    hits_.push_back({accepted.peer, now_realtime_ns(), {}});
  }
}

void Exchange::wait(int64_t until_ns, const Line* writable) {
  std::vector<pollfd> polled;
  std::vector<Line*> of;
  for (const auto& line : lines_) {
    short events = 0;
    if (line->state == Line::State::open && !flooded()) events = POLLIN;
    if (line->state == Line::State::connecting || (line.get() == writable && line->lives())) events |= POLLOUT;
    if (events == 0) continue;
    polled.push_back({line->socket.get(), events, 0});
    of.push_back(line.get());
  }
  for (const Fd& listener : listeners_) polled.push_back({listener.get(), POLLIN, 0});
  if (::poll(polled.data(), polled.size(), poll_ms(until_ns)) <= 0) return;
  for (size_t i = 0; i < polled.size(); ++i) {
    if (polled[i].revents == 0) continue;
    if (i >= of.size()) {
      accept(polled[i].fd);
    } else if (of[i]->state == Line::State::connecting) {
      connected(*of[i]);
    } else {
      look(*of[i]);
    }
  }
}

}  // namespace skep::replay
