// A relay whose session has a filter: what is recorded of it, and what becomes of it where a rule says that it is
// known.
#include <sys/socket.h>

#include <algorithm>

#include "base/clock.h"
#include "base/result.h"
#include "io/sockets.h"
#include "proxy/relay.h"

namespace skep::proxy {
namespace {

constexpr int64_t kTarpitPauseNs = 1'000'000'000;  // between two reads of an attacker that is alone
constexpr int kTarpitBufferBytes = 1;              // the kernel makes it the least that there is

}  // namespace

// As `record`: received, judged, recorded, passed on.
bool Relay::sift(Side from, ByteView bytes, int64_t now_ns) {
  active_ns_ = now_monotonic_ns();
  if (bytes.empty()) {
    writer_.half_closed(id_, now_ns, from == Side::client ? Direction::to_bait : Direction::to_client);
    if (from == Side::client && !alone()) obey(filter_->finished(standing()));
    if (!over()) obey(session_.finished(from));
    return true;
  }
  if (from == Side::client) {
    sift_client(bytes, now_ns);
  } else {
    if (filter_->recorded()) writer_.data(id_, now_ns, Direction::to_client, bytes);
    session_.received(from, bytes.size());
    pass_on(Side::client, bytes);
    if (!over()) obey(filter_->answered(standing()));
  }
  if (!over()) end_at_bytes_max();
  return true;
}

void Relay::sift_client(ByteView bytes, int64_t now_ns) {
  session_.received(Side::client, bytes.size());
  if (alone()) {
    if (filter_->recorded()) writer_.data(id_, now_ns, Direction::to_bait, bytes);
    next_read_ns_ = active_ns_ + kTarpitPauseNs;
    return;
  }
  const SessionFilter::Outcome outcome = filter_->came(bytes, standing());
  if (filter_->recorded()) writer_.data(id_, now_ns, Direction::to_bait, bytes);
  const bool all = outcome.decision.pass == Sieve::Pass::forward && session_.waiting_for(Side::bait) == bytes.size();
  if (all) {
    note(outcome);
    return pass_on(Side::bait, bytes);
  }
  if (outcome.decision.pass != Sieve::Pass::suppress || outcome.action == HitAction::diverted) {
    at(Side::bait).recorded = writer_.recorded();
    keep(at(Side::bait), bytes);
  }
  obey(outcome);
}

SessionFilter::Standing Relay::standing() const {
  const auto untouched = [this](Side side) {
    return session_.forwarded_to(side) == 0 && !legs_[static_cast<size_t>(side)].sending;
  };
  return {session_.waiting_for(Side::bait), untouched(Side::client) && untouched(Side::bait), active_ns_,
          now_realtime_ns()};
}

void Relay::note(const SessionFilter::Outcome& outcome) {
  const int64_t now = now_realtime_ns();
  for (const RuleHit& hit : outcome.hits) writer_.rule(id_, now, hit);
  for (const std::string& words : outcome.notes) writer_.note(id_, now, {formats::NoteKind::other, words});
}

void Relay::obey(const SessionFilter::Outcome& outcome) {
  note(outcome);
  if (outcome.decision.pass == Sieve::Pass::suppress) return suppress(outcome.action);
  obey(session_.hold(outcome.decision.held));
}

void Relay::suppress(HitAction action) {
  suppressed_ = true;
  settle();
  if (over()) return;
  switch (action) {
    case HitAction::diverted:
      obey(session_.hold(session_.waiting_for(Side::bait)));
      diverting_ = true;
      return;
    case HitAction::tarpitted:
      session_.left_alone();
      let_bait_go();
      ::setsockopt(socket(Side::client), SOL_SOCKET, SO_RCVBUF, &kTarpitBufferBytes, sizeof kTarpitBufferBytes);
      alone_until_ns_ = active_ns_ + filter_->plan().tarpit_ns;
      next_read_ns_ = active_ns_ + kTarpitPauseNs;
      return;
    default:
      return obey(session_.suppressed(action == HitAction::dropped));
  }
}

// Its leg is closed in order; nothing waits for either side.
void Relay::let_bait_go() {
  Leg& bait = at(Side::bait);
  bait.socket = io::Stream();
  bait.readable = bait.writable = bait.ended = bait.failed = false;
  for (Leg& leg : legs_) {
    SKEP_CHECK(!leg.sending);
    if (session_.waiting_for(&leg == &bait ? Side::bait : Side::client) > 0) continue;
    buffers_.changed(leg.waiting.capacity(), 0);
    leg.waiting = Bytes();
    leg.sent = 0;
  }
}

void Relay::divert() {
  diverting_ = false;
  settle();
  if (over()) return;
  session_.diverted();
  let_bait_go();
}

int64_t Relay::due_ns() const {
  if (filter_ == nullptr || over()) return 0;
  if (alone()) return std::min(alone_until_ns_, next_read_ns_ > 0 ? next_read_ns_ : alone_until_ns_);
  return filter_->due_ns();
}

void Relay::due(int64_t now_ns) {
  if (alone() && now_ns >= alone_until_ns_) return end(EndReason::filtered);
  if (alone()) {
    if (!at(Side::client).readable) next_read_ns_ = 0;  // told when something comes
    return;
  }
  if (filter_->due_ns() != 0) obey(session_.hold(filter_->due(now_ns).held));
}

void Relay::close_filter() {
  if (filter_ != nullptr) note(filter_->closed());
}

}  // namespace skep::proxy
