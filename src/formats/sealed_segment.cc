#include "formats/sealed_segment.h"

#include <zstd.h>

namespace skep::formats {
namespace {

constexpr uint32_t kSkippable = 0x184d2a5e;  // zstd: a frame that holds no data
constexpr size_t kSkippableHeaderBytes = 8;
constexpr size_t kRowBytes = 24;
constexpr char kMagic[] = "SKEPSEAL";
constexpr uint32_t kVersion = 1;
constexpr int kLevel = 1;  // 2 s a GiB of text, a fifth of its size; higher
                           // levels cost more than they gain

}  // namespace

Bytes encode_sealed_table(const SealedTable& table) {
  SKEP_CHECK(table.frames.size() <= kFramesMax);
  Bytes out;
  ByteWriter writer(out);
  writer.le(kSkippable);
  writer.le(static_cast<uint32_t>(table.frames.size() * kRowBytes + kSealedFooterBytes));
  for (const SealedFrame& frame : table.frames) {
    writer.le(frame.offset);
    writer.le(frame.place);
    writer.le(frame.bytes);
    writer.le(frame.stored_bytes);
  }
  writer.le(static_cast<uint32_t>(table.frames.size()));
  writer.le(table.number);
  writer.le(static_cast<uint32_t>(table.kept));
  writer.le(kVersion);
  writer.le(table.segment_bytes);
  writer.le(uint32_t{0});
  writer.le(crc32(ByteView(out).subspan(kSkippableHeaderBytes)));
  writer.raw(std::string_view(kMagic, 8));
  return out;
}

Result<size_t> sealed_table_bytes(ByteView footer) {
  ByteReader reader(footer);
  const auto frames = reader.le<uint32_t>();
  if (footer.size() != kSealedFooterBytes || as_text(footer.last(8)) != kMagic) return fail("not a sealed segment");
  if (frames > kFramesMax) return fail("a sealed segment of {} frames; {} are the most", frames, kFramesMax);
  return kSkippableHeaderBytes + frames * kRowBytes + kSealedFooterBytes;
}

Result<SealedTable> decode_sealed_table(ByteView bytes, uint64_t file_bytes) {
  if (bytes.size() < kSkippableHeaderBytes + kSealedFooterBytes || bytes.size() > file_bytes)
    return fail("a sealed segment's table is cut off");
  const auto expected = sealed_table_bytes(bytes.last(kSealedFooterBytes));
  if (!expected) return tl::unexpected<Error>(expected.error());
  if (*expected != bytes.size()) return fail("a sealed segment's table of another length");
  constexpr size_t kBehindCrc = 12;
  const ByteView checked = bytes.subspan(kSkippableHeaderBytes, bytes.size() - kSkippableHeaderBytes - kBehindCrc);
  if (ByteReader(bytes.last(kBehindCrc)).le<uint32_t>() != crc32(checked))
    return fail("a sealed segment's table is damaged");
  ByteReader footer(bytes.last(kSealedFooterBytes));
  const auto frames = footer.le<uint32_t>();
  SealedTable table;
  table.number = footer.le<uint32_t>();
  const auto kept = footer.le<uint32_t>();
  const auto version = footer.le<uint32_t>();
  table.segment_bytes = footer.le<uint64_t>();
  if (version != kVersion) return fail("a sealed segment of version {}; this reads version {}", version, kVersion);
  if (table.number == 0 || kept > static_cast<uint32_t>(Kept::tagged))
    return fail("a sealed segment's table makes no sense");
  table.kept = static_cast<Kept>(kept);
  ByteReader rows(bytes.subspan(kSkippableHeaderBytes));
  uint64_t offset = 0;
  uint64_t place = 0;
  for (uint32_t i = 0; i < frames; ++i) {
    SealedFrame frame;
    frame.offset = rows.le<uint64_t>();
    frame.place = rows.le<uint64_t>();
    frame.bytes = rows.le<uint32_t>();
    frame.stored_bytes = rows.le<uint32_t>();
    const bool sound = frame.offset >= offset && frame.place == place && frame.bytes > 0 &&
                       frame.bytes <= kFrameBytesMax && frame.stored_bytes <= 2 * kFrameBytesMax &&
                       frame.offset <= table.segment_bytes && frame.bytes <= table.segment_bytes - frame.offset;
    if (!sound) return fail("a sealed segment's frame {} lies where it cannot", i);
    offset = frame.offset + frame.bytes;
    place += frame.stored_bytes;
    table.frames.push_back(frame);
  }
  if (place != file_bytes - bytes.size()) return fail("a sealed segment's frames and its table do not meet");
  return table;
}

Bytes pack_frame(ByteView bytes) {
  Bytes packed(ZSTD_compressBound(bytes.size()));
  const size_t size = ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), kLevel);
  SKEP_CHECK(ZSTD_isError(size) == 0);  // there is room for the worst case
  packed.resize(size);
  return packed;
}

std::optional<Bytes> unpack_frame(ByteView stored, const SealedFrame& frame) {
  if (frame.bytes > kFrameBytesMax || stored.size() != frame.stored_bytes) return std::nullopt;
  Bytes bytes(frame.bytes);
  const size_t size = ZSTD_decompress(bytes.data(), bytes.size(), stored.data(), stored.size());
  if (ZSTD_isError(size) != 0 || size != bytes.size()) return std::nullopt;
  return bytes;
}

}  // namespace skep::formats
