#include "proxy/degraded.h"

namespace skep::proxy {

std::vector<Degraded::Change> Degraded::update(const std::vector<std::string_view>& states, int64_t now_ns) {
  std::vector<Change> changes;
  for (const std::string_view state : states) {
    const auto found = said_.find(state);
    if (found != said_.end()) {
      found->second.seen_ns = now_ns;
      continue;
    }
    said_.emplace(state, Span{now_ns, now_ns});
    changes.push_back({std::string(state), true, 0});
  }
  std::erase_if(said_, [&](const auto& item) {
    const auto& [state, span] = item;
    if (now_ns - span.seen_ns < kCalmNs) return false;
    changes.push_back({state, false, span.seen_ns - span.since_ns});
    return true;
  });
  return changes;
}

}  // namespace skep::proxy
