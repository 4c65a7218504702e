// How the proxy stands, for those who watch it.
#include "base/log.h"
#include "proxy/metrics.h"
#include "proxy/proxy.h"

namespace skep::proxy {
namespace {

constexpr int64_t kTellNs = 1'000'000'000;         // between two lines of status, two pages of metrics
constexpr int64_t kDescriptorsNs = 1'000'000'000;  // without a lack, before it is said to be over

}  // namespace

Proxy::Summary Proxy::summary() {
  Summary summary;
  summary.turned_ns = INT64_MAX;
  for (const auto& shard : shards_) {
    const Standing standing = shard->standing();
    summary.whole.health += standing.health;
    summary.sessions_live += standing.sessions_live;
    summary.sessions_total += standing.sessions_total;
    summary.turned_ns = std::min(summary.turned_ns, shard->turned_ns());
  }
  const int64_t lacked_ns = common_.descriptors_lacked_ns;
  summary.whole.out_of_descriptors = lacked_ns != 0 && now_monotonic_ns() - lacked_ns < kDescriptorsNs;
  for (const auto& bait : common_.baits) summary.whole.monitor_away |= !bait->supervised();
  return summary;
}

// Asks every shard: for whoever wants it, not for every turn.
Picture Proxy::picture() {
  Picture picture;
  picture.started_ns = started_ns_;
  picture.uptime_ns = now_monotonic_ns() - started_monotonic_ns_;
  picture.archive = settings_->options.archive;
  for (size_t i = 0; i < shards_.size(); ++i) {
    auto part = std::make_shared<Picture>();
    if (ask(i, [part](Shard& shard) { shard.add_to(*part); })) {
      picture.add(*part);
    } else {
      log::error("shard {} does not answer: the figures lack its sessions", i);
    }
  }
  picture.whole = summary().whole;
  picture.filtering = settings_->options.filter.has_value();
  picture.filter = settings_->filter_figures;
  picture.tarpitted = common_.filter_places.tarpit.taken();
  {
    auto switched = common_.switched.hold();
    picture.switched = switched->size();
    picture.switched_turned_down = switched->turned_down();
  }
  picture.tagged_logs = tagged_.counters();
  picture.descriptors_max = descriptors_max_;
  for (size_t i = 0; i < kLimits; ++i)
    picture.counters.limits.try_emplace(std::string(to_string(static_cast<Limit>(i))), 0);
  picture.buffers_bytes = common_.buffers.held();
  {
    auto limits = common_.limits.hold();
    picture.sessions_allowed = limits->sessions_max();
    picture.sources_known = limits->sources().known();
    picture.sources_forgotten_early = limits->sources().forgotten_early();
  }
  for (const auto& bait : common_.baits) picture.baits.push_back(bait->picture());
  picture.waiting_for_header = common_.waiting_for_header;
  picture.shards = shards_.size();
  for (const size_t number : settings_->current) {
    const Service& service = *settings_->services[number];
    auto route = service.route->hold();
    for (size_t i = 0; route->baits() > 1 && i < route->baits(); ++i) {
      const formats::Upstream& upstream = service.options.baits[i];
      picture.upstreams.push_back(
          {service.options.name, upstream.bait, to_string(upstream.address), route->left_out(i), route->failures(i)});
    }
  }
  return picture;
}

void Proxy::say_degraded(const Wholeness& whole, int64_t now_ns) {
  log::say_left_out();
  for (const Degraded::Change& change : degraded_.update(degraded_states(whole), now_ns)) {
    if (change.begins) {
      log::warning("degraded: {} begins", change.state);
    } else {
      log::info("degraded: {} is over after {} ms", change.state, change.lasted_ns / 1'000'000);
    }
  }
}

// Whoever watches the proxy from outside. That the service manager hears of is the shards' turns: where one is stuck,
// nothing is said.
void Proxy::tell_watchers(int64_t now_ns) {
  const Summary now = summary();
  say_degraded(now.whole, now_ns);
  systemd_.alive(now.turned_ns);
  if (now_ns - last_told_ns_ < kTellNs) return;
  last_told_ns_ = now_ns;
  std::string words = fmt::format("{} sessions live, {} in all", now.sessions_live, now.sessions_total);
  for (const std::string_view state : degraded_states(now.whole)) words += fmt::format(", {}", state);
  systemd_.status(words);
  if (metrics_) metrics_->publish(metrics_text(picture()), now_ns);
}

}  // namespace skep::proxy
