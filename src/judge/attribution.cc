#include "judge/attribution.h"

#include <algorithm>

namespace skep::judge {
namespace {

void add(std::vector<uint64_t>& serials, uint64_t serial) {
  if (serial != 0 && std::find(serials.begin(), serials.end(), serial) == serials.end()) serials.push_back(serial);
}

bool trusted(uint32_t conduct) {
  return (conduct & SKEP_CONDUCT_READ_BITS) >= SKEP_CONDUCT_TRUSTED;
}

// The thread whose next answer an alert waits for.
uint32_t answering_thread(const skep_alert_record& alert) {
  return alert.label.origin_tid != 0 ? alert.label.origin_tid : alert.tid;
}

Confidence without_doubt(const skep_label& label) {
  return label.source == SKEP_LABEL_FORK ? Confidence::inherited : Confidence::exact;
}

// Nobody has spoken for the label: whether it stands by itself.
std::optional<Confidence> label_alone(const skep_label& label) {
  const uint32_t root = skep_label_root(&label);
  const uint32_t doubts = label.doubts & ~static_cast<uint32_t>(SKEP_DOUBT_THREADS);
  if (doubts != 0 || label.flow.serial == 0) return std::nullopt;
  if (root == SKEP_LABEL_RECV) return without_doubt(label);
  if (root == SKEP_LABEL_HANDED) return Confidence::handoff;
  return std::nullopt;
}

// The thread answers `same` flow as its label's, or another: whether that settles it.
std::optional<Confidence> settled(const skep_label& label, bool same, uint32_t conduct) {
  const bool orderly = (label.doubts & SKEP_DOUBT_CONDUCT) == 0 && (conduct & SKEP_CONDUCT_DISORDERLY) == 0;
  const bool handed = (label.doubts & SKEP_DOUBT_HANDED) != 0;
  switch (skep_label_root(&label)) {
    case SKEP_LABEL_HANDED:
      return same && (label.doubts & SKEP_DOUBT_CONDUCT) == 0 ? std::optional(Confidence::confirmed) : std::nullopt;
    case SKEP_LABEL_RECV:
      if (!same || !orderly || handed) return std::nullopt;
      if ((label.doubts & SKEP_DOUBT_READS) != 0 && !trusted(conduct)) return std::nullopt;
      return Confidence::confirmed;
    case SKEP_LABEL_WAKE:
      return same && orderly && !handed ? std::optional(Confidence::confirmed) : std::nullopt;
    default:
      if (!orderly || handed) return std::nullopt;
      return same || label.flow.serial == 0 ? std::optional(Confidence::handoff) : std::nullopt;
  }
}

// In a pool whose workers finish what they take up, nobody else can be meant than whom the worker was woken for or has
// answered last, and whom it answers next.
bool one_of_two(const skep_label& label, uint32_t conduct) {
  const uint32_t root = skep_label_root(&label);
  return (root == SKEP_LABEL_WAKE || root == SKEP_LABEL_NONE) && label.doubts == 0 &&
         (conduct & SKEP_CONDUCT_DISORDERLY) == 0;
}

}  // namespace

Confidence writer_confidence(const skep_label& label) {
  return label_alone(label).value_or(Confidence::none);
}

std::vector<Attributed> Attribution::alert(const skep_alert_record& record, int64_t now_ns) {
  if (skep_label_waits(&record.label) == 0) return {{record, record.label.flow, without_doubt(record.label), {}}};
  std::vector<Attributed> decided;
  if (held_.size() >= kHeldMax) {
    decided.push_back(without_answer(held_.front()));
    held_.pop_front();
  }
  held_.push_back({record, now_ns + kConfirmWaitNs, possible_for(record)});
  return decided;
}

std::vector<Attributed> Attribution::confirmed(const skep_confirm_record& answer) {
  std::vector<Attributed> decided;
  std::erase_if(held_, [&](const Held& held) {
    if (held.alert.id > answer.alert || answering_thread(held.alert) != answer.tid) return false;
    // What was read after the deed cannot have been what it was done for.
    const bool too_late =
        answer.read_ns > held.alert.head.time_ns && answer.flow.serial != held.alert.label.flow.serial;
    decided.push_back(too_late ? without_answer(held) : with_answer(held, answer));
    return true;
  });
  return decided;
}

std::vector<Attributed> Attribution::expired(int64_t now_ns) {
  std::vector<Attributed> decided;
  while (!held_.empty() && held_.front().deadline_ns <= now_ns) {
    decided.push_back(without_answer(held_.front()));
    held_.pop_front();
  }
  return decided;
}

std::optional<int64_t> Attribution::next_deadline_ns() const {
  if (held_.empty()) return std::nullopt;
  return held_.front().deadline_ns;
}

Attributed Attribution::crash(const skep_process_record& record) const {
  skep_alert_record alert{};
  alert.head = record.head;
  alert.pid = record.pid;
  alert.tid = record.tid;
  alert.parent = record.parent;
  alert.service = record.service;
  alert.label = record.label;
  return without_answer({alert, 0, possible_for(alert)});
}

// All that the deed may have been done for: what the process serves, or its parent. A thread without a label may act
// for one that has ended, as well, and what was handed over without certainty can have been anybody's.
std::vector<uint64_t> Attribution::possible_for(const skep_alert_record& record) const {
  const skep_label& label = record.label;
  const uint32_t root = skep_label_root(&label);
  if (root == SKEP_LABEL_HANDED || (label.doubts & SKEP_DOUBT_HANDED) != 0) return flows_.of_service(record.service);
  std::vector<uint64_t> possible;
  for (const uint32_t pid : {record.pid, record.parent}) {
    possible = flows_.served_by(pid);
    if (root == SKEP_LABEL_NONE || (label.doubts & SKEP_DOUBT_CONDUCT) != 0) {
      for (const uint64_t serial : flows_.formerly_served_by(pid)) add(possible, serial);
    }
    if (!possible.empty()) break;
  }
  return possible;
}

Attributed Attribution::with_answer(const Held& held, const skep_confirm_record& answer) const {
  const skep_label& label = held.alert.label;
  const bool same = label.flow.serial == answer.flow.serial;
  if (const auto confidence = settled(label, same, answer.conduct)) return {held.alert, answer.flow, *confidence, {}};
  std::vector<uint64_t> candidates;
  add(candidates, answer.flow.serial);
  add(candidates, label.flow.serial);
  if (!one_of_two(label, answer.conduct)) {
    for (auto serial = held.possible.rbegin(); serial != held.possible.rend(); ++serial) add(candidates, *serial);
  }
  if (candidates.size() > kCandidatesMax) candidates.resize(kCandidatesMax);
  return {held.alert, {}, Confidence::none, std::move(candidates)};
}

Attributed Attribution::without_answer(const Held& held) const {
  const skep_label& label = held.alert.label;
  if (const auto confidence = label_alone(label)) return {held.alert, label.flow, *confidence, {}};
  std::vector<uint64_t> candidates;
  add(candidates, label.flow.serial);  // also where it was answered already: a thread may act after its answer
  for (auto serial = held.possible.rbegin(); serial != held.possible.rend(); ++serial) add(candidates, *serial);
  if (candidates.size() > kCandidatesMax) candidates.resize(kCandidatesMax);
  if (candidates.size() != 1) return {held.alert, {}, Confidence::none, std::move(candidates)};
  return {held.alert, flows_.find(candidates[0]).value_or(label.flow), Confidence::handoff, {}};
}

}  // namespace skep::judge
