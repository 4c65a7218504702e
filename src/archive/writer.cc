#include "archive/writer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "archive/reader.h"
#include "archive/recovery.h"
#include "archive/segments.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "formats/event_codec.h"

namespace skep::archive {
namespace {

constexpr int kIndexPauseMs = 200;  // before what could not be stored is tried again
constexpr int kSegmentsPauseMs = 2;
constexpr uint64_t kSegmentLeastBytes = 256 << 10;  // that a segment is begun for
constexpr uint64_t kEventReserve = 512 << 10;       // of the ring
constexpr uint64_t kRotationBytes = formats::kRingBlockBytes + formats::kSegmentHeaderBytes;
constexpr int64_t kRotationPauseNs = 100'000'000;  // before a segment that could not begin is tried again
constexpr int64_t kPatienceNs = 2'000'000'000;     // with a disk that does not come along

// Of a record of so many bytes of payload.
constexpr uint64_t record_bytes(size_t payload) {
  return formats::kRecordHeaderBytes + payload;
}

using formats::Record;
using formats::RecordType;

Result<Fd> take_lock(const std::string& folder) {
  const std::string path = folder + "/lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!lock) return fail_errno("open " + path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return fail("{}: another skep-proxy writes there already", folder);
  return lock;
}

// The newest of each session; a head that was given away with an earlier row stays.
void wait_for_index(std::map<uint64_t, SessionSummary>& waiting, SessionSummary row) {
  SessionSummary& there = waiting[row.id.value];
  if (row.head.empty()) row.head = std::move(there.head);
  there = std::move(row);
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::open(const std::string& folder, const WriterOptions& options) {
  if (auto made = make_directories(folder + "/segments", 0750); !made) return tl::unexpected<Error>(made.error());
  auto lock = take_lock(folder);
  if (!lock) return tl::unexpected<Error>(lock.error());
  std::unique_ptr<Writer> writer(new Writer(folder, options, std::move(*lock)));
  if (auto stands = writer->evidence_.begin(); !stands) return tl::unexpected<Error>(stands.error());
  if (auto recovered = writer->recover(); !recovered) return tl::unexpected<Error>(recovered.error());
  writer->index_thread_ = std::thread([raw = writer.get()] { raw->feed_index(); });
  writer->keeper_ = std::make_unique<Keeper>(
      folder, KeeperOptions{options.segment_bytes, options.compress_after_s, options.retention, options.keeper_pass_ms,
                            options.room, [storer = writer->storer_.get()] { return storer->finished_segment(); }});
  return writer;
}

// An index that there is not, or that an earlier version made, is made from the segments.
Status Writer::renew_index() const {
  const std::string single = single_index_path(folder_);
  const bool old = ::access(single.c_str(), F_OK) == 0;
  const auto numbers = list_segments(folder_);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  if (!old && (numbers->empty() || !list_days(folder_).empty())) return {};
  log::info("archive: the index is made from {} segments", numbers->size());
  if (auto made = rebuild_index(folder_); !made) return made;
  for (const char* ending : {"", "-wal", "-shm"}) ::unlink((single + ending).c_str());
  return {};
}

Status Writer::recover() {
  if (auto renewed = renew_index(); !renewed) return renewed;
  auto index = Index::open(folder_, true);
  if (!index) return tl::unexpected<Error>(index.error());
  auto left = recover_log(folder_, *index);
  if (!left) return tl::unexpected<Error>(left.error());
  // Never a number that was given already, also where the newest segments are gone.
  segment_number_ = std::max(left->last_segment, dropped_up_to(folder_));
  last_id_ = left->last_id;
  if (auto begun = begin_log(); !begun) return begun;
  const int64_t now = now_realtime_ns();
  for (auto& [id, row] : left->rows) {
    const bool open = row.end_ns == 0;
    known_[id].summary = std::move(row);
    touch(known_[id]);
    if (!open) continue;
    formats::ClosedEvent event;
    event.reason = EndReason::crash_recovered;
    closed({id}, now, event);
    recovered_.push_back(known_[id].summary);
  }
  if (!recovered_.empty())
    log::warning("archive: {} sessions had no end: closed as crash-recovered", recovered_.size());
  if (!flush()) return fail("{}: the first records cannot be written", folder_);
  std::vector<SessionSummary> batch;
  for (Known* const known : dirty_) {
    known->dirty = false;
    batch.push_back(known->summary);
    known->summary.head = {};
  }
  dirty_.clear();
  last_found_ = nullptr;
  // Of those that had ended nothing more is to come; the recovered ones stay known, for alerts that are on their way.
  std::erase_if(known_, [](const auto& item) { return item.second.summary.end_reason != EndReason::crash_recovered; });
  return index->put(batch, segment_number_);
}

Status Writer::begin_log() {
  auto ring = Ring::make(folder_, std::max(options_.ring_bytes, kRingBytesMin));
  if (!ring) return tl::unexpected<Error>(ring.error());
  ring_ = std::move(*ring);
  storer_ = std::make_unique<Storer>(*ring_, StorerOptions{10, options_.tell_durable, segment_number_});
  auto begun = begin_segment(now_realtime_ns());
  if (begun) return begun;
  storer_.reset();
  ring_->remove();
  return begun;
}

// With the room of a whole segment set aside, or of as much of one as there is: what is in the ring can then be stored.
// At most half of what there is, for the index wants room too.
Result<Fd> Writer::make_segment_file(uint32_t number) {
  const std::string path = segment_path(folder_, number);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  Fd file(::open(path.c_str(), kFlags | O_DIRECT, 0640));
  if (!file && errno == EINVAL) {  // a file system that has no direct writes
    ::unlink(path.c_str());
    file.reset(::open(path.c_str(), kFlags, 0640));
  }
  if (!file) return fail_errno("begin the segment " + path);
  const uint64_t least = std::min(options_.segment_bytes, kSegmentLeastBytes);
  const DiskRoom room = disk_room(folder_);
  for (segment_capacity_ = options_.segment_bytes; segment_capacity_ >= least; segment_capacity_ /= 2) {
    if (room.total > 0 && segment_capacity_ > std::max(room.free / 2, least)) continue;
    if (::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(segment_capacity_)) == 0) return file;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return file;
  }
  auto error = fail_errno("begin the segment " + path);
  ::unlink(path.c_str());
  return error;
}

Status Writer::begin_segment(int64_t time_ns) {
  const uint32_t number = segment_number_ + 1;
  const uint64_t start =
      (ring_->head() + formats::kRingBlockBytes - 1) / formats::kRingBlockBytes * formats::kRingBlockBytes;
  const uint64_t behind_header = start + formats::kSegmentHeaderBytes;
  if (!ring_->can_begin_segment() || behind_header - ring_->head() > ring_->free_bytes())
    return fail("too much waits to be stored for segment {} to begin", number);
  const uint64_t capacity_before = segment_capacity_;
  auto file = make_segment_file(number);
  if (!file) {
    segment_capacity_ = capacity_before;
    return tl::unexpected<Error>(file.error());
  }
  const Bytes header = formats::encode_segment_header(number, time_ns);
  std::memcpy(ring_->at(start), header.data(), header.size());
  storer_->begin_segment(std::move(*file), number, start);
  ring_->begin_segment(number, start);
  ring_->commit(behind_header);
  storer_->committed(behind_header);
  segment_number_ = number;
  segment_start_ = start;
  ++health_.segments;
  return {};
}

Writer::~Writer() {
  keeper_.reset();
  if (!storer_) return;
  tick();
  storer_.reset();
  stopping_ = true;
  batches_.push({});
  if (index_thread_.joinable()) index_thread_.join();
  if (ring_->stored() == ring_->head()) {
    ring_->remove();
  } else {
    log::error("archive: {} bytes could not be stored: they stay in the ring for the next start",
               ring_->head() - ring_->stored());
  }
}

const Health& Writer::health() {
  const DiskStage stage = keeper_->stage();
  health_.disk_full = no_segment_ || refusing_ || storer_->failing() || stage != DiskStage::roomy;
  health_.tagged_only = stage == DiskStage::tagged_only;
  health_.metadata_only = stage == DiskStage::metadata_only;
  // Nobody may be receiving any more who would find the room that there is again.
  if (ring_->free_bytes() > ring_->bytes() / 2) health_.ring_behind = false;
  return health_;
}

// Records that are no stream bytes keep a reserve of the ring, for nobody can ask the world to hold them back.
std::span<uint8_t> Writer::room(size_t wanted) {
  const uint64_t needed = record_bytes(wanted) + kRotationBytes + kEventReserve;
  health_.ring_behind = ring_->free_bytes() < needed && !storer_->failing();
  if (ring_->free_bytes() < needed) storer_->hurry();
  if (health_.ring_behind) return {};
  if (room_.size() < wanted) room_.resize(wanted);
  return std::span(room_).first(wanted);
}

SessionId Writer::opened(int64_t time_ns, const formats::OpenedEvent& event) {
  // One id a microsecond and running number: never the same twice, whatever the clock does.
  last_id_ = std::max(make_session_id(time_ns, 0).value, last_id_ + 1);
  const SessionId id{last_id_};
  last_found_ = &known_[id.value];
  last_found_->summary.id = id;
  const Bytes payload = formats::encode(event);
  append({id, RecordType::opened, Direction::to_bait, time_ns, 0, {}, payload});
  return id;
}

bool Writer::data(SessionId id, int64_t time_ns, Direction direction, ByteView bytes) {
  Known* const known = find(id);
  if (known == nullptr) return false;
  if (stage() == DiskStage::metadata_only) {
    known->offsets[static_cast<size_t>(direction)] += bytes.size();
    lost(*known, bytes.size());
    return false;
  }
  bool stored = true;
  do {
    const ByteView piece = bytes.first(std::min(bytes.size(), formats::kPayloadBytesMax));
    uint64_t& offset = known->offsets[static_cast<size_t>(direction)];
    stored &= append({id, RecordType::data, direction, time_ns, offset, {}, piece}, *known);
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
  } while (!bytes.empty());
  return stored;
}

template <typename Event>
bool Writer::append_event(SessionId id, RecordType type, int64_t time_ns, const Event& event) {
  const Bytes payload = formats::encode(event);
  return append({id, type, Direction::to_bait, time_ns, 0, {}, payload});
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
  const Bytes payload = formats::encode(alert);
  return append({id, RecordType::alert, Direction::to_bait, time_ns, alert.stream_offset, {}, payload});
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
  while (closed_.size() > kClosedMax) {
    const auto oldest = known_.find(closed_.front());
    if (oldest != known_.end() && oldest->second.dirty) break;  // the index has not seen it yet
    if (oldest != known_.end()) {
      if (last_found_ == &oldest->second) last_found_ = nullptr;
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
  if (known.lost_bytes > 0 && record.type != RecordType::note && !storer_->failing()) {
    const Bytes words = formats::encode(formats::NoteEvent{
        formats::NoteKind::bytes_lost,
        fmt::format("{} bytes of this session's log were lost: the disk was full", known.lost_bytes)});
    if (write_record({record.session, RecordType::note, Direction::to_bait, record.time_ns, 0, {}, words}, known))
      known.lost_bytes = 0;
  }
  if (known.said != stage() && record.type != RecordType::note) say_stage(record, known);
  if (wants_segment(record_bytes(record.payload.size()))) rotate(record.time_ns);
  return write_record(record, known);
}

// In the log of each session that has anything to say while the disk is full.
void Writer::say_stage(const Record& record, Known& known) {
  const DiskStage now = stage();
  known.said = now;
  if (now < DiskStage::tagged_only) return;
  const char* const words =
      now == DiskStage::tagged_only
          ? "tagged-only: the disk is nearly full; these bytes are kept only if the session is tagged"
          : "metadata-only: the disk is full; this session's bytes are not kept";
  const Bytes payload = formats::encode(formats::NoteEvent{formats::NoteKind::other, words});
  write_record({record.session, RecordType::note, Direction::to_bait, record.time_ns, 0, {}, payload}, known);
}

DiskStage Writer::stage() const {
  return keeper_ ? keeper_->stage() : DiskStage::roomy;
}

bool Writer::wants_segment(uint64_t record_bytes) const {
  const uint64_t used = ring_->head() - segment_start_;
  return used + record_bytes > segment_capacity_ && used > formats::kSegmentHeaderBytes;
}

// Where none can begin the old one goes on, beyond what is set aside for it.
void Writer::rotate(int64_t time_ns) {
  const int64_t now = now_monotonic_ns();
  if (now < next_rotation_try_ns_) return;
  const auto begun = begin_segment(time_ns);
  if (!begun && !no_segment_) log::error("archive: {}", begun.error().message);
  if (!begun) next_rotation_try_ns_ = now + kRotationPauseNs;
  no_segment_ = !begun;
}

// Waits for the storer where the disk is behind: that holds all up, but only what nobody can hold back comes here.
bool Writer::make_room(uint64_t bytes) {
  const int64_t deadline = now_monotonic_ns() + kPatienceNs;
  while (ring_->free_bytes() < bytes) {
    if (storer_->failing() || now_monotonic_ns() > deadline) return false;
    storer_->await_stored(ring_->head(), 1);
  }
  return true;
}

bool Writer::write_record(Record record, Known& known) {
  const uint64_t bytes = record_bytes(record.payload.size());
  touch(known);
  if (!make_room(bytes)) {
    if (!std::exchange(refusing_, true))
      log::error("archive: a record cannot be kept; sessions go on unrecorded until there is room");
    lost(known, record.type == RecordType::data ? record.payload.size() : 0);
    return false;
  }
  if (std::exchange(refusing_, false))
    log::info("archive: sessions are recorded again; {} bytes were lost in all", health_.bytes_lost);
  const uint64_t head = ring_->head();
  record.previous = known.summary.last;
  formats::encode_record(record, ring_->at(head));
  ring_->commit(head + bytes);
  storer_->committed(head + bytes);
  apply(known.summary, record, {segment_number_, head - segment_start_});
  health_.bytes += bytes;
  return true;
}

void Writer::lost(Known& known, size_t bytes) {
  ++health_.records_lost;
  health_.bytes_lost += bytes;
  known.lost_bytes += std::max<size_t>(bytes, 1);
}

void Writer::tick() {
  if (dirty_.empty()) return;
  Batch batch{ring_->head(), segment_number_, {}};
  batch.rows.reserve(dirty_.size());
  for (const Known* known : dirty_) batch.rows.push_back(known->summary);
  if (!batches_.push(std::move(batch))) return;  // again at the next tick
  for (Known* const known : dirty_) {
    known->dirty = false;
    if (known->summary.end_ns != 0) known->summary.head = {};  // the index has it, and memory is dear
  }
  dirty_.clear();
}

Writer::Known* Writer::find(SessionId id) {
  if (last_found_ != nullptr && last_found_->summary.id == id) return last_found_;
  const auto found = known_.find(id.value);
  if (found == known_.end()) return nullptr;
  return last_found_ = &found->second;
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

// Whatever fails is tried again: rows wait here until they are stored, the newest of each session.
void Writer::feed_index() {
  std::optional<Index> index;
  std::deque<Batch> early;  // the segments do not hold yet what they lead to
  std::map<uint64_t, SessionSummary> waiting;
  uint32_t segment = 0;
  bool failing = false;
  while (true) {
    pollfd wait{batches_.wake_fd(), POLLIN, 0};
    const int pause_ms = !early.empty() ? kSegmentsPauseMs : waiting.empty() ? -1 : kIndexPauseMs;
    ::poll(&wait, 1, pause_ms);
    const bool last = stopping_;
    for (Batch& batch : batches_.take_all()) early.push_back(std::move(batch));
    for (; !early.empty() && early.front().position <= ring_->stored(); early.pop_front()) {
      for (SessionSummary& row : early.front().rows) wait_for_index(waiting, std::move(row));
      segment = std::max(segment, early.front().segment);  // what only wakes this thread names none
    }
    const Status put = store(index, waiting, segment);
    if (put) waiting.clear();
    if (!put && !failing) log::error("archive: {}; the segments have it all, it is tried again", put.error().message);
    failing = !put;
    if (last) return;
  }
}

Status Writer::store(std::optional<Index>& index, const std::map<uint64_t, SessionSummary>& waiting,
                     uint32_t segment) const {
  if (waiting.empty()) return {};
  if (!index) {
    auto opened = Index::open(folder_, true);
    if (!opened) return tl::unexpected<Error>(opened.error());
    index.emplace(std::move(*opened));
  }
  std::vector<SessionSummary> rows;
  rows.reserve(waiting.size());
  for (const auto& [id, row] : waiting) rows.push_back(row);
  if (auto put = index->put(rows, segment); !put || !options_.indexed) return put;
  for (const SessionSummary& row : rows) options_.indexed(row);
  return {};
}

}  // namespace skep::archive
