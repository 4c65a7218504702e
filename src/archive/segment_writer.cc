#include "archive/segment_writer.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"

namespace skep::archive {
namespace {

constexpr uint64_t kEventReserve = 512 << 10;  // of the ring
constexpr uint64_t kRotationBytes = formats::kRingBlockBytes + formats::kSegmentHeaderBytes;
constexpr int64_t kRotationPauseNs = 100'000'000;  // before a segment that could not begin is tried again
constexpr int64_t kPatienceNs = 2'000'000'000;     // with a disk that does not come along

// Of a record of so many bytes of payload.
constexpr uint64_t record_bytes(size_t payload) {
  return formats::kRecordHeaderBytes + payload;
}

}  // namespace

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::make(const std::string& ring, const SegmentWriterOptions& options,
                                                           GrowingSegments& growing) {
  auto made = Ring::make(ring, std::max(options.ring_bytes, kRingBytesMin));
  if (!made) return tl::unexpected<Error>(made.error());
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(options, growing, std::move(*made)));
}

SegmentWriter::SegmentWriter(const SegmentWriterOptions& options, GrowingSegments& growing, std::unique_ptr<Ring> ring)
    : options_(options), growing_(growing), ring_(std::move(ring)) {
  const auto finished = [&growing](uint32_t number) { growing.finished(number); };
  storer_ = std::make_unique<Storer>(*ring_, StorerOptions{10, options.tell_durable, finished});
}

SegmentWriter::~SegmentWriter() {
  end();
  if (ring_->stored() == ring_->head()) {
    ring_->remove();
  } else {
    log::error("archive: {} bytes could not be stored: they stay in the ring for the next start",
               ring_->head() - ring_->stored());
  }
}

bool SegmentWriter::has_room(size_t payload) const {
  return ring_->free_bytes() >= record_bytes(payload) + kRotationBytes + kEventReserve;
}

std::optional<formats::RecordPlace> SegmentWriter::append(const formats::Record& record) {
  const uint64_t bytes = record_bytes(record.payload.size());
  if (wants_segment(bytes)) rotate(record.time_ns);
  if (!open_ || !make_room(bytes)) return std::nullopt;
  const uint64_t head = ring_->head();
  formats::encode_record(record, ring_->at(head));
  ring_->commit(head + bytes);
  storer_->committed(head + bytes);
  return formats::RecordPlace{number_, head - start_};
}

Status SegmentWriter::begin_segment(int64_t time_ns) {
  const uint64_t start =
      (ring_->head() + formats::kRingBlockBytes - 1) / formats::kRingBlockBytes * formats::kRingBlockBytes;
  const uint64_t behind_header = start + formats::kSegmentHeaderBytes;
  if (!ring_->can_begin_segment() || behind_header - ring_->head() > ring_->free_bytes())
    return fail("too much waits to be stored for a segment to begin");
  auto begun = growing_.begin();
  if (!begun) return tl::unexpected<Error>(begun.error());
  const Bytes header = formats::encode_segment_header(begun->number, time_ns);
  std::memcpy(ring_->at(start), header.data(), header.size());
  storer_->begin_segment(std::move(begun->file), begun->number, start);
  ring_->begin_segment(begun->number, start);
  ring_->commit(behind_header);
  storer_->committed(behind_header);
  open_ = true;
  number_ = begun->number;
  start_ = start;
  capacity_ = begun->capacity;
  ++segments_begun_;
  return {};
}

void SegmentWriter::leave_old_segment() {
  if (!open_ || growing_.last() - number_ < options_.behind_max) return;
  ring_->end_segment();
  storer_->end_segment();
  open_ = false;
}

uint32_t SegmentWriter::least_segment() const {
  return open_ || growing_.grows(number_) ? number_ : growing_.last() + 1;
}

bool SegmentWriter::wants_segment(uint64_t record_bytes) const {
  const uint64_t used = ring_->head() - start_;
  return !open_ || (used + record_bytes > capacity_ && used > formats::kSegmentHeaderBytes);
}

// Where none can begin the old one goes on, beyond what is set aside for it.
void SegmentWriter::rotate(int64_t time_ns) {
  const int64_t now = now_monotonic_ns();
  if (now < next_try_ns_) return;
  const auto begun = begin_segment(time_ns);
  if (!begun && !cannot_begin_) log::error("archive: {}", begun.error().message);
  if (!begun) next_try_ns_ = now + kRotationPauseNs;
  cannot_begin_ = !begun;
}

bool SegmentWriter::make_room(uint64_t bytes) {
  if (ring_->free_bytes() >= bytes) return true;
  const int64_t deadline = now_monotonic_ns() + kPatienceNs;
  while (ring_->free_bytes() < bytes) {
    if (storer_->failing() || now_monotonic_ns() > deadline) return false;
    storer_->await_stored(ring_->head(), 1);
  }
  return true;
}

}  // namespace skep::archive
