#include "proxy/datagram_relay.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace skep::proxy {
namespace {

constexpr int kReceivesATurn = 16;    // of one session, before others have theirs
constexpr int kReceivesAtEnd = 64;    // beside a refusal
constexpr size_t kWaitingBytes = 64;  // that one which waits costs beside its own: the empty ones are bounded, too

Direction direction_from(Side side) {
  return side == Side::client ? Direction::to_bait : Direction::to_client;
}

bool is_full(int error) {
  return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

DatagramRelay::DatagramRelay(archive::Writer& writer, Buffers& buffers, SessionId id, const RelayOptions& options,
                             int door, const io::Path& path, std::unique_ptr<SessionFilter> filter)
    : writer_(writer),
      buffers_(buffers),
      id_(id),
      options_(options),
      door_(door),
      path_(path),
      session_(options.session_bytes_max),
      filter_(std::move(filter)),
      active_ns_(now_monotonic_ns()) {}

DatagramRelay::~DatagramRelay() {
  for (Leg& leg : legs_) hold(leg, 0);
}

void DatagramRelay::take(const io::Received& received, ByteView bytes) {
  const bool known = filter_ != nullptr && is_known(bytes);
  if (!record(Side::client, received, bytes)) return;
  known ? end(EndReason::filtered) : pass_on(Side::bait, bytes);
}

bool DatagramRelay::is_known(ByteView bytes) {
  const SessionFilter::Outcome outcome =
      filter_->datagram(bytes, {bytes.size(), false, now_monotonic_ns(), now_realtime_ns()});
  note(outcome);
  suppressed_ = outcome.decision.pass == Sieve::Pass::suppress;
  return suppressed_;
}

void DatagramRelay::note(const SessionFilter::Outcome& outcome) {
  for (const RuleHit& hit : outcome.hits) writer_.rule(id_, now_realtime_ns(), hit);
  for (const std::string& words : outcome.notes) note(formats::NoteKind::other, words);
}

void DatagramRelay::close_filter() {
  if (filter_ != nullptr) note(filter_->closed());
}

void DatagramRelay::bait_stands() {
  session_.connected();
  readable_ = true;  // for all that is known
  send_waiting(Side::bait);
}

void DatagramRelay::bait_failed(int error) {
  note(formats::NoteKind::other, fmt::format("the bait could not be reached: {}", std::strerror(error)));
  session_.connect_failed(error == ECONNREFUSED);
}

void DatagramRelay::end(EndReason reason) {
  if (over()) return;
  session_.end(reason);
  say_dropped();
}

DatagramRelay::Progress DatagramRelay::move() {
  held_ = false;
  for (int turn = 0; turn < kReceivesATurn; ++turn) {
    for (const Side side : {Side::bait, Side::client}) send_waiting(side);
    if (over()) return Progress::done;
    if (connecting() || !readable_ || !receive()) return held_ ? Progress::held : Progress::done;
    if (over()) return Progress::done;
  }
  return Progress::more;
}

// True: something has come of it.
bool DatagramRelay::receive() {
  const auto room = writer_.room(io::kDatagramRoom);
  held_ |= room.empty();
  if (room.empty()) return false;
  const io::Received received = io::receive_datagram(bait_.get(), room);
  if (received.bytes < 0) {
    const int error = errno;
    if (error == ECONNREFUSED) bait_refused();
    // Any other error was of one datagram that went out, and is taken by now; nothing there is what ends it.
    readable_ = error != EAGAIN;
    return readable_;
  }
  if (record(Side::bait, received, room.first(static_cast<size_t>(received.bytes))))
    pass_on(Side::client, room.first(static_cast<size_t>(received.bytes)));
  return true;
}

// False: it is not to be passed on.
bool DatagramRelay::record(Side from, const io::Received& received, ByteView bytes) {
  if (filter_ == nullptr || filter_->recorded()) writer_.data(id_, now_realtime_ns(), direction_from(from), bytes);
  active_ns_ = now_monotonic_ns();
  if (received.cut)
    note(formats::NoteKind::bytes_lost,
         fmt::format("a datagram was longer than {} bytes: its end is lacking", bytes.size()));
  if (from == Side::bait && received.lost != lost_)
    dropped(Side::client, received.lost - std::exchange(lost_, received.lost));
  if (session_.received(from, bytes.size())) return true;
  limit_ = Limit::session_bytes_max;
  say_dropped();
  return false;
}

void DatagramRelay::pass_on(Side to, ByteView bytes) {
  const bool at_once = options_.durability == formats::Durability::memory && !connecting() && at(to).waiting.empty();
  at_once ? send(to, bytes) : keep(to, bytes);
}

void DatagramRelay::keep(Side to, ByteView bytes) {
  Leg& leg = at(to);
  const size_t cost = bytes.size() + kWaitingBytes;
  const size_t room = options_.buffer_bytes - std::min<size_t>(options_.buffer_bytes, leg.held);
  // One may always wait, however long it is.
  if (!leg.waiting.empty() && (cost > room || buffers_.readable(cost, leg.held) < cost)) return dropped(to, 1);
  leg.waiting.push_back({Bytes(bytes.begin(), bytes.end()), writer_.recorded()});
  hold(leg, leg.held + cost);
}

void DatagramRelay::hold(Leg& leg, size_t bytes) {
  buffers_.changed(std::exchange(leg.held, bytes), bytes);
}

void DatagramRelay::send_waiting(Side to) {
  Leg& leg = at(to);
  if (leg.waiting.empty() || session_.phase() != Phase::relaying) return;
  size_t sent = 0;
  size_t freed = 0;
  for (; sent < leg.waiting.size() && !over(); ++sent) {
    const Waiting& next = leg.waiting[sent];
    if (options_.durability == formats::Durability::disk && writer_.durable() < next.recorded) {
      writer_.hurry();
      held_ = true;
      break;
    }
    freed += next.bytes.size() + kWaitingBytes;
    send(to, next.bytes);
  }
  leg.waiting.erase(leg.waiting.begin(), leg.waiting.begin() + static_cast<ptrdiff_t>(sent));
  hold(leg, leg.held - freed);
}

void DatagramRelay::send(Side to, ByteView bytes) {
  const int error = to == Side::bait ? io::send_datagram(bait_.get(), bytes) : io::send_datagram(door_, path_, bytes);
  if (error == 0) return session_.forwarded(to, bytes.size());
  if (is_full(error)) return dropped(to, 1);
  session_.dropped(to, 1);
  if (to == Side::bait && error == ECONNREFUSED) return bait_refused();  // said of an earlier one
  if (std::exchange(failure_said_, true)) return;
  note(formats::NoteKind::other, fmt::format("a datagram to the {} could not be sent: {}",
                                             to == Side::bait ? "bait" : "attacker", std::strerror(error)));
}

// What it had answered before is there still, behind the error.
void DatagramRelay::bait_refused() {
  for (int i = 0; i < kReceivesAtEnd && !over(); ++i) {
    const auto room = writer_.room(io::kDatagramRoom);
    if (room.empty()) break;
    const io::Received received = io::receive_datagram(bait_.get(), room);
    if (received.bytes < 0 && errno == ECONNREFUSED) continue;
    if (received.bytes < 0) break;
    const ByteView bytes = room.first(static_cast<size_t>(received.bytes));
    if (record(Side::bait, received, bytes)) pass_on(Side::client, bytes);
  }
  if (over()) return;
  note(formats::NoteKind::other, fmt::format("the bait could not be reached: {}", std::strerror(ECONNREFUSED)));
  session_.refused();
  say_dropped();
}

// For want of room.
void DatagramRelay::dropped(Side to, uint64_t datagrams) {
  session_.dropped(to, datagrams);
  if (!std::exchange(full_said_, true)) limit_ = Limit::datagram_buffers;
}

// Once, when the session is over: how many.
void DatagramRelay::say_dropped() {
  const uint64_t to_bait = session_.dropped_to(Side::bait);
  const uint64_t to_client = session_.dropped_to(Side::client);
  if (to_bait + to_client == 0) return;
  note(formats::NoteKind::other,
       fmt::format("datagrams that were dropped: {} to the bait, {} to the attacker", to_bait, to_client));
}

void DatagramRelay::note(formats::NoteKind kind, std::string words) {
  writer_.note(id_, now_realtime_ns(), {kind, std::move(words)});
}

}  // namespace skep::proxy
