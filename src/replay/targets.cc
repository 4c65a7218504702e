#include "replay/targets.h"

namespace skep::replay {

Result<std::string> Targets::owner_of(const Endpoint& target) const {
  for (const formats::ReplayTargets& each : options_.targets) {
    if (each.contains(target)) return each.owner;
  }
  return fail(
      "{} is in no list of targets: a replay is an attack. Name who answers for it in proxy.yaml, or in a file for "
      "--targets-allow: `replay: {{targets: [{{net: {}, ports: \"{}\", owner: \"NAME\"}}]}}`",
      to_string(target), address_text(target), target.port);
}

int64_t RateLimit::wait_ns(const Endpoint& target, int64_t now_ns) {
  int64_t& next = next_ns_[target];
  if (now_ns < next) return next - now_ns;
  next = now_ns + pause_ns_;
  return 0;
}

}  // namespace skep::replay
