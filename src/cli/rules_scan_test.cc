#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "cli/command.h"
#include "formats/pcapng.h"

namespace skep::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RulesScanTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        write_file(rules_,
                   "alert tcp any any -> any any (msg:\"a word\"; content:\"word\"; sid:1;)\n"
                   "alert http any any -> any 80 (msg:\"a hole\"; http.uri; content:\"/hole\"; "
                   "reference:cve,2004-1; sid:2;)\n"
                   "alert tcp any any -> any any (msg:\"from the beginning\"; content:\"BEGIN\"; depth:5; sid:3;)\n"
                   "alert tcp any any -> any any (msg:\"over a hole\"; content:\"over\"; content:\"there\"; sid:4;)\n"
                   "alert tcp any any -> any any (msg:\"no\"; flags:S; content:\"word\"; sid:5;)\n"));
  }

  // One after the other, by their offsets: what the client sends, and what the server does.
  struct Part {
    uint64_t offset;
    std::string bytes;
    bool from_client = true;
  };
  void capture(const std::vector<Part>& parts) {
    std::string file;
    formats::PcapngWriter writer(
        [&](ByteView bytes) {
          file += as_text(bytes);
          return true;
        },
        *parse_endpoint("192.0.2.1:40000"), *parse_endpoint("192.0.2.2:80"));
    writer.begin({});
    writer.connected(1);
    for (const Part& part : parts)
      writer.data(2, part.from_client ? Direction::to_bait : Direction::to_client, part.offset, as_bytes(part.bytes));
    writer.finished(3, Direction::to_bait);
    ASSERT_TRUE(write_file(pcap_, file));
  }

  std::vector<std::string> scan(bool json, int code = 0) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    std::vector<const char*> words = {"rules", "scan", "--rules", rules_.c_str(), "--pcap", pcap_.c_str()};
    if (json) words.push_back("--json");
    EXPECT_EQ(run_rules(words), code);
    said_ = testing::internal::GetCapturedStderr();
    std::vector<std::string> lines;
    const std::string out = testing::internal::GetCapturedStdout();
    for (const std::string_view line : split(out, '\n')) {
      if (!line.empty()) lines.emplace_back(line);
    }
    return lines;
  }

  Folder folder_ = *Folder::make();
  const std::string rules_ = folder_.path() + "/a.rules";
  const std::string pcap_ = folder_.path() + "/a.pcapng";
  std::string said_;
};

TEST_F(RulesScanTest, AHitHasALineWithItsPlaceInTheClientsStream) {
  capture({{0, "GET /ho"}, {7, "le HTTP/1.1\r\n\r\n"}, {0, "HTTP/1.1 200 OK\r\n\r\n", false}, {22, "a word"}});
  EXPECT_THAT(scan(false), ElementsAre("192.0.2.1:40000 > 192.0.2.2:80: byte 20: sid 2 (specific): a hole",
                                       "192.0.2.1:40000 > 192.0.2.2:80: byte 28: sid 1 (generic): a word"));
  EXPECT_THAT(said_, HasSubstr("1 rules are refused: `skep rules check` says why\n"));
  EXPECT_THAT(said_, HasSubstr("1 TCP connections, 28 bytes of clients, 2 hits\n"));
  EXPECT_THAT(scan(true)[1], R"({"sid":1,"msg":"a word","grade":"generic","src_ip":"192.0.2.1","src_port":40000,)"
                             R"("dest_ip":"192.0.2.2","dest_port":80,"stream_offset":28})");
}

TEST_F(RulesScanTest, WhatComesAfterAnAnswerIsAMessageOfItsOwn) {
  capture({{0, "hello"}, {0, "yes?", false}, {5, "BEGIN"}});
  EXPECT_THAT(scan(false), ElementsAre(HasSubstr("byte 10: sid 3")));
  capture({{0, "hello"}, {5, "BEGIN"}});
  EXPECT_THAT(scan(false), ElementsAre());
}

TEST_F(RulesScanTest, OverAHoleNothingIsSeenAndBehindItAllIs) {
  capture({{0, "over here, a word"}, {20, "there is a word"}});
  EXPECT_THAT(scan(false), ElementsAre(HasSubstr("byte 17: sid 1")));
  EXPECT_THAT(said_, HasSubstr("       1  places where bytes of a client are missing"));
  capture({{0, "over here"}, {20, "there is a word"}});
  EXPECT_THAT(scan(false), ElementsAre(HasSubstr("byte 35: sid 1")));
  capture({{0, "over here"}, {9, "there is a word"}});
  EXPECT_THAT(scan(false).size(), 2U);
}

TEST_F(RulesScanTest, WhatCannotBeReadIsSaid) {
  EXPECT_THAT(scan(false, 2), ElementsAre());
  EXPECT_THAT(said_, HasSubstr("a.pcapng: No such file"));
  ASSERT_TRUE(write_file(pcap_, "no capture"));
  scan(false, 2);
  EXPECT_THAT(said_, HasSubstr("a.pcapng: "));
  capture({{0, "a word"}});
  auto whole = read_file(pcap_);
  ASSERT_TRUE(whole);
  ASSERT_TRUE(write_file(pcap_, whole->substr(0, whole->size() - 5)));
  EXPECT_THAT(scan(false, 2), ElementsAre(HasSubstr("sid 1")));
}

}  // namespace
}  // namespace skep::cli
