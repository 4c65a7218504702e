#include "formats/proxy_header.h"

#include <gtest/gtest.h>

namespace skep::formats {
namespace {

using State = ProxyHeader::State;
using namespace std::string_literals;

constexpr char kTcp4Line[] = "PROXY TCP4 203.0.113.9 192.0.2.1 51514 80\r\n";
const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;
// 203.0.113.9:51514 to 192.0.2.1:80.
const std::string kEndsV4 = "\xcb\0\x71\x09\xc0\0\x02\x01\xc9\x3a\0\x50"s;

std::string version_2(char command, char family, const std::string& rest) {
  std::string header = kSignature + command + family;
  header += static_cast<char>(rest.size() >> 8);
  header += static_cast<char>(rest.size() & 255);
  return header + rest;
}

ProxyHeader read(const std::string& text) {
  return read_proxy_header(as_bytes(text));
}

struct Case {
  const char* description;
  std::string text;
  State state;
  const char* client;  // where told
};

const std::string kEndsV6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x09" +
                            std::string(15, '\0') + "\x01" + "\xc9\x3a\0\x50"s;

const Case kCases[] = {
    {"IPv4 as a line", kTcp4Line, State::whole, "203.0.113.9:51514"},
    {"IPv6 as a line", "PROXY TCP6 2001:db8::9 2001:db8::1 51514 80\r\n", State::whole, "[2001:db8::9]:51514"},
    {"not known whose", "PROXY UNKNOWN\r\n", State::whole, nullptr},
    {"not known whose, with words", "PROXY UNKNOWN ffff:f...f:ffff 1 2 whatever\r\n", State::whole, nullptr},
    {"another protocol", "PROXY UDP4 203.0.113.9 192.0.2.1 51514 80\r\n", State::refused, nullptr},
    {"an address of the other family", "PROXY TCP4 2001:db8::9 192.0.2.1 1 2\r\n", State::refused, nullptr},
    {"a byte of zero in an address", "PROXY TCP4 203.0.113.9\0x 192.0.2.1 1 2\r\n"s, State::refused, nullptr},
    {"a port too large", "PROXY TCP4 203.0.113.9 192.0.2.1 65536 80\r\n", State::refused, nullptr},
    {"a port with a zero before", "PROXY TCP4 203.0.113.9 192.0.2.1 051 80\r\n", State::refused, nullptr},
    {"no ports", "PROXY TCP4 203.0.113.9 192.0.2.1\r\n", State::refused, nullptr},
    {"two blanks", "PROXY TCP4  203.0.113.9 192.0.2.1 1 2\r\n", State::refused, nullptr},
    {"something behind the ports", "PROXY TCP4 203.0.113.9 192.0.2.1 1 2 3\r\n", State::refused, nullptr},
    {"a line feed alone", "PROXY UNKNOWN\n", State::refused, nullptr},
    {"a line that does not end", "PROXY UNKNOWN " + std::string(200, 'x'), State::refused, nullptr},
    {"the longest line", "PROXY UNKNOWN " + std::string(107 - 16, 'x') + "\r\n", State::whole, nullptr},
    {"a line cut", "PROXY TCP4 203.0.113.9 192.0", State::incomplete, nullptr},
    {"something else", "GET / HTTP/1.0\r\n", State::refused, nullptr},
    {"lower case", "proxy UNKNOWN\r\n", State::refused, nullptr},
    {"IPv4, binary", version_2('\x21', '\x11', kEndsV4), State::whole, "203.0.113.9:51514"},
    {"IPv6, binary", version_2('\x21', '\x21', kEndsV6), State::whole, "[2001:db8::9]:51514"},
    {"the balancer itself", version_2('\x20', '\0', ""), State::whole, nullptr},
    {"the balancer itself, with bytes that mean nothing", version_2('\x20', '\xff', "abc"), State::whole, nullptr},
    {"a Unix socket", version_2('\x21', '\x31', std::string(216, 'u')), State::whole, nullptr},
    {"datagrams", version_2('\x21', '\x12', kEndsV4), State::whole, nullptr},
    {"not specified", version_2('\x21', '\0', "anything"), State::whole, nullptr},
    {"version 3", version_2('\x31', '\x11', kEndsV4), State::refused, nullptr},
    {"no such command", version_2('\x22', '\x11', kEndsV4), State::refused, nullptr},
    {"no such family", version_2('\x21', '\x41', kEndsV4), State::refused, nullptr},
    {"too short for its addresses", version_2('\x21', '\x11', kEndsV4.substr(1)), State::refused, nullptr},
    {"too long", version_2('\x21', '\x11', kEndsV4 + std::string(4096, 'x')), State::refused, nullptr},
    {"with a name appended",
     version_2('\x21', '\x11',
               kEndsV4 + "\x02\0\x03"
                         "a.b"s),
     State::whole, "203.0.113.9:51514"},
    {"the appended is cut",
     version_2('\x21', '\x11',
               kEndsV4 + "\x02\0\x04"
                         "a.b"s),
     State::refused, nullptr},
    {"a checksum that does not hold",
     version_2('\x21', '\x11',
               kEndsV4 + "\x03\0\x04"
                         "1234"s),
     State::refused, nullptr},
    {"binary, cut", version_2('\x21', '\x11', kEndsV4).substr(0, 20), State::incomplete, nullptr},
    {"nothing yet", "", State::incomplete, nullptr},
};

TEST(ProxyHeaderTest, ReadsWhatIsOneAndRefusesTheRest) {
  for (const Case& each : kCases) {
    const ProxyHeader header = read(each.text);
    EXPECT_EQ(header.state, each.state) << each.description << ": " << header.why;
    EXPECT_EQ(header.told, each.client != nullptr) << each.description;
    if (header.told) {
      EXPECT_EQ(to_string(header.client), each.client) << each.description;
      EXPECT_EQ(header.entrance.port, 80) << each.description;
    }
    EXPECT_EQ(header.bytes, each.state == State::whole ? each.text.size() : 0) << each.description;
    EXPECT_EQ(header.state == State::refused, *header.why != '\0') << each.description;
  }
}

TEST(ProxyHeaderTest, WhatIsDecidedStaysSoHoweverTheBytesCome) {
  for (const Case& each : kCases) {
    if (each.state == State::incomplete) continue;
    const std::string longer = each.text + "the client's bytes";
    bool decided = false;
    for (size_t length = 0; length <= longer.size(); ++length) {
      const ProxyHeader header = read(longer.substr(0, length));
      decided |= header.state != State::incomplete;
      if (!decided) continue;
      EXPECT_EQ(header.state, each.state) << each.description << ": " << length;
      EXPECT_EQ(header.bytes, each.state == State::whole ? each.text.size() : 0) << each.description;
    }
    EXPECT_TRUE(decided) << each.description;
  }
}

// The sum is of a table of RFC 3720's polynomial, which gives e3069283 for "123456789".
TEST(ProxyHeaderTest, AChecksumThatHoldsIsTaken) {
  const std::string header = version_2('\x21', '\x11',
                                       kEndsV4 +
                                           "\x03\0\x04"
                                           "\xc1\x66\x68\x38"s);
  EXPECT_EQ(read(header).state, State::whole);
}

}  // namespace
}  // namespace skep::formats
