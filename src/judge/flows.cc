#include "judge/flows.h"

namespace skep::judge {

bool Flows::opened(const skep_flow& flow) {
  if (open_.size() >= kOpenMax) {
    ++refused_;
    return true;  // the proxy is told all the same
  }
  return open_.emplace(flow.serial, Open{flow, 0}).second;
}

bool Flows::served(const skep_flow& flow, uint32_t pid) {
  opened(flow);
  const auto found = open_.find(flow.serial);
  if (found == open_.end()) return true;
  const bool news = found->second.pid != pid;
  found->second.pid = pid;
  return news;
}

bool Flows::closed(uint64_t serial) {
  return open_.erase(serial) == 1;
}

std::vector<uint64_t> Flows::served_by(uint32_t pid) const {
  std::vector<uint64_t> serials;
  for (const auto& [serial, open] : open_) {
    if (open.pid == pid) serials.push_back(serial);
  }
  return serials;
}

}  // namespace skep::judge
