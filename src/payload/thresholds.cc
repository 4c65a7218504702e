#include "payload/thresholds.h"

namespace skep::payload {

using formats::RuleThreshold;

bool Thresholds::say(const formats::Rule& rule, const Flow& flow, int64_t time_ns) {
  if (!rule.threshold) return true;
  const RuleThreshold& threshold = *rule.threshold;
  const auto track = threshold.track;
  const bool by_source = track == RuleThreshold::Track::source || track == RuleThreshold::Track::both;
  const bool by_destination = track == RuleThreshold::Track::destination || track == RuleThreshold::Track::both;
  Period& now = periods_.touch({uint64_t{rule.gid} << 32 | rule.sid, flow, by_source, by_destination});
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
