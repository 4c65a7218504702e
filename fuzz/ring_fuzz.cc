// links: skep_formats
// A ring that was left behind, damaged anyhow: it is refused, or gives whole records of the segments that it names.
#include <cstring>

#include "formats/ring.h"
#include "formats/segment.h"

namespace {

using namespace skep;

void expect_whole_records(const formats::RingPiece& piece) {
  size_t at = piece.offset == 0 && !piece.bytes.empty() ? formats::kSegmentHeaderBytes : 0;
  while (at < piece.bytes.size()) {
    const auto decoded = formats::decode_record(ByteView(piece.bytes).subspan(at));
    SKEP_CHECK(decoded.problem == formats::RecordProblem::none);
    at += decoded.bytes;
  }
}

void recover(ByteView ring) {
  const auto pieces = formats::unstored_pieces(ring);
  if (!pieces) return;
  for (const auto& piece : *pieces) expect_whole_records(piece);
}

}  // namespace

// The input is taken as the whole file; and as a header's numbers and what a ring that makes sense holds, so that the
// records within are reached.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(data, size);
  recover(input);
  if (size < 8) return 0;
  constexpr uint64_t kBytes = 4 * formats::kRingBlockBytes;
  Bytes file(formats::kRingHeaderBytes + kBytes);
  auto& header = *reinterpret_cast<formats::RingHeader*>(file.data());
  formats::begin_ring(header, kBytes);
  ByteReader reader(input);
  header.stored = reader.le<uint16_t>();
  header.head = header.stored + reader.le<uint16_t>() % kBytes;
  header.segments_begun = 1 + reader.le<uint8_t>() % 3;
  for (size_t n = 0; n < header.segments_begun; ++n)
    header.segments[n] = {static_cast<uint32_t>(n + 1), 0, n * formats::kRingBlockBytes,
                          n + 1 < header.segments_begun ? (n + 1) * formats::kRingBlockBytes : 0};
  const ByteView held = reader.raw(std::min(reader.left(), size_t{kBytes}));
  std::memcpy(file.data() + formats::kRingHeaderBytes, held.data(), held.size());
  recover(file);
  return 0;
}
