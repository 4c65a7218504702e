#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/folder.h"
#include "capture/test_packets.h"
#include "formats/pcapng.h"
#include "replay/recordings.h"

namespace skep::replay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RecordingFilesTest : public testing::Test {
 protected:
  std::string file(const std::string& name, std::string_view content) {
    const std::string path = folder_.path() + "/" + name;
    EXPECT_TRUE(write_file(path, content));
    return path;
  }
  std::vector<Recording> read(const std::string& path) {
    read_ = {};
    auto recordings = read_recordings(path, &read_);
    error_ = recordings ? "" : recordings.error().message;
    return recordings ? std::move(*recordings) : std::vector<Recording>();
  }
  static std::vector<std::string> words(const Recording& recording) {
    std::vector<std::string> all;
    for (const Message& message : recording.messages)
      all.push_back(fmt::format("{} {}{}", message.direction == Direction::to_bait ? ">" : "<", as_text(message.bytes),
                                message.ends_direction ? " FIN" : ""));
    return all;
  }
  const Folder folder_ = std::move(Folder::make().value());
  FileRead read_;
  std::string error_;
};

TEST_F(RecordingFilesTest, ACaptureIsItsConnectionsInOrderOfTime) {
  const std::string client = "192.0.2.1:4000";
  const std::string server = "192.0.2.2:80";
  const Bytes pcap = capture::pcap_of(
      101, {capture::ip_packet({.seq = 99, .flags = "S", .payload = "with the SYN"}),
            capture::udp_packet({.payload = "question"}),
            capture::ip_packet({.from = server, .to = client, .seq = 500, .ack = 112, .flags = "SA"}),
            capture::ip_packet({.seq = 112, .ack = 501, .payload = "GET /"}),
            capture::udp_packet({.from = "192.0.2.2:53", .to = client, .payload = "reply"}),
            capture::udp_packet({.payload = ""}),
            capture::ip_packet({.from = server, .to = client, .seq = 501, .ack = 117, .flags = "AF", .payload = "200"}),
            capture::ip_packet({.seq = 117, .ack = 505, .flags = "AF", .payload = "!"}),
            capture::ip_packet({.from = "192.0.2.3:4000", .seq = 9, .flags = "S"})});
  const auto all = read(file("one.pcap", as_text(pcap)));
  EXPECT_EQ(read_.format, "capture");
  ASSERT_EQ(all.size(), 3U) << error_;
  EXPECT_EQ(all[0].name, "one.pcap#1");
  EXPECT_THAT(words(all[0]), ElementsAre("> with the SYNGET /", "< 200 FIN", "> ! FIN"));
  EXPECT_EQ(to_string(all[0].connections[0].client), client);
  EXPECT_EQ(to_string(all[0].connections[0].server), server);
  EXPECT_EQ(all[0].connections[0].end_reason, EndReason::server_closed);
  EXPECT_FALSE(all[0].cut_short);
  EXPECT_EQ(all[1].connections[0].protocol, Protocol::udp);
  EXPECT_THAT(words(all[1]), ElementsAre("> question", "< reply", "> "));
  EXPECT_TRUE(all[2].empty());
  EXPECT_TRUE(all[2].cut_short);
  EXPECT_THAT(read_.remarks, ElementsAre());
}

TEST_F(RecordingFilesTest, WhatACaptureLacksIsSaid) {
  Bytes pcap = capture::pcap_of(
      101, {capture::ip_packet({.seq = 99, .flags = "S"}), capture::ip_packet({.seq = 100, .payload = "ab"}),
            capture::ip_packet({.seq = 105, .payload = "fg"}), capture::ip_packet({.seq = 107, .payload = "h"})});
  pcap.pop_back();
  const auto all = read(file("cut.pcap", as_text(pcap)));
  ASSERT_EQ(all.size(), 1U) << error_;
  EXPECT_EQ(all[0].name, "cut.pcap") << "it is alone";
  EXPECT_THAT(words(all[0]), ElementsAre("> abfg"));
  EXPECT_EQ(all[0].lost_bytes, 3U);
  EXPECT_EQ(all[0].cut_because, "the capture does not have the end of the connection");
  EXPECT_THAT(read_.remarks,
              ElementsAre("3 bytes are missing in the capture", HasSubstr("the rest cannot be read: truncated")));
}

