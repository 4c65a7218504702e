#include "capture/capture_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture/test_packets.h"

namespace skep::capture {
namespace {

using testing::HasSubstr;

constexpr uint32_t kRaw = 101;

Result<CaptureRead> read(Bytes file, Told& told) {
  TcpStreams streams(told);
  DatagramSessions datagrams(told);
  return read_capture(::fmemopen(file.data(), file.size(), "r"), streams, &datagrams);
}

std::vector<Bytes> packets() {
  Bytes fragment = ip_packet({.seq = 103, .payload = "X"});
  fragment[7] = 1;
  Bytes icmp = ip_packet({.seq = 103, .payload = "X"});
  icmp[9] = 1;
  return {ip_packet({.seq = 99, .flags = "S"}),
          fragment,
          icmp,
          Bytes(3),
          ip_packet({.seq = 100, .payload = "abc"}),
          ip_packet({.from = "192.0.2.2:80", .to = "192.0.2.1:4000", .seq = 5, .ack = 103, .payload = "x"})};
}

TEST(CaptureFileTest, StreamsComeOutOfAPcap) {
  Told told;
  const auto done = read(pcap_of(kRaw, packets()), told);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->damage, "");
  EXPECT_THAT(told.words, testing::ElementsAre("1 0 'abc'", "1 < 0 'x'", "1 ended"));
  EXPECT_EQ(done->counts.packets, 6U);
  EXPECT_EQ(done->counts.tcp, 3U);
  EXPECT_EQ(done->counts.fragments, 1U);
  EXPECT_EQ(done->counts.other, 2U);
  EXPECT_EQ(done->counts.udp, 0U);
  EXPECT_EQ(done->counts.damaged, 0U);
}

TEST(CaptureFileTest, AndOutOfAPcapng) {
  Bytes file;
  ByteWriter out(file);
  for (const uint32_t word : {0x0a0d0d0aU, 28U, 0x1a2b3c4dU, 1U, 0xffffffffU, 0xffffffffU, 28U}) out.le(word);
  for (const uint32_t word : {1U, 20U, kRaw, 0U, 20U}) out.le(word);
  for (Bytes packet : packets()) {
    const auto bytes = static_cast<uint32_t>(packet.size());
    packet.resize((packet.size() + 3) / 4 * 4);
    const auto block = static_cast<uint32_t>(32 + packet.size());
    for (const uint32_t word : {6U, block, 0U, 0U, 0U, bytes, bytes}) out.le(word);
    out.raw(packet);
    out.le(block);
  }
  Told told;
  const auto done = read(file, told);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->damage, "");
  EXPECT_EQ(told.streams[1], "abc");
}

TEST(CaptureFileTest, OfADamagedFileTheBeginningIsRead) {
  Bytes file = pcap_of(kRaw, packets());
  file.resize(file.size() - 5);
  Told told;
  const auto done = read(file, told);
  ASSERT_TRUE(done);
  EXPECT_THAT(done->damage, HasSubstr("truncated"));
  EXPECT_THAT(told.words, testing::ElementsAre("1 0 'abc'", "1 ended"));
}

TEST(CaptureFileTest, WhatIsNoCaptureIsAnError) {
  Told told;
  const auto words = read(Bytes(100, 'x'), told);
  ASSERT_FALSE(words);
  EXPECT_NE(words.error().message, "");
  const auto radio = read(pcap_of(105, packets()), told);
  ASSERT_FALSE(radio);
  EXPECT_THAT(radio.error().message, HasSubstr("link type 105 (IEEE802_11) is not known"));
}

}  // namespace
}  // namespace skep::capture
