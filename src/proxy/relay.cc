#include "proxy/relay.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/result.h"
#include "io/sockets.h"

namespace skep::proxy {
namespace {

constexpr int kTurns = 4;            // of one session, before others have theirs
constexpr size_t kKeepLeast = 1024;  // malloc has such pieces at hand
constexpr size_t kKeepStep = Buffers::kPieceBytes;
constexpr size_t kTarpitBytes = 16;  // at once, of one that is alone
constexpr size_t kSoonMax = 4096;    // of more the copy costs what the call would
constexpr Side kSides[] = {Side::client, Side::bait};

Direction direction_from(Side side) {
  return side == Side::client ? Direction::to_bait : Direction::to_client;
}

bool is_reset(int error) {
  return error == ECONNRESET || error == EPIPE || error == ETIMEDOUT;
}

bool is_retried(int error) {
  return error == EAGAIN || error == EINTR;
}

}  // namespace

Relay::Relay(archive::Writer& writer, Buffers& buffers, SessionId id, const RelayOptions& options, Fd client,
             std::unique_ptr<SessionFilter> filter)
    : writer_(writer),
      buffers_(buffers),
      id_(id),
      options_(options),
      session_(options.buffer_bytes),
      filter_(std::move(filter)),
      active_ns_(now_monotonic_ns()) {
  Leg& leg = at(Side::client);
  leg.socket = io::Stream(std::move(client));
  leg.readable = leg.writable = true;  // for all that is known
}

Relay::~Relay() {
  for (const Leg& leg : legs_) buffers_.changed(leg.waiting.capacity(), 0);
}

void Relay::bait_stands() {
  at(Side::bait).writable = true;
  active_ns_ = now_monotonic_ns();
  obey(session_.connected());
}

void Relay::bait_failed(int error) {
  writer_.note(id_, now_realtime_ns(),
               {formats::NoteKind::other, fmt::format("the bait could not be reached: {}", std::strerror(error))});
  obey(session_.connect_failed(error == ECONNREFUSED || error == ECONNRESET));
}

void Relay::bait_was_reset() {
  if (!over()) drain(Side::bait);
}

void Relay::end(EndReason reason) {
  settle();
  obey(session_.end(reason));
}

void Relay::told(Side side, const io::Event& event) {
  Leg& leg = at(side);
  leg.readable |= event.readable || event.finished || event.hung_up;
  leg.writable |= event.writable;
  leg.ended |= event.finished || event.hung_up;
  leg.failed |= event.failed;
  if (event.sent) sent(side, event.taken);
}

Relay::Progress Relay::move() {
  held_ = false;
  for (int turn = 0; turn < kTurns; ++turn) {
    bool moved = false;
    for (const Side side : kSides) {
      if (!over()) moved |= send_waiting(side);
      if (!over()) moved |= receive(side);
    }
    if (over()) return Progress::done;
    if (!moved) return held_ ? Progress::held : Progress::done;
  }
  return Progress::more;
}

// True: something has come of it.
bool Relay::receive(Side from) {
  Leg& leg = at(from);
  if (!session_.wants_read(from) || diverting_) {
    if (leg.failed && session_.phase() == Phase::relaying) drain(from);
    return over();
  }
  if (!leg.readable || (alone() && now_monotonic_ns() < next_read_ns_)) return false;
  const size_t most = readable(from);
  if (most == 0) return false;  // before the bait stands: its coming has it looked at again
  const auto room = writer_.room(most);
  held_ |= room.empty();
  if (room.empty()) return false;
  const ssize_t got = leg.socket.receive(room);
  if (got < 0 && is_retried(errno)) {
    leg.readable = errno == EINTR;
    return leg.readable;
  }
  if (got < 0) {
    settle();
    if (!over()) obey(session_.was_reset(from));
    return true;
  }
  leg.readable = got == static_cast<ssize_t>(room.size()) || (got > 0 && leg.ended);
  return record(from, room.first(static_cast<size_t>(got)));
}

// Recorded first, then passed on. No bytes: the side has finished.
bool Relay::record(Side from, ByteView bytes) {
  const int64_t now = now_realtime_ns();
  if (filter_ != nullptr) return sift(from, bytes, now);
  if (bytes.empty()) {
    writer_.half_closed(id_, now, direction_from(from));
    obey(session_.finished(from));
    return true;
  }
  writer_.data(id_, now, direction_from(from), bytes);
  session_.received(from, bytes.size());
  active_ns_ = now_monotonic_ns();
  pass_on(other(from), bytes);
  end_at_bytes_max();
  return true;
}

// How much may be read at once: what one session may hold, what all may, what the session has left.
size_t Relay::readable(Side from) {
  if (alone()) return kTarpitBytes;
  const size_t waiting = session_.waiting_for(other(from));
  const size_t wanted = options_.buffer_bytes - waiting;
  const size_t most = buffers_.readable(wanted, waiting);
  if (most < wanted && !std::exchange(in_pieces_, true)) limit_ = Limit::buffers_bytes_max;
  if (options_.session_bytes_max == 0) return most;
  const uint64_t received = session_.received_from(Side::client) + session_.received_from(Side::bait);
  return std::min<uint64_t>(most, options_.session_bytes_max - received);
}

void Relay::end_at_bytes_max() {
  const uint64_t received = session_.received_from(Side::client) + session_.received_from(Side::bait);
  if (over() || options_.session_bytes_max == 0 || received < options_.session_bytes_max) return;
  limit_ = Limit::session_bytes_max;
  end(EndReason::limit);
}

// A side has reset its connection while the other took nothing: what it had sent is evidence, if nobody's bytes any
// more.
void Relay::drain(Side from) {
  Leg& leg = at(from);
  while (true) {
    const auto room = writer_.room(options_.buffer_bytes);
    held_ |= room.empty();
    if (room.empty()) return;
    const ssize_t got = leg.socket.receive(room);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    const ByteView bytes = room.first(static_cast<size_t>(got));
    if (filter_ == nullptr || filter_->recorded()) writer_.data(id_, now_realtime_ns(), direction_from(from), bytes);
    session_.received(from, bytes.size());
  }
  settle();
  if (!over()) obey(session_.was_reset(from));
}

void Relay::pass_on(Side to, ByteView bytes) {
  Leg& leg = at(to);
  if (options_.durability == formats::Durability::disk) {
    leg.recorded = writer_.recorded();
    return keep(leg, bytes);
  }
  size_t put = 0;
  const bool at_once = session_.phase() == Phase::relaying && leg.waiting.empty();
  if (at_once && bytes.size() > kSoonMax) put = send(to, bytes);
  if (!over()) keep(leg, bytes.subspan(put));
  if (at_once && put == 0 && !over()) send_waiting(to);
}

void Relay::keep(Leg& leg, ByteView bytes) {
  if (bytes.empty()) return;
  SKEP_CHECK(!leg.sending);  // what is on its way must not move: a side is not read while bytes wait for the other
  const size_t before = leg.waiting.capacity();
  const size_t wanted = leg.waiting.size() + bytes.size();
  // No doubling: what is counted is what is there.
  const size_t step = wanted <= kKeepLeast ? kKeepLeast : kKeepStep;
  if (wanted > before) leg.waiting.reserve((wanted + step - 1) / step * step);
  leg.waiting.insert(leg.waiting.end(), bytes.begin(), bytes.end());
  buffers_.changed(before, leg.waiting.capacity());
}

bool Relay::send_waiting(Side to) {
  Leg& leg = at(to);
  if (!leg.writable || leg.sending || diverting_ || !session_.wants_write(to)) return false;
  if (options_.durability == formats::Durability::disk && writer_.durable() < leg.recorded) {
    writer_.hurry();
    held_ = true;
    return false;
  }
  if (send_soon(to)) return false;
  const size_t put = send(to, due_to(to));
  if (put > 0) active_ns_ = now_monotonic_ns();
  if (over()) return true;
  took(to, put);
  return put > 0;
}

// Of what waits, that which may go now.
ByteView Relay::due_to(Side to) {
  return ByteView(at(to).waiting).subspan(at(to).sent, session_.sendable(to));
}

bool Relay::send_soon(Side to) {
  Leg& leg = at(to);
  const ByteView bytes = due_to(to);
  leg.sending = bytes.size() <= kSoonMax && leg.socket.send_soon(bytes);
  leg.given = bytes.size();
  return leg.sending;
}

void Relay::sent(Side to, int taken) {
  Leg& leg = at(to);
  leg.sending = false;
  if (over()) return;
  if (taken < 0 && is_reset(-taken)) return obey(session_.was_reset(to));
  const auto put = static_cast<size_t>(std::max(taken, 0));
  leg.writable = put == leg.given;
  if (!leg.writable) leg.socket.want_writable();
  if (put == 0) return;
  active_ns_ = now_monotonic_ns();
  obey(session_.forwarded(to, put));
  took(to, put);
}

// Before it ends otherwise than in order: what is on its way goes, and counts as passed on.
void Relay::settle() {
  for (const Side side : kSides) {
    if (at(side).sending) sent(side, at(side).socket.send_now());
  }
}

void Relay::took(Side to, size_t bytes) {
  Leg& leg = at(to);
  leg.sent += bytes;
  if (leg.sent < leg.waiting.size()) {
    if (session_.sendable(to) > 0 || leg.sent == 0) return;
    // What is held may be held long: nothing lies before it.
    leg.waiting.erase(leg.waiting.begin(), leg.waiting.begin() + static_cast<ptrdiff_t>(leg.sent));
    leg.sent = 0;
    return;
  }
  buffers_.changed(leg.waiting.capacity(), 0);
  leg.waiting = Bytes();
  leg.sent = 0;
}

size_t Relay::send(Side to, ByteView bytes) {
  Leg& leg = at(to);
  if (!leg.writable || bytes.empty()) return 0;
  const ssize_t put = leg.socket.send(bytes);
  if (put < 0 && is_reset(errno)) {
    obey(session_.was_reset(to));
    return 0;
  }
  leg.writable = put == static_cast<ssize_t>(bytes.size()) || (put < 0 && errno == EINTR);
  if (put <= 0) return 0;
  obey(session_.forwarded(to, static_cast<uint64_t>(put)));
  return static_cast<size_t>(put);
}

// The sockets themselves are closed with the relay: where that follows at once it is FIN enough.
void Relay::obey(const Commands& commands) {
  for (const Command command : commands) {
    switch (command) {
      case Command::finish_client:
        if (!over()) ::shutdown(socket(Side::client), SHUT_WR);
        break;
      case Command::finish_bait:
        if (!over()) ::shutdown(socket(Side::bait), SHUT_WR);
        break;
      case Command::reset_client:
        io::reset_on_close(socket(Side::client));
        break;
      case Command::reset_bait:
        if (at(Side::bait).socket) io::reset_on_close(socket(Side::bait));
        break;
      case Command::close:
        break;
    }
  }
}

}  // namespace skep::proxy
