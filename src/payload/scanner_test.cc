#include "payload/scanner.h"

#include "payload/compiled_rule.h"
#include "payload/host_bits.h"
#include "payload/scan_test_rig.h"

namespace skep::payload {
namespace {

struct Case {
  const char* what;
  std::string options;  // of one rule
  Messages messages;
  bool fires;
};

std::string bytes(std::initializer_list<int> list) {
  std::string out;
  for (const int each : list) out.push_back(static_cast<char>(each));
  return out;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"a content anywhere", R"(content:"cmd.exe";)", {"xx cmd.exe yy"}, true},
      {"another case is another content", R"(content:"cmd.exe";)", {"CMD.EXE"}, false},
      {"nocase", R"(content:"cmd.exe"; nocase;)", {"CmD.eXe"}, true},
      {"hexadecimal",
       R"(content:"a|00 ff|b";)",
       {std::string("xa\0\xff"
                    "b",
                    5)},
       true},
      {"a single byte", R"(content:"%";)", {"50%"}, true},
      {"offset", R"(content:"abc"; offset:3;)", {"abcabc"}, true},
      {"before the offset", R"(content:"abc"; offset:3;)", {"abcab"}, false},
      {"depth", R"(content:"abc"; depth:5;)", {"xxabc"}, true},
      {"beyond the depth", R"(content:"abc"; depth:5;)", {"xxxabc"}, false},
      {"depth is counted from the offset", R"(content:"abc"; offset:2; depth:4;)", {"xxxabc"}, true},
      {"distance", R"(content:"ab"; content:"cd"; distance:2;)", {"abxxcd"}, true},
      {"too near for the distance", R"(content:"ab"; content:"cd"; distance:2;)", {"abxcd"}, false},
      {"a distance backwards", R"(content:"cd"; content:"ab"; distance:-4;)", {"abcd"}, true},
      {"within", R"(content:"ab"; content:"cd"; within:4;)", {"abxxcd"}, true},
      {"beyond within", R"(content:"ab"; content:"cd"; within:4;)", {"abxxxcd"}, false},
      {"within a distance", R"(content:"ab"; content:"cd"; distance:1; within:2;)", {"abxcd"}, true},
      {"another place of the first does", R"(content:"ab"; content:"cd"; within:2;)", {"ab ab abcd"}, true},
      {"… and another of the second",
       R"(content:"a"; content:"b"; distance:0; content:"c"; within:1;)",
       {"a b b bc"},
       true},
      {"startswith", R"(content:"GET"; startswith;)", {"GET"}, true},
      {"not at the start", R"(content:"GET"; startswith;)", {" GET"}, false},
      {"endswith", R"(content:"END"; endswith;)", {"the END"}, true},
      {"not at the end", R"(content:"END"; endswith;)", {"the END."}, false},
      {"not there", R"(content:"USER"; content:!"root";)", {"USER anna"}, true},
      {"there, and must not be", R"(content:"USER"; content:!"root";)", {"USER root"}, false},
      {"not there within", R"(content:"USER "; content:!"|0a|"; within:10;)", {"USER 0123456789abc"}, true},
      {"there within", R"(content:"USER "; content:!"|0a|"; within:10;)", {"USER 01\n3456789abc"}, false},
      {"so many bytes follow", R"(content:"AUTH"; isdataat:8,relative;)", {"AUTH12345678"}, true},
      {"fewer bytes follow", R"(content:"AUTH"; isdataat:9,relative;)", {"AUTH12345678"}, false},
      {"no more bytes follow", R"(content:"AUTH"; isdataat:!1,relative;)", {"AUTH"}, true},
      {"bytes follow that should not", R"(content:"AUTH"; isdataat:!1,relative;)", {"AUTH1"}, false},
      {"isdataat from the start", R"(content:"A"; isdataat:3;)", {"A123"}, true},
      {"isdataat beyond", R"(content:"A"; isdataat:3;)", {"A12"}, false},
      {"dsize", R"(dsize:>5; content:"A";)", {"A12345"}, true},
      {"dsize too small", R"(dsize:>5; content:"A";)", {"A1234"}, false},
      {"dsize exactly", R"(dsize:3; content:"A";)", {"A12"}, true},
      {"dsize is of a message", R"(dsize:3; content:"A";)", {"xxxx", "A12"}, true},
      {"a message's beginning", R"(content:"RETR"; depth:4;)", {"USER x\r\n", "RETR y\r\n"}, true},
      {"not a message's beginning", R"(content:"RETR"; depth:4;)", {"USER x\r\nRETR y\r\n"}, false},
      {"over two messages", R"(content:"USER x"; content:"PASS y"; distance:0;)", {"USER x\r\n", "PASS y\r\n"}, true},
      {"a single byte at a message's beginning", R"(content:"B"; depth:1;)", {"A", "B"}, true},
      {"pcre", R"(pcre:"/a\d{3}b/";)", {"xa123b"}, true},
      {"pcre fails", R"(pcre:"/a\d{3}b/";)", {"xa12b"}, false},
      {"pcre without case", R"(content:"x"; pcre:"/ABC/i";)", {"xabc"}, true},
      {"pcre from the match before", R"(content:"ab"; pcre:"/^\d/R";)", {"1ab2"}, true},
      {"pcre from another match before", R"(content:"ab"; pcre:"/^\d/R";)", {"abxab2"}, true},
      {"pcre not from there", R"(content:"ab"; pcre:"/^\d/R";)", {"abx2"}, false},
      {"pcre at the end", R"(content:"ab"; pcre:"/b$/";)", {"ab"}, true},
      {"pcre not at the end", R"(content:"ab"; pcre:"/b$/";)", {"abc"}, false},
      {"what may not follow", R"(content:"ab"; pcre:"/ab(?!c)/";)", {"abd"}, true},
      {"what may not follow follows", R"(content:"ab"; pcre:"/ab(?!c)/";)", {"abc"}, false},
      {"no such expression", R"(content:"ab"; pcre:!"/\d/";)", {"abc"}, true},
      {"such an expression", R"(content:"ab"; pcre:!"/\d/";)", {"abc1"}, false},
      {"a content behind an expression", R"(pcre:"/a+b/"; content:"c"; distance:1; within:1;)", {"aab-c"}, true},
      {"another place of the expression", R"(pcre:"/a+b/"; content:"c"; distance:1; within:1;)", {"ab ab-c"}, true},
      {"byte_test", R"(content:"L"; byte_test:2,>,256,0,relative;)", {"L" + bytes({1, 1})}, true},
      {"byte_test fails", R"(content:"L"; byte_test:2,>,256,0,relative;)", {"L" + bytes({1, 0})}, false},
      {"little-endian", R"(content:"L"; byte_test:2,=,1,0,relative,little;)", {"L" + bytes({1, 0})}, true},
      {"in digits", R"(content:"n="; byte_test:4,>,999,0,relative,string,dec;)", {"n=1000"}, true},
      {"in digits, too few", R"(content:"n="; byte_test:4,>,999,0,relative,string,dec;)", {"n=999."}, false},
      {"in hexadecimal digits", R"(content:"n="; byte_test:2,=,255,0,relative,string,hex;)", {"n=ff"}, true},
      {"bits", R"(content:"F"; byte_test:1,&,128,0,relative;)", {"F" + bytes({0x81})}, true},
      {"not so", R"(content:"F"; byte_test:1,!&,128,0,relative;)", {"F" + bytes({0x81})}, false},
      {"byte_jump",
       R"(content:"J"; byte_jump:1,0,relative; content:"X"; within:1;)",
       {"J" + bytes({3}) + "abcX"},
       true},
      {"byte_jump elsewhere",
       R"(content:"J"; byte_jump:1,0,relative; content:"X"; within:1;)",
       {"J" + bytes({2}) + "abcX"},
       false},
      {"byte_jump aligned",
       R"(content:"J"; byte_jump:1,0,relative,align; content:"X"; within:1;)",
       {"J" + bytes({3}) + "abcdX"},
       true},
      {"byte_jump from the beginning",
       R"(content:"J"; byte_jump:1,0,relative,from_beginning; content:"X"; within:1;)",
       {"J" + bytes({4}) + "abX"},
       true},
      {"byte_extract",
       R"(content:"E"; byte_extract:1,0,n,relative; content:"X"; offset:n;)",
       {"E" + bytes({5}) + "abcX"},
       true},
      {"byte_extract, and before it",
       R"(content:"E"; byte_extract:1,0,n,relative; content:"X"; offset:n;)",
       {"EX" + bytes({5})},
       false},
      {"byte_math",
       R"(content:"E"; byte_math:bytes 1,offset 0,oper *,rvalue 2,result n,relative; isdataat:!n;)",
       {"E" + bytes({2}) + "ab"},
       true},
      {"base64",
       R"(content:"auth "; base64_decode:relative; base64_data; content:"admin";)",
       {"auth YWRtaW46YQ=="},
       true},
      {"base64 of something else",
       R"(content:"auth "; base64_decode:relative; base64_data; content:"admin";)",
       {"auth YW5uYTph"},
       false},
  };
  return all;
}

