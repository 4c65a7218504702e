// How the shard stands, for those who watch it.
#include "base/log.h"
#include "proxy/shard.h"

namespace skep::proxy {

Wholeness Shard::wholeness() const {
  Wholeness whole;
  whole.health = writer_->health();
  whole.out_of_descriptors = out_of_descriptors_;
  for (const auto& bait : baits_) whole.monitor_away |= !bait->supervised();
  return whole;
}

// Walks all live sessions: for whoever asks, not for every turn.
Picture Shard::picture() const {
  Picture picture;
  picture.started_ns = started_ns_;
  picture.uptime_ns = now_monotonic_ns() - started_monotonic_ns_;
  picture.archive = options_.archive;
  picture.counters = counters_;
  for (const auto& [id, index] : live_) {
    const Slot& slot = slots_[index];
    ServiceCounters& of = picture.counters.services[options_.services[slot.service].name];
    of.bytes_in += slot.relay->session().received_from(Side::client);
    of.bytes_out += slot.relay->session().received_from(Side::bait);
    picture.descriptors_of_sessions += slot.relay->socket(Side::bait) >= 0 ? 2 : 1;
  }
  picture.whole = wholeness();
  picture.ring_bytes = writer_->ring_bytes();
  picture.ring_bytes_used = writer_->ring_bytes_used();
  picture.waiting_for_port = waiting_for_port_.size();
  picture.descriptors_max = descriptors_max_;
  for (size_t i = 0; i < kLimits; ++i)
    picture.counters.limits.try_emplace(std::string(to_string(static_cast<Limit>(i))), 0);
  picture.sessions_allowed = limits_.sessions_max();
  picture.buffers_bytes = buffers_.held();
  picture.sources_known = limits_.sources().known();
  picture.sources_forgotten_early = limits_.sources().forgotten_early();
  for (const auto& bait : baits_) picture.baits.push_back(bait->picture());
  return picture;
}

void Shard::say_degraded(int64_t now_ns) {
  log::say_left_out();
  for (const Degraded::Change& change : degraded_.update(degraded_states(wholeness()), now_ns)) {
    if (change.begins) {
      log::warning("degraded: {} begins", change.state);
    } else {
      log::info("degraded: {} is over after {} ms", change.state, change.lasted_ns / 1'000'000);
    }
  }
}

}  // namespace skep::proxy
