#include "base/log_limit.h"

namespace skep::log {

bool LogLimit::admit(std::string_view kind, unsigned lines_max, int64_t now_ns) {
  auto found = windows_.find(kind);
  if (found == windows_.end()) {
    const std::string_view name = windows_.size() < kKindsMax ? kind : "other lines";
    found = windows_.try_emplace(std::string(name), Window{now_ns, 0, 0}).first;
  }
  Window& window = found->second;
  // What was left out of a window that is over is told before it begins anew.
  if (now_ns - window.since_ns >= kWindowNs && window.left_out == 0) window = {now_ns, 0, 0};
  if (++window.lines <= lines_max) return true;
  ++window.left_out;
  return false;
}

std::vector<LogLimit::LeftOut> LogLimit::take_due(int64_t now_ns) {
  std::vector<LeftOut> due;
  for (auto& [kind, window] : windows_) {
    if (window.left_out == 0 || now_ns - window.since_ns < kWindowNs) continue;
    due.push_back({kind, window.left_out});
    window = {now_ns, 0, 0};
  }
  return due;
}

}  // namespace skep::log
