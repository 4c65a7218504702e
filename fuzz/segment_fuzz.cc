// links: skep_formats
// A segment's bytes, damaged anyhow: records are whole and say so, or are not taken; events likewise.
#include "formats/event_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  const ByteView bytes(data, size);
  (void)formats::decode_segment_header(bytes);
  const auto decoded = formats::decode_record(bytes);
  if (decoded.problem == formats::RecordProblem::none) {
    Bytes again;
    formats::encode_record(decoded.record, again);
    SKEP_CHECK(again.size() == decoded.bytes);
  }
  if (const auto alert = formats::decode<Alert>(bytes))
    SKEP_CHECK(formats::decode<Alert>(formats::encode(*alert)).has_value());
  if (const auto file = formats::decode<formats::FileEvent>(bytes)) {
    SKEP_CHECK(file->sha256.empty() || file->sha256.size() == 64);
    SKEP_CHECK(file->role <= formats::FileRole::written);
    SKEP_CHECK(formats::decode<formats::FileEvent>(formats::encode(*file)).has_value());
  }
  if (const auto hit = formats::decode<RuleHit>(bytes)) SKEP_CHECK(hit->action <= HitAction::switched);
  (void)formats::decode<formats::CrashEvent>(bytes);
  (void)formats::decode<formats::OpenedEvent>(bytes);
  (void)formats::decode<formats::ConnectedEvent>(bytes);
  (void)formats::decode<formats::ServedEvent>(bytes);
  (void)formats::decode<formats::ProcessEvent>(bytes);
  (void)formats::decode<formats::NoteEvent>(bytes);
  (void)formats::decode<formats::ClosedEvent>(bytes);
  return 0;
}
