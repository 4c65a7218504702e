#include "formats/sealed_segment.h"

#include <gtest/gtest.h>

#include "base/doc_page.h"
#include "formats/segment.h"

namespace skep::formats {
namespace {

Bytes whole_file(SealedTable& table, const std::vector<std::string>& frames) {
  Bytes file;
  uint64_t offset = 0;
  for (const std::string& text : frames) {
    const Bytes packed = pack_frame(as_bytes(text));
    table.frames.push_back(
        {offset, file.size(), static_cast<uint32_t>(text.size()), static_cast<uint32_t>(packed.size())});
    file.insert(file.end(), packed.begin(), packed.end());
    offset += text.size();
  }
  table.segment_bytes = offset;
  const Bytes tail = encode_sealed_table(table);
  file.insert(file.end(), tail.begin(), tail.end());
  return file;
}

Result<SealedTable> table_of(const Bytes& file) {
  const ByteView bytes(file);
  const auto length = sealed_table_bytes(bytes.last(std::min(kSealedFooterBytes, bytes.size())));
  if (!length) return tl::unexpected<Error>(length.error());
  return decode_sealed_table(bytes.last(std::min(*length, bytes.size())), bytes.size());
}

TEST(SealedSegmentTest, FramesComeBackAsTheyWere) {
  SealedTable table;
  table.number = 7;
  table.kept = Kept::tagged;
  const Bytes file = whole_file(table, {std::string(1000, 'a'), "b", std::string(300'000, 'c')});
  const auto read = table_of(file);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->number, 7u);
  EXPECT_EQ(read->kept, Kept::tagged);
  EXPECT_EQ(read->segment_bytes, 301'001u);
  ASSERT_EQ(read->frames.size(), 3u);
  const SealedFrame& last = read->frames[2];
  const auto bytes = unpack_frame(ByteView(file).subspan(last.place, last.stored_bytes), last);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(as_text(*bytes), std::string(300'000, 'c'));
  EXPECT_LT(last.stored_bytes, 1000u);
}

TEST(SealedSegmentTest, ATableDamagedAtAnyBitIsRefused) {
  SealedTable table;
  table.number = 1;
  const Bytes file = whole_file(table, {"one", "two"});
  const size_t start = file.size() - encode_sealed_table(table).size() + 8;  // zstd's own header is checked by zstd
  for (size_t at = start; at < file.size(); ++at) {
    Bytes damaged = file;
    damaged[at] ^= 0x04;
    EXPECT_FALSE(table_of(damaged)) << "byte " << at;
  }
  for (size_t length = 0; length < file.size(); ++length)
    EXPECT_FALSE(table_of(Bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(length)))) << length;
}

TEST(SealedSegmentTest, AFrameThatUnpacksToAnotherLengthIsRefused) {
  SealedTable table;
  table.number = 1;
  const Bytes file = whole_file(table, {"some bytes"});
  SealedFrame frame = table.frames[0];
  const ByteView stored = ByteView(file).first(frame.stored_bytes);
  ASSERT_TRUE(unpack_frame(stored, frame));
  ++frame.bytes;
  EXPECT_FALSE(unpack_frame(stored, frame));
  frame.bytes = 2;
  EXPECT_FALSE(unpack_frame(stored, frame));
  frame.bytes = kFrameBytesMax + 1;
  EXPECT_FALSE(unpack_frame(stored, frame)) << "beyond the bound nothing is set aside";
}

TEST(SealedSegmentTest, ThePagesBytesAreWhatIsWrittenAndRead) {
  const auto blocks = fenced_blocks(source_text("docs/formats/sealed-segment.md"), "hex");
  ASSERT_EQ(blocks.size(), 2u);
  Bytes file = bytes_of_hex(blocks[0]);
  const size_t frame_bytes = file.size();
  const Bytes tail = bytes_of_hex(blocks[1]);
  file.insert(file.end(), tail.begin(), tail.end());
  const auto table = table_of(file);
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->number, 7u);
  EXPECT_EQ(table->kept, Kept::tagged);
  EXPECT_EQ(table->segment_bytes, 209u);
  ASSERT_EQ(table->frames.size(), 1u);
  EXPECT_EQ(hex(encode_sealed_table(*table)), hex(tail));
  const auto header = unpack_frame(ByteView(file).first(frame_bytes), table->frames[0]);
  ASSERT_TRUE(header);
  EXPECT_EQ(decode_segment_header(*header).value_or(0), 7u);
}

}  // namespace
}  // namespace skep::formats