std::string rule_of(const Case& each) {
  return "alert tcp any any -> any any (msg:\"t\"; " + each.options + " sid:7;)";
}

class ScannerTest : public testing::TestWithParam<bool> {};

TEST_P(ScannerTest, DecidesHoweverTheBytesAreCut) {
  for (const Case& each : cases()) {
    const auto rules = rule_set(rule_of(each), GetParam());
    ASSERT_TRUE(rules->refused().empty()) << each.what << ": " << rules->refused().front().reason;
    for (const size_t cut : {size_t{0}, size_t{1}, size_t{7}, kRandomCuts}) {
      EXPECT_EQ(sids(rules, each.messages, cut).size(), each.fires ? 1u : 0u)
          << each.what << ", in pieces of " << static_cast<int64_t>(cut);
    }
  }
}

TEST_P(ScannerTest, TheSameLiteralIsAnotherOneInAnotherBuffer) {
  const auto rules = rule_set(
      "alert http any any -> any any (http.request_body; content:\"needle\"; sid:1;)\n"
      "alert tcp any any -> any any (content:\"needle\"; sid:2;)\n"
      "alert http any any -> any any (http.uri; content:\"needle\"; sid:3;)\n",
      GetParam());
  EXPECT_EQ(sids(rules, {"needle"}, 0), (std::set<uint32_t>{2}));
  EXPECT_EQ(sids(rules, {"GET /needle HTTP/1.1\r\nHost: h\r\n\r\n"}, 1), (std::set<uint32_t>{2, 3}));
  EXPECT_EQ(sids(rules, {"POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nneedle"}, 1), (std::set<uint32_t>{1, 2}));
}

