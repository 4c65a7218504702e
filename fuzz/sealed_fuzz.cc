// links: skep_formats
// A sealed segment's file, damaged anyhow: its table is sound or refused, its frames hold what they say or are refused.
#include "formats/sealed_segment.h"
#include "formats/segment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  const ByteView file(data, size);
  if (size < formats::kSealedFooterBytes) return 0;
  const auto length = formats::sealed_table_bytes(file.last(formats::kSealedFooterBytes));
  if (!length || *length > size) return 0;
  const auto table = formats::decode_sealed_table(file.last(*length), size);
  if (!table) return 0;
  SKEP_CHECK(formats::encode_sealed_table(*table).size() == *length);
  for (const formats::SealedFrame& frame : table->frames) {
    const auto bytes = formats::unpack_frame(file.subspan(frame.place, frame.stored_bytes), frame);
    if (!bytes) continue;
    SKEP_CHECK(bytes->size() == frame.bytes);
    (void)formats::decode_record(*bytes);
  }
  return 0;
}
