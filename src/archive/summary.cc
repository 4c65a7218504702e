#include "archive/summary.h"

#include <algorithm>

#include "formats/event_codec.h"

namespace skep::archive {
namespace {

using formats::NoteKind;
using formats::RecordType;

void apply_alert(SessionSummary& summary, const Alert& alert) {
  ++summary.alerts_total;
  if (summary.alerts.size() < kAlertsMax) summary.alerts.push_back(alert);
  summary.session_class = std::max(summary.session_class, alert.raises_to());
}

void apply_closed(SessionSummary& summary, const formats::ClosedEvent& event, int64_t time_ns) {
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

}  // namespace

void apply(SessionSummary& summary, const formats::Record& record, const formats::RecordPlace& place) {
  summary.id = record.session;
  summary.last = place;
  switch (record.type) {
    case RecordType::opened:
      summary.start_ns = record.time_ns;
      if (const auto event = formats::decode<formats::OpenedEvent>(record.payload)) {
        summary.service = event->service;
        summary.protocol = event->protocol;
        summary.client = event->client;
        summary.entrance = event->proxy;
      }
      break;
    case RecordType::origin:
      if (const auto event = formats::decode<formats::OriginEvent>(record.payload)) {
        summary.parent = event->parent;
        summary.balancer = event->balancer;
      }
      break;
    case RecordType::connected:
      if (const auto event = formats::decode<formats::ConnectedEvent>(record.payload)) {
        summary.leg = event->proxy;
        summary.bait = event->bait;
      }
      break;
    case RecordType::data:
      apply_data(summary, record);
      break;
    case RecordType::served:
      if (const auto event = formats::decode<formats::ServedEvent>(record.payload)) summary.served_by_pid = event->pid;
      break;
    case RecordType::alert:
      if (const auto alert = formats::decode<Alert>(record.payload)) apply_alert(summary, *alert);
      break;
    case RecordType::note:
      if (const auto event = formats::decode<formats::NoteEvent>(record.payload)) {
        summary.unsupervised |= event->kind == NoteKind::unsupervised;
        summary.incomplete |= event->kind == NoteKind::bytes_lost || event->kind == NoteKind::kernel_lost;
      }
      break;
    case RecordType::closed:
      if (const auto event = formats::decode<formats::ClosedEvent>(record.payload))
        apply_closed(summary, *event, record.time_ns);
      break;
    case RecordType::half_closed:
    case RecordType::process:
    case RecordType::file:
    case RecordType::crash:
      break;
  }
}

}  // namespace skep::archive
