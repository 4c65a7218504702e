// docs/formats/segment.md held to the code.
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/doc_page.h"
#include "formats/event_codec.h"
#include "formats/segment.h"

namespace skep::formats {
namespace {

constexpr char kPage[] = "docs/formats/segment.md";

class SegmentPageTest : public testing::Test {
 protected:
  static Endpoint endpoint(std::string_view text) { return parse_endpoint(text).value(); }
  // The page's blocks of bytes: header, an opened record, a data record.
  const std::vector<std::string> blocks_ = fenced_blocks(source_text(kPage), "hex");
};

TEST_F(SegmentPageTest, TheHeaderIsSegmentSeven) {
  ASSERT_EQ(blocks_.size(), 3u);
  const Bytes header = bytes_of_hex(blocks_[0]);
  EXPECT_EQ(decode_segment_header(header).value_or(0), 7u);
  EXPECT_EQ(hex(header), hex(encode_segment_header(7, parse_time("2026-03-30T00:00:00Z").value())));
}

TEST_F(SegmentPageTest, TheFirstRecordOpensASession) {
  ASSERT_EQ(blocks_.size(), 3u);
  const Bytes bytes = bytes_of_hex(blocks_[1]);
  const DecodedRecord decoded = decode_record(bytes);
  Record record;
  record.session = parse_session_id("20260330T000007784231-000").value();
  record.type = RecordType::opened;
  record.time_ns = parse_time("2026-03-30T00:00:07.784231Z").value();
  const Bytes payload = encode(OpenedEvent{"web", endpoint("203.0.113.9:51514"), endpoint("192.0.2.1:80")});
  record.payload = payload;
  Bytes expected;
  encode_record(record, expected);
  EXPECT_EQ(hex(bytes), hex(expected));
  EXPECT_EQ(decoded.problem, RecordProblem::none);
  EXPECT_EQ(decoded.bytes, bytes.size());
  const auto event = decode<OpenedEvent>(decoded.record.payload);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->service, "web");
  EXPECT_EQ(to_string(event->client), "203.0.113.9:51514");
}

TEST_F(SegmentPageTest, TheSecondRecordHoldsItsFirstBytesAndLinksBack) {
  ASSERT_EQ(blocks_.size(), 3u);
  const Bytes bytes = bytes_of_hex(blocks_[2]);
  const DecodedRecord decoded = decode_record(bytes);
  Record record;
  record.session = parse_session_id("20260330T000007784231-000").value();
  record.type = RecordType::data;
  record.time_ns = parse_time("2026-03-30T00:00:07.785Z").value();
  record.previous = {7, kSegmentHeaderBytes};
  record.payload = as_bytes("GET / HTTP/1.0\r\n\r\n");
  Bytes expected;
  encode_record(record, expected);
  EXPECT_EQ(hex(bytes), hex(expected));
  EXPECT_EQ(decoded.problem, RecordProblem::none);
  EXPECT_EQ(decoded.record.previous, (RecordPlace{7, kSegmentHeaderBytes}));
  EXPECT_EQ(as_text(decoded.record.payload), "GET / HTTP/1.0\r\n\r\n");
}

TEST_F(SegmentPageTest, TheRecordTableAddsUpToTheHeader) {
  size_t next = 0;
  for (const auto& cells : table_rows(section(source_text(kPage), "A record"))) {
    ASSERT_GE(cells.size(), 3u);
    EXPECT_EQ(std::stoul(cells[0]), next) << cells[2];
    if (cells[1] == "*n*") continue;  // the payload
    next += std::stoul(cells[1]);
  }
  EXPECT_EQ(next, kRecordHeaderBytes);
}

TEST_F(SegmentPageTest, EveryRecordTypeHasItsRow) {
  // The enumeration as its header has it: "  opened = 1,  // OpenedEvent".
  const std::string header = source_text("src/formats/segment.h");
  const auto rows = table_rows(section(source_text(kPage), "Payloads"));
  for (int type = 1; type <= static_cast<int>(kLastRecordType); ++type) {
    const size_t row = static_cast<size_t>(type - 1);
    ASSERT_GT(rows.size(), row);
    EXPECT_EQ(rows[row].at(0), std::to_string(type));
    EXPECT_NE(header.find("  " + rows[row].at(1) + " = " + std::to_string(type) + ","), std::string::npos);
  }
}

}  // namespace
}  // namespace skep::formats
