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
  const auto found = open_.find(serial);
  if (found == open_.end()) return false;
  if (found->second.pid != 0) remember(found->second.pid, found->second.flow);
  open_.erase(found);
  return true;
}

void Flows::remember(uint32_t pid, const skep_flow& flow) {
  const auto [at, fresh] = past_.try_emplace(pid);
  at->second.push_back(flow);
  if (at->second.size() > kPastMax) at->second.pop_front();
  if (!fresh) return;
  past_order_.push_back(pid);
  if (past_order_.size() <= kPastProcessesMax) return;
  past_.erase(past_order_.front());
  past_order_.pop_front();
}

std::vector<uint64_t> Flows::formerly_served_by(uint32_t pid) const {
  const auto found = past_.find(pid);
  if (found == past_.end()) return {};
  std::vector<uint64_t> serials;
  for (const skep_flow& flow : found->second) serials.push_back(flow.serial);
  return serials;
}

std::optional<skep_flow> Flows::find(uint64_t serial) const {
  if (const auto open = open_.find(serial); open != open_.end()) return open->second.flow;
  for (const auto& [pid, flows] : past_) {
    for (const skep_flow& flow : flows) {
      if (flow.serial == serial) return flow;
    }
  }
  return std::nullopt;
}

std::vector<uint64_t> Flows::of_service(uint32_t service) const {
  std::vector<uint64_t> serials;
  for (const auto& [serial, open] : open_) {
    if (open.pid != 0 && open.flow.service == service) serials.push_back(serial);
  }
  return serials;
}

std::vector<uint64_t> Flows::served_by(uint32_t pid) const {
  std::vector<uint64_t> serials;
  for (const auto& [serial, open] : open_) {
    if (open.pid == pid) serials.push_back(serial);
  }
  return serials;
}

}  // namespace skep::judge
