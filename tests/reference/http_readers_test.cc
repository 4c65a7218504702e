#include "reference/http_readers.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace skep::reference {
namespace {

using namespace std::literals;

// Requests as clients and worms send them.
constexpr std::string_view kRequests[] = {
    "GET /shop/item.php?id=1&view=full HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux "
    "x86_64)\r\nAccept: text/html,*/*;q=0.8\r\nAccept-Language: en\r\nAccept-Encoding: gzip, deflate\r\nCookie: "
    "session=1; b=2\r\nConnection: keep-alive\r\n\r\n",
    "GET /scripts/..%255c../winnt/system32/cmd.exe?/c+dir HTTP/1.0\r\nHost: www\r\nConnnection: close\r\n\r\n",
    "GET /scripts/..%c0%af../..%c1%9c../winnt/system32/cmd.exe?/c+dir HTTP/1.0\r\n\r\n",
    "GET /default.ida?NNNNNNNN%u9090%u6858%ucbd3%u7801%u00=a  HTTP/1.0\r\nContent-type: text/xml\nHOST:www.worm.com\n "
    "Accept: */*\nContent-length: 3569 \r\n\r\n",
    "POST /cgi-bin/php?%2D%64+allow%5Furl HTTP/1.1\r\nHost: 192.0.2.1:8080\r\nContent-Type: "
    "application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=b&c=dGET / HTTP/1.1\r\n\r\n",
    "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "CONNECT mx.example.org:25 HTTP/1.0\r\n\r\nHELO a\r\n",
    "GET http://User:pw@WWW.Example.COM.:8080/%7Euser/index.html#top HTTP/1.0\r\nHost: other\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
    "PROPFIND /%e4%b8%ad%ef%bc%8f%EF%BC%8E/ HTTP/1.1\r\nHost: a\r\nDepth: 0\r\nContent-Length: 0\r\n\r\n",
    "GET /a/./b/../c//d\\e%5cf%2fg/%2e%2e/h?x=%41%zz%4#%u0041%4 HTTP/1.1\r\nHost: A\r\n\r\n",
    "GET / HTTP/1.1\r\nA: 1\r\nB:2\r\n 3\r\n\t4\r\na: 5\r\nNoColon\r\n: empty\r\nA: 6\r\nX : y \r\n\r\n",
    "GET /index.html\r\n\r\n",
    "\r\n\r\nHEAD / HTTP/1.0\r\n\r\n",
};

constexpr std::string_view kPieces[] = {
    "\r\n",
    "\n",
    "\r",
    "\r\r\n",
    "\r\n\r\n",
    "\n\n",
    " ",
    "\t",
    "\v",
    "\0"sv,
    ":",
    ": ",
    ",",
    "%",
    "%u",
    "%U002f",
    "%uff0f",
    "%u0000",
    "%00",
    "%25",
    "%c0%ae",
    "%e0%80%af",
    "%f0%9f%98%80",
    "%ed%a0%80",
    "%f5",
    "%80",
    "\xc0\xaf",
    "\xe4\xb8",
    "\\",
    "/",
    "//",
    "/.",
    "/..",
    "/./",
    "/../",
    "..",
    "./",
    "?",
    "#",
    "@",
    "[",
    "]",
    "[::1]",
    "http://",
    "GET ",
    "POST ",
    "CONNECT ",
    " HTTP/1.1",
    "HTTP/1.0\r\n",
    "Host: B:1\r\n",
    "host:\r\n",
    "Cookie: x\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: x9y\r\n",
    "content-length: 99999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "Content-Encoding: g\0zip\r\n"sv,
    "A: b\r\n",
    "A : b\r\n",
    " folded\r\n",
    "\0folded\r\n"sv,
    "\x80",
    "5\r\nhello\r\n0\r\n\r\n",
};

std::string shown(std::string_view bytes) {
  return printable(bytes);
}

TEST(HttpReaders, SayTheSameOfRequestsAsTheyAre) {
  for (const std::string_view bytes : kRequests)
    for (const size_t cut : {bytes.size(), size_t{1}, size_t{7}})
      EXPECT_EQ(http_difference(as_bytes(bytes), cut), "") << shown(bytes);
}

struct OddCase {
  const char* description;
  std::string bytes;
};

std::string headers(size_t count, std::string_view name_end) {
  std::string out = "GET / HTTP/1.1\r\n";
  for (size_t i = 0; i < count; ++i) out += std::to_string(i) + std::string(name_end);
  return out;
}

std::string many_times(size_t count, std::string_view text) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(HttpReaders, SayTheSameOfOddities) {
  const OddCase cases[] = {
      {"nothing but a CR", "\r"},
      {"CRs before LF", "\r\r\n\r\r\nGET / HTTP/1.0\r\n\r\n"},
      {"a line of blanks", "  \r\n\r\n"},
      {"a blank before the end", "GET / HTTP/1.0\r\n \r\n\r\n"},
      {"the first header is folded", "GET / HTTP/1.0\r\n A: b\r\nC: d\r\n\r\n"},
      {"folded by NULs", "GET / HTTP/1.0\r\nA: b\r\n\0c\r\n\r\n"s},
      {"folds to a header", "GET / HTTP/1.0\r\nA\r\n : b\r\n\r\n"},
      {"a fold of nothing", "GET / HTTP/1.0\r\n\r\r\n\r\r\n\r\n"},
      {"a NUL before the colon", "GET / HTTP/1.0\r\nA\0b: c\r\n\r\n"s},
      {"a NUL in the value", "GET / HTTP/1.0\r\nA: b\0c\r\n\r\n"s},
      {"no value", "GET / HTTP/1.0\r\nA:\r\nB: \r\nC:  \t\r\n\r\n"},
      {"no name", "GET / HTTP/1.0\r\n: a\r\n:b\r\nc\r\n\r\n"},
      {"blanks alone before the colon", "GET / HTTP/1.0\r\n  : a\r\nB: c\r\n\t: a\r\n\r\n"},
      {"CR in a header", "GET / HTTP/1.0\r\n\rA: b\r\nC: d\re\r\n\r\n"},
      {"as many headers as there may be", headers(256, ": a\r\n") + "\r\n"},
      {"one more", headers(257, ": a\r\n") + "\r\n"},
      {"two more", headers(258, ": a\r\n") + "\r\n"},
      {"two more, without an end", headers(258, ": a\r\n")},
      {"two more, and a line that does not end", headers(258, ": a\r\n") + "A"},
      {"two more, folded", headers(258, ": a\r\n") + " b\r\n\r\n"},
      {"a header again and again", "GET / HTTP/1.0\r\n" + many_times(70, "A: b\r\n") + "\r\n"},
      {"two headers again and again", "GET / HTTP/1.0\r\n" + many_times(70, "A: b\r\nC: d\r\n") + "\r\n"},
      {"lengths again and again", "GET / HTTP/1.0\r\n" + many_times(70, "Content-Length: 1\r\nC: d\r\n") + "\r\nX"},
      {"more headers than lie in a row", headers(40, ": a\r\n") + "3: b\r\n39: c\r\n\r\n"},
      {"CONNECT without a host", "CONNECT\r\n\r\n"},
      {"CONNECT without a host, at the end", "CONNECT"},
      {"CONNECT without a port", "CONNECT A.b. HTTP/1.0\r\nHost: c\r\n\r\n"},
      {"CONNECT to no host", "CONNECT :1 HTTP/1.0\r\nHost: c\r\n\r\n"},
      {"CONNECT to half an address", "CONNECT [::1 HTTP/1.0\r\nHost: c\r\n\r\n"},
      {"CONNECT to a path", "CONNECT /a HTTP/1.0\r\nHost: c\r\n\r\n"},
      {"no host in an absolute URI", "GET http:///a HTTP/1.0\r\nHost: c\r\n\r\n"},
      {"an empty host in an absolute URI", "GET http://:80/a HTTP/1.0\r\nHost: c\r\n\r\n"},
      {"an address in an absolute URI", "GET http://[::1]:80/a HTTP/1.0\r\n\r\n"},
      {"half an address in an absolute URI", "GET http://[::1:80/a HTTP/1.0\r\n\r\n"},
      {"an encoded host", "GET http://%41%2e../a HTTP/1.0\r\n\r\n"},
      {"a colon far behind", "GET a?b=c:d HTTP/1.0\r\n\r\n"},
      {"only a scheme", "GET a: HTTP/1.0\r\n\r\n"},
      {"only slashes", "GET a:// HTTP/1.0\r\n\r\n"},
      {"only a query", "GET ? HTTP/1.0\r\n\r\n"},
      {"only a fragment", "GET # HTTP/1.0\r\n\r\n"},
      {"a query in a fragment", "GET /a#b?c%41 HTTP/1.0\r\n\r\n"},
      {"host of blanks", "GET / HTTP/1.0\r\nHost: \v \r\n\r\n"},
      {"host of a port", "GET / HTTP/1.0\r\nHost: :80\r\n\r\n"},
      {"host and blanks before its port", "GET / HTTP/1.0\r\nHost: A \v:80\r\n\r\n"},
      {"tabs alone", "GET\t/a\vb\tHTTP/1.0\r\n\r\n"},
      {"a tab and a blank", "GET\t/a\tb HTTP/1.0\r\n\r\n"},
      {"transfer encoding before length", "POST / HTTP/1.0\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\na"},
      {"an empty length", "POST / HTTP/1.0\r\nContent-Length:\r\n\r\na"},
      {"the longest length", "POST / HTTP/1.0\r\nContent-Length: 9223372036854775807\r\n\r\na"},
      {"a longer one", "POST / HTTP/1.0\r\nContent-Length: 9223372036854775808\r\n\r\na"},
      {"a negative one", "POST / HTTP/1.0\r\nContent-Length: -1\r\n\r\nabc"},
      {"a packing with NULs", "POST / HTTP/1.0\r\nContent-Encoding: \0gz\0ip\0\r\n\r\nabc"s},
  };
  for (const OddCase& each : cases)
    for (const size_t cut : {each.bytes.size(), size_t{1}, size_t{7}})
      EXPECT_EQ(http_difference(as_bytes(each.bytes), cut), "") << each.description << ", in pieces of " << cut;
}

TEST(HttpReaders, MapEveryCharacterToTheSameByte) {
  for (unsigned code = 0; code < 0x10000; code += 64) {
    std::string uri = "/a";
    for (unsigned each = code; each < code + 64; ++each) {
      char text[16];
      snprintf(text, sizeof text, "-%%u%04x", each);
      uri += text;
    }
    for (unsigned each = code; each < code + 64; ++each) {
      char text[16];
      snprintf(text, sizeof text, "-%%%x%%%x%%%x", 0xe0 | each >> 12, 0x80 | (each >> 6 & 0x3f), 0x80 | (each & 0x3f));
      uri += text;
    }
    const std::string request = "GET " + uri + " HTTP/1.0\r\n\r\n";
    ASSERT_EQ(http_difference(as_bytes(request), request.size()), "");
  }
}

// Requests that went wrong in a few places.
class Mutations {
 public:
  std::string next() {
    std::string bytes(of(kRequests));
    for (size_t left = 1 + below(6); left > 0; --left) mutate(bytes);
    return bytes;
  }
  size_t below(size_t count) { return random_() % count; }

 private:
  template <typename List>
  std::string_view of(const List& list) {
    return list[below(std::size(list))];
  }
  void mutate(std::string& bytes) {
    const size_t at = below(bytes.size() + 1);
    switch (below(6)) {
      case 0:
        bytes.erase(at, below(12));
        break;
      case 1:
        bytes.insert(at, bytes, below(bytes.size() + 1), below(60));
        break;
      case 2:
        bytes.insert(at, of(kRequests));
        break;
      case 3:
        if (at < bytes.size()) bytes[at] = static_cast<char>(below(256));
        break;
      default:
        bytes.insert(at, of(kPieces));
        break;
    }
  }
  std::mt19937 random_{2004};
};

TEST(HttpReaders, SayTheSameOfMutations) {
  Mutations mutations;
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = mutations.next();
    const size_t cut = mutations.below(2) == 0 ? bytes.size() + 1 : 1 + mutations.below(40);
    ASSERT_EQ(http_difference(as_bytes(bytes), cut), "") << shown(bytes) << "\nin pieces of " << cut;
  }
}

}  // namespace
}  // namespace skep::reference
