#include "formats/saved_syn.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace skep::formats {
namespace {

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  std::string digits;
  for (const char c : text) {
    if (c != ' ') digits += c;
    if (digits.size() == 2) bytes.push_back(static_cast<uint8_t>(std::stoi(std::exchange(digits, ""), nullptr, 16)));
  }
  return bytes;
}

// As Linux keeps them: IP header, TCP header with MSS, SACK, timestamps, NOP, window scale.
constexpr char kV4[] =
    "4510003c1c4640004006b1e6 c0000201 c0000202 04d20050 00000064 00000000 a002faf0 fe300000"
    "020405b4 0402080a 00000001 00000000 01030307";
// The same options over IPv6, behind a destination options header of 8 bytes.
constexpr char kV6[] =
    "6a012345 00303c40 20010db8000000000000000000000001 20010db8000000000000000000000002"
    "0600010400000000 04d20050 fffffff0 00000000 a0c2faf0 fe300000"
    "020405a0 0402080a 00000001 00000000 01030307";

TEST(SavedSynTest, SaysWhatTheHeadersOfIPv4Say) {
  const Bytes bytes = from_hex(kV4);
  const auto syn = parse_saved_syn(bytes);
  ASSERT_TRUE(syn);
  EXPECT_EQ(to_string(syn->source), "192.0.2.1:1234");
  EXPECT_EQ(syn->ttl, 64);
  EXPECT_EQ(syn->traffic_class, 0x10);
  EXPECT_EQ(syn->ip_id, 0x1c46);
  EXPECT_TRUE(syn->dont_fragment);
  EXPECT_EQ(syn->seq, 100u);
  EXPECT_EQ(syn->flags, 2u);
  EXPECT_EQ(syn->window, 64240u);
  EXPECT_EQ(hex(syn->options), "020405b40402080a000000010000000001030307");
}

TEST(SavedSynTest, SaysWhatTheHeadersOfIPv6SayBehindExtensions) {
  const Bytes bytes = from_hex(kV6);
  const auto syn = parse_saved_syn(bytes);
  ASSERT_TRUE(syn);
  EXPECT_EQ(to_string(syn->source), "[2001:db8::1]:1234");
  EXPECT_EQ(syn->ttl, 64);
  EXPECT_EQ(syn->traffic_class, 0xa0);
  EXPECT_EQ(syn->flow_label, 0x12345u);
  EXPECT_EQ(syn->seq, 0xfffffff0u);
  EXPECT_EQ(syn->flags, 0xc2u) << "SYN, ECE, CWR";
  EXPECT_EQ(syn->options.size(), 20u);
}

TEST(SavedSynTest, EveryCutAndWhatIsNoSynIsNone) {
  for (const char* text : {kV4, kV6}) {
    const Bytes bytes = from_hex(text);
    for (size_t length = 0; length < bytes.size(); ++length)
      EXPECT_FALSE(parse_saved_syn(ByteView(bytes).first(length))) << length;
  }
  Bytes other = from_hex(kV4);
  other[9] = 17;
  EXPECT_FALSE(parse_saved_syn(other)) << "UDP";
  other = from_hex(kV4);
  other[33] = 0x10;
  EXPECT_FALSE(parse_saved_syn(other)) << "an ACK";
  other = from_hex(kV4);
  other[0] = 0x4f;
  EXPECT_FALSE(parse_saved_syn(other)) << "IP options beyond the end";
}

}  // namespace
}  // namespace skep::formats
