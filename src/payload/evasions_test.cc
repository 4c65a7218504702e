// Ways to say the same to a server in other bytes: what the rules still see. The expectations are what Suricata 7 does
// inline with the very requests; where Snort 3 sees more, the row says so.
#include <gtest/gtest.h>
#include <zlib.h>

#include "payload/scan_test_rig.h"

namespace skep::payload {
namespace {

// 1: in the URI, 2: in the bytes, 3: in the bytes, 4: in the body.
constexpr const char* kRules =
    "alert tcp any any -> any any (uricontent:\"/root.exe\"; nocase; sid:1;)\n"
    "alert tcp any any -> any any (content:\"/root.exe\"; nocase; sid:2;)\n"
    "alert tcp any any -> any any (content:\"/etc/passwd\"; sid:3;)\n"
    "alert http any any -> any any (http.request_body; content:\"/etc/passwd\"; sid:4;)\n";

std::string get(const std::string& uri) {
  return "GET " + uri + " HTTP/1.1\r\nHost: h\r\n\r\n";
}

std::string post(const std::string& body, const std::string& headers = "") {
  return "POST /x HTTP/1.1\r\nHost: h\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

std::string gzipped(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string chunked(const std::string& body, size_t size) {
  std::string out = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += size) {
    const std::string piece = body.substr(at, size);
    out += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  return out + "0\r\n\r\n";
}

struct Evasion {
  const char* what;
  std::string stream;
  std::set<uint32_t> seen;
};

TEST(EvasionsTest, WhatIsStillSeen) {
  const std::string passwd = "file=/etc/passwd";
  const std::vector<Evasion> all = {
      {"plain", get("/scripts/root.exe?/c+dir"), {1, 2}},
      {"another directory and back", get("/scripts/../scripts/root.exe"), {1, 2}},
      {"mixed case", get("/scripts/RoOt.ExE"), {1, 2}},
      {"pipelined", get("/index.html") + get("/root.exe"), {1, 2}},
      {"an absolute URI", get("http://h/root.exe"), {1, 2}},
      {"HTTP/0.9", "GET /root.exe\r\n\r\n", {1, 2}},
      {"lines that end with LF", "GET /root.exe HTTP/1.1\nHost: h\n\n", {1, 2}},
      {"a tab", "GET\t/root.exe\tHTTP/1.1\r\nHost: h\r\n\r\n", {1, 2}},
      {"an empty line before", "\r\n" + get("/root.exe"), {1, 2}},
      {"a head that never ends", "GET /root.exe HTTP/1.1\r\nHost: h\r\n", {1, 2}},
      {"the third request of a connection", get("/") + get("/a") + get("/root.exe"), {1, 2}},
      {"a letter in hexadecimal", get("/%72oot.exe"), {1}},
      {"a backslash", get("/scripts\\root.exe"), {1}},
      {"… in UTF-16", get("/%u0072oot.exe"), {1}},
      {"twice in hexadecimal: Snort 3 sees it in the URI", get("/%2572oot.exe"), {}},
      {"a body", post(passwd), {3, 4}},
      {"behind 50,000 bytes of a body", post(std::string(50'000, 'a') + passwd), {3, 4}},
      {"a body in chunks of four: Snort 3 sees it in the bytes too", chunked(passwd, 4), {4}},
      {"a packed body: Snort 3 sees it in the bytes too", post(gzipped(passwd), "Content-Encoding: gzip\r\n"), {4}},
      {"a body in hexadecimal: Snort 3 sees it in the body", post("file=%2Fetc%2Fpasswd"), {}},
      {"Nimda's way", get("/scripts/..%255c../winnt/system32/cmd.exe?/c+dir"), {}},
      {"no HTTP at all", "\x16\x03\x01 xx /root.exe", {2}},
      {"HTTP that a parser gives up, and a server may take",
       "GET /root.exe HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n/etc/passwd",
       {1, 2, 3}},
  };
  const auto rules = rule_set(kRules);
  for (const Evasion& each : all) {
    for (const size_t cut : {size_t{0}, size_t{1}, size_t{7}, kRandomCuts})
      EXPECT_EQ(sids(rules, {each.stream}, cut), each.seen)
          << each.what << ", in pieces of " << static_cast<int64_t>(cut);
  }
}

TEST(EvasionsTest, ABombIsGivenUpAndTheBytesAreStillLookedAt) {
  const std::string bomb = gzipped(std::string(size_t{30} << 20, 'a') + "/etc/passwd");
  EXPECT_EQ(sids(rule_set(kRules), {post(bomb, "Content-Encoding: gzip\r\n") + get("/root.exe")}, 0),
            (std::set<uint32_t>{1, 2}));
}

}  // namespace
}  // namespace skep::payload
