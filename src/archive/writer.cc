#include "archive/writer.h"

#include <algorithm>

#include "base/log.h"
#include "formats/event_codec.h"

namespace skep::archive {

using formats::Record;
using formats::RecordType;

namespace {

// An id of this writer's, such that the next one is above `last_id`.
uint64_t id_before(uint64_t last_id, unsigned writer) {
  return last_id / kWriterNumbers * kWriterNumbers + writer;
}

}  // namespace

Health& operator+=(Health& sum, const Health& other) {
  sum.disk_full |= other.disk_full;
  sum.tagged_only |= other.tagged_only;
  sum.metadata_only |= other.metadata_only;
  sum.ring_behind |= other.ring_behind;
  sum.records_lost += other.records_lost;
  sum.bytes_lost += other.bytes_lost;
  sum.segments += other.segments;
  sum.bytes += other.bytes;
  return sum;
}

Writer::Writer(unsigned number, uint64_t last_id, std::unique_ptr<SegmentWriter> log, const Shared& shared)
    : number_(number),
      log_(std::move(log)),
      feed_(shared.feed),
      keeper_(shared.keeper),
      ended_max_(shared.ended_max),
      last_id_(id_before(last_id, number)) {}

const SessionSummary& Writer::recover(SessionSummary row, int64_t time_ns) {
  const SessionId id = row.id;
  Known& known = known_[id.value];
  known.summary = std::move(row);
  formats::ClosedEvent event;
  event.reason = EndReason::crash_recovered;
  closed(id, time_ns, event);
  return known.summary;
}

const Health& Writer::health() {
  const DiskStage stage = keeper_.stage();
  health_.disk_full = log_->cannot_begin() || refusing_ || log_->storer().failing() || stage != DiskStage::roomy;
  health_.tagged_only = stage == DiskStage::tagged_only;
  health_.metadata_only = stage == DiskStage::metadata_only;
  health_.segments = log_->segments_begun();
  // Nobody may be receiving any more who would find the room that there is again.
  if (log_->ring().free_bytes() > log_->ring().bytes() / 2) health_.ring_behind = false;
  return health_;
}

// Records that are no stream bytes keep a reserve of the ring, for nobody can ask the world to hold them back.
std::span<uint8_t> Writer::room(size_t wanted) {
  const bool there = log_->has_room(wanted);
  const bool was_behind = health_.ring_behind;
  health_.ring_behind = !there && !log_->storer().failing();
  if (!there && !was_behind) hurry();  // once: all who wait for the disk ask here again and again
  if (health_.ring_behind) return {};
  if (room_.size() < wanted) room_.resize(wanted);
  return std::span(room_).first(wanted);
}

SessionId Writer::opened(int64_t time_ns, const formats::OpenedEvent& event) {
  // Never the same twice, whatever the clock does.
  last_id_ = std::max(make_session_id(time_ns, number_).value, last_id_ + kWriterNumbers);
  return open({last_id_}, time_ns, event);
}

SessionId Writer::imported(int64_t time_ns, const formats::OpenedEvent& event,
                           const std::function<bool(SessionId)>& taken) {
  SessionId id = make_session_id(time_ns, number_);
  while (id.value == 0 || known_.contains(id.value) || taken(id)) id.value += kWriterNumbers;
  last_id_ = std::max(last_id_, id.value);
  return open(id, time_ns, event);
}

SessionId Writer::open(SessionId id, int64_t time_ns, const formats::OpenedEvent& event) {
  Known& known = known_[id.value];
  known.summary.id = id;
  recent(id) = &known;
  append_event(id, RecordType::opened, time_ns, event);
  return id;
}

bool Writer::data(SessionId id, int64_t time_ns, Direction direction, ByteView bytes) {
  Known* const known = find(id);
  if (known == nullptr) return false;
  if (keeper_.stage() == DiskStage::metadata_only) {
    known->offsets[static_cast<size_t>(direction)] += bytes.size();
    lost(*known, bytes.size());
    return false;
  }
  bool stored = true;
  do {
    const ByteView piece = bytes.first(std::min(bytes.size(), formats::kPayloadBytesMax));
    uint64_t& offset = known->offsets[static_cast<size_t>(direction)];
    const Record record{id, RecordType::data, direction, time_ns, offset, {}, piece};
    const bool kept = append(record, *known);
    if (kept) apply_data(known->summary, record);
    stored &= kept;
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
  } while (!bytes.empty());
  return stored;
}

template <typename Event>
bool Writer::append_event(SessionId id, RecordType type, int64_t time_ns, const Event& event, uint64_t stream_offset) {
  Known* const known = find(id);
  if (known == nullptr) {
    ++health_.records_lost;
    return false;
  }
  const Bytes payload = formats::encode(event);
  if (!append({id, type, Direction::to_bait, time_ns, stream_offset, {}, payload}, *known)) return false;
  apply(known->summary, event, time_ns);
  return true;
}

bool Writer::half_closed(SessionId id, int64_t time_ns, Direction direction) {
  return append({id, RecordType::half_closed, direction, time_ns, 0, {}, {}});
}
bool Writer::origin(SessionId id, int64_t time_ns, const formats::OriginEvent& event) {
  return append_event(id, RecordType::origin, time_ns, event);
}

bool Writer::connected(SessionId id, int64_t time_ns, const formats::ConnectedEvent& event) {
  return append_event(id, RecordType::connected, time_ns, event);
}
bool Writer::served(SessionId id, int64_t time_ns, const formats::ServedEvent& event) {
  return append_event(id, RecordType::served, time_ns, event);
}
bool Writer::process(SessionId id, int64_t time_ns, const formats::ProcessEvent& event) {
  return append_event(id, RecordType::process, time_ns, event);
}
bool Writer::alert(SessionId id, int64_t time_ns, const Alert& alert) {
  return append_event(id, RecordType::alert, time_ns, alert, alert.stream_offset);
}
bool Writer::rule(SessionId id, int64_t time_ns, const RuleHit& hit) {
  return append_event(id, RecordType::rule, time_ns, hit, hit.stream_offset);
}
bool Writer::note(SessionId id, int64_t time_ns, const formats::NoteEvent& event) {
  return append_event(id, RecordType::note, time_ns, event);
}
bool Writer::file(SessionId id, int64_t time_ns, const formats::FileEvent& event) {
  return append_event(id, RecordType::file, time_ns, event);
}
bool Writer::crash(SessionId id, int64_t time_ns, const formats::CrashEvent& event) {
  return append_event(id, RecordType::crash, time_ns, event);
}

bool Writer::closed(SessionId id, int64_t time_ns, const formats::ClosedEvent& event) {
  const bool stored = append_event(id, RecordType::closed, time_ns, event);
  closed_.push_back(id.value);
  while (closed_.size() > ended_max_) {
    const auto oldest = known_.find(closed_.front());
    if (oldest != known_.end() && oldest->second.dirty) break;  // the index has not seen it yet
    if (oldest != known_.end()) {
      Known*& recent_of = recent({oldest->first});
      if (recent_of == &oldest->second) recent_of = nullptr;
      known_.erase(oldest);
    }
    closed_.pop_front();
  }
  return stored;
}

bool Writer::append(const Record& record) {
  if (Known* const known = find(record.session)) return append(record, *known);
  ++health_.records_lost;
  return false;
}

bool Writer::append(const Record& record, Known& known) {
  if (known.lost_bytes > 0 && record.type != RecordType::note && !log_->storer().failing()) {
    const formats::NoteEvent event{
        formats::NoteKind::bytes_lost,
        fmt::format("{} bytes of this session's log were lost: the disk was full", known.lost_bytes)};
    const Bytes words = formats::encode(event);
    if (write_record({record.session, RecordType::note, Direction::to_bait, record.time_ns, 0, {}, words}, known)) {
      known.lost_bytes = 0;
      apply(known.summary, event, record.time_ns);
    }
  }
  if (known.said != keeper_.stage() && record.type != RecordType::note) say_stage(record, known);
  return write_record(record, known);
}

// In the log of each session that has anything to say while the disk is full.
void Writer::say_stage(const Record& record, Known& known) {
  const DiskStage now = keeper_.stage();
  known.said = now;
  if (now < DiskStage::tagged_only) return;
  const char* const words =
      now == DiskStage::tagged_only
          ? "tagged-only: the disk is nearly full; these bytes are kept only if the session is tagged"
          : "metadata-only: the disk is full; this session's bytes are not kept";
  const Bytes payload = formats::encode(formats::NoteEvent{formats::NoteKind::other, words});
  write_record({record.session, RecordType::note, Direction::to_bait, record.time_ns, 0, {}, payload}, known);
}

bool Writer::write_record(Record record, Known& known) {
  touch(known);
  record.previous = known.summary.last;
  const auto place = log_->append(record);
  if (!place) {
    if (!std::exchange(refusing_, true))
      log::error("archive: a record cannot be kept; sessions go on unrecorded until there is room");
    lost(known, record.type == RecordType::data ? record.payload.size() : 0);
    return false;
  }
  if (std::exchange(refusing_, false))
    log::info("archive: sessions are recorded again; {} bytes were lost in all", health_.bytes_lost);
  known.summary.last = *place;
  health_.bytes += formats::kRecordHeaderBytes + record.payload.size();
  return true;
}

void Writer::lost(Known& known, size_t bytes) {
  ++health_.records_lost;
  health_.bytes_lost += bytes;
  known.lost_bytes += std::max<size_t>(bytes, 1);
}

void Writer::tick() {
  log_->leave_old_segment();
  const uint32_t segment = log_->least_segment();
  if (dirty_.empty() && segment == told_segment_) return;
  IndexBatch batch{number_, recorded(), segment, {}};
  batch.rows.reserve(dirty_.size());
  for (const Known* known : dirty_) batch.rows.push_back(known->summary);
  if (!feed_.push(std::move(batch))) return;  // again at the next tick
  told_segment_ = segment;
  all_indexed();
}

void Writer::all_indexed() {
  for (Known* const known : dirty_) {
    known->dirty = false;
    if (known->summary.end_ns != 0) known->summary.head = {};  // the index has it, and memory is dear
  }
  dirty_.clear();
}

Writer::Known* Writer::find(SessionId id) {
  Known*& there = recent(id);
  if (there != nullptr && there->summary.id == id) return there;
  const auto found = known_.find(id.value);
  if (found == known_.end()) return nullptr;
  return there = &found->second;
}

void Writer::touch(Known& known) {
  if (!std::exchange(known.dirty, true)) dirty_.push_back(&known);
}

SessionClass Writer::class_of(SessionId id) const {
  const auto found = known_.find(id.value);
  return found == known_.end() ? SessionClass::harmless : found->second.summary.session_class;
}

std::string Writer::service_of(SessionId id) const {
  const auto found = known_.find(id.value);
  return found == known_.end() ? "" : found->second.summary.service;
}

}  // namespace skep::archive