// What `skep session export` makes.
TEST_F(RecordingFilesTest, OurPcapngComesBackToTheByte) {
  std::string pcapng;
  formats::PcapngWriter writer(
      [&](ByteView bytes) {
        pcapng += as_text(bytes);
        return true;
      },
      *parse_endpoint("192.0.2.1:4000"), *parse_endpoint("192.0.2.2:80"));
  const std::string large(200'000, 'x');
  const int64_t start = 1'700'000'000'000'000'001;
  writer.begin({});
  writer.connected(start);
  writer.data(start + 10, Direction::to_client, 0, as_bytes("hello"));
  writer.data(start + 20, Direction::to_bait, 0, as_bytes(large));
  writer.data(start + 30, Direction::to_client, 5, as_bytes(large));
  writer.remark(start + 31, Direction::to_bait, {"an alert"});
  writer.journal({start + 32, 1, 1, "x", "an alert", {}});
  writer.data(start + 40, Direction::to_bait, 200'000, as_bytes("bye"));
  writer.finished(start + 50, Direction::to_bait);
  writer.finished(start + 60, Direction::to_client);
  const auto all = read(file("session.pcapng", pcapng));
  ASSERT_EQ(all.size(), 1U) << error_;
  EXPECT_THAT(words(all[0]), ElementsAre("< hello", "> " + large, "< " + large + " FIN", "> bye FIN"));
  EXPECT_EQ(all[0].messages[1].begun_ns, start + 20) << "to the nanosecond";
  EXPECT_EQ(all[0].connections[0].end_reason, EndReason::client_closed);
  EXPECT_EQ(all[0].lost_bytes, 0U);
  EXPECT_FALSE(all[0].cut_short);
  EXPECT_THAT(read_.remarks, ElementsAre());
}

TEST_F(RecordingFilesTest, ABistreamIsOneRecording) {
  const auto all = read(file("httpd-80-192.0.2.1-a1B2c3", "stream = [('in', b'GET /'),\n('out', b'200'),\n('in', b'x"));
  EXPECT_EQ(read_.format, "bistream");
  ASSERT_EQ(all.size(), 1U) << error_;
  EXPECT_EQ(all[0].name, "httpd-80-192.0.2.1-a1B2c3");
  EXPECT_EQ(all[0].service, "httpd");
  EXPECT_EQ(to_string(all[0].connections[0].client), "192.0.2.1:0");
  EXPECT_EQ(all[0].connections[0].server.port, 80);
  EXPECT_GT(all[0].connections[0].opened_ns, 0);
  EXPECT_THAT(words(all[0]), ElementsAre("> GET /", "< 200", "> x"));
  EXPECT_EQ(all[0].cut_because, "line 3: the text ends within a string");
  EXPECT_THAT(read_.remarks, ElementsAre("the rest cannot be read: line 3: the text ends within a string"));
  EXPECT_EQ(read(file("plain", "# server 192.0.2.9:5060\n# protocol udp\nstream = [('in', b''), ('in', b'a')]"))
                .at(0)
                .messages.size(),
            2U)
      << "datagrams";
}

TEST_F(RecordingFilesTest, HoneytrapsAttacksAreRecordings) {
  const std::string line =
      R"({"attack_connection": {"protocol": "tcp", "remote_ip": "192.0.2.1", "remote_port": 4000, )"
      R"("local_ip": "192.0.2.2", "local_port": 80, "payload": {"length": 4, "data_hex": "616263"}}, )"
      R"("start_time": "2025-02-18T04:23:26Z"})";
  const auto all = read(file("log.json", line + "\n{damaged\n" + line + "\n"));
  EXPECT_EQ(read_.format, "honeytrap");
  ASSERT_EQ(all.size(), 2U) << error_;
  EXPECT_EQ(all[1].name, "log.json#2");
  EXPECT_THAT(words(all[1]), ElementsAre("> abc"));
  EXPECT_EQ(to_string(all[1].connections[0].client), "192.0.2.1:4000");
  EXPECT_EQ(all[1].lost_bytes, 1U);
  EXPECT_TRUE(all[1].cut_short);
  EXPECT_THAT(read_.remarks, ElementsAre("log.json#1: length says 4 bytes, data_hex has 3",
                                         "log.json#2: length says 4 bytes, data_hex has 3", HasSubstr("line 2: ")));
}

TEST_F(RecordingFilesTest, EndsThatAreNotNamedAreToldApart) {
  const auto all = read(file("log.json", R"({"attack_connection": {"protocol": "ip", "remote_ip": "0.0.0.0", )"
                                         R"("remote_port": 0, "local_ip": "0.0.0.0", "local_port": 0, )"
                                         R"("payload": {"data_hex": "61"}}})"));
  ASSERT_EQ(all.size(), 1U) << error_;
  EXPECT_EQ(to_string(all[0].connections[0].client), "0.0.0.0:1");
  EXPECT_EQ(to_string(all[0].connections[0].server), "0.0.0.0:0");
  EXPECT_THAT(read_.remarks, ElementsAre("1 attacks name neither tcp nor udp: their bytes are taken for TCP's"));
}

TEST_F(RecordingFilesTest, WhatIsNoRecordingIsAnError) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "neither a capture (pcap, pcapng) nor a bistream nor honeytrap's JSON"},
      {"GET / HTTP/1.1\r\n\r\n", "neither a capture"},
      {std::string("\xd4\xc3\xb2\xa1", 4), "truncated"},
      {"stream = (", "line 1: '(' stands where '[' should"},
      {"{\"a\": 1}", "there is no `attack_connection` in it"},
      {"{\"a\": ", "line 1: the text ends within a value"}};
  for (const auto& [content, error] : cases) {
    EXPECT_THAT(read(file("x", content)), ElementsAre());
    EXPECT_THAT(error_, HasSubstr(error));
  }
  read(folder_.path() + "/none");
  EXPECT_THAT(error_, HasSubstr("No such file"));
  read(folder_.path());
  EXPECT_THAT(error_, HasSubstr("Is a directory"));
}

