#include "payload/thresholds.h"

#include <algorithm>
#include <string_view>

namespace skep::payload {

using formats::RuleThreshold;

size_t Thresholds::Hash::operator()(const Key& key) const {
  const std::string_view text(reinterpret_cast<const char*>(key.addresses.data()), key.addresses.size());
  return std::hash<std::string_view>()(text) ^ std::hash<uint64_t>()(key.rule);
}

Thresholds::Period& Thresholds::period(const Key& key) {
  const auto found = young_.find(key);
  if (found != young_.end()) return found->second;
  if (young_.size() >= kTrackedMax / 2) old_ = std::exchange(young_, {});
  const auto before = old_.find(key);
  return young_[key] = before != old_.end() ? before->second : Period{};
}

bool Thresholds::say(const formats::Rule& rule, const Flow& flow, int64_t time_ns) {
  if (!rule.threshold) return true;
  const RuleThreshold& threshold = *rule.threshold;
  Key key{uint64_t{rule.gid} << 32 | rule.sid, {}};
  const bool by_source =
      threshold.track == RuleThreshold::Track::source || threshold.track == RuleThreshold::Track::both;
  const bool by_destination =
      threshold.track == RuleThreshold::Track::destination || threshold.track == RuleThreshold::Track::both;
  if (by_source) std::copy(flow.source.address.begin(), flow.source.address.end(), key.addresses.begin());
  if (by_destination)
    std::copy(flow.destination.address.begin(), flow.destination.address.end(), key.addresses.begin() + 16);
  Period& now = period(key);
  if (now.count == 0 || time_ns - now.began_ns > int64_t{threshold.seconds} * 1'000'000'000) now = {time_ns, 0};
  ++now.count;
  switch (threshold.kind) {
    case RuleThreshold::Kind::limit:
      return now.count <= threshold.count;
    case RuleThreshold::Kind::threshold:
      if (now.count < threshold.count) return false;
      now.count = 0;
      return true;
    case RuleThreshold::Kind::both:
      return now.count == threshold.count;
    case RuleThreshold::Kind::detection_filter:
      return now.count > threshold.count;
  }
  return true;
}

}  // namespace skep::payload
