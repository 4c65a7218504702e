#include "judge/losses.h"

#include <algorithm>

namespace skep::judge {

void RingNumbers::take(const skep_record& record, int64_t now_ns) {
  if (last_ != 0 && record.seq <= last_) return came_late(record.seq);
  if (last_ != 0 && record.seq > last_ + 1) gaps_[last_ + 1] = {record.seq - 1, last_time_ns_, record.time_ns, now_ns};
  last_ = record.seq;
  last_time_ns_ = record.time_ns;
}

void RingNumbers::came_late(uint64_t number) {
  auto gap = gaps_.upper_bound(number);
  if (gap == gaps_.begin()) return;
  --gap;
  const auto [first, whole] = *gap;
  if (number > whole.last) return;
  gaps_.erase(gap);
  if (first < number) gaps_[first] = {number - 1, whole.from_ns, whole.to_ns, whole.noticed_ns};
  if (number < whole.last) gaps_[number + 1] = whole;
}

RingNumbers::Loss RingNumbers::lost(int64_t now_ns) {
  Loss loss;
  while (!gaps_.empty()) {
    const auto& [first, gap] = *gaps_.begin();
    const bool in_doubt = now_ns - gap.noticed_ns < kPatienceNs && gap.last - first < kOutOfOrderMax;
    if (gaps_.size() <= kGapsMax && in_doubt) break;
    loss.from_ns = loss.records == 0 ? gap.from_ns : std::min(loss.from_ns, gap.from_ns);
    loss.to_ns = std::max(loss.to_ns, gap.to_ns);
    loss.records += gap.last - first + 1;
    gaps_.erase(gaps_.begin());
  }
  total_ += loss.records;
  return loss;
}

void FlowSpans::take(const skep_flow_record& record) {
  if (record.head.type != SKEP_FLOW_CLOSED) {
    open_.emplace(record.flow.serial, record.flow);
    if (open_.size() > kOpenMax) open_.erase(open_.begin());
    return;
  }
  open_.erase(record.flow.serial);
  closed_.push_back({record.flow, record.head.time_ns});
  if (closed_.size() > kClosedMax) closed_.pop_front();
}

std::vector<skep_flow> FlowSpans::between(uint64_t from_ns, uint64_t to_ns) const {
  std::vector<skep_flow> flows;
  for (const Span& span : closed_) {
    if (span.flow.opened_ns <= to_ns && span.closed_ns >= from_ns) flows.push_back(span.flow);
  }
  for (const auto& [serial, flow] : open_) {
    if (flow.opened_ns <= to_ns) flows.push_back(flow);
  }
  return flows;
}

}  // namespace skep::judge
