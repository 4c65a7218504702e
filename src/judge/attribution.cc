#include "judge/attribution.h"

#include <algorithm>

namespace skep::judge {
namespace {

// How the thread at which the label began had come to it.
uint8_t root_source(const skep_label& label) {
  return label.source == SKEP_LABEL_FORK ? label.inherited : label.source;
}

void add(std::vector<uint64_t>& serials, uint64_t serial) {
  if (serial != 0 && std::find(serials.begin(), serials.end(), serial) == serials.end()) serials.push_back(serial);
}

bool certain(const skep_label& label) {
  return root_source(label) == SKEP_LABEL_RECV && label.ambiguous == 0;
}

}  // namespace

std::vector<Attributed> Attribution::alert(const skep_alert_record& record, int64_t now_ns) {
  if (certain(record.label)) {
    const Confidence confidence = record.label.source == SKEP_LABEL_FORK ? Confidence::inherited : Confidence::exact;
    return {{record, record.label.flow, confidence, {}}};
  }
  std::vector<Attributed> decided;
  if (held_.size() >= kHeldMax) {
    decided.push_back(without_answer(held_.front().alert));
    held_.pop_front();
  }
  held_.push_back({record, now_ns + kConfirmWaitNs});
  return decided;
}

std::optional<Attributed> Attribution::confirmed(const skep_confirm_record& record) {
  const auto held = std::find_if(held_.begin(), held_.end(), [&](const Held& h) { return h.alert.id == record.alert; });
  if (held == held_.end()) return std::nullopt;
  // What was read after the deed cannot have been what it was done for.
  const bool too_late =
      record.read_ns > held->alert.head.time_ns && record.flow.serial != held->alert.label.flow.serial;
  Attributed decided = too_late ? without_answer(held->alert) : with_answer(held->alert, record.flow);
  held_.erase(held);
  return decided;
}

std::vector<Attributed> Attribution::expired(int64_t now_ns) {
  std::vector<Attributed> decided;
  while (!held_.empty() && held_.front().deadline_ns <= now_ns) {
    decided.push_back(without_answer(held_.front().alert));
    held_.pop_front();
  }
  return decided;
}

std::optional<int64_t> Attribution::next_deadline_ns() const {
  if (held_.empty()) return std::nullopt;
  return held_.front().deadline_ns;
}

Attributed Attribution::with_answer(const skep_alert_record& record, const skep_flow& answered) const {
  const uint8_t source = root_source(record.label);
  if (source == SKEP_LABEL_WAKE) return {record, answered, Confidence::confirmed, {}};
  if (source == SKEP_LABEL_NONE) return {record, answered, Confidence::handoff, {}};
  if (record.label.flow.serial == answered.serial) return {record, answered, Confidence::confirmed, {}};
  return {record, {}, Confidence::none, {record.label.flow.serial, answered.serial}};
}

// What the process may be working for: the flows that it serves. A thread without a label may act for one that has
// ended, as well.
std::vector<uint64_t> Attribution::candidates_of(uint32_t pid, const skep_label& label) const {
  std::vector<uint64_t> candidates = flows_.served_by(pid);
  if (root_source(label) != SKEP_LABEL_NONE) return candidates;
  for (const uint64_t serial : flows_.formerly_served_by(pid)) add(candidates, serial);
  return candidates;
}

Attributed Attribution::without_answer(const skep_alert_record& record) const {
  std::vector<uint64_t> candidates = candidates_of(record.pid, record.label);
  if (candidates.empty()) candidates = candidates_of(record.parent, record.label);
  // Also where the label was answered already: a thread may act after its answer.
  add(candidates, record.label.flow.serial);
  if (candidates.size() != 1) return {record, {}, Confidence::none, std::move(candidates)};
  return {record, flows_.find(candidates[0]).value_or(record.label.flow), Confidence::handoff, {}};
}

}  // namespace skep::judge
