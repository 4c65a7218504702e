// deploy/rules: every rule loads, and its page says what it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/doc_page.h"
#include "payload/rule_files.h"
#include "payload/scan_test_rig.h"

namespace skep::payload {
namespace {

RuleFiles shipped() {
  auto files = read_rule_files({std::string(SKEP_SOURCE_DIR) + "/deploy/rules/*.rules"}, {});
  return files ? std::move(*files) : RuleFiles{};
}

std::string class_of(const GivenRule& each) {
  return each.rule.message.substr(0, each.rule.message.find(": "));
}

TEST(ShippedRulesTest, EveryRuleLoads) {
  RuleFiles files = shipped();
  ASSERT_FALSE(files.files.empty());
  for (const formats::RuleFile& file : files.files) {
    for (const auto* aside : {&file.refused, &file.not_applicable}) {
      for (const formats::RuleSetAside& each : *aside) ADD_FAILURE() << words_of(file, each);
    }
  }
  const auto set = RuleSet::make(std::move(files.rules), {});
  ASSERT_TRUE(set) << set.error().message;
  for (const RuleRefused& each : (*set)->refused()) ADD_FAILURE() << words_of(**set, each);
}

TEST(ShippedRulesTest, TheirPageNamesEachWithItsClassAndGrade) {
  struct Row {
    std::string name, grade;
    uint32_t last = 0;
    size_t rules = 0;
  };
  std::map<uint32_t, Row> rows;  // by the first sid
  for (const auto& cells : table_rows(section(source_text("deploy/rules/README.md"), "Classes"))) {
    ASSERT_EQ(cells.size(), 4U);
    const auto sids = split(cells[1], '-');
    ASSERT_EQ(sids.size(), 2U) << cells[1];
    std::string name = cells[0];
    std::erase(name, '`');
    rows[static_cast<uint32_t>(std::stoul(std::string(sids[0])))] = {
        name, cells[2], static_cast<uint32_t>(std::stoul(std::string(sids[1])))};
  }
  ASSERT_FALSE(rows.empty());
  const RuleFiles files = shipped();
  for (const GivenRule& each : files.rules) {
    SCOPED_TRACE(each.rule.sid);
    EXPECT_GT(each.rule.rev, 0U);
    auto row = rows.upper_bound(each.rule.sid);
    ASSERT_NE(row, rows.begin());
    --row;
    ++row->second.rules;
    EXPECT_LE(each.rule.sid, row->second.last);
    EXPECT_EQ(class_of(each), row->second.name);
    EXPECT_EQ(each.grading.grade == formats::RuleGrade::specific ? "specific" : "generic", row->second.grade);
  }
  for (const auto& [first, row] : rows) EXPECT_EQ(row.rules, row.last - first + 1) << row.name;
}

struct Sent {
  const char* description;
  std::string bytes;
  std::set<uint32_t> sids;
  uint16_t port = 80;
};

std::string get(const std::string& uri, const std::string& more = "") {
  return "GET " + uri + " HTTP/1.0\r\nHost: www\r\n" + more + "\r\n";
}

std::string raw(std::initializer_list<int> bytes) {
  std::string text;
  for (const int each : bytes) text += static_cast<char>(each);
  return text;
}

TEST(ShippedRulesTest, TheyFireOnWhatTheyAreFor) {
  auto set = RuleSet::make(shipped().rules, {});
  ASSERT_TRUE(set);
  const std::string shell = "/winnt/system32/cmd.exe?/c+dir";
  const Sent cases[] = {
      {"double decoding", get("/scripts/..%255c.." + shell), {1000001, 1000002, 1000101, 1000102}},
      {"an overlong slash", get("/scripts/..%c0%af.." + shell), {1000001, 1000002, 1000101, 1000102}},
      {"digits encoded twice", get("/_vti_bin/..%%35%63.." + shell), {1000001, 1000002, 1000101, 1000102, 1000122}},
      {"dots encoded twice", get("/_vti_bin/.%252e/.%252e" + shell), {1000001, 1000002, 1000101, 1000102, 1000122}},
      {"without a protocol", "GET /scripts/..%255c%255c.." + shell + "\r\n\r\n", {1000001, 1000002, 1000101, 1000102}},
      {"the program's name encoded", get("/scripts/..%5c..%5cwinnt/system32/%63md.exe?/c+dir"), {1000002, 1000101}},
      {"cmd.exe by a drive", get("/c" + shell), {1000003, 1000102}},
      {"root.exe", get("/MSADC/root.exe?/c+dir"), {1000004, 1000005}},
      {"root.exe encoded", get("/scripts/%72oot.exe?/c+dir"), {1000005}},
      {"Code Red", get("/default.ida?" + std::string(224, 'X') + "%u9090%u6858%ucbd3%u7801%u00=a"), {1000010, 1000011}},
      {"SEARCH of Welchia",
       "SEARCH /" + raw({0x90, 2, 0xb1, 2, 0xb1, 2, 0xb1, 2}) + std::string(2000, '\x90') + " HTTP/1.1\r\n\r\n",
       {1000020, 1000104, 1000106}},
      {"SEARCH before it", "SEARCH / HTTP/1.1\r\nHost: www\r\n\r\n", {1000021}},
      {"PROPFIND of a worm",
       "PROPFIND /admin%24 HTTP/1.1\r\nUser-Agent: Microsoft-WebDAV-MiniRedir/5.1.2600\r\n\r\n",
       {1000022}},
      {"IIS's examples", get("/iissamples/exair/howitworks/codebrws.asp"), {1000030, 1000031}},
      {"showcode", get("/msadc/Samples/SELECTOR/showcode.asp"), {1000031}},
      {"nsiislog", get("/scripts/nsiislog.dll"), {1000032}},
      {"printer", "GET /NULL.printer HTTP/1.0\r\nHost: " + std::string(420, '\xeb') + "\r\n\r\n", {1000033}},
      {"htr", get("/default.asp+.htr"), {1000034}},
      {"fp30reg", get("/_vti_bin/_vti_aut/fp30reg.dll"), {1000040, 1000122}},
      {"shtml", get("/_vti_bin/shtml.exe/x"), {1000041, 1000122}},
      {"msadcs", get("/msadc/msadcs.dll"), {1000042}},
      {"MyDoom's back door", raw({0x85, 0x13, 0x3c, 0x9e, 0xa2}) + "MZ", {1000050}, 3127},
      {"Blaster",
       "xF" + raw({0}) + "X" + raw({0}) + "N" + raw({0}) + "B" + raw({0}) + "F" + raw({0}) + "X" + raw({0}) + "F" +
           raw({0}) + "X" + raw({0}),
       {1000051},
       135},
      {"Slapper's key", raw({0x81, 0x80, 2, 1, 0, 0x80, 0, 0, 0, 0x80, 1, 0x5c}), {1000052}, 443},
      {"a key as it should be", raw({0x80, 0x80, 2, 1, 0, 0x80, 0, 0, 0, 0x80, 0, 8}), {}, 443},
      {"Slapper's shell", "TERM=xterm; export TERM=xterm; exec bash -i\n", {1000053}, 443},
      {"phf", get("/cgi-bin/phf?Qalias=x%0a/bin/cat%20/etc/passwd"), {1000060, 1000100}},
      {"htsearch", get("/cgi-bin/htsearch?exclude=%60/etc/passwd%60"), {1000061, 1000100}},

      {"a new traversal", get("/gallery/show.php?file=../../../../etc/passwd"), {1000100, 1000101}},
      {"a new hole in CGI with cmd.exe",
       get("/cgi-bin/new.exe?f=..\\..\\winnt\\system32\\cmd.exe?/c+dir"),
       {1000101, 1000102}},
      {"cmd.exe through a new program's path",
       get("/shop/new.dll/../../winnt/system32/cmd.exe?/c+dir"),
       {1000101, 1000102}},
      {"a new overflow", "GET /" + std::string(600, '\x90') + "\xcc/bin/sh HTTP/1.0\r\n\r\n", {1000103, 1000104}},
      {"a new overflow of letters", "USER " + std::string(300, 'A') + "\r\n", {1000105}, 21},
      {"another SEARCH", "SEARCH /" + std::string(2000, 'B') + " HTTP/1.1\r\n\r\n", {1000106}},
      {"CONNECT", "CONNECT mail.example:25 HTTP/1.0\r\n\r\n", {1000110}},
      {"a proxy's GET", "GET http://www.example/ HTTP/1.1\r\nHost: www.example\r\n\r\n", {1000111}},
      {"Nikto", get("/", "User-Agent: Mozilla/4.75 (Nikto/1.32 )\r\n"), {1000120}},
      {"sumthin", get("/sumthin"), {1000121}},

      {"a browser", get("/", "User-Agent: Mozilla/4.0 (compatible; MSIE 5.5; Windows 98)\r\n"), {}},
      {"a picture", get("/icons/apache_pb.gif", "Referer: http://www/\r\n"), {}},
      {"a form", "POST /index.php HTTP/1.1\r\nContent-Length: 11\r\n\r\nq=searching", {}},
      {"a WebDAV client at work",
       "PROPFIND /documents HTTP/1.1\r\nUser-Agent: Microsoft-WebDAV-MiniRedir/5.1.2600\r\n\r\n",
       {}},
      {"one that asks what is offered", "OPTIONS / HTTP/1.1\r\nHost: www\r\n\r\n", {}},
      {"mail", "HELO a\r\nMAIL FROM:<a@b>\r\n", {}, 25}};
  std::set<uint32_t> unseen;
  for (const GivenRule& each : (*set)->rules()) unseen.insert(each.rule.sid);
  for (const Sent& each : cases) {
    SCOPED_TRACE(each.description);
    for (const size_t cut : {size_t{0}, size_t{1}, kRandomCuts})
      EXPECT_EQ(sids(*set, {each.bytes}, cut, each.port), each.sids) << "in pieces of " << cut;
    for (const uint32_t sid : each.sids) unseen.erase(sid);
  }
  std::erase_if(unseen, [](uint32_t sid) { return sid > 1000061 && sid <= 1000081; });  // all are as htsearch's
  EXPECT_THAT(unseen, testing::IsEmpty()) << "rules without a case";
}

}  // namespace
}  // namespace skep::payload
