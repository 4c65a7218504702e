#include "replay/recordings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "archive/one_writer.h"

namespace skep::replay {
namespace {

using testing::ElementsAre;

constexpr int64_t kStart = 1'700'000'000'000'000'000;

formats::OpenedEvent opened(const char* client, const char* entrance, Protocol protocol = Protocol::tcp) {
  return {
      .service = "ftp", .client = *parse_endpoint(client), .proxy = *parse_endpoint(entrance), .protocol = protocol};
}

Alert spawn(uint64_t stream_offset) {
  Alert alert;
  alert.id = 1;
  alert.rule = "spawn";
  alert.confidence = Confidence::exact;
  alert.stream_offset = stream_offset;
  return alert;
}

// An archive that is written first, and then read.
class RecordingOfTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = archive::OneWriter::scratch();
    ASSERT_TRUE(opened) << opened.error().message;
    writer_ = std::move(*opened);
  }
  archive::Writer& writer() { return *writer_; }
  void say(SessionId id, int64_t time_ns, Direction direction, std::string_view bytes) {
    ASSERT_TRUE(writer().data(id, time_ns, direction, as_bytes(bytes)));
  }
  void close(SessionId id, int64_t time_ns, EndReason reason, uint64_t bytes_in, uint64_t bytes_out) {
    formats::ClosedEvent event;
    event.reason = reason;
    event.bytes_in = bytes_in;
    event.bytes_out = bytes_out;
    writer().closed(id, time_ns, event);
  }
  Recording read(SessionId id) {
    writer_.reset();
    auto reader = archive::Reader::open(writer_.scratch_folder());
    if (!reader) throw std::runtime_error(reader.error().message);
    const auto session = reader->find(id);
    if (!session || !*session) throw std::runtime_error("no such session");
    auto recording = recording_of(*reader, **session);
    if (!recording) throw std::runtime_error(recording.error().message);
    return std::move(*recording);
  }
  static std::vector<std::string> words(const Recording& recording) {
    std::vector<std::string> all;
    for (const Message& message : recording.messages)
      all.push_back(fmt::format("{} {} {}{}", message.connection, message.direction == Direction::to_bait ? ">" : "<",
                                as_text(message.bytes), message.ends_direction ? " FIN" : ""));
    return all;
  }
  archive::OneWriter writer_;
};

TEST_F(RecordingOfTest, ADialogueIsItsMessages) {
  const SessionId id = writer().opened(kStart, opened("192.0.2.1:4000", "192.0.2.2:21"));
  say(id, kStart + 1, Direction::to_client, "220 hello\r\n");
  say(id, kStart + 2, Direction::to_bait, "US");
  say(id, kStart + 3, Direction::to_bait, "ER a\r\n");
  say(id, kStart + 4, Direction::to_client, "331\r\n");
  writer().half_closed(id, kStart + 5, Direction::to_bait);
  close(id, kStart + 6, EndReason::client_closed, 8, 16);
  const Recording recording = read(id);
  EXPECT_EQ(recording.name, to_string(id));
  EXPECT_EQ(recording.service, "ftp");
  EXPECT_THAT(words(recording), ElementsAre("0 < 220 hello\r\n", "0 > USER a\r\n FIN", "0 < 331\r\n"));
  EXPECT_THAT(recording.messages[1].reads, ElementsAre(2, 8));
  EXPECT_EQ(recording.messages[1].begun_ns, kStart + 2);
  EXPECT_EQ(recording.messages[1].ended_ns, kStart + 3);
  ASSERT_EQ(recording.connections.size(), 1U);
  EXPECT_EQ(to_string(recording.connections[0].client), "192.0.2.1:4000");
  EXPECT_EQ(to_string(recording.connections[0].server), "192.0.2.2:21");
  EXPECT_EQ(recording.connections[0].end_reason, EndReason::client_closed);
  EXPECT_EQ(recording.lost_bytes, 0U);
  EXPECT_FALSE(recording.cut_short);
}

TEST_F(RecordingOfTest, LinkedSessionsAreFurtherConnections) {
  const SessionId control = writer().opened(kStart, opened("192.0.2.1:4000", "192.0.2.2:21"));
  say(control, kStart + 1'000'000, Direction::to_bait, "PASV\r\n");
  say(control, kStart + 2'000'000, Direction::to_client, "227\r\n");
  const SessionId other = writer().opened(kStart + 2'500'000, opened("192.0.2.7:4001", "192.0.2.2:30000"));
  say(other, kStart + 2'600'000, Direction::to_bait, "not of it");
  const SessionId data = writer().opened(kStart + 3'000'000, opened("192.0.2.1:4002", "192.0.2.2:30001"));
  writer().origin(data, kStart + 3'000'000, {control, {}});
  say(control, kStart + 4'000'000, Direction::to_bait, "STOR x\r\n");
  say(data, kStart + 5'000'000, Direction::to_bait, "the file");
  writer().half_closed(data, kStart + 6'000'000, Direction::to_bait);
  say(control, kStart + 7'000'000, Direction::to_client, "226\r\n");
  writer().alert(data, kStart + 8'000'000, spawn(8));
  close(data, kStart + 9'000'000, EndReason::client_closed, 8, 0);
  close(other, kStart + 9'000'000, EndReason::client_closed, 9, 0);
  close(control, kStart + 9'000'000, EndReason::client_closed, 14, 10);
  const Recording recording = read(control);
  EXPECT_THAT(words(recording),
              ElementsAre("0 > PASV\r\n", "0 < 227\r\n", "0 > STOR x\r\n", "1 > the file FIN", "0 < 226\r\n"));
  ASSERT_EQ(recording.connections.size(), 2U);
  EXPECT_EQ(to_string(recording.connections[1].server), "192.0.2.2:30001");
  ASSERT_EQ(recording.alerts.size(), 1U);
  EXPECT_EQ(recording.alerts[0].trigger, 3U);
  EXPECT_EQ(recording.lost_bytes, 0U);
}

