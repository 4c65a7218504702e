#include "proxy/limits.h"

#include <algorithm>

#include "base/result.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kLogPauseNs = 1000 * kMillisecond;

constexpr std::string_view kNames[kLimits] = {
    "sessions_max", "sessions_per_source_max", "accepts_per_second_max", "accepts_per_second_per_source_max",
    "descriptors",  "udp_sessions_max",        "session_bytes_max",      "idle_timeout_ms",
    "life_ms",      "buffers_bytes_max",       "datagram_buffers"};

size_t sessions_for(uint64_t descriptors) {
  const uint64_t own = Limits::kOwnDescriptors;
  return std::max<uint64_t>(1, descriptors > own ? (descriptors - own) / 2 : 0);
}

}  // namespace

std::string_view to_string(Limit limit) {
  return kNames[static_cast<size_t>(limit)];
}

std::optional<uint64_t> LogPace::line(int64_t now_ns) {
  ++silent_;
  if (now_ns < next_ns_) return std::nullopt;
  next_ns_ = now_ns + kLogPauseNs;
  return std::exchange(silent_, 0);
}

Limits::Limits(const formats::ProxyOptions& options, uint64_t descriptors, uint64_t seed)
    : options_(options),
      descriptors_(descriptors),
      sessions_max_(std::min<size_t>(options.sessions_max, sessions_for(descriptors))),
      rate_(options.accepts_per_second_max, options.accept_burst_ms * kMillisecond),
      source_rate_(options.accepts_per_second_per_source_max, options.accept_burst_ms * kMillisecond),
      sources_(options.sources_max, seed) {}

void Limits::take_options(const formats::ProxyOptions& options) {
  options_ = options;
  sessions_max_ = std::min<size_t>(options_.sessions_max, sessions_for(descriptors_));
  rate_ = Rate(options_.accepts_per_second_max, options_.accept_burst_ms * kMillisecond);
  source_rate_ = Rate(options_.accepts_per_second_per_source_max, options_.accept_burst_ms * kMillisecond);
}

Limits::Admission Limits::admit(const Endpoint& from, int64_t now_ns, Protocol protocol) {
  const uint32_t number = sources_.find(source_key(from, options_.source_prefix_v6), now_ns);
  if (const auto refused = refusal(sources_.at(number), now_ns, protocol)) {
    sources_.release(number, now_ns);
    return {refused, 0};
  }
  ++live_;
  live_udp_ += protocol == Protocol::udp ? 1 : 0;
  return {std::nullopt, number};
}

// A source's own limits come first: what it is refused for takes nothing of what all have together.
std::optional<Limit> Limits::refusal(Sources::Source& source, int64_t now_ns, Protocol protocol) {
  const uint32_t per_source = options_.sessions_per_source_max;
  if (per_source > 0 && source.live > per_source) return Limit::sessions_per_source_max;
  if (live_ >= sessions_max_) return short_of_descriptors() ? Limit::descriptors : Limit::sessions_max;
  if (protocol == Protocol::udp && live_udp_ >= options_.udp_sessions_max) return Limit::udp_sessions_max;
  if (!source_rate_.take(source.fresh_at_ns, now_ns)) return Limit::accepts_per_second_per_source_max;
  if (!rate_.take(fresh_at_ns_, now_ns)) return Limit::accepts_per_second_max;
  return std::nullopt;
}

void Limits::ended(uint32_t source, int64_t now_ns, Protocol protocol) {
  SKEP_CHECK(live_ > 0);
  --live_;
  live_udp_ -= protocol == Protocol::udp ? 1 : 0;
  sources_.release(source, now_ns);
}

std::optional<uint64_t> Limits::log_line(Limit limit, int64_t now_ns) {
  return paces_[static_cast<size_t>(limit)].line(now_ns);
}

}  // namespace skep::proxy
