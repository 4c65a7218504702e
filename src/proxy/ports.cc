#include "proxy/ports.h"

#include <algorithm>

namespace skep::proxy {

std::optional<uint16_t> SourcePorts::next_free() {
  const unsigned count = static_cast<unsigned>(last_ - first_) + 1;
  for (unsigned i = 0; i < count; ++i) {
    const uint16_t port = next_;
    next_ = next_ == last_ ? first_ : static_cast<uint16_t>(next_ + 1);
    if (usable(port)) return port;
  }
  return std::nullopt;
}

size_t SourcePorts::away_max() const {
  if (!chosen_here()) return kHeldAwayMax;
  return std::min<size_t>(kHeldAwayMax, (static_cast<size_t>(last_ - first_) + 1) / 2);
}

void SourcePorts::taken(uint16_t port) {
  held_[port] = {};
}

void SourcePorts::bound(uint16_t port) {
  const auto use = held_.find(port);
  if (use == held_.end()) return;
  use->second.bound = true;
  if (!use->second.live) held_.erase(use);
}

void SourcePorts::ended(uint16_t port, bool connected, bool monitor_there) {
  const auto use = held_.find(port);
  if (use == held_.end()) return;
  if (!connected || use->second.bound) {
    held_.erase(use);
    return;
  }
  use->second.live = false;
  // An alert that waits for its confirmation comes a little after the first answer of a new connection.
  use->second.after_ping = monitor_there ? last_ping_ : last_ping_ + 1;
  if (monitor_there) return;
  ended_away_.push_back(port);
  if (ended_away_.size() <= away_max()) return;
  const uint16_t oldest = ended_away_.front();
  ended_away_.pop_front();
  const auto given_up = held_.find(oldest);
  if (given_up == held_.end() || given_up->second.live) return;
  unnamed_[oldest] = given_up->second.after_ping;
  held_.erase(given_up);
}

void SourcePorts::pong_received(uint64_t number) {
  std::erase_if(held_, [&](const auto& item) { return !item.second.live && number > item.second.after_ping; });
  std::erase_if(unnamed_, [&](const auto& item) { return number > item.second; });
  std::erase_if(ended_away_, [&](uint16_t port) { return held_.count(port) == 0; });
}

}  // namespace skep::proxy
