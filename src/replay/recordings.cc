#include "replay/recordings.h"

#include <algorithm>
#include <utility>

#include "formats/event_codec.h"

namespace skep::replay {
namespace {

using formats::RecordType;

// A session that belongs to another may begin so long after that one's end (proxy/kin.h: ten seconds, and the clock).
constexpr int64_t kLinkedAfterEndNs = int64_t{60} * 1'000'000'000;

// What happened on a connection, in the order of all.
struct Event {
  int64_t order_ns = 0;  // never less than that of the one before it of the same connection, whatever the clock did
  int64_t time_ns = 0;
  uint32_t connection = 0;
  RecordType type = RecordType::data;  // or half_closed
  Direction direction = Direction::to_bait;
  uint64_t lost = 0;  // bytes of the direction that are missing before it
  size_t at = 0;      // in Reading::bytes_
  uint32_t bytes = 0;
};

// How a session ended that the ends themselves would have gone on with; "": it was they who ended it.
std::string_view cut_by(EndReason reason) {
  switch (reason) {
    case EndReason::open:
      return "the session was still open";
    case EndReason::limit:
      return "a limit of the proxy ended the session";
    case EndReason::cut:
      return "the proxy cut the session";
    case EndReason::shutdown:
      return "the proxy was shut down";
    case EndReason::crash_recovered:
      return "the proxy ended before the session did";
    case EndReason::not_recorded:
      return "its end was not recorded";
    case EndReason::filtered:
      return "a payload rule ended the session";
    default:
      return "";
  }
}

// The sessions of one recording, read one after the other, and their events then put in order of time.
class Reading {
 public:
  explicit Reading(std::string name) : builder_(std::move(name)) {}

  RecordingBuilder& builder() { return builder_; }
  Status take(archive::Reader& reader, const archive::SessionSummary& session) {
    connection_ = builder_.connection({.protocol = session.protocol,
                                       .client = session.client,
                                       .server = session.entrance,
                                       .opened_ns = session.start_ns,
                                       .closed_ns = session.end_ns,
                                       .end_reason = session.end_reason});
    next_[0] = next_[1] = 0;
    order_ns_ = session.start_ns;
    if (const auto why = cut_by(session.end_reason); !why.empty()) builder_.cut_short(why);
    auto read = reader.for_each_while(session, {}, [&](const formats::Record& record) { return take(record); });
    if (!read) return read;
    for (const Alert& alert : session.alerts) {
      // What others did with a file that this session had written, it will not do again.
      if (alert.role != AlertRole::writer) alerts_.emplace_back(alert, connection_);
    }
    return {};
  }
  Recording finish() {
    std::stable_sort(events_.begin(), events_.end(),
                     [](const Event& a, const Event& b) { return a.order_ns < b.order_ns; });
    for (const Event& event : events_) {
      if (event.lost > 0) builder_.lost(event.connection, event.direction, event.lost);
      if (event.type == RecordType::half_closed) builder_.half_closed(event.connection, event.direction);
      if (event.type == RecordType::data)
        builder_.piece(event.connection, event.direction, event.time_ns,
                       ByteView(bytes_).subspan(event.at, event.bytes));
    }
    for (auto& [alert, connection] : alerts_) builder_.alert(std::move(alert), connection);
    return builder_.take();
  }

 private:
  // False: no more fits.
  bool take(const formats::Record& record) {
    order_ns_ = std::max(order_ns_, record.time_ns);
    if (record.type == RecordType::data) return data(record);
    if (record.type == RecordType::half_closed) add(record, 0);
    if (record.type == RecordType::closed) closed(record);
    return true;
  }
  bool data(const formats::Record& record) {
    if (bytes_.size() + record.payload.size() > kRecordedBytesMax || events_.size() >= kRecordedPiecesMax) {
      builder_.cut_short(kLongerThanRead);
      return false;
    }
    uint64_t& next = next_[static_cast<size_t>(record.direction)];
    add(record, record.stream_offset > next ? record.stream_offset - next : 0);
    next = record.stream_offset + record.payload.size();
    return true;
  }
  // What was received and is in no record.
  void closed(const formats::Record& record) {
    const auto event = formats::decode<formats::ClosedEvent>(record.payload);
    if (!event) return;
    for (const auto& [direction, received] :
         {std::pair(Direction::to_bait, event->bytes_in), std::pair(Direction::to_client, event->bytes_out)}) {
      const uint64_t next = next_[static_cast<size_t>(direction)];
      if (received > next) builder_.lost(connection_, direction, received - next);
    }
  }
  void add(const formats::Record& record, uint64_t lost) {
    events_.push_back({order_ns_, record.time_ns, connection_, record.type, record.direction, lost, bytes_.size(),
                       static_cast<uint32_t>(record.payload.size())});
    bytes_.insert(bytes_.end(), record.payload.begin(), record.payload.end());
  }

  RecordingBuilder builder_;
  std::vector<Event> events_;
  Bytes bytes_;
  std::vector<std::pair<Alert, uint32_t>> alerts_;  // and the connection of each
  // Of the session that is being read.
  uint32_t connection_ = 0;
  uint64_t next_[2] = {0, 0};  // offset of the next byte of each direction
  int64_t order_ns_ = 0;
};

// By their times: among all that the archive has, few days are looked into.
Result<std::vector<archive::SessionSummary>> linked_to(archive::Reader& reader,
                                                       const archive::SessionSummary& session) {
  archive::Filter filter;
  filter.parent = session.id;
  filter.after = session.id.value;
  if (session.end_ns != 0) filter.until_ns = std::max(session.end_ns, session.start_ns) + kLinkedAfterEndNs;
  filter.limit = kLinkedSessionsMax + 1;
  return reader.list(filter);
}

}  // namespace

Result<Recording> recording_of(archive::Reader& reader, const archive::SessionSummary& session) {
  const std::string name = to_string(session.id);
  Reading reading(name);
  reading.builder().recording().service = session.service;
  if (auto taken = reading.take(reader, session); !taken) return wrap("session " + name, taken);
  auto linked = linked_to(reader, session);
  if (!linked) return wrap("sessions that belong to " + name, linked);
  if (linked->size() > kLinkedSessionsMax) {
    linked->resize(kLinkedSessionsMax);
    reading.builder().cut_short("more sessions belong to it than are read");
  }
  for (const archive::SessionSummary& each : *linked) {
    if (auto taken = reading.take(reader, each); !taken) return wrap("session " + to_string(each.id), taken);
  }
  return reading.finish();
}

}  // namespace skep::replay
