#include "payload/application.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace skep::payload {
namespace {

using formats::RuleProtocol;
using namespace std::string_view_literals;

struct ApplicationCase {
  const char* description;
  std::string_view bytes;
  Recognition recognition;
  RuleProtocol protocol = RuleProtocol::tcp;
};

constexpr ApplicationCase kCases[] = {
    {"nothing", "", Recognition::undecided},
    {"GET", "GET /", Recognition::found, RuleProtocol::http},
    {"any case, a tab", "bAseline-control\t", Recognition::found, RuleProtocol::http},
    {"a method's beginning", "PROP", Recognition::undecided},
    {"a method and no blank yet", "GET", Recognition::undecided},
    {"a method and something else", "GETS", Recognition::none},
    {"empty lines before", "\r\n\n\r\nPOST ", Recognition::found, RuleProtocol::http},
    {"empty lines", "\r\n\r\n", Recognition::undecided},
    {"empty lines without end", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", Recognition::none},
    {"an unknown method", "FOO / HTTP/1.0\r\n", Recognition::none},
    {"HTTP/2", "PRI * HTTP/2.0\r\n", Recognition::none},
    {"USER", "user anonymous\r\n", Recognition::found, RuleProtocol::ftp},
    {"USER and a tab", "USER\tx", Recognition::none},
    {"FEAT", "FEAT\r\n", Recognition::found, RuleProtocol::ftp},
    {"PORT is no POST", "PORT 1", Recognition::found, RuleProtocol::ftp},
    {"PO", "PO", Recognition::undecided},
    {"EHLO", "EHLO x", Recognition::found, RuleProtocol::smtp},
    {"helo", "helo", Recognition::found, RuleProtocol::smtp},
    {"IMAP", "1 capability\r\n", Recognition::found, RuleProtocol::imap},
    {"IMAP in capitals is none for Suricata", "1 CAPABILITY\r\n", Recognition::none},
    {"SSH", "SSH-2.0-x\r\n", Recognition::found, RuleProtocol::ssh},
    {"TLS 1.0", "\x16\x03\x01"sv, Recognition::found, RuleProtocol::tls},
    {"TLS that is none", "\x16\x03\x04"sv, Recognition::none},
    {"SSL 2", "\x80\x2e\x01\x00\x02"sv, Recognition::found, RuleProtocol::tls},
    {"SMB 1", "\0\0\0\x54\xffSMB"sv, Recognition::found, RuleProtocol::smb},
    {"SMB 2", "\0\0\0\x54\xfeSMB"sv, Recognition::found, RuleProtocol::smb},
    {"SMB not yet", "\0\0\0\x54\xfe"sv, Recognition::undecided},
    {"a NetBIOS session is asked for", "\x81\0\0\x44 CK"sv, Recognition::found, RuleProtocol::smb},
    {"DCE/RPC", "\x05\0\x0b\x03\x10\0\0\0"sv, Recognition::found, RuleProtocol::dcerpc},
    {"DCE/RPC of no representation", "\x05\0\x0b\x03\x22\0\0\0"sv, Recognition::none},
    {"RDP", "\x03\0\0\x13\x0e\xe0"sv, Recognition::found, RuleProtocol::rdp},
    {"TPKT with something else", "\x03\0\0\x13\x02\xf0"sv, Recognition::none},
    {"Telnet", "\xff\xfd\x18"sv, Recognition::found, RuleProtocol::telnet},
    {"Telnet though SSL 2 would agree", "\xff\xfd\x01\0\x02"sv, Recognition::found, RuleProtocol::telnet},
    {"two IAC", "\xff\xff\xff"sv, Recognition::none},
    {"random", "\x90\x90\x90"sv, Recognition::none},
};

TEST(Application, IsRecognisedAsSuricataDoes) {
  for (const ApplicationCase& each : kCases) {
    const Application found = recognise(as_bytes(each.bytes));
    EXPECT_EQ(found.recognition, each.recognition) << each.description;
    EXPECT_EQ(found.protocol, each.protocol) << each.description;
  }
}

// Whatever follows, what is found or none stays; and in the end it is one of the two.
void expect_monotone(const std::string& bytes) {
  Application before;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const Application now = recognise(as_bytes(bytes).first(size));
    if (before.recognition != Recognition::undecided) {
      ASSERT_EQ(now.recognition, before.recognition) << bytes << size;
      ASSERT_EQ(now.protocol, before.protocol) << bytes << size;
    }
    before = now;
  }
  if (bytes.size() >= kApplicationBytes) {
    ASSERT_NE(before.recognition, Recognition::undecided) << bytes;
  }
}

TEST(Application, StaysWhatItIs) {
  std::mt19937 random(1);
  for (const ApplicationCase& each : kCases) {
    for (size_t size = 0; size <= each.bytes.size(); ++size) {
      for (int i = 0; i < 50; ++i) {
        std::string bytes(each.bytes.substr(0, size));
        while (bytes.size() < kApplicationBytes + 8) bytes += "\r\n SMBGETP\xff\0\x03\x01"[random() % 14];
        expect_monotone(bytes);
      }
    }
  }
}

}  // namespace
}  // namespace skep::payload
