#include "formats/ring.h"

#include <algorithm>
#include <cstring>

#include "formats/segment.h"

namespace skep::formats {
namespace {

constexpr char kMagic[] = "SKEPRNG1";
constexpr uint32_t kVersion = 1;

Result<RingHeader> read_header(ByteView ring) {
  RingHeader header;
  if (ring.size() < kRingHeaderBytes) return fail("a ring of {} bytes has no header", ring.size());
  std::memcpy(&header, ring.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof header.magic) != 0) return fail("not a skep ring");
  if (header.version != kVersion) return fail("a ring of version {}; this reads version {}", header.version, kVersion);
  const bool sized = header.data_bytes != 0 && header.data_bytes <= kRingBytesMax &&
                     header.data_bytes % kRingBlockBytes == 0 && ring.size() == kRingHeaderBytes + header.data_bytes;
  if (!sized) return fail("a ring that says it holds {} bytes, in a file of {}", header.data_bytes, ring.size());
  if (header.stored > header.head || header.head - header.stored > header.data_bytes)
    return fail("a ring whose positions contradict each other: stored {}, head {}", header.stored, header.head);
  return header;
}

Bytes copy_out(ByteView data, uint64_t from, uint64_t to) {
  Bytes out;
  out.reserve(to - from);
  while (from < to) {
    const size_t at = from % data.size();
    const size_t count = std::min<uint64_t>(to - from, data.size() - at);
    out.insert(out.end(), data.begin() + static_cast<ptrdiff_t>(at), data.begin() + static_cast<ptrdiff_t>(at + count));
    from += count;
  }
  return out;
}

// Leaves what is whole; what is not cannot have been passed on, for the head moves behind whole records alone.
void keep_whole_records(RingPiece& piece) {
  size_t at = piece.offset == 0 ? kSegmentHeaderBytes : 0;
  if (piece.offset == 0) {
    const auto number = decode_segment_header(ByteView(piece.bytes).first(std::min(at, piece.bytes.size())));
    piece.damaged = !number || *number != piece.segment;
    if (piece.damaged) at = 0;
  }
  while (!piece.damaged && at < piece.bytes.size()) {
    const auto decoded = decode_record(ByteView(piece.bytes).subspan(at));
    piece.damaged = decoded.problem != RecordProblem::none;
    if (!piece.damaged) at += decoded.bytes;
  }
  piece.bytes.resize(at);
}

}  // namespace

void begin_ring(RingHeader& header, uint64_t data_bytes) {
  header = RingHeader{};
  std::memcpy(header.magic, kMagic, sizeof header.magic);
  header.version = kVersion;
  header.data_bytes = data_bytes;
}

Result<std::vector<RingPiece>> unstored_pieces(ByteView ring) {
  const auto header = read_header(ring);
  if (!header) return tl::unexpected<Error>(header.error());
  const ByteView data = ring.subspan(kRingHeaderBytes);
  std::vector<RingPiece> pieces;
  const uint64_t count = std::min<uint64_t>(header->segments_begun, kRingSegmentsMax);
  for (uint64_t n = header->segments_begun - count; n < header->segments_begun; ++n) {
    const RingSegment& segment = header->segments[n % kRingSegmentsMax];
    const uint64_t from = std::max(segment.start, header->stored);
    const uint64_t to = segment.end == 0 ? header->head : std::min(segment.end, header->head);
    if (from >= to) continue;  // all stored, or it had not begun yet
    RingPiece piece{segment.number, from - segment.start, copy_out(data, from, to)};
    keep_whole_records(piece);
    pieces.push_back(std::move(piece));
    if (pieces.back().damaged) break;
  }
  return pieces;
}

}  // namespace skep::formats