TEST_F(RecordingOfTest, WhatAnAlertHadSeenIsTheTrigger) {
  const SessionId id = writer().opened(kStart, opened("192.0.2.1:4000", "192.0.2.2:21"));
  say(id, kStart + 1, Direction::to_bait, "one\n");
  say(id, kStart + 2, Direction::to_client, "ok\n");
  say(id, kStart + 3, Direction::to_bait, "two\n");
  say(id, kStart + 4, Direction::to_client, "ok\n");
  say(id, kStart + 5, Direction::to_bait, "three\n");
  writer().alert(id, kStart + 6, spawn(8));
  Alert of_another = spawn(8);
  of_another.id = 2;
  of_another.role = AlertRole::writer;
  writer().alert(id, kStart + 7, of_another);
  const Recording recording = read(id);
  ASSERT_EQ(recording.alerts.size(), 1U) << "what another did with a file of this one is not its effect";
  EXPECT_EQ(recording.alerts[0].trigger, 2U);
  EXPECT_EQ(recording.trigger(), std::optional(2U));
  EXPECT_TRUE(recording.cut_short) << "nobody had ended it";
  EXPECT_EQ(recording.cut_because, "the session was still open");
}

TEST_F(RecordingOfTest, WhatTheArchiveLacksIsCounted) {
  const SessionId id = writer().opened(kStart, opened("192.0.2.1:4000", "192.0.2.2:21"));
  say(id, kStart + 1, Direction::to_bait, "abc");
  close(id, kStart + 2, EndReason::filtered, 10, 4);
  const Recording recording = read(id);
  EXPECT_EQ(recording.lost_bytes, 11U);
  EXPECT_TRUE(recording.cut_short);
  EXPECT_EQ(recording.cut_because, "a payload rule ended the session");
}

TEST_F(RecordingOfTest, DatagramsStayApart) {
  const SessionId id = writer().opened(kStart, opened("192.0.2.1:4000", "192.0.2.2:53", Protocol::udp));
  say(id, kStart + 1, Direction::to_bait, "a");
  say(id, kStart + 2, Direction::to_bait, "");
  say(id, kStart + 3, Direction::to_bait, "b");
  close(id, kStart + 4, EndReason::timeout, 2, 0);
  const Recording recording = read(id);
  EXPECT_THAT(words(recording), ElementsAre("0 > a", "0 > ", "0 > b"));
  EXPECT_FALSE(recording.cut_short);
}

TEST_F(RecordingOfTest, AClockThatGoesBackMixesNothingUp) {
  const SessionId id = writer().opened(kStart, opened("192.0.2.1:4000", "192.0.2.2:21"));
  say(id, kStart + 5'000'000'000, Direction::to_bait, "first");
  say(id, kStart + 1, Direction::to_client, "second");
  close(id, kStart + 2, EndReason::client_closed, 5, 6);
  EXPECT_THAT(words(read(id)), ElementsAre("0 > first", "0 < second"));
}

TEST_F(RecordingOfTest, ALongSessionIsReadAsFarAsTheBound) {
  const SessionId id = writer().opened(kStart, opened("192.0.2.1:4000", "192.0.2.2:21"));
  const std::string mebibyte(1 << 20, 'x');
  for (size_t i = 0; i < 66; ++i) say(id, kStart + 1, Direction::to_bait, mebibyte);
  close(id, kStart + 2, EndReason::client_closed, 66 << 20, 0);
  const Recording recording = read(id);
  EXPECT_EQ(recording.payload_bytes(), kRecordedBytesMax);
  EXPECT_TRUE(recording.cut_short);
}

TEST_F(RecordingOfTest, ASessionWithoutBytesIsEmpty) {
  const SessionId id = writer().opened(kStart, opened("192.0.2.1:4000", "192.0.2.2:21"));
  say(id, kStart + 1, Direction::to_client, "220\r\n");
  close(id, kStart + 2, EndReason::client_closed, 0, 5);
  const Recording recording = read(id);
  EXPECT_TRUE(recording.empty());
  EXPECT_EQ(recording.trigger(), std::nullopt);
}

}  // namespace
}  // namespace skep::replay