TEST_P(ScannerTest, WhatARequestLacksIsDecidedWithItsHead) {
  const auto rules = rule_set(
      "alert tcp any any -> any any (uricontent:\".jsp\"; pcre:!\"/^GET [^?]*\\.jsp/\"; sid:1;)\n"
      "alert http any any -> any any (http.uri; content:\".jsp\"; content:!\"id=\"; sid:2;)\n"
      "alert http any any -> any any (http.uri; content:\".jsp\"; http.cookie; content:!\"a\"; sid:3;)\n",
      GetParam());
  Scratch scratch;
  Scanner scanner(rules, {}, {});
  const auto hits = scanner.take(as_bytes("GET /?.jsp HTTP/1.1\r\nHost: h\r\n\r\n"), scratch);
  ASSERT_EQ(hits.size(), 2u) << "none on a cookie that is not there";
  EXPECT_EQ(sids(rules, {"GET /a.jsp?id=1 HTTP/1.1\r\nHost: h\r\nCookie: b\r\n\r\n"}, 1), (std::set<uint32_t>{3}));
}

TEST_P(ScannerTest, SaysItWithTheReadThatCompletesIt) {
  const auto rules = rule_set(
      R"(alert tcp any any -> any any (content:"|2e 2e|"; content:"cmd.exe"; distance:0; sid:1;))", GetParam());
  Scratch scratch;
  Scanner scanner(rules, {}, {});
  EXPECT_TRUE(scanner.take(as_bytes("..cmd"), scratch).empty());
  const auto hits = scanner.take(as_bytes(".exe and more"), scratch);
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(hits[0].stream_offset, 9u);
  EXPECT_TRUE(scanner.take(as_bytes("..cmd.exe"), scratch).empty()) << "once a session";
}

