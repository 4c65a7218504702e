// A sealed segment: what was a segment, compressed in frames of whole records,
// with a table that says which bytes of the segment each frame holds. Places in
// the segment stay what they were, so that nothing that leads there changes;
// what is held no more reads as zeroes. docs/formats/segment.md has the layout
// and worked bytes.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::formats {

struct SealedFrame {
  uint64_t offset = 0;        // in the segment
  uint64_t place = 0;         // in the file
  uint32_t bytes = 0;         // in the segment
  uint32_t stored_bytes = 0;  // in the file
};

enum class Kept : uint32_t {
  all = 0,     // the whole segment
  some = 1,    // retention has been there; some sessions were still to be decided
  tagged = 2,  // retention has been there; nothing is left that may go
};

struct SealedTable {
  uint32_t number = 0;
  Kept kept = Kept::all;
  uint64_t segment_bytes = 0;  // as long as the segment was
  std::vector<SealedFrame> frames;
};

constexpr size_t kSealedFooterBytes = 40;
constexpr size_t kFrameBytesAim = 256 << 10;  // a frame ends with the record that reaches this
constexpr size_t kFrameBytesMax = 2 << 20;
constexpr size_t kFramesMax = 1 << 20;

// The table as it stands at the file's end: a frame that zstd(1) skips.
Bytes encode_sealed_table(const SealedTable& table);
// How long the table is whose last kSealedFooterBytes these are. Error: no
// sealed segment.
Result<size_t> sealed_table_bytes(ByteView footer);
// `bytes`: the whole table; `file_bytes`: of the file that it ends. Frames lie
// in order and within both.
Result<SealedTable> decode_sealed_table(ByteView bytes, uint64_t file_bytes);

Bytes pack_frame(ByteView bytes);
// nullopt: it is not what its row of the table says.
std::optional<Bytes> unpack_frame(ByteView stored, const SealedFrame& frame);

}  // namespace skep::formats