TEST_F(RecordingFilesTest, NoMoreIsTakenThanIsWanted) {
  std::vector<Bytes> packets;
  for (int port = 4000; port < 4100; ++port)
    packets.push_back(capture::udp_packet({.from = fmt::format("192.0.2.1:{}", port), .payload = "x"}));
  const std::string path = file("many.pcap", as_text(capture::pcap_of(101, packets)));
  uint64_t taken = 0;
  const auto read = for_each_recording(path, [&](Recording&&) { return ++taken < 3; });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(taken, 3U);
  EXPECT_EQ(read->recordings, 3U);
}

TEST_F(RecordingFilesTest, ALongConnectionIsReadAsFarAsTheBound) {
  const std::string piece(60'000, 'x');
  const std::string path = folder_.path() + "/long.pcapng";
  std::FILE* const out = std::fopen(path.c_str(), "wb");
  ASSERT_NE(out, nullptr);
  formats::PcapngWriter writer([&](ByteView bytes) { return std::fwrite(bytes.data(), 1, bytes.size(), out) > 0; },
                               *parse_endpoint("192.0.2.1:4000"), *parse_endpoint("192.0.2.2:80"));
  writer.begin({});
  writer.connected(1);
  for (uint64_t offset = 0; offset < kRecordedBytesMax + 1'000'000; offset += piece.size())
    writer.data(2, Direction::to_bait, offset, as_bytes(piece));
  writer.finished(3, Direction::to_bait);
  writer.finished(3, Direction::to_client);
  std::fclose(out);
  uint64_t furthest = 0;
  Recording recording;
  const auto done = for_each_recording(
      path,
      [&](Recording&& each) {
        recording = std::move(each);
        return true;
      },
      [&](uint64_t at, uint64_t of) { EXPECT_LE(furthest = std::max(furthest, at), of); });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_LE(recording.payload_bytes(), kRecordedBytesMax);
  EXPECT_GT(recording.payload_bytes(), kRecordedBytesMax - piece.size());
  EXPECT_EQ(recording.cut_because, kLongerThanRead);
  EXPECT_THAT(done->remarks, ElementsAre("long.pcapng#1: cut short: the recording is longer than is read of one"));
}

}  // namespace
}  // namespace skep::replay
