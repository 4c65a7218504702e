#include "proxy/join.h"

#include <algorithm>

namespace skep::proxy {

void Join::bind(uint64_t serial, const Bound& to) {
  // A serial that comes again with another tuple is of another life of the monitor's kernel: the newer word holds.
  if (bound_.insert_or_assign(serial, to).second) bound_order_.push_back(serial);
  ++counters_.bound;
  while (bound_order_.size() > kBoundMax) {
    bound_.erase(bound_order_.front());
    bound_order_.pop_front();
  }
}

void Join::disown(uint64_t serial) {
  disowned_.push_back(serial);
  if (disowned_.size() > kStrangersMax) disowned_.pop_front();
}

std::optional<uint64_t> Join::session_opened(SessionId session, const Tuple& tuple, int64_t now_ns) {
  const auto stranger = std::find_if(strangers_.begin(), strangers_.end(), [&](const Stranger& s) {
    return s.tuple == tuple && now_ns - s.since_ns <= kPatienceNs;
  });
  if (stranger == strangers_.end()) {
    unbound_[tuple] = session;
    return std::nullopt;
  }
  const uint64_t serial = stranger->serial;
  strangers_.erase(stranger);
  bind(serial, {session, tuple});
  return serial;
}

void Join::session_forgotten(SessionId session, const Tuple& tuple) {
  const auto found = unbound_.find(tuple);
  if (found != unbound_.end() && found->second == session) unbound_.erase(found);
  std::erase_if(strangers_, [&](const Stranger& stranger) {
    if (stranger.tuple != tuple) return false;
    disown(stranger.serial);
    return true;
  });
}

void Join::flow_closed(uint64_t serial) {
  if (std::erase_if(strangers_, [&](const Stranger& stranger) { return stranger.serial == serial; }) > 0)
    disown(serial);
}

std::optional<Join::Bound> Join::flow_opened(uint64_t serial, const Tuple& tuple, int64_t now_ns) {
  const auto known = bound_.find(serial);
  if (known != bound_.end() && known->second.tuple == tuple) return std::nullopt;
  const auto found = unbound_.find(tuple);
  if (found == unbound_.end()) {
    while (!strangers_.empty() &&
           (strangers_.size() >= kStrangersMax || now_ns - strangers_.front().since_ns > kPatienceNs)) {
      strangers_.pop_front();
      ++counters_.flows_dropped;
    }
    strangers_.push_back({serial, tuple, now_ns});
    return std::nullopt;
  }
  const Bound made{found->second, tuple};
  unbound_.erase(found);
  bind(serial, made);
  return made;
}

std::optional<SessionId> Join::session_of(uint64_t serial) const {
  const auto found = bound_.find(serial);
  if (found == bound_.end()) return std::nullopt;
  return found->second.session;
}

std::optional<SessionId> Join::unbound_at(const Tuple& tuple) const {
  const auto found = unbound_.find(tuple);
  if (found == unbound_.end()) return std::nullopt;
  return found->second;
}

std::vector<Join::Delivered> Join::to_doers(const Claim& claim) const {
  std::vector<Delivered> delivered;
  if (claim.serial != 0) {
    if (const auto session = session_of(claim.serial)) delivered.push_back({*session, claim.alert});
    return delivered;
  }
  for (const uint64_t serial : claim.candidates) {
    const auto session = session_of(serial);
    if (!session) continue;
    delivered.push_back({*session, claim.alert});
    delivered.back().alert.confidence = Confidence::none;
  }
  return delivered;
}

// A flow that was told with another 4-tuple is another's.
std::optional<Join::Delivered> Join::to_writer(const Claim& claim) const {
  const auto known = bound_.find(claim.writer.serial);
  if (claim.writer.serial == 0 || known == bound_.end() || known->second.tuple != claim.writer.tuple)
    return std::nullopt;
  Delivered copy{known->second.session, claim.alert};
  copy.alert.role = AlertRole::writer;
  copy.alert.confidence = claim.writer.confidence;
  copy.alert.stream_offset = claim.writer.stream_offset;
  return copy;
}

// To each for what it did: who started it, and who wrote it.
std::vector<Join::Delivered> Join::deliver(const Claim& claim) const {
  std::vector<Delivered> delivered = to_doers(claim);
  if (delivered.empty() || claim.writer.serial == 0) return delivered;
  for (Delivered& each : delivered) each.alert.role = AlertRole::starter;
  if (auto copy = to_writer(claim)) delivered.push_back(std::move(*copy));
  return delivered;
}

std::vector<Join::Delivered> Join::alert(Claim claim, int64_t now_ns) {
  // The alert's own tuple stands in for a FlowOpened that was lost, and is held against one that came.
  if (claim.serial != 0) {
    const auto known = bound_.find(claim.serial);
    if (std::find(disowned_.begin(), disowned_.end(), claim.serial) != disowned_.end()) {
      ++counters_.alerts_dropped;
      return {};
    }
    if (known == bound_.end()) {
      flow_opened(claim.serial, claim.tuple, now_ns);
    } else if (known->second.tuple != claim.tuple) {
      ++counters_.alerts_contradictory;
      return {};
    }
  }
  auto delivered = deliver(claim);
  if (!delivered.empty()) return delivered;
  if (waiting_.size() >= kStrangersMax) {
    waiting_.pop_front();
    ++counters_.alerts_dropped;
  }
  waiting_.push_back({std::move(claim), now_ns});
  return {};
}

std::vector<Join::Delivered> Join::take_ready(int64_t now_ns) {
  std::vector<Delivered> ready;
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    auto delivered = deliver(waiting.claim);
    if (delivered.empty() && now_ns - waiting.since_ns <= kPatienceNs) return false;
    if (delivered.empty()) {
      ++counters_.alerts_dropped;
      if (auto copy = to_writer(waiting.claim)) delivered.push_back(std::move(*copy));
    }
    std::move(delivered.begin(), delivered.end(), std::back_inserter(ready));
    return true;
  });
  return ready;
}

}  // namespace skep::proxy
