// The ring: the newest end of the log, in memory that outlives the process. It is a file, mapped by the one writer: a
// header, then so many bytes that are used over and over. A position counts the log's bytes since the ring was made;
// the byte at position p lies at p modulo the ring's size. docs/formats/segment.md has the grammar. Pure.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::formats {

constexpr size_t kRingHeaderBytes = 4096;
constexpr size_t kRingBlockBytes = 4096;  // segments begin at a multiple, as direct writes want it
constexpr size_t kRingSegmentsMax = 64;   // that can be unfinished at a time
constexpr uint64_t kRingBytesMax = uint64_t{1} << 30;

struct RingSegment {
  uint32_t number = 0;
  uint32_t zero = 0;
  uint64_t start = 0;  // position of its first byte
  uint64_t end = 0;    // behind its last; 0: records are still added
};

// As it lies at the file's start. Integers little-endian.
struct RingHeader {
  char magic[8];
  uint32_t version;
  uint32_t zero;
  uint64_t data_bytes;
  uint64_t head;            // behind the last whole record
  uint64_t stored;          // whatever lies before it is in its segment's file
  uint64_t segments_begun;  // the n-th (from 0) stands at n modulo kRingSegmentsMax
  RingSegment segments[kRingSegmentsMax];
};
static_assert(sizeof(RingSegment) == 24);
static_assert(sizeof(RingHeader) == 48 + 24 * kRingSegmentsMax && sizeof(RingHeader) <= kRingHeaderBytes);

void begin_ring(RingHeader& header, uint64_t data_bytes);

// What is to be written to one segment's file, so that it holds all that the ring held.
struct RingPiece {
  uint32_t segment = 0;
  uint64_t offset = 0;   // in the file
  Bytes bytes;           // whole records; at offset 0 the segment's header before them
  bool damaged = false;  // more was there that is no record: nothing of the ring can be read behind it
};
// Of a ring that was left behind (the whole file): what it held that is not stored yet, in order. Errors: it is no
// ring.
Result<std::vector<RingPiece>> unstored_pieces(ByteView ring);

}  // namespace skep::formats