TEST_P(ScannerTest, RulesAreAboutPortsAndAddresses) {
  const auto rules = rule_set(
      "alert tcp any any -> any 21 (content:\"abc\"; sid:1;)\n"
      "alert tcp 192.0.2.0/24 any -> any any (content:\"abc\"; sid:2;)\n"
      "alert tcp 203.0.113.0/24 any -> any any (content:\"abc\"; sid:3;)\n"
      "alert tcp any any -> any !80 (content:\"abc\"; sid:4;)\n",
      GetParam());
  EXPECT_EQ(sids(rules, {"abc"}, 0, 21), (std::set<uint32_t>{1, 2, 4}));
  EXPECT_EQ(sids(rules, {"abc"}, 0, 80), (std::set<uint32_t>{2}));
}

TEST_P(ScannerTest, BitsAreLeftForOtherRules) {
  const auto rules = rule_set(
      "alert tcp any any -> any any (content:\"login\"; flowbits:set,in; flowbits:noalert; sid:1;)\n"
      "alert tcp any any -> any any (content:\"delete\"; flowbits:isset,in; sid:2;)\n"
      "alert tcp any any -> any any (content:\"delete\"; flowbits:isnotset,in; sid:3;)\n",
      GetParam());
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{5}}) {
    EXPECT_EQ(sids(rules, {"login delete"}, cut), (std::set<uint32_t>{2}));
    EXPECT_EQ(sids(rules, {"delete"}, cut), (std::set<uint32_t>{3}));
  }
}

