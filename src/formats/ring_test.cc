#include "formats/ring.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/doc_page.h"
#include "formats/segment.h"

namespace skep::formats {
namespace {

constexpr uint64_t kBytes = 2 * kRingBlockBytes;

// A ring as a writer would have left it.
class RingTest : public testing::Test {
 protected:
  RingTest() : file_(kRingHeaderBytes + kBytes) { begin_ring(header(), kBytes); }
  RingHeader& header() { return *reinterpret_cast<RingHeader*>(file_.data()); }
  void put(ByteView bytes) {
    for (const uint8_t byte : bytes) file_[kRingHeaderBytes + header().head++ % kBytes] = byte;
  }
  void begin_segment(uint32_t number) {
    RingHeader& ring = header();
    const uint64_t n = ring.segments_begun++;
    if (n > 0) ring.segments[n - 1].end = ring.head;
    ring.head = (ring.head + kRingBlockBytes - 1) / kRingBlockBytes * kRingBlockBytes;
    ring.segments[n] = {number, 0, ring.head, 0};
    put(encode_segment_header(number, 0));
  }
  Bytes record(size_t bytes) {
    Record record;
    record.session = {7};
    record.type = RecordType::data;
    const Bytes payload(bytes, 'x');
    record.payload = payload;
    Bytes out;
    encode_record(record, out);
    put(out);
    return out;
  }
  std::vector<RingPiece> pieces() {
    const auto found = unstored_pieces(file_);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : std::vector<RingPiece>{};
  }
  Bytes file_;
};

TEST_F(RingTest, GivesWhatIsNotStoredYet) {
  begin_segment(3);
  record(10);
  header().stored = header().head;
  const uint64_t stored = header().head;
  const Bytes second = record(20);
  const auto found = pieces();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].segment, 3u);
  EXPECT_EQ(found[0].offset, stored);
  EXPECT_EQ(found[0].bytes, second);
  EXPECT_FALSE(found[0].damaged);
}

TEST_F(RingTest, FollowsTheLogIntoTheNextSegmentAndAroundTheEnd) {
  begin_segment(1);
  record(3000);
  header().stored = header().head;
  const Bytes last_of_first = record(500);
  begin_segment(2);
  const Bytes first_of_second = record(3000);
  const Bytes wrapped = record(1500);
  ASSERT_GT(header().head, kBytes);
  const auto found = pieces();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].bytes, last_of_first);
  EXPECT_EQ(found[1].segment, 2u);
  EXPECT_EQ(found[1].offset, 0u);
  Bytes expected = encode_segment_header(2, 0);
  expected.insert(expected.end(), first_of_second.begin(), first_of_second.end());
  expected.insert(expected.end(), wrapped.begin(), wrapped.end());
  EXPECT_EQ(found[1].bytes, expected);
}

TEST_F(RingTest, ASegmentThatWasAboutToBeginHoldsNothing) {
  begin_segment(1);
  const Bytes only = record(10);
  const uint64_t head = header().head;
  begin_segment(2);
  header().head = head;  // killed before the head moved
  const auto found = pieces();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].bytes.size(), kSegmentHeaderBytes + only.size());
}

TEST_F(RingTest, KeepsWhatIsWholeBeforeDamage) {
  begin_segment(1);
  const Bytes whole = record(10);
  record(10);
  file_[kRingHeaderBytes + header().head - 1] ^= 1;
  const auto found = pieces();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].bytes.size(), kSegmentHeaderBytes + whole.size());
  EXPECT_TRUE(found[0].damaged);
}

TEST_F(RingTest, RefusesWhatIsNoRing) {
  struct Row {
    const char* description;
    void (*spoil)(RingHeader&);
  };
  for (const Row& row : {Row{"another magic", [](RingHeader& ring) { ring.magic[0] = 'x'; }},
                         Row{"another version", [](RingHeader& ring) { ring.version = 2; }},
                         Row{"a size that the file has not", [](RingHeader& ring) { ring.data_bytes *= 2; }},
                         Row{"no size", [](RingHeader& ring) { ring.data_bytes = 0; }},
                         Row{"stored beyond the head", [](RingHeader& ring) { ring.stored = ring.head + 1; }},
                         Row{"more than it can hold", [](RingHeader& ring) { ring.head = kBytes + 1; }}}) {
    begin_ring(header(), kBytes);
    row.spoil(header());
    EXPECT_FALSE(unstored_pieces(file_)) << row.description;
  }
  EXPECT_FALSE(unstored_pieces(ByteView(file_).first(100)));
}

TEST(RingPageTest, TheTableIsTheHeader) {
  const auto rows = table_rows(section(source_text("docs/formats/segment.md"), "The ring"));
  ASSERT_EQ(rows.size(), 8u);
  size_t next = 0;
  for (const auto& cells : rows) {
    EXPECT_EQ(std::stoul(cells[0]), next) << cells[2];
    next += std::stoul(cells[1]);
  }
  EXPECT_EQ(next, sizeof(RingHeader));
  EXPECT_EQ(std::stoul(rows[3][0]), offsetof(RingHeader, data_bytes));
  EXPECT_EQ(std::stoul(rows[5][0]), offsetof(RingHeader, stored));
  EXPECT_EQ(std::stoul(rows[7][0]), offsetof(RingHeader, segments));
}

}  // namespace
}  // namespace skep::formats
