// SegmentWriter: one writer's end of the log: its ring, the thread that carries the ring to the files, and the segment
// that grows. Each record is whole in the ring before the call returns. A writer that has nothing to record has no
// segment: one begins with the first record for which there is none. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "archive/growing_segments.h"
#include "archive/ring.h"
#include "archive/storer.h"
#include "formats/segment.h"

namespace skep::archive {

struct SegmentWriterOptions {
  uint64_t ring_bytes = 16 << 20;  // at least kRingBytesMin
  bool tell_durable = false;
  uint32_t behind_max = 2;  // numbers that the archive gives out before a segment that grows slowly is left
};
constexpr uint64_t kRingBytesMin = 4 << 20;

class SegmentWriter {
 public:
  // `ring`: its path, where nothing may be yet.
  static Result<std::unique_ptr<SegmentWriter>> make(const std::string& ring, const SegmentWriterOptions& options,
                                                     GrowingSegments& growing);
  // The ring goes, if all of it is stored.
  ~SegmentWriter();
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  // A payload of so many bytes can be taken, and what nobody can hold back has its reserve besides.
  bool has_room(size_t payload) const;
  // Where it lies now; nullopt: it could not be kept. Waits for the storer where the disk is behind: that holds all up,
  // but only what nobody can hold back comes here without room.
  std::optional<formats::RecordPlace> append(const formats::Record& record);
  Status begin_segment(int64_t time_ns);
  // Leaves a segment that the others have left behind, so that nobody who waits for its end waits for ever.
  void leave_old_segment();
  // What is recorded from now on, and what is not whole in its file yet, lies in no segment before this one.
  uint32_t least_segment() const;

  const Ring& ring() const { return *ring_; }
  Storer& storer() { return *storer_; }
  bool cannot_begin() const { return cannot_begin_; }
  uint64_t segments_begun() const { return segments_begun_; }
  // No more comes: what there is, is stored while `end` waits; `ring()` stays.
  void stop() { storer_->stop(); }
  void end() { storer_.reset(); }

 private:
  SegmentWriter(const SegmentWriterOptions& options, GrowingSegments& growing, std::unique_ptr<Ring> ring);
  bool wants_segment(uint64_t record_bytes) const;
  void rotate(int64_t time_ns);
  bool make_room(uint64_t bytes);

  const SegmentWriterOptions options_;
  GrowingSegments& growing_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<Storer> storer_;
  bool open_ = false;      // a segment takes records
  uint32_t number_ = 0;    // its number, or that of the one before
  uint64_t start_ = 0;     // position in the ring's count
  uint64_t capacity_ = 0;  // bytes that the disk has set aside for it
  bool cannot_begin_ = false;
  int64_t next_try_ns_ = 0;
  uint64_t segments_begun_ = 0;
};

}  // namespace skep::archive
