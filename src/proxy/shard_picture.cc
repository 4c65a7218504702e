// How the shard stands, for those who watch it.
#include "base/log.h"
#include "proxy/metrics.h"
#include "proxy/shard.h"

namespace skep::proxy {
namespace {

constexpr int64_t kTellNs = 1'000'000'000;  // between two lines of status, two pages of metrics

}  // namespace

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
    ServiceCounters& of = picture.counters.services[services_[slot.service].options.name];
    of.bytes_in += slot.relay->session().received_from(Side::client);
    of.bytes_out += slot.relay->session().received_from(Side::bait);
    picture.descriptors_of_sessions += slot.relay->socket(Side::bait) >= 0 ? 2 : 1;
  }
  picture.whole = wholeness();
  picture.ring_bytes = writer_->ring_bytes();
  picture.ring_bytes_used = writer_->ring_bytes_used();
  picture.waiting_for_port = waiting_for_port_.size();
  picture.tagged_logs = tagged_.counters();
  picture.descriptors_max = descriptors_max_;
  for (size_t i = 0; i < kLimits; ++i)
    picture.counters.limits.try_emplace(std::string(to_string(static_cast<Limit>(i))), 0);
  picture.sessions_allowed = limits_.sessions_max();
  picture.buffers_bytes = buffers_.held();
  picture.sources_known = limits_.sources().known();
  picture.sources_forgotten_early = limits_.sources().forgotten_early();
  for (const auto& bait : baits_) picture.baits.push_back(bait->picture());
  picture.waiting_for_header = headers_->waiting();
  for (const size_t number : current_) {
    const Service& service = services_[number];
    for (size_t i = 0; service.route.baits() > 1 && i < service.route.baits(); ++i) {
      const formats::Upstream& upstream = service.options.baits[i];
      picture.upstreams.push_back({service.options.name, upstream.bait, to_string(upstream.address),
                                   service.route.left_out(i), service.route.failures(i)});
    }
  }
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

// Whoever watches the proxy from outside. That the service manager hears of is this loop: a shard that is stuck is
// silent.
void Shard::tell_watchers(int64_t now_ns) {
  say_degraded(now_ns);
  systemd_.alive(now_ns);
  if (now_ns - last_told_ns_ < kTellNs) return;
  last_told_ns_ = now_ns;
  std::string words = fmt::format("{} sessions live, {} in all", live_.size(), counters_.sessions_total);
  for (const std::string_view state : degraded_states(wholeness())) words += fmt::format(", {}", state);
  systemd_.status(words);
  if (metrics_) metrics_->publish(metrics_text(picture()), now_ns);
}

}  // namespace skep::proxy
