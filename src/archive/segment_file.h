// One segment of an archive, opened to be read: as it is written, or sealed
// (formats/sealed_segment), which looks the same from here. Any number of
// readers; one thread an object.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "formats/sealed_segment.h"

namespace skep::archive {

std::string segment_path(const std::string& folder, uint32_t number);
std::string sealed_path(const std::string& folder, uint32_t number);
// When the file was last written; nullopt: it is not there. A sealed segment's is that of the segment before.
std::optional<int64_t> written_ns(const std::string& path);

class SegmentFile {
 public:
  // Error code ENOENT: it is there in neither form.
  static Result<SegmentFile> open(const std::string& folder, uint32_t number);

  // Fills `to` as far as there are bytes; what is held no more reads as zeroes.
  // Returns how many.
  Result<size_t> read(uint8_t* to, size_t bytes, uint64_t offset);
  bool sealed() const { return table_.has_value(); }
  formats::Kept kept() const { return table_ ? table_->kept : formats::Kept::all; }
  // At or behind `offset`, where the next byte lies that is held; of a segment
  // that is not sealed `offset` itself.
  uint64_t next_held(uint64_t offset) const;
  int64_t begun_ns() const { return begun_ns_; }
  // As it was when it was opened.
  int64_t written_ns() const { return written_ns_; }

 private:
  explicit SegmentFile(Fd fd) : fd_(std::move(fd)) {}
  Status read_table(uint32_t number);
  Status check_header(uint32_t number);
  Result<const Bytes*> frame(size_t index);
  Result<size_t> read_sealed(uint8_t* to, size_t bytes, uint64_t offset);

  Fd fd_;
  std::optional<formats::SealedTable> table_;
  // The frames that were read last: a session's records often lie in the same
  // ones.
  std::deque<std::pair<size_t, Bytes>> unpacked_;
  int64_t begun_ns_ = 0;
  int64_t written_ns_ = 0;
};

}  // namespace skep::archive
