#include <gmock/gmock.h>

#include "replay/dialogue_test_rig.h"

namespace skep::replay {
namespace {

using test::bytes_of;
using test::Dialogue;

std::string refilled(const Recording& recording, uint32_t message, std::vector<Bytes> answers) {
  const Plan plan = plan_echoes(recording);
  const auto out = fill(recording, plan, message, test::as_recorded(recording, answers));
  return (out ? std::string(as_text(*out)) : "error: " + out.error().message);
}

TEST(Echoes, AreFoundUnderEveryForm) {
  struct Case {
    const char* what;
    std::string_view said, wrote, answer, expected;
  };
  const Case cases[] = {
      {"as it was", "sid=k3J9xQ2m; path=/", "Cookie: sid=k3J9xQ2m\r\n", "sid=0000aaaa99; path=/",
       "Cookie: sid=0000aaaa99\r\n"},
      {"percent-encoded", "value=\"k3J9+x/Q2m==\">", "t=k3J9%2Bx%2FQ2m%3D%3D&a=b", "value=\"a+b+c/Q2m12=\">",
       "t=a%2Bb%2Bc%2FQ2m12%3D&a=b"},
      {"hex of bytes", "NONCE \x91\x82\xF3\x04\x15\xE6\r\n", "ANSWER 9182f30415e6\r\n",
       "NONCE \xA1\xA2\xA3\xA4\xA5\xA6\r\n", "ANSWER a1a2a3a4a5a6\r\n"},
      {"bytes of hex", "NONCE 9182F30415E6\r\n", "ANSWER \x91\x82\xF3\x04\x15\xE6\r\n", "NONCE A1A2A3A4A5A6\r\n",
       "ANSWER \xA1\xA2\xA3\xA4\xA5\xA6\r\n"},
      {"base64 of text", "tok k3J9xQ2m.\r\n", "Authorization: Basic azNKOXhRMm0=\r\n", "tok 12345678.\r\n",
       "Authorization: Basic MTIzNDU2Nzg=\r\n"},
      {"base64 with a user before it", "tok k3J9xQ2m.\r\n", "Authorization: Basic dXNlcjprM0o5eFEybQ==\r\n",
       "tok 12345678.\r\n", "Authorization: Basic dXNlcjoxMjM0NTY3OA==\r\n"},
      {"JSON", "{\"token\":\"k3J9\\/x\\u002bQ2m\"}", "X-Token: k3J9/x+Q2m\r\n", "{\"token\":\"aaa\\/4711\\/zz\"}",
       "X-Token: aaa/4711/zz\r\n"},
      {"HTML", "<a href='/go?a=81924&amp;b=75311'>", "GET /go?a=81924&b=75311 HTTP/1.0\r\n",
       "<a href='/go?a=1&amp;b=2'>", "GET /go?a=1&b=2 HTTP/1.0\r\n"},
      {"UTF-16", "id k3J9xQ2m.", std::string_view("k\0003\0J\0009\0x\0Q\0002\0m\0", 16), "id a1.",
       std::string_view("a\0001\0", 4)},
      {"a number behind its length",
       std::string_view("D\0\0\0\x0F\0\1\0\0\0\x05"
                        "16384C\0\0\0\x0DSELECT 1\0",
                        30),
       "SELECT lo_put(16384, 0)",
       std::string_view("D\0\0\0\x10\0\1\0\0\0\x06"
                        "901234C\0\0\0\x0DSELECT 1\0",
                        31),
       "SELECT lo_put(901234, 0)"},
      {"a handle in binary", std::string_view("\0\0\0\x10\0\0\0\1\x93\x17\xA2\x5C\0\0\0\0", 16),
       std::string_view("\0\0\0\x0C\0\0\0\2\x93\x17\xA2\x5C", 12),
       std::string_view("\0\0\0\x10\0\0\0\1\x11\x22\x33\x44\0\0\0\0", 16),
       std::string_view("\0\0\0\x0C\0\0\0\2\x11\x22\x33\x44", 12)},
  };
  for (const Case& each : cases) {
    const Recording recording = Dialogue().client("hello\r\n").server(each.said).client(each.wrote).take();
    EXPECT_EQ(refilled(recording, 2, {{}, bytes_of(each.answer)}), each.expected)
        << each.what << "\n"
        << explain(recording, plan_echoes(recording));
    EXPECT_EQ(refilled(recording, 2, test::recorded_answers(recording)), each.wrote) << each.what;
  }
}

TEST(Echoes, WordsOfTheProtocolAreNone) {
  const Recording recording =
      Dialogue()
          .client("EHLO me\r\n")
          .server("250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n250 SMTPUTF8 HTTP/1.1 utf-8 2026\r\n")
          .client("AUTH LOGIN 8BITMIME SMTPUTF8 HTTP/1.1 utf-8 2026\r\n")
          .take();
  EXPECT_THAT(plan_echoes(recording).fields, testing::IsEmpty()) << explain(recording, plan_echoes(recording));
}

TEST(Echoes, WhatTheClientSaidFirstIsNone) {
  const Recording recording =
      Dialogue().client("ID k3J9xQ2m\r\n").server("hello k3J9xQ2m\r\n").client("AGAIN k3J9xQ2m\r\n").take();
  EXPECT_THAT(plan_echoes(recording).fields, testing::IsEmpty()) << explain(recording, plan_echoes(recording));
}

}  // namespace
}  // namespace skep::replay
