#include "http/requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace skep::http {
namespace {

using formats::RuleBuffer;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::pair<RuleBuffer, std::string_view> kBuffers[] = {
    {RuleBuffer::http_uri, "uri"},
    {RuleBuffer::http_uri_raw, "uri_raw"},
    {RuleBuffer::http_method, "method"},
    {RuleBuffer::http_protocol, "protocol"},
    {RuleBuffer::http_request_line, "request_line"},
    {RuleBuffer::http_header, "header"},
    {RuleBuffer::http_header_raw, "header_raw"},
    {RuleBuffer::http_header_names, "header_names"},
    {RuleBuffer::http_cookie, "cookie"},
    {RuleBuffer::http_user_agent, "user_agent"},
    {RuleBuffer::http_host, "host"},
    {RuleBuffer::http_host_raw, "host_raw"},
    {RuleBuffer::http_referer, "referer"},
    {RuleBuffer::http_accept, "accept"},
    {RuleBuffer::http_accept_lang, "accept_lang"},
    {RuleBuffer::http_accept_enc, "accept_enc"},
    {RuleBuffer::http_connection, "connection"},
    {RuleBuffer::http_content_type, "content_type"},
    {RuleBuffer::http_content_len, "content_len"},
    {RuleBuffer::http_start, "start"},
};

std::string text(std::optional<ByteView> bytes) {
  return bytes ? std::string(as_text(*bytes)) : "(none)";
}

// Everything that can be seen, as lines: what the parser says does not depend on the cuts if these are equal. A body's
// bytes each have their offset.
struct Seen final : Events {
  void line(Request& request, uint64_t offset) override {
    all += "line " + std::to_string(offset) + "\n";
    brief.push_back("line " + text(request.buffer(RuleBuffer::http_uri)));
    buffers(request);
  }
  void head(Request& request, uint64_t offset) override {
    all += "head " + std::to_string(offset) + "\n";
    brief.emplace_back("head");
    buffers(request);
    body_bytes.clear();
  }
  void body(Request&, ByteView bytes, uint64_t offset) override {
    body_bytes += as_text(bytes);
    body_offsets.insert({bodies.size(), body_bytes.size(), offset});
    last_body_offset = offset;
    if (brief.back() != "body") brief.emplace_back("body");
  }
  void end(Request& request, uint64_t offset) override {
    all += "body " + body_bytes + "\nend " + std::to_string(offset) + "\n";
    brief.emplace_back("end");
    buffers(request);
    bodies.push_back(std::exchange(body_bytes, {}));
  }
  void buffers(Request& request) {
    for (const auto& [which, name] : kBuffers) all += std::string(name) + "=" + text(request.buffer(which)) + "\n";
  }
  std::string all;
  std::vector<std::string> brief;
  std::vector<std::string> bodies;
  std::string body_bytes;
  uint64_t last_body_offset = 0;
  std::set<std::tuple<size_t, size_t, uint64_t>> body_offsets;  // request, bytes of its body, offset
};

Seen seen(std::string_view bytes, bool finished = true, const Limits& limits = {}) {
  Requests requests(limits);
  Seen seen;
  requests.take(as_bytes(bytes), seen);
  if (finished) requests.finish(seen);
  seen.all += "broken " + std::string(requests.broken());
  return seen;
}

// One buffer of the last request.
std::string buffer_of(std::string_view bytes, RuleBuffer which) {
  struct Last final : Events {
    explicit Last(RuleBuffer wanted) : which(wanted) {}
    void line(Request& request, uint64_t) override { found = text(request.buffer(which)); }
    void head(Request& request, uint64_t) override { found = text(request.buffer(which)); }
    void body(Request&, ByteView, uint64_t) override {}
    void end(Request&, uint64_t) override {}
    RuleBuffer which;
    std::string found = "(no request)";
  } last(which);
  Requests requests{Limits()};
  requests.take(as_bytes(bytes), last);
  requests.finish(last);
  return last.found;
}

TEST(Requests, AnEventSaysHowManyBytesItNeeded) {
  const std::string_view bytes = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n";
  const Seen whole = seen(bytes);
  EXPECT_THAT(whole.brief, ElementsAre("line /a", "head", "body", "end", "line /b", "head", "end"));
  EXPECT_THAT(whole.all, HasSubstr("line 18\n"));
  EXPECT_THAT(whole.all, HasSubstr("head 48\n"));
  EXPECT_THAT(whole.all, HasSubstr("body abc\nend 51\n"));
  EXPECT_THAT(whole.all, HasSubstr("line 68\n"));
}

struct BufferCase {
  const char* description;
  std::string_view bytes;
  RuleBuffer which;
  std::string_view expected;
};

class HttpBufferTest : public testing::TestWithParam<BufferCase> {};

TEST_P(HttpBufferTest, IsAsSuricataFormsIt) {
  EXPECT_EQ(buffer_of(GetParam().bytes, GetParam().which), GetParam().expected);
}

constexpr std::string_view kRequest =
    "GET /a HTTP/1.1\r\nHost: WWW.Example.com:8080\r\nuser-Agent:  one\r\nCookie: c=1; d=2\r\nX-Two : 2 \r\n"
    "Referer: r\r\nAccept: a\r\nAccept-Language: l\r\nAccept-Encoding: e\r\nConnection: close\r\n"
    "Content-Type: text/Plain; charset=x\r\nContent-Length: 0\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    All, HttpBufferTest,
    testing::Values(
        BufferCase{"plain", "GET /root.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/root.exe"},
        BufferCase{"case is kept", "GET /ROOT.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/ROOT.exe"},
        BufferCase{"percent", "GET /%72oot.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/root.exe"},
        BufferCase{"percent, raw", "GET /%72oot.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri_raw, "/%72oot.exe"},
        BufferCase{"a percent that encodes nothing", "GET /%zz%2 HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/%zz%2"},
        BufferCase{"a NUL", "GET /a%00b HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, std::string_view("/a\0b", 4)},
        BufferCase{"decoded once", "GET /%2572oot.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/%72oot.exe"},
        BufferCase{"Nimda", "GET /scripts/..%255c../winnt/cmd.exe?/c+dir HTTP/1.0\r\n\r\n", RuleBuffer::http_uri,
                   "/scripts/..%5c../winnt/cmd.exe?/c+dir"},
        BufferCase{"%u", "GET /%u0072oot.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/root.exe"},
        BufferCase{"%u of full width", "GET /%uff52oot.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/root.exe"},
        BufferCase{"%u in the query stays", "GET /a?%u9090%61 HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a?%u9090a"},
        BufferCase{"backslash", "GET /a\\root.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a/root.exe"},
        BufferCase{"encoded slash", "GET /a%2froot.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a/root.exe"},
        BufferCase{"encoded backslash", "GET /a%5croot.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a/root.exe"},
        BufferCase{"dot segments", "GET /a/./b/../../root.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/root.exe"},
        BufferCase{"above the root", "GET /../../etc/passwd HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/etc/passwd"},
        BufferCase{"slashes", "GET //a///b HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a/b"},
        BufferCase{"overlong UTF-8", "GET /a%c0%afb HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a/b"},
        BufferCase{"dots in the query stay", "GET /a?x=/../b\\c HTTP/1.0\r\n\r\n", RuleBuffer::http_uri,
                   "/a?x=/../b\\c"},
        BufferCase{"plus in the query stays", "GET /a?b+c%20d HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a?b+c d"},
        BufferCase{"fragment", "GET /a?b#%63 HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a?b#c"},
        BufferCase{"absolute", "GET http://H:1/root.exe HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/root.exe"},
        BufferCase{"absolute, raw", "GET http://H:1/a HTTP/1.0\r\n\r\n", RuleBuffer::http_uri_raw, "http://H:1/a"},
        BufferCase{"absolute, host", "GET http://H:1/ HTTP/1.0\r\nHost: x\r\n\r\n", RuleBuffer::http_host, "h"},
        BufferCase{"absolute, host raw", "GET http://H:1/ HTTP/1.0\r\nHost: x\r\n\r\n", RuleBuffer::http_host_raw, "h"},
        BufferCase{"a space ends it", "GET /a b HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a"},
        BufferCase{"the rest is the protocol", "GET /a b HTTP/1.0\r\n\r\n", RuleBuffer::http_protocol, "b HTTP/1.0"},
        BufferCase{"tabs", "GET\t/root.exe\tHTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/root.exe"},
        BufferCase{"tabs, protocol", "GET\t/root.exe\tHTTP/1.0\r\n\r\n", RuleBuffer::http_protocol, "HTTP/1.0"},
        BufferCase{"many blanks", "GET   /a   HTTP/1.0\r\n\r\n", RuleBuffer::http_request_line, "GET   /a   HTTP/1.0"},
        BufferCase{"blanks before", "  GET /a HTTP/1.0\r\n\r\n", RuleBuffer::http_method, "GET"},
        BufferCase{"empty lines before", "\r\n\n\r\nGET /a HTTP/1.0\r\n\r\n", RuleBuffer::http_request_line,
                   "GET /a HTTP/1.0"},
        BufferCase{"LF alone", "GET /root.exe HTTP/1.0\nHost: a\n\n", RuleBuffer::http_host, "a"},
        BufferCase{"HTTP/0.9", "GET /root.exe\r\n", RuleBuffer::http_uri, "/root.exe"},
        BufferCase{"HTTP/0.9 has no protocol", "GET /root.exe\r\n", RuleBuffer::http_protocol, "(none)"},
        BufferCase{"no protocol, but headers", "GET /a\r\nHost: x\r\n\r\n", RuleBuffer::http_host, "x"},
        BufferCase{"a method alone", "GET\r\n", RuleBuffer::http_uri, ""},
        BufferCase{"unknown method", "FOO /a HTTP/1.0\r\n\r\n", RuleBuffer::http_method, "FOO"},
        BufferCase{"head that does not end", "GET /a HTTP/1.0\r\nA: b\r\nHost: x", RuleBuffer::http_header, "A: b\r\n"},
        BufferCase{"line that does not end", "GET /a HTTP/1.0", RuleBuffer::http_protocol, "HTTP/1.0"},
        BufferCase{"headers, normalised", "GET / HTTP/1.0\r\nA:1\r\nB :  2 \r\nCookie: c\r\nA: 3\r\n\r\n",
                   RuleBuffer::http_header, "A: 1, 3\r\nB: 2\r\n"},
        BufferCase{"headers, folded", "GET / HTTP/1.0\r\nA: 1\r\n  2\r\n\r\n", RuleBuffer::http_header, "A: 1  2\r\n"},
        BufferCase{"headers, no colon", "GET / HTTP/1.0\r\nA 1\r\n\r\n", RuleBuffer::http_header, ": A 1\r\n"},
        BufferCase{"headers, raw", "GET / HTTP/1.0\r\nA:1\r\nB :  2 \r\nCookie: c\r\n\r\n", RuleBuffer::http_header_raw,
                   "A:1\r\nB :  2 \r\nCookie: c\r\n\r\n"},
        BufferCase{"headers, names", "GET / HTTP/1.0\r\nA:1\r\nCookie: c\r\n\r\n", RuleBuffer::http_header_names,
                   "\r\nA\r\nCookie\r\n\r\n"},
        BufferCase{"headers, none", "GET / HTTP/1.0\r\n\r\n", RuleBuffer::http_header, "(none)"},
        BufferCase{"start", "GET /%61  HTTP/1.0 \r\nA:1\r\nCookie: c\r\n\r\n", RuleBuffer::http_start,
                   "GET /%61  HTTP/1.0 \r\nA: 1\r\nCookie: c\r\n\r\n"},
        BufferCase{"start without headers", "GET / HTTP/1.0\r\n\r\n", RuleBuffer::http_start, "GET / HTTP/1.0\r\n"},
        BufferCase{"dots at the end take the slash along", "GET /a/b/. HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a/b"},
        BufferCase{"two dots at the end", "GET /a/b/../ HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a"},
        BufferCase{"dots that were encoded", "GET /a/%2e%2E/b HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/b"},
        BufferCase{"UTF-8 that fits no byte", "GET /%e4%b8%ad HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/?"},
        BufferCase{"UTF-8 that is none", "GET /%ff%c3b HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/??b"},
        BufferCase{"UTF-8 that is cut off", "GET /a%e4%b8 HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/a"},
        BufferCase{"%u that is cut off", "GET /%u007 HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "/%u007"},
        BufferCase{"a colon far behind is a scheme's", "GET a?b=c:d HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, "d"},
        BufferCase{"CONNECT has no path", "CONNECT H:25 HTTP/1.0\r\n\r\n", RuleBuffer::http_uri, ""},
        BufferCase{"CONNECT has a host", "CONNECT H.:25 HTTP/1.0\r\nHost: x\r\n\r\n", RuleBuffer::http_host, "h"},
        BufferCase{"host that is an address", "GET / HTTP/1.0\r\nHost: [::A]:80\r\n\r\n", RuleBuffer::http_host,
                   "[::a]"},
        BufferCase{"host that is half an address", "GET / HTTP/1.0\r\nHost: [::1\r\n\r\n", RuleBuffer::http_host,
                   "(none)"},
        BufferCase{"host of a head that does not end", "GET / HTTP/1.0\r\nHost: x\r\n", RuleBuffer::http_host,
                   "(none)"},
        BufferCase{"host raw of a head that does not end", "GET / HTTP/1.0\r\nHost: x\r\n", RuleBuffer::http_host_raw,
                   "x"},
        BufferCase{"headers, folded by a NUL",
                   {"GET / HTTP/1.0\r\nA: 1\r\n\0002\r\n\r\n", 26},
                   RuleBuffer::http_header,
                   {"A: 1\0002\r\n", 8}},
        BufferCase{"headers, the first one folded", "GET / HTTP/1.0\r\n \tA: 1\r\n\r\n", RuleBuffer::http_header,
                   "A: 1\r\n"},
        BufferCase{"headers, a NUL in the name",
                   {"GET / HTTP/1.0\r\nA\0B: 1\r\n\r\n", 26},
                   RuleBuffer::http_header,
                   {": A\0B: 1\r\n", 10}},
        BufferCase{"headers, CRs alone", "GET / HTTP/1.0\r\n\r\r\nA: 1\r\n\r\r\n\r\n", RuleBuffer::http_header,
                   ": \r\nA: 1\r\n"},
        BufferCase{"headers, of lengths the first", "GET / HTTP/1.0\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
                   RuleBuffer::http_header, "Content-Length: 0\r\n"},
        BufferCase{"host", kRequest, RuleBuffer::http_host, "www.example.com"},
        BufferCase{"host, raw", kRequest, RuleBuffer::http_host_raw, "WWW.Example.com:8080"},
        BufferCase{"user agent", kRequest, RuleBuffer::http_user_agent, "one"},
        BufferCase{"cookie", kRequest, RuleBuffer::http_cookie, "c=1; d=2"},
        BufferCase{"referer", kRequest, RuleBuffer::http_referer, "r"},
        BufferCase{"accept", kRequest, RuleBuffer::http_accept, "a"},
        BufferCase{"accept language", kRequest, RuleBuffer::http_accept_lang, "l"},
        BufferCase{"accept encoding", kRequest, RuleBuffer::http_accept_enc, "e"},
        BufferCase{"connection", kRequest, RuleBuffer::http_connection, "close"},
        BufferCase{"content type", kRequest, RuleBuffer::http_content_type, "text/Plain; charset=x"},
        BufferCase{"content length", kRequest, RuleBuffer::http_content_len, "0"},
        BufferCase{"no such header", "GET / HTTP/1.0\r\n\r\n", RuleBuffer::http_cookie, "(none)"},
        BufferCase{"a body is no buffer", kRequest, RuleBuffer::http_request_body, "(none)"}),
    [](const auto& parameter) {
      std::string name;
      for (const char c : std::string_view(parameter.param.description)) {
        if (std::isalnum(static_cast<unsigned char>(c))) name += c;
      }
      return name + std::to_string(parameter.index);
    });

std::string packed(std::string_view plain, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = const_cast<Bytef*>(as_bytes(plain).data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
constexpr int kGzip = 31, kZlib = 15, kRaw = -15;

std::string post(std::string_view headers, std::string_view body) {
  return "POST /x HTTP/1.1\r\n" + std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}
std::string chunked(std::string_view body, size_t each) {
  std::string out;
  for (; !body.empty(); body.remove_prefix(std::min(each, body.size()))) {
    char size[32];
    snprintf(size, sizeof size, "%zX\r\n", std::min(each, body.size()));
    out += size + std::string(body.substr(0, each)) + "\r\n";
  }
  return out + "0\r\n\r\n";
}
const std::string kChunked = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string kNext = "GET /next HTTP/1.1\r\n\r\n";

struct BodyCase {
  const char* description;
  std::string bytes;
  std::vector<std::string> bodies;
  std::string broken;
};

std::vector<BodyCase> body_cases() {
  const std::string passwd = "a=/etc/passwd&b=%2Fetc";
  const std::string gzip = packed(passwd, kGzip);
  return {
      {"a length", post("", passwd) + kNext, {passwd, ""}, ""},
      {"a length of none", post("", "") + kNext, {"", ""}, ""},
      {"an unfinished one", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", {"abc"}, ""},
      {"the same length twice", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", {"abc"}, ""},
      {"two lengths: the first counts",
       "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\nabc" + kNext,
       {"abc", ""},
       ""},
      {"length and chunks: chunks count",
       "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + kNext,
       {"abc", ""},
       ""},
      {"a length that is none", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nabc", {}, "Content-Length is no number"},
      {"another transfer encoding",
       "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\nabc",
       {},
       "Transfer-Encoding is another than chunked"},
      {"chunks of four", kChunked + chunked(passwd, 4) + kNext, {passwd, ""}, ""},
      {"chunks of one", kChunked + chunked(passwd, 1) + kNext, {passwd, ""}, ""},
      {"a chunk's extension", kChunked + "3;a=b\r\nabc\r\n0\r\n\r\n" + kNext, {"abc", ""}, ""},
      {"chunks with LF alone", kChunked + "3\nabc\n0\n\n" + kNext, {"abc", ""}, ""},
      {"chunks with zeroes", kChunked + "0003 \r\nabc\r\n000\r\n\r\n" + kNext, {"abc", ""}, ""},
      {"trailers", kChunked + "3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n" + kNext, {"abc", ""}, ""},
      {"a chunk's size is no number", kChunked + "x\r\nabc", {}, "the size of a chunk is no number"},
      {"a chunk is too large", kChunked + "80000000\r\nabc", {}, "a chunk is too large"},
      {"gzip", post("Content-Encoding: gzip\r\n", gzip) + kNext, {passwd, ""}, ""},
      {"gzip in chunks of four",
       "POST /x HTTP/1.1\r\nContent-Encoding: x-gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(gzip, 4) + kNext,
       {passwd, ""},
       ""},
      {"gzip that is cut off", post("Content-Encoding: gzip\r\n", gzip.substr(0, gzip.size() - 8)), {passwd}, ""},
      {"deflate", post("Content-Encoding: deflate\r\n", packed(passwd, kRaw)) + kNext, {passwd, ""}, ""},
      {"deflate that is zlib", post("Content-Encoding: deflate\r\n", packed(passwd, kZlib)), {passwd}, ""},
      {"deflate that is gzip", post("Content-Encoding: deflate\r\n", gzip), {passwd}, ""},
      {"gzip that is raw deflate", post("Content-Encoding: gzip\r\n", packed(passwd, kRaw)), {passwd}, ""},
      {"gzip that is none", post("Content-Encoding: gzip\r\n", "\xff\xff/etc/passwd"), {"\xff\xff/etc/passwd"}, ""},
      {"two packings are none", post("Content-Encoding: gzip, gzip\r\n", gzip), {gzip}, ""},
      {"pipelined", kNext + kNext + post("", "a") + kNext, {"", "", "a", ""}, ""},
      {"no length: up to the next method",
       "POST / HTTP/1.0\r\n\r\n/etc/passwd\nGETTING\n" + kNext,
       {"/etc/passwd\nGETTING\n", ""},
       ""},
      {"no length: up to the end", "POST / HTTP/1.0\r\n\r\nabc GET", {"abc GET"}, ""},
      {"no length: a method at the very end", "POST / HTTP/1.0\r\n\r\nGE", {"GE"}, ""},
      {"no length, packed", "POST / HTTP/1.0\r\nContent-Encoding: gzip\r\n\r\n" + gzip, {passwd}, ""},
      {"CONNECT", "CONNECT h:443 HTTP/1.1\r\n\r\n\x16\x03\x01\x02", {"\x16\x03\x01\x02"}, ""},
      {"CONNECT that goes on", "CONNECT h:443 HTTP/1.1\r\n\r\n" + kNext, {"", ""}, ""},
      {"Expect", post("Expect: 100-continue\r\n", "abc") + kNext, {"abc", ""}, ""},
      {"Upgrade",
       "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello",
       {"\x81\x05hello"},
       ""},
      {"HTTP/0.9 and empty lines", "GET /a\r\n\r\n\r\n", {"\r\n"}, ""},
      {"behind HTTP/0.9", "GET /a\r\n\r\n" + kNext, {"", ""}, ""},
      {"chunked is one of the transfer encodings",
       "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + kNext,
       {"abc", ""},
       ""},
      {"transfer encoding twice",
       "POST / HTTP/1.1\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + kNext,
       {"abc", ""},
       ""},
  };
}

TEST(Requests, ABodyIsWithoutChunksAndUnpacked) {
  for (const BodyCase& each : body_cases()) {
    const Seen found = seen(each.bytes);
    EXPECT_EQ(found.bodies, each.bodies) << each.description;
    EXPECT_TRUE(found.all.ends_with("broken " + each.broken)) << each.description << found.all;
  }
}

TEST(Requests, ASessionOfManyRequestsIsOneAfterTheOther) {
  std::string bytes;
  for (int i = 0; i < 3; ++i) bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_THAT(seen(bytes).brief,
              ElementsAre("line /0", "head", "end", "line /1", "head", "end", "line /2", "head", "end"));
}

// Sessions of every shape, cut everywhere.
std::vector<std::string> sessions() {
  std::vector<std::string> all;
  for (const BodyCase& each : body_cases()) all.push_back(each.bytes);
  all.emplace_back(kRequest);
  for (const char* bytes :
       {"\r\n\r\n\nGET /a HTTP/1.0\r\nA: b\r\n c\r\n\td\r\nE\r\n\r\n", "GET /a\r\nHost : x\r\n\r\n",
        "GET /a\r\nHost x\r\n\r\n", "GET /a\nfoo", "GET /a\n", "GET\nGET\n",
        "POST / HTTP/1.0\r\n\r\n\r\n \r\nPOST\nA: b\n\n", "\r\r\n\n", "GET / HTTP/1.0\r\nA: b\r\n\r\r\n\r\r\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\r\n\r\n", "\rGET / HTTP/1.0\r\n\r\n", "a\0b c\0d\n\0\n\n",
        "GET / HTTP/1.0\r\n \r\nA: b\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n   GET / HTTP/1.1\r\n\r\n"})
    all.emplace_back(bytes);
  return all;
}

Seen cut_up(std::string_view bytes, const std::vector<size_t>& pieces) {
  Requests requests{Limits()};
  Seen seen;
  for (size_t i = 0; !bytes.empty(); ++i) {
    const size_t size = std::min(bytes.size(), pieces[i % pieces.size()]);
    const std::string piece(bytes.substr(0, size));  // of its own: what lies behind it is not to be read
    requests.take(as_bytes(piece), seen);
    bytes.remove_prefix(size);
  }
  requests.finish(seen);
  seen.all += "broken " + std::string(requests.broken());
  return seen;
}

// The same events; and what came of a body by then is what comes of it with that very byte.
void expect_same(const Seen& cut, const Seen& bytewise, std::string_view bytes) {
  ASSERT_EQ(cut.all, bytewise.all) << bytes;
  ASSERT_TRUE(std::ranges::includes(bytewise.body_offsets, cut.body_offsets)) << bytes;
}

TEST(Requests, CutsDoNotMatter) {
  std::mt19937 random(1);
  for (const std::string& bytes : sessions()) {
    const Seen bytewise = cut_up(bytes, {1});
    expect_same(seen(bytes), bytewise, bytes);
    expect_same(cut_up(bytes, {7}), bytewise, bytes);
    for (size_t at = 1; at < bytes.size(); ++at) expect_same(cut_up(bytes, {at, bytes.size()}), bytewise, bytes);
    for (int i = 0; i < 20; ++i) {
      std::vector<size_t> pieces;
      for (int j = 0; j < 8; ++j) pieces.push_back(1 + random() % 40);
      expect_same(cut_up(bytes, pieces), bytewise, bytes);
    }
  }
}

TEST(Requests, AnUnpackedByteComesWithThePackedOneThatBroughtIt) {
  const std::string bytes = post("Content-Encoding: gzip\r\n", packed("/etc/passwd", kGzip));
  const std::string more = bytes.substr(0, bytes.size() - 8);  // the trailer brings nothing
  const Seen found = seen(more, false);
  EXPECT_EQ(found.body_bytes, "/etc/passwd");
  EXPECT_LE(found.last_body_offset, more.size());
  const Seen cut = seen(more.substr(0, found.last_body_offset - 1), false);
  EXPECT_NE(cut.body_bytes, "/etc/passwd");
}

TEST(Requests, ConnectionsHaveOneScratchInTurn) {
  const std::string bytes[] = {post("Host: A\r\nCookie: c\r\nX-A:1\r\nX-A: 2\r\n", "abc") + kNext,
                               "GET /%61/../b HTTP/1.0\r\nHost: B:1\r\nA: b\r\n c\r\n\r\nbody\n" + kNext};
  const std::string wanted[] = {seen(bytes[0]).all, seen(bytes[1]).all};
  for (size_t piece = 1; piece < bytes[0].size(); ++piece) {
    Scratch scratch;
    Requests requests[] = {Requests(Limits()), Requests(Limits())};
    Seen found[2];
    for (size_t at = 0; at < bytes[0].size(); at += piece) {
      for (const size_t each : {0, 1}) {
        const std::string taken = bytes[each].substr(std::min(at, bytes[each].size()), piece);
        if (!taken.empty()) requests[each].take(as_bytes(taken), found[each], &scratch);
      }
    }
    for (const size_t each : {0, 1}) {
      requests[each].finish(found[each], &scratch);
      ASSERT_EQ(found[each].all + "broken ", wanted[each]) << piece;
    }
  }
}

struct LimitCase {
  const char* description;
  Limits limits;
  std::string bytes;
  std::string_view broken;
};

TEST(Requests, WhatIsTooMuchIsNotReadAnyFurther) {
  std::string headers;
  for (int i = 0; i < 2000; ++i) headers += "A" + std::to_string(i) + ":\r\n";
  const LimitCase cases[] = {
      {"a line", {.head_bytes = 50}, "GET /" + std::string(60, 'a') + " HTTP/1.0\r\n\r\n", "longer than 50 bytes"},
      {"headers", {.head_bytes = 50}, "GET / HTTP/1.0\r\nA: " + std::string(60, 'a') + "\r\n\r\n", "longer than 50"},
      {"headers without a protocol", {.head_bytes = 50}, "GET /\r\n" + std::string(60, 'a'), "longer than 50"},
      {"exactly as long", {.head_bytes = 18}, "GET / HTTP/1.0\r\n\r\n" + kNext, "longer than 18 bytes"},
      {"a long line within the limit", {}, "GET /" + std::string(60'000, 'a') + " HTTP/1.0\r\n\r\n", ""},
      {"requests", {.requests = 2}, kNext + kNext + kNext, "more than 2 requests"},
      {"many headers", {}, "GET / HTTP/1.0\r\n" + headers + "\r\n", "more than 256 headers"},
  };
  for (const LimitCase& each : cases) {
    const Seen found = seen(each.bytes, true, each.limits);
    const std::string broken = found.all.substr(found.all.rfind("broken ") + 7);
    EXPECT_THAT(broken, HasSubstr(std::string(each.broken))) << each.description;
    EXPECT_EQ(broken.empty(), each.broken.empty()) << each.description;
  }
}

TEST(Requests, OfABombOnlySoMuchIsGivenOn) {
  const std::string bomb = packed(std::string(50'000'000, 'a'), kGzip);
  const Seen found = seen(post("Content-Encoding: gzip\r\n", bomb) + kNext);
  EXPECT_EQ(found.bodies.size(), 2U);
  EXPECT_GE(found.bodies[0].size(), 65'536U);
  EXPECT_LE(found.bodies[0].size(), 1U << 20);
}

TEST(Requests, OfALongBodyTheBeginningIsGivenOn) {
  const Seen found = seen(post("", std::string(100, 'a')) + kNext, true, {.body_bytes = 10});
  EXPECT_EQ(found.bodies, (std::vector<std::string>{std::string(10, 'a'), ""}));
}

TEST(Requests, ARequestIsInItsHeadFromItsFirstByteToTheEmptyLine) {
  Requests requests{Limits()};
  Seen seen;
  const std::pair<std::string_view, bool> steps[] = {
      {"", false},     {"\r\n", false}, {"G", true}, {"ET / HTTP/1.1\r\n", true}, {"A: b\r\n\r", true}, {"\n", false},
      {"\r\n", false}, {"GE", false},   {"T ", true}};
  for (const auto& [bytes, expected] : steps) {
    requests.take(as_bytes(bytes), seen);
    EXPECT_EQ(requests.in_head(), expected) << bytes;
  }
}

TEST(Requests, MemoryDoesNotGrowWithTheRequests) {
  Requests requests{Limits()};
  Seen seen;
  const std::string request = post("Content-Encoding: gzip\r\n", packed("abc", kGzip));
  requests.take(as_bytes(request), seen);
  const size_t after_one = requests.bytes_held();
  for (int i = 0; i < 5000; ++i) requests.take(as_bytes(request), seen);
  EXPECT_EQ(requests.bytes_held(), after_one);
  EXPECT_EQ(requests.broken(), "");
}

}  // namespace
}  // namespace skep::http