TEST_P(ScannerTest, BitsOfAddressesAreLeftForOtherSessions) {
  const auto rules = rule_set(
      "alert tcp any any -> any any (content:\"login\"; xbits:set,in,track ip_src,expire 10; noalert; sid:1;)\n"
      "alert tcp any any -> any any (content:\"delete\"; xbits:isset,in,track ip_src; sid:2;)\n",
      GetParam());
  HostBits hosts;
  Scratch scratch;
  const auto says = [&](const char* source, const char* bytes, int64_t now_ns) {
    Scanner scanner(rules, {*parse_endpoint(source), {}}, {}, &hosts, now_ns);
    return scanner.take(as_bytes(bytes), scratch).size();
  };
  EXPECT_EQ(says("192.0.2.1:1", "login", 0), 0u);
  EXPECT_EQ(says("192.0.2.1:2", "delete", 1), 1u);
  EXPECT_EQ(says("192.0.2.2:1", "delete", 1), 0u);
  EXPECT_EQ(says("192.0.2.1:3", "delete", 11'000'000'000), 0u);
}

TEST_P(ScannerTest, WhatIsFartherApartThanTheWindowIsCounted) {
  const auto rules = rule_set(
      R"(alert tcp any any -> any any (content:"begin-of-it"; content:"end"; distance:0; sid:1;))", GetParam());
  Scratch scratch;
  for (const size_t apart : {size_t{4000}, size_t{20'000}}) {
    for (const size_t cut : {size_t{1}, size_t{1000}, size_t{100'000}}) {
      const std::string stream = "begin-of-it" + std::string(apart, '.') + "end";
      Scanner scanner(rules, {}, {});
      const auto found = sids(rules, {stream}, cut, 80, 1, &scanner);
      EXPECT_EQ(found.size(), apart <= kWindowBytes ? 1u : 0u) << apart << " in pieces of " << cut;
      EXPECT_EQ(scanner.counts().out_of_window, apart <= kWindowBytes ? 0u : 1u);
    }
  }
}

TEST_P(ScannerTest, StopsAtItsLimitAndSaysWhere) {
  const auto rules = rule_set(R"(alert tcp any any -> any any (content:"abc"; sid:1;))", GetParam());
  Scratch scratch;
  Scanner scanner(rules, {}, {.bytes_max = 10});
  EXPECT_TRUE(scanner.take(as_bytes("0123456789abc"), scratch).empty());
  ASSERT_TRUE(scanner.stopped());
  EXPECT_EQ(scanner.stopped()->stream_offset, 10u);
  EXPECT_EQ(scanner.stopped()->why, "bytes");
}

TEST_P(ScannerTest, HoldsARunawayExpressionToItsLimit) {
  const auto rules = rule_set(R"(alert tcp any any -> any any (content:"aaaa"; pcre:"/^(a+)+$/"; sid:1;))", GetParam());
  Scratch scratch;
  Scanner scanner(rules, {}, {});
  EXPECT_TRUE(sids(rules, {std::string(64, 'a') + "!"}, 0, 80, 1, &scanner).empty());
  EXPECT_GT(scanner.counts().expression_limit + scanner.counts().effort_limit, 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, ScannerTest, testing::Values(true, false),
                         [](const auto& engine) { return engine.param ? "Hyperscan" : "BuiltIn"; });

TEST(ScannerTest, DatagramsAreMessagesOfTheirOwn) {
  formats::RuleVariables variables = formats::default_rule_variables();
  formats::RuleFile file =
      formats::parse_rule_file("test.rules",
                               "alert udp any any -> any 1434 (content:\"|04|\"; depth:1; content:\"sock\"; sid:1;)\n"
                               "alert udp any any -> any any (content:\"ab\"; content:\"cd\"; sid:2;)\n"
                               "alert tcp any any -> any any (content:\"sock\"; sid:3;)\n"
                               "alert ip any any -> any any (content:\"sock\"; sid:4;)\n",
                               variables);
  std::vector<GivenRule> given;
  for (formats::LoadedRule& each : file.rules) given.push_back({std::move(each.rule), file.path, each.line, {}});
  RuleSetOptions options;
  options.protocol = Protocol::udp;
  const auto rules = *RuleSet::make(std::move(given), options);
  EXPECT_EQ(sids(rules, {"\x04 sock"}, 0, 1434), (std::set<uint32_t>{1, 4}));
  EXPECT_EQ(sids(rules, {"x", "\x04 sock"}, 0, 1434), (std::set<uint32_t>{1, 4}));
  EXPECT_EQ(sids(rules, {"\x04", "sock"}, 0, 1434), (std::set<uint32_t>{4}));
  EXPECT_EQ(sids(rules, {"ab", "cd"}, 0, 1434), (std::set<uint32_t>{}));
  EXPECT_EQ(sids(rules, {"cd ab"}, 0, 1434), (std::set<uint32_t>{2}));
}

TEST(ScannerTest, RefusesWhatTheWindowCannotShow) {
  const auto rules = rule_set(R"(alert tcp any any -> any any (content:"abc"; content:"def"; distance:5000; sid:1;))");
  ASSERT_EQ(rules->refused().size(), 1u);
  EXPECT_EQ(rules->refused()[0].reason, "distance: 5000 bytes are more than the 4096 that are in sight");
}

}  // namespace
}  // namespace skep::payload
