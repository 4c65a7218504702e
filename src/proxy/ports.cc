#include "proxy/ports.h"

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
  if (!connected || use->second.bound || !monitor_there) {
    held_.erase(use);
    return;
  }
  use->second.live = false;
  use->second.after_ping = last_ping_;
}

void SourcePorts::pong_received(uint64_t number) {
  std::erase_if(held_, [&](const auto& item) { return !item.second.live && number > item.second.after_ping; });
}

void SourcePorts::monitor_gone() {
  std::erase_if(held_, [](const auto& item) { return !item.second.live; });
}

}  // namespace skep::proxy
