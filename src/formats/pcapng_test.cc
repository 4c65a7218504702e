#include "formats/pcapng.h"

#include <gtest/gtest.h>

namespace skep::formats {
namespace {

// What stands in one packet.
struct Seen {
  bool from_client = false;
  uint8_t ttl = 0;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t flags = 0;
  uint16_t window = 0;
  Bytes options;
  std::string payload;
};

class PcapngTest : public testing::Test {
 protected:
  PcapngWriter writer(const char* client = "192.0.2.1:1234", const char* server = "192.0.2.2:80",
                      Protocol protocol = Protocol::tcp) {
    v6_ = client[0] == '[';
    return {[this](ByteView bytes) {
              file_.insert(file_.end(), bytes.begin(), bytes.end());
              return true;
            },
            *parse_endpoint(client), *parse_endpoint(server), protocol};
  }
  std::vector<std::pair<uint32_t, Bytes>> blocks() const {
    std::vector<std::pair<uint32_t, Bytes>> found;
    ByteReader reader(file_);
    while (reader.left() > 0) {
      const auto type = reader.le<uint32_t>();
      const auto length = reader.le<uint32_t>();
      EXPECT_TRUE(length >= 12 && length % 4 == 0);
      const ByteView body = reader.raw(length - 12);
      EXPECT_EQ(reader.le<uint32_t>(), length);
      EXPECT_TRUE(reader.ok());
      if (!reader.ok()) break;
      found.emplace_back(type, Bytes(body.begin(), body.end()));
    }
    return found;
  }
  std::vector<Bytes> frames() const {
    std::vector<Bytes> found;
    for (const auto& [type, body] : blocks()) {
      if (type != 6) continue;
      ByteReader block(body);
      block.raw(12);
      const auto bytes = block.le<uint32_t>();
      block.raw(4);
      const ByteView frame = block.raw(bytes);
      found.emplace_back(frame.begin(), frame.end());
    }
    return found;
  }
  std::vector<Seen> datagrams() const {
    std::vector<Seen> found;
    for (const Bytes& frame : frames()) {
      const ByteView ip = ByteView(frame).subspan(14);
      const size_t header = v6_ ? 40 : 20;
      ByteReader lengths(ip.subspan(v6_ ? 4 : 2));
      EXPECT_EQ(lengths.be<uint16_t>(), ip.size() - (v6_ ? header : 0));
      EXPECT_EQ(ip[v6_ ? 6 : 9], 17);
      ByteReader udp(ip.subspan(header));
      udp.raw(4);
      EXPECT_EQ(udp.be<uint16_t>(), ip.size() - header);
      EXPECT_NE(udp.be<uint16_t>(), 0);
      EXPECT_EQ(sum(ip, 17), 0xffffu) << "the checksums";
      Seen seen;
      seen.from_client = frame[0] == 6;
      seen.payload = as_text(udp.raw(udp.left()));
      found.push_back(std::move(seen));
    }
    return found;
  }
  std::vector<Seen> packets() const {
    std::vector<Seen> found;
    for (const Bytes& frame : frames()) {
      Seen seen;
      seen.from_client = frame[0] == 6;
      const ByteView ip = ByteView(frame).subspan(14);
      seen.ttl = v6_ ? ip[7] : ip[8];
      ByteReader tcp(ip.subspan(v6_ ? 40 : 20));
      tcp.raw(4);
      seen.seq = tcp.be<uint32_t>();
      seen.ack = tcp.be<uint32_t>();
      const auto offset_and_flags = tcp.be<uint16_t>();
      seen.flags = offset_and_flags & 0x1ff;
      seen.window = tcp.be<uint16_t>();
      tcp.raw(4);
      const ByteView options = tcp.raw((offset_and_flags >> 12) * 4u - 20);
      seen.options.assign(options.begin(), options.end());
      seen.payload = as_text(tcp.raw(tcp.left()));
      EXPECT_EQ(sum(ip, 6), 0xffffu) << "the checksums";
      found.push_back(std::move(seen));
    }
    return found;
  }
  // Over pseudo header and what follows; all ones where the checksum is right.
  uint32_t sum(ByteView ip, uint32_t protocol) const {
    const size_t header = v6_ ? 40 : 20;
    Bytes all;
    ByteWriter out(all);
    out.raw(v6_ ? ip.subspan(8, 32) : ip.subspan(12, 8));
    out.be(static_cast<uint32_t>(ip.size() - header));
    out.be(protocol);
    out.raw(ip.subspan(header));
    if (all.size() % 2 == 1) all.push_back(0);
    uint64_t total = 0;
    for (size_t i = 0; i < all.size(); i += 2) total += static_cast<uint64_t>(all[i] << 8 | all[i + 1]);
    while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
    return static_cast<uint32_t>(total);
  }
  Bytes file_;
  bool v6_ = false;
};

SynHeaders syn_of(const char* source, ByteView options) {
  SynHeaders syn;
  syn.source = *parse_endpoint(source);
  syn.ttl = 51;
  syn.seq = 0xfffffffe;
  syn.flags = 0xc2;
  syn.window = 1024;
  syn.options = options;
  return syn;
}

TEST_F(PcapngTest, TheSynIsTheAttackersOwn) {
  const uint8_t mss[4] = {2, 4, 5, 0xb4};
  for (const char* client : {"192.0.2.1:1234", "[2001:db8::1]:1234"}) {
    file_.clear();
    auto w = writer(client, client[0] == '[' ? "[2001:db8::2]:80" : "192.0.2.2:80");
    w.begin({});
    w.connected(1, syn_of(client, mss));
    const auto seen = packets();
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_EQ(seen[0].ttl, 51);
    EXPECT_EQ(seen[0].flags, 0xc2) << "ECE and CWR are its";
    EXPECT_EQ(seen[0].window, 1024);
    EXPECT_EQ(hex(seen[0].options), "020405b4");
    EXPECT_EQ(seen[1].ack, 0xffffffffu);
    EXPECT_TRUE(seen[1].options.empty());
    EXPECT_EQ(seen[2].seq, 0xffffffffu);
    EXPECT_EQ(seen[2].ack, seen[1].seq + 1);
  }
}

TEST_F(PcapngTest, TheSynOfAnotherIsNotTakenForTheAttackers) {
  auto w = writer();
  w.connected(1, syn_of("198.51.100.9:1234", {}));
  EXPECT_EQ(packets()[0].ttl, 64);
  EXPECT_NE(packets()[0].seq, 0xfffffffeu);
}

TEST_F(PcapngTest, SequenceNumbersWrap) {
  auto w = writer();
  w.connected(1, syn_of("192.0.2.1:1234", {}));
  w.data(2, Direction::to_bait, 0, as_bytes("ab"));
  w.data(3, Direction::to_bait, 2, as_bytes("c"));
  w.data(4, Direction::to_bait, (uint64_t{5} << 32) + 3, as_bytes("behind twenty GiB"));
  const auto seen = packets();
  ASSERT_EQ(seen.size(), 9u);
  EXPECT_EQ(seen[3].seq, 0xffffffffu);
  EXPECT_EQ(seen[4].ack, 1u);
  EXPECT_EQ(seen[5].seq, 1u);
  EXPECT_EQ(seen[7].seq, 2u);
  EXPECT_EQ(seen[8].ack, 2u + 17);
}

TEST_F(PcapngTest, WhereBytesWereLostTheSequenceNumbersShowIt) {
  auto w = writer();
  w.connected(1);
  w.data(2, Direction::to_client, 0, as_bytes("abc"));
  w.data(3, Direction::to_client, 1003, as_bytes("def"));
  const auto seen = packets();
  EXPECT_EQ(seen[5].seq - seen[3].seq, 1003u);
}

TEST_F(PcapngTest, ALongRecordIsSeveralPacketsWithItsCommentsAtTheFirst) {
  auto w = writer();
  w.connected(1);
  const std::string bytes(150'001, 'x');
  w.data(2, Direction::to_bait, 0, as_bytes(bytes), {"skep alert"});
  const auto seen = packets();
  ASSERT_EQ(seen.size(), 3u + 3 + 1);
  std::string all;
  for (const Seen& each : seen) all += each.payload;
  EXPECT_TRUE(all == bytes);
  EXPECT_EQ(seen[6].ack, seen[3].seq + 150'001);
  const std::string text(file_.begin(), file_.end());
  EXPECT_EQ(text.find("skep alert"), text.rfind("skep alert"));
}

TEST_F(PcapngTest, AfterAHalfCloseTheOtherDirectionGoesOnAndIsAcknowledged) {
  auto w = writer();
  w.connected(1);
  w.finished(2, Direction::to_bait);
  w.data(3, Direction::to_client, 0, as_bytes("answer"));
  w.finished(4, Direction::to_client);
  w.finished(5, Direction::to_bait);  // said again at the end: once is enough
  const auto seen = packets();
  ASSERT_EQ(seen.size(), 3u + 2 + 2 + 2);
  EXPECT_EQ(seen[3].flags, 0x11);
  EXPECT_EQ(seen[4].ack, seen[3].seq + 1);
  EXPECT_TRUE(seen[6].from_client);
  EXPECT_EQ(seen[6].seq, seen[3].seq + 1);
  EXPECT_EQ(seen[6].ack, seen[5].seq + 6);
}

TEST_F(PcapngTest, ADatagramIsOnePacketHoweverLongAndTheLongestFits) {
  for (const bool v6 : {false, true}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{512}, size_t{9000}, size_t{65'507}}) {
      file_.clear();
      const auto client = v6 ? "[2001:db8::1]:1234" : "192.0.2.1:1234";
      auto w = writer(client, v6 ? "[2001:db8::2]:53" : "192.0.2.2:53", Protocol::udp);
      w.connected(1);
      w.data(2, Direction::to_bait, 0, as_bytes(std::string(size, 'q')));
      w.data(3, Direction::to_client, 0, as_bytes("answer"));
      w.finished(4, Direction::to_bait);
      w.reset(4, Direction::to_client);
      w.remark(5, Direction::to_bait, {"no packet"});
      const auto seen = datagrams();
      ASSERT_EQ(seen.size(), 2u) << size;
      EXPECT_EQ(seen[0].payload.size(), size);
      EXPECT_TRUE(seen[0].from_client);
      EXPECT_EQ(seen[1].payload, "answer");
      EXPECT_FALSE(seen[1].from_client);
    }
  }
}

// 0 in the header would say that there is none.
TEST_F(PcapngTest, AChecksumOfZeroIsWrittenAsAllOnes) {
  auto w = writer("192.0.2.1:1", "192.0.2.2:2", Protocol::udp);
  for (unsigned value = 0; value < 0x10000; ++value) {
    const uint8_t bytes[2] = {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
    file_.clear();
    w.data(1, Direction::to_bait, 0, bytes);
    const size_t udp_at = 28 + 14 + 20;  // behind the block's own fields
    ASSERT_FALSE(file_[udp_at + 6] == 0 && file_[udp_at + 7] == 0) << value;
  }
}

TEST_F(PcapngTest, WhatNoDatagramHoldsIsCutAndSaid) {
  auto w = writer("192.0.2.1:1", "192.0.2.2:2", Protocol::udp);
  w.data(1, Direction::to_bait, 0, as_bytes(std::string(70'000, 'x')));
  EXPECT_EQ(datagrams().at(0).payload.size(), 65'507u);
  EXPECT_NE(std::string(file_.begin(), file_.end()).find("70000 bytes were recorded"), std::string::npos);
}

TEST_F(PcapngTest, ACommentIsCutAtACharactersEnd) {
  auto w = writer();
  std::string comment(59'999, 'x');
  comment += "é and more";
  w.begin({comment});
  const std::string text(file_.begin(), file_.end());
  EXPECT_EQ(text.find("\xc3"), std::string::npos);
  EXPECT_EQ(blocks().size(), 2u);
}

TEST_F(PcapngTest, AJournalBlockHoldsALineAField) {
  auto w = writer();
  w.journal({5'000, 1, 42, "web\nd", "two\nlines", {{"SKEP_RULE", "shell"}}});
  w.custom("{\"event\":\"alert\"}");
  const auto found = blocks();
  ASSERT_EQ(found.size(), 2u);
  const std::string text(found[0].second.begin(), found[0].second.end());
  EXPECT_TRUE(
      text.starts_with("__REALTIME_TIMESTAMP=5\nPRIORITY=1\nSYSLOG_IDENTIFIER=skep\n_PID=42\n_COMM=web d\n"
                       "SKEP_RULE=shell\nMESSAGE=two lines\n"))
      << text;
  EXPECT_EQ(found[1].first, 0xbadu);
}

}  // namespace
}  // namespace skep::formats
