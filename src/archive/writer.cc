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

#include "archive/segments.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "formats/event_codec.h"

namespace skep::archive {
namespace {

constexpr int kIndexPauseMs = 200;  // before what could not be stored is tried again

using formats::Record;
using formats::RecordPlace;
using formats::RecordType;

Result<Fd> take_lock(const std::string& folder) {
  const std::string path = folder + "/lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!lock) return fail_errno("open " + path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return fail("{}: another skep-proxy writes there already", folder);
  return lock;
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
  return writer;
}

Status Writer::recover() {
  auto index = Index::open(folder_, true);
  if (!index) return tl::unexpected<Error>(index.error());
  std::vector<std::string> foreign;
  const auto numbers = list_segments(folder_, &foreign);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  for (const std::string& name : foreign)
    log::warning("archive: {}/segments/{} is none of ours: left alone", folder_, name);
  const auto indexed = index->indexed_segment();
  if (!indexed) return tl::unexpected<Error>(indexed.error());

  // Whatever the index may lack lies in the newest segment that it knows, or after it.
  std::map<uint64_t, SessionSummary> rows;
  auto open_rows = index->open_sessions();
  if (!open_rows) return tl::unexpected<Error>(open_rows.error());
  for (SessionSummary& row : *open_rows) rows[row.id.value] = std::move(row);
  SegmentReader reader(folder_);
  for (const uint32_t number : *numbers) {
    segment_number_ = std::max(segment_number_, number);
    if (number < *indexed) continue;
    const auto end = reader.scan(number, [&](const Record& record, const RecordPlace& place) {
      auto found = rows.find(record.session.value);
      if (found == rows.end()) {
        auto stored = index->find(record.session);
        SessionSummary row = stored && *stored ? std::move(**stored) : SessionSummary{};
        found = rows.emplace(record.session.value, std::move(row)).first;
      }
      // Records that the row holds already are not taken twice.
      if (found->second.last < place) apply(found->second, record, place);
      last_id_ = std::max(last_id_, record.session.value);
    });
    if (!end) {
      log::warning("archive: {}", end.error().message);
      continue;
    }
    if (end->problem == formats::RecordProblem::none) continue;
    if (end->problem == formats::RecordProblem::damaged) {
      log::warning("archive: segment {} is damaged at offset {}: what comes after it is left as it is", number,
                   end->offset);
      continue;
    }
    log::warning("archive: segment {} ends within a record at offset {}: cut there", number, end->offset);
    if (::truncate(segment_path(folder_, number).c_str(), static_cast<off_t>(end->offset)) != 0)
      log::warning("archive: {}", std::strerror(errno));
  }
  const int64_t now = now_realtime_ns();
  if (auto begun = begin_segment(now); !begun) return begun;
  for (auto& [id, row] : rows) {
    const bool open = row.end_ns == 0;
    known_[id].summary = std::move(row);
    dirty_.insert(id);
    if (!open) continue;
    formats::ClosedEvent event;
    event.reason = EndReason::crash_recovered;
    closed({id}, now, event);
    recovered_.push_back(known_[id].summary);
  }
  if (!recovered_.empty())
    log::warning("archive: {} sessions had no end: closed as crash-recovered", recovered_.size());
  std::vector<SessionSummary> batch;
  for (const uint64_t id : dirty_) batch.push_back(known_[id].summary);
  dirty_.clear();
  // Of those that had ended nothing more is to come; the recovered ones stay known, for alerts that are on their way.
  std::erase_if(known_, [](const auto& item) { return item.second.summary.end_reason != EndReason::crash_recovered; });
  return index->put(batch);
}

Status Writer::begin_segment(int64_t time_ns) {
  const uint32_t number = segment_number_ + 1;
  const std::string path = segment_path(folder_, number);
  Fd fresh(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (!fresh) return fail_errno("begin the segment " + path);
  const Bytes header = formats::encode_segment_header(number, time_ns);
  if (::pwrite(fresh.get(), header.data(), header.size(), 0) != static_cast<ssize_t>(header.size())) {
    auto error = fail_errno("begin the segment " + path);
    ::unlink(path.c_str());
    return error;
  }
  segment_ = std::move(fresh);
  segment_number_ = number;
  segment_offset_ = header.size();
  ++health_.segments;
  return {};
}

Writer::~Writer() {
  tick();
  stopping_ = true;
  batches_.push({});
  if (index_thread_.joinable()) index_thread_.join();
}

SessionId Writer::opened(int64_t time_ns, const formats::OpenedEvent& event) {
  // One id a microsecond and running number: never the same twice, whatever the clock does.
  last_id_ = std::max(make_session_id(time_ns, 0).value, last_id_ + 1);
  const SessionId id{last_id_};
  known_[id.value].summary.id = id;
  const Bytes payload = formats::encode(event);
  append({id, RecordType::opened, Direction::to_bait, time_ns, 0, {}, payload});
  return id;
}

bool Writer::data(SessionId id, int64_t time_ns, Direction direction, ByteView bytes) {
  const auto found = known_.find(id.value);
  if (found == known_.end()) return false;
  bool stored = true;
  while (!bytes.empty()) {
    const ByteView piece = bytes.first(std::min(bytes.size(), formats::kPayloadBytesMax));
    uint64_t& offset = found->second.offsets[static_cast<size_t>(direction)];
    stored &= append({id, RecordType::data, direction, time_ns, offset, {}, piece});
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
  }
  return stored;
}

bool Writer::half_closed(SessionId id, int64_t time_ns, Direction direction) {
  return append({id, RecordType::half_closed, direction, time_ns, 0, {}, {}});
}
bool Writer::connected(SessionId id, int64_t time_ns, const formats::ConnectedEvent& event) {
  const Bytes payload = formats::encode(event);
  return append({id, RecordType::connected, Direction::to_bait, time_ns, 0, {}, payload});
}
bool Writer::served(SessionId id, int64_t time_ns, const formats::ServedEvent& event) {
  const Bytes payload = formats::encode(event);
  return append({id, RecordType::served, Direction::to_bait, time_ns, 0, {}, payload});
}
bool Writer::process(SessionId id, int64_t time_ns, const formats::ProcessEvent& event) {
  const Bytes payload = formats::encode(event);
  return append({id, RecordType::process, Direction::to_bait, time_ns, 0, {}, payload});
}
bool Writer::alert(SessionId id, int64_t time_ns, const Alert& alert) {
  const Bytes payload = formats::encode(alert);
  return append({id, RecordType::alert, Direction::to_bait, time_ns, alert.stream_offset, {}, payload});
}
bool Writer::note(SessionId id, int64_t time_ns, const formats::NoteEvent& event) {
  const Bytes payload = formats::encode(event);
  return append({id, RecordType::note, Direction::to_bait, time_ns, 0, {}, payload});
}

bool Writer::file(SessionId id, int64_t time_ns, const formats::FileEvent& event) {
  const Bytes payload = formats::encode(event);
  return append({id, RecordType::file, Direction::to_bait, time_ns, 0, {}, payload});
}
bool Writer::crash(SessionId id, int64_t time_ns, const formats::CrashEvent& event) {
  const Bytes payload = formats::encode(event);
  return append({id, RecordType::crash, Direction::to_bait, time_ns, 0, {}, payload});
}

bool Writer::closed(SessionId id, int64_t time_ns, const formats::ClosedEvent& event) {
  const Bytes payload = formats::encode(event);
  const bool stored = append({id, RecordType::closed, Direction::to_bait, time_ns, 0, {}, payload});
  closed_.push_back(id.value);
  while (closed_.size() > kClosedMax) {
    if (dirty_.count(closed_.front()) != 0) break;  // the index has not seen it yet
    known_.erase(closed_.front());
    closed_.pop_front();
  }
  return stored;
}

bool Writer::append(Record record) {
  const auto found = known_.find(record.session.value);
  if (found == known_.end()) {
    ++health_.records_lost;
    return false;
  }
  Known& known = found->second;
  if (known.lost_bytes > 0 && record.type != RecordType::note) {
    const Bytes words = formats::encode(formats::NoteEvent{
        formats::NoteKind::bytes_lost,
        fmt::format("{} bytes of this session's log were lost: the disk was full", known.lost_bytes)});
    if (write_record(
            {record.session, RecordType::note, Direction::to_bait, record.time_ns, 0, known.summary.last, words},
            known))
      known.lost_bytes = 0;
  }
  record.previous = known.summary.last;
  return write_record(record, known);
}

bool Writer::write_record(const Record& record, Known& known) {
  scratch_.clear();
  formats::encode_record(record, scratch_);
  if (segment_offset_ + scratch_.size() > options_.segment_bytes && segment_offset_ > formats::kSegmentHeaderBytes) {
    if (auto begun = begin_segment(record.time_ns); !begun && !health_.disk_full)
      log::error("archive: {}", begun.error().message);
  }
  const ssize_t put = ::pwrite(segment_.get(), scratch_.data(), scratch_.size(), static_cast<off_t>(segment_offset_));
  dirty_.insert(record.session.value);
  if (put != static_cast<ssize_t>(scratch_.size())) {
    if (!health_.disk_full)
      log::error("archive: a record cannot be stored: {}; sessions go on unrecorded until there is room",
                 put < 0 ? std::strerror(errno) : "the disk is full");
    health_.disk_full = true;
    // What was written of it goes: behind a shorter next record it would be read as one of its own.
    if (put > 0 && ::ftruncate(segment_.get(), static_cast<off_t>(segment_offset_)) != 0)
      log::error("archive: segment {}: {}", segment_number_, std::strerror(errno));
    lost(known, record.payload.size());
    apply(known.summary, record, known.summary.last);  // the index still learns of it
    known.summary.incomplete = true;
    return false;
  }
  if (health_.disk_full)
    log::info("archive: there is room again; {} records and {} bytes were lost meanwhile", health_.records_lost,
              health_.bytes_lost);
  health_.disk_full = false;
  apply(known.summary, record, {segment_number_, segment_offset_});
  segment_offset_ += scratch_.size();
  health_.bytes += scratch_.size();
  return true;
}

void Writer::lost(Known& known, size_t bytes) {
  ++health_.records_lost;
  health_.bytes_lost += bytes;
  known.lost_bytes += std::max<size_t>(bytes, 1);
}

void Writer::tick() {
  if (dirty_.empty()) return;
  std::vector<SessionSummary> batch;
  batch.reserve(dirty_.size());
  for (const uint64_t id : dirty_) {
    if (const auto found = known_.find(id); found != known_.end()) batch.push_back(found->second.summary);
  }
  if (batches_.push(std::move(batch))) dirty_.clear();  // else: again at the next tick
}

SessionClass Writer::class_of(SessionId id) const {
  const auto found = known_.find(id.value);
  return found == known_.end() ? SessionClass::harmless : found->second.summary.session_class;
}

// Whatever fails is tried again: rows wait here until they are stored, the newest of each session.
void Writer::feed_index() {
  std::optional<Index> index;
  std::map<uint64_t, SessionSummary> waiting;
  bool failing = false;
  while (true) {
    pollfd wait{batches_.wake_fd(), POLLIN, 0};
    ::poll(&wait, 1, waiting.empty() ? -1 : kIndexPauseMs);
    const bool last = stopping_;
    for (std::vector<SessionSummary>& batch : batches_.take_all()) {
      for (SessionSummary& row : batch) waiting[row.id.value] = std::move(row);
    }
    const Status put = store(index, waiting);
    if (put) waiting.clear();
    if (!put && !failing) log::error("archive: {}; the segments have it all, it is tried again", put.error().message);
    failing = !put;
    if (last) return;
  }
}

Status Writer::store(std::optional<Index>& index, const std::map<uint64_t, SessionSummary>& waiting) const {
  if (waiting.empty()) return {};
  if (!index) {
    auto opened = Index::open(folder_, true);
    if (!opened) return tl::unexpected<Error>(opened.error());
    index.emplace(std::move(*opened));
  }
  std::vector<SessionSummary> rows;
  rows.reserve(waiting.size());
  for (const auto& [id, row] : waiting) rows.push_back(row);
  return index->put(rows);
}

}  // namespace skep::archive
