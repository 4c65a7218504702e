#include "capture/frame.h"

#include <gtest/gtest.h>

#include "capture/test_packets.h"

namespace skep::capture {
namespace {

constexpr int kEthernet = 1;
constexpr int kRaw = 101;

const TestSegment kV4{.seq = 7, .ack = 9, .flags = "AF", .payload = "abc"};
const TestSegment kV6{
    .from = "[2001:db8::1]:4000", .to = "[2001:db8::2]:80", .seq = 7, .ack = 9, .flags = "SA", .payload = "abc"};

Bytes joined(const Bytes& head, const Bytes& tail) {
  Bytes all = head;
  all.insert(all.end(), tail.begin(), tail.end());
  return all;
}

Bytes ethernet(const std::vector<uint16_t>& types, const Bytes& carried) {
  Bytes head(12, 0);
  ByteWriter out(head);
  for (size_t i = 0; i < types.size(); ++i) {
    if (i > 0) out.be<uint16_t>(5);  // of the VLAN
    out.be<uint16_t>(types[i]);
  }
  return joined(head, carried);
}

void expect_same(const Frame& frame, const TestSegment& made, const std::string& what) {
  SCOPED_TRACE(what);
  ASSERT_EQ(frame.kind, Frame::Kind::tcp);
  const TcpSegment wanted = segment_of(made);
  EXPECT_EQ(frame.segment.source, wanted.source);
  EXPECT_EQ(frame.segment.destination, wanted.destination);
  EXPECT_EQ(frame.segment.seq, wanted.seq);
  EXPECT_EQ(frame.segment.ack, wanted.ack);
  EXPECT_EQ(frame.segment.is_syn, wanted.is_syn);
  EXPECT_EQ(frame.segment.is_ack, wanted.is_ack);
  EXPECT_EQ(frame.segment.is_fin, wanted.is_fin);
  EXPECT_EQ(frame.segment.is_rst, wanted.is_rst);
  EXPECT_EQ(frame.segment.bytes, wanted.bytes);
  EXPECT_EQ(as_text(frame.segment.payload), made.payload);
}

TEST(FrameTest, TheSegmentIsFoundUnderEveryLink) {
  const Bytes v4 = ip_packet(kV4);
  const Bytes v6 = ip_packet(kV6);
  Bytes cooked(14, 0);
  Bytes cooked_v4 = cooked;
  ByteWriter(cooked_v4).be<uint16_t>(0x0800);
  Bytes cooked2_v6{0x86, 0xdd};
  ByteWriter(cooked2_v6).zeroes(18);
  const Bytes loopback{2, 0, 0, 0};
  expect_same(read_frame(kEthernet, ethernet({0x0800}, v4)), kV4, "Ethernet");
  expect_same(read_frame(kEthernet, ethernet({0x86dd}, v6)), kV6, "Ethernet, IPv6");
  expect_same(read_frame(kEthernet, ethernet({0x8100, 0x0800}, v4)), kV4, "VLAN");
  expect_same(read_frame(kEthernet, ethernet({0x88a8, 0x8100, 0x86dd}, v6)), kV6, "VLAN in VLAN");
  expect_same(read_frame(113, joined(cooked_v4, v4)), kV4, "Linux cooked");
  expect_same(read_frame(276, joined(cooked2_v6, v6)), kV6, "Linux cooked 2");
  expect_same(read_frame(0, joined(loopback, v4)), kV4, "loopback");
  expect_same(read_frame(108, joined(loopback, v6)), kV6, "loopback of OpenBSD");
  for (const int raw : {12, kRaw, 228}) expect_same(read_frame(raw, v4), kV4, "IP alone");
  expect_same(read_frame(229, v6), kV6, "IPv6 alone");
  EXPECT_FALSE(knows_link_type(105));
  EXPECT_EQ(read_frame(105, v4).kind, Frame::Kind::other);
}

TEST(FrameTest, PaddingOfTheLinkIsNoPayload) {
  Bytes padded = ip_packet(kV4);
  padded.resize(padded.size() + 9);
  expect_same(read_frame(kRaw, padded), kV4, "padded");
}

TEST(FrameTest, WhatTheCaptureCutOffIsKnown) {
  Bytes cut = ip_packet(kV4);
  cut.pop_back();
  const Frame frame = read_frame(kRaw, cut);
  ASSERT_EQ(frame.kind, Frame::Kind::tcp);
  EXPECT_EQ(frame.segment.bytes, 3U);
  EXPECT_EQ(as_text(frame.segment.payload), "ab");
}

TEST(FrameTest, APacketThatTheCardWasToCutHasNoLengthOfItsOwn) {
  Bytes v4 = ip_packet(kV4);
  v4[2] = v4[3] = 0;
  expect_same(read_frame(kRaw, v4), kV4, "IPv4");
  Bytes v6 = ip_packet(kV6);
  v6[4] = v6[5] = 0;
  expect_same(read_frame(kRaw, v6), kV6, "IPv6");
}

TEST(FrameTest, HeadersBetweenIpv6AndTcpArePassedOver) {
  Bytes packet = ip_packet(kV6);
  packet[6] = 0;                                    // hop by hop
  packet[5] = static_cast<uint8_t>(packet[5] + 8);  // eight bytes more
  const uint8_t header[8] = {6, 0, 1, 4};
  packet.insert(packet.begin() + 40, header, header + 8);
  expect_same(read_frame(kRaw, packet), kV6, "hop by hop");
}

TEST(FrameTest, WhatIsNoWholeSegmentIsNamed) {
  struct Case {
    const char* description;
    Frame::Kind kind;
    bool v6;
    size_t at;
    uint8_t value;
  };
  const Case cases[] = {{"ICMP", Frame::Kind::other, false, 9, 1},
                        {"ICMP over IPv6", Frame::Kind::other, true, 6, 58},
                        {"more fragments", Frame::Kind::fragment, false, 6, 0x20},
                        {"a later fragment", Frame::Kind::fragment, false, 7, 3},
                        {"a fragment of IPv6", Frame::Kind::fragment, true, 6, 44},
                        {"may not be cut: no fragment", Frame::Kind::tcp, false, 6, 0x40},
                        {"IP of a version that is none", Frame::Kind::other, false, 0, 0x55},
                        {"an IP header too short", Frame::Kind::damaged, false, 0, 0x44},
                        {"an IP header too long", Frame::Kind::damaged, false, 0, 0x4f},
                        {"a packet shorter than its header", Frame::Kind::damaged, false, 3, 19},
                        {"a TCP header too short", Frame::Kind::damaged, false, 32, 0x40},
                        {"a TCP header longer than all", Frame::Kind::damaged, false, 32, 0xf0}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.description);
    Bytes packet = ip_packet(each.v6 ? kV6 : kV4);
    packet[each.at] = each.value;
    EXPECT_EQ(read_frame(kRaw, packet).kind, each.kind);
  }
  EXPECT_EQ(read_frame(kEthernet, ethernet({0x0806}, Bytes(28))).kind, Frame::Kind::other);
}

TEST(FrameTest, ADatagramIsFound) {
  for (const char* const payload : {"abc", ""}) {
    for (const bool v6 : {false, true}) {
      SCOPED_TRACE(fmt::format("'{}' {}", payload, v6));
      TestDatagram made{.payload = payload};
      if (v6) made.from = "[2001:db8::1]:4000", made.to = "[2001:db8::2]:53";
      Bytes packet = udp_packet(made);
      packet.resize(packet.size() + 9);  // the link's padding
      const Frame frame = read_frame(kRaw, packet);
      ASSERT_EQ(frame.kind, Frame::Kind::udp);
      EXPECT_EQ(to_string(frame.datagram.source), made.from);
      EXPECT_EQ(to_string(frame.datagram.destination), made.to);
      EXPECT_EQ(frame.datagram.bytes, made.payload.size());
      EXPECT_EQ(as_text(frame.datagram.payload), payload);
    }
  }
  Bytes longer = udp_packet({.payload = "abc"});
  longer[25] = 12;  // than the packet that carries it
  EXPECT_EQ(read_frame(kRaw, longer).kind, Frame::Kind::damaged);
  Bytes cut = udp_packet({.payload = "abc"});
  cut.pop_back();
  EXPECT_EQ(read_frame(kRaw, cut).datagram.bytes, 3U);
  EXPECT_EQ(as_text(read_frame(kRaw, cut).datagram.payload), "ab");
}

TEST(FrameTest, NoBeginningOfAPacketIsReadBeyondItsEnd) {
  const Bytes packet = ethernet({0x8100, 0x86dd}, ip_packet(kV6));
  const size_t headers = packet.size() - kV6.payload.size();
  for (size_t bytes = 0; bytes < headers; ++bytes) {
    const Bytes part(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT_EQ(read_frame(kEthernet, part).kind, Frame::Kind::damaged) << bytes;
  }
  const Bytes datagram = udp_packet({.payload = ""});
  for (size_t bytes = 0; bytes < datagram.size(); ++bytes) {
    const Bytes part(datagram.begin(), datagram.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT_EQ(read_frame(kRaw, part).kind, Frame::Kind::damaged) << bytes;
  }
}

}  // namespace
}  // namespace skep::capture
