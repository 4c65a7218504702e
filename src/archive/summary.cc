#include "archive/summary.h"

#include <algorithm>

#include "formats/event_codec.h"

namespace skep::archive {
namespace {

using formats::NoteKind;
using formats::RecordType;

template <typename Event>
void apply_decoded(SessionSummary& summary, const formats::Record& record) {
  if (const auto event = formats::decode<Event>(record.payload)) apply(summary, *event, record.time_ns);
}

}  // namespace

void apply(SessionSummary& summary, const formats::OpenedEvent& event, int64_t time_ns) {
  summary.start_ns = time_ns;
  summary.service = event.service;
  summary.protocol = event.protocol;
  summary.client = event.client;
  summary.entrance = event.proxy;
}

void apply(SessionSummary& summary, const formats::OriginEvent& event, int64_t) {
  summary.parent = event.parent;
  summary.balancer = event.balancer;
}

void apply(SessionSummary& summary, const formats::ConnectedEvent& event, int64_t) {
  summary.leg = event.proxy;
  summary.bait = event.bait;
}

void apply(SessionSummary& summary, const formats::ServedEvent& event, int64_t) {
  summary.served_by_pid = event.pid;
}

void apply(SessionSummary& summary, const Alert& alert, int64_t) {
  ++summary.alerts_total;
  if (summary.alerts.size() < kAlertsMax) summary.alerts.push_back(alert);
  summary.session_class = std::max(summary.session_class, alert.raises_to());
}

void apply(SessionSummary& summary, const RuleHit& hit, int64_t) {
  ++summary.rule_hits_total;
  if (summary.rule_hits.size() < kRuleHitsMax) summary.rule_hits.push_back(hit);
  if (suppresses(hit.action) && summary.session_class == SessionClass::harmless)
    summary.session_class = SessionClass::known;
}

void apply(SessionSummary& summary, const formats::NoteEvent& event, int64_t) {
  summary.unsupervised |= event.kind == NoteKind::unsupervised;
  summary.incomplete |= event.kind == NoteKind::bytes_lost || event.kind == NoteKind::kernel_lost;
}

void apply(SessionSummary& summary, const formats::ClosedEvent& event, int64_t time_ns) {
  summary.end_ns = time_ns;
  summary.end_reason = event.reason;
  if (event.reason == EndReason::crash_recovered) return;  // nobody was there to count to the end
  summary.bytes_in = event.bytes_in;
  summary.bytes_out = event.bytes_out;
  summary.forwarded_in = event.forwarded_in;
  summary.forwarded_out = event.forwarded_out;
}

void apply_data(SessionSummary& summary, const formats::Record& record) {
  const bool in = record.direction == Direction::to_bait;
  (in ? summary.bytes_in : summary.bytes_out) += record.payload.size();
  if (!in || record.stream_offset >= kHeadBytesMax) return;
  const size_t room = kHeadBytesMax - std::min(kHeadBytesMax, summary.head.size());
  for (const uint8_t byte : record.payload.first(std::min(room, record.payload.size())))
    summary.head += byte >= ' ' && byte <= '~' ? static_cast<char>(byte) : '.';
}

void apply(SessionSummary& summary, const formats::Record& record, const formats::RecordPlace& place) {
  summary.id = record.session;
  summary.last = place;
  switch (record.type) {
    case RecordType::opened:
      summary.start_ns = record.time_ns;  // also where the rest cannot be read
      return apply_decoded<formats::OpenedEvent>(summary, record);
    case RecordType::origin:
      return apply_decoded<formats::OriginEvent>(summary, record);
    case RecordType::connected:
      return apply_decoded<formats::ConnectedEvent>(summary, record);
    case RecordType::data:
      return apply_data(summary, record);
    case RecordType::served:
      return apply_decoded<formats::ServedEvent>(summary, record);
    case RecordType::alert:
      return apply_decoded<Alert>(summary, record);
    case RecordType::rule:
      return apply_decoded<RuleHit>(summary, record);
    case RecordType::note:
      return apply_decoded<formats::NoteEvent>(summary, record);
    case RecordType::closed:
      return apply_decoded<formats::ClosedEvent>(summary, record);
    case RecordType::half_closed:
    case RecordType::process:
    case RecordType::file:
    case RecordType::crash:
      return;
  }
}

}  // namespace skep::archive
