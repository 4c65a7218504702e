#include "formats/segment.h"

#include <bit>
#include <cstring>

namespace skep::formats {
namespace {

constexpr char kSegmentMagic[] = "SKEPSEG1";
constexpr uint32_t kRecordMagic = 0x52504b53;  // "SKPR"
constexpr uint32_t kVersion = 1;
constexpr size_t kCheckedFrom = 8;  // after magic and CRC

}  // namespace

Bytes encode_segment_header(uint32_t number, int64_t created_ns) {
  Bytes out;
  ByteWriter writer(out);
  writer.raw(std::string_view(kSegmentMagic, 8));
  writer.le(kVersion);
  writer.le(number);
  writer.le(created_ns);
  writer.zeroes(kSegmentHeaderBytes - out.size());
  return out;
}

Result<uint32_t> decode_segment_header(ByteView bytes) {
  ByteReader reader(bytes);
  const ByteView magic = reader.raw(8);
  const auto version = reader.le<uint32_t>();
  const auto number = reader.le<uint32_t>();
  if (!reader.ok() || as_text(magic) != kSegmentMagic) return fail("not a skep segment");
  if (version != kVersion) return fail("a segment of version {}; this reads version {}", version, kVersion);
  if (number == 0) return fail("a segment without a number");
  return number;
}

void encode_record(const Record& record, Bytes& out) {
  const size_t start = out.size();
  out.resize(start + kRecordHeaderBytes + record.payload.size());
  encode_record(record, out.data() + start);
}

void encode_record(const Record& record, uint8_t* at) {
  SKEP_CHECK(record.payload.size() <= kPayloadBytesMax);
  const auto put = [at](size_t offset, auto value) {
    static_assert(std::endian::native == std::endian::little);  // as the format is; x86-64 alone is built for
    std::memcpy(at + offset, &value, sizeof value);
  };
  put(0, kRecordMagic);
  put(8, static_cast<uint32_t>(record.payload.size()));
  put(12, static_cast<uint8_t>(record.type));
  put(13, static_cast<uint8_t>(record.direction));
  put(14, uint16_t{0});
  put(16, record.session.value);
  put(24, record.time_ns);
  put(32, record.stream_offset);
  put(40, record.previous.segment);
  put(44, uint32_t{0});
  put(48, record.previous.offset);
  put(4, crc32(record.payload, crc32({at + kCheckedFrom, kRecordHeaderBytes - kCheckedFrom})));
  copy_past_cache(at + kRecordHeaderBytes, record.payload);
}

DecodedRecord decode_record(ByteView bytes) {
  DecodedRecord decoded;
  ByteReader reader(bytes);
  const auto magic = reader.le<uint32_t>();
  const auto crc = reader.le<uint32_t>();
  const auto payload_bytes = reader.le<uint32_t>();
  const auto type = reader.le<uint8_t>();
  const auto direction = reader.le<uint8_t>();
  reader.le<uint16_t>();
  Record& record = decoded.record;
  record.session.value = reader.le<uint64_t>();
  record.time_ns = reader.le<int64_t>();
  record.stream_offset = reader.le<uint64_t>();
  record.previous.segment = reader.le<uint32_t>();
  reader.le<uint32_t>();
  record.previous.offset = reader.le<uint64_t>();
  if (magic == 0 && bytes.size() >= sizeof magic) {
    decoded.problem = RecordProblem::blank;
    return decoded;
  }
  if (!reader.ok()) {
    decoded.problem = RecordProblem::torn;
    return decoded;
  }
  const bool known = type >= 1 && type <= static_cast<uint8_t>(kLastRecordType) && direction <= 1;
  if (magic != kRecordMagic || payload_bytes > kPayloadBytesMax || !known) {
    decoded.problem = RecordProblem::damaged;
    return decoded;
  }
  record.payload = reader.raw(payload_bytes);
  decoded.bytes = kRecordHeaderBytes + payload_bytes;
  if (!reader.ok()) {
    decoded.problem = RecordProblem::torn;
  } else if (crc32(bytes.subspan(kCheckedFrom, decoded.bytes - kCheckedFrom)) != crc) {
    decoded.problem = RecordProblem::damaged;
  }
  record.type = static_cast<RecordType>(type);
  record.direction = static_cast<Direction>(direction);
  return decoded;
}

}  // namespace skep::formats
