#include "judge/attribution.h"

#include <algorithm>

namespace skep::judge {
namespace {

// How the thread at which the label began had come to it.
uint8_t root_source(const skep_label& label) {
  return label.source == SKEP_LABEL_FORK ? label.inherited : label.source;
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
  Attributed decided = with_answer(held->alert, record.flow);
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

Attributed Attribution::without_answer(const skep_alert_record& record) const {
  // The process whose thread read, or would have: the violator's own, or the one that it descends from.
  std::vector<uint64_t> candidates = flows_.served_by(record.pid);
  if (candidates.empty()) candidates = flows_.served_by(record.parent);
  const uint64_t labelled = record.label.flow.serial;
  if (labelled != 0 && root_source(record.label) != SKEP_LABEL_NONE &&
      std::find(candidates.begin(), candidates.end(), labelled) == candidates.end()) {
    candidates.push_back(labelled);
  }
  if (candidates.size() != 1) return {record, {}, Confidence::none, std::move(candidates)};
  const auto open = flows_.all().find(candidates[0]);
  const skep_flow flow = open != flows_.all().end() ? open->second.flow : record.label.flow;
  return {record, flow, Confidence::handoff, {}};
}

}  // namespace skep::judge
