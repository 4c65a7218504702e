#include "formats/rule_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

RuleFile parse(const std::string& text) {
  RuleVariables variables = default_rule_variables();
  return parse_rule_file("t.rules", text, variables);
}

RuleFile with_options(const std::string& options) {
  return parse("alert tcp any any -> any any (msg:\"t\"; " + options + " sid:1; rev:1;)\n");
}

// The one rule that `options` make; it is read again as the same from what is written of it.
Rule loaded(const std::string& options) {
  const RuleFile file = with_options(options);
  if (file.rules.size() != 1) {
    ADD_FAILURE() << options << ": " << (file.refused.empty() ? "nothing" : file.refused[0].reason);
    return {};
  }
  const Rule& rule = file.rules[0].rule;
  const RuleFile again = parse(rule_text(rule));
  EXPECT_TRUE(again.rules.size() == 1 && again.rules[0].rule == rule)
      << rule_text(rule) << (again.refused.empty() ? "" : again.refused[0].reason);
  return rule;
}

template <typename T>
T only(const std::string& options) {
  const Rule rule = loaded(options);
  if (rule.options.empty() || !std::holds_alternative<T>(rule.options.back())) {
    ADD_FAILURE() << options;
    return {};
  }
  return std::get<T>(rule.options.back());
}

TEST(RuleOptionsTest, TheThreeWaysToSayTheSame) {
  const Rule behind = loaded("content:\"/a.exe\"; http_uri; nocase; offset:1; depth:9; content:\"b\"; distance:0;");
  const Rule before =
      loaded("http.uri; content:\"/a.exe\"; nocase; offset:1; depth:9; pkt_data; content:\"b\"; distance:0;");
  const Rule snort3 =
      loaded("http_uri; content:\"/a.exe\",nocase,offset 1,depth 9; pkt_data; content:\"b\",distance 0;");
  EXPECT_EQ(behind, before);
  EXPECT_EQ(behind, snort3);
  EXPECT_EQ(std::get<Content>(loaded("uricontent:\"/a.exe\"; nocase; offset:1; depth:9;").options[0]),
            std::get<Content>(behind.options[0]));
  EXPECT_EQ(std::get<Content>(behind.options[0]).where.buffer, RuleBuffer::http_uri);
  EXPECT_EQ(std::get<Content>(behind.options[1]).where.buffer, RuleBuffer::payload);
}

TEST(RuleOptionsTest, AnUnclearRuleIsReadAsItsFile) {
  const std::string unclear = "alert tcp any any -> any any (content:\"a\"; http_uri; content:\"b\"; sid:1;)\n";
  const std::string snort3 = "alert http (http_uri; content:\"c\",nocase; sid:2;)\n";
  const auto buffers = [](const RuleFile& file) {
    std::vector<RuleBuffer> out;
    for (const RuleOption& option : file.rules.at(0).rule.options)
      out.push_back(std::get<Content>(option).where.buffer);
    return out;
  };
  EXPECT_THAT(buffers(parse(unclear)), ElementsAre(RuleBuffer::http_uri, RuleBuffer::payload));
  EXPECT_THAT(buffers(parse(unclear + snort3)), ElementsAre(RuleBuffer::payload, RuleBuffer::http_uri));
}

TEST(RuleOptionsTest, Pcre) {
  const Pcre pcre = only<Pcre>(R"(pcre:!"/a\"b\;c"d/(e)/smixAEGRU";)");
  EXPECT_EQ(pcre.pattern, R"(a\"b\;c"d/(e))");
  EXPECT_TRUE(pcre.negated && pcre.dot_all && pcre.multi_line && pcre.nocase && pcre.extended && pcre.anchored &&
              pcre.dollar_end && pcre.ungreedy && pcre.relative);
  EXPECT_EQ(pcre.where.buffer, RuleBuffer::http_uri);
  EXPECT_EQ(only<Pcre>("pcre:\"m?a/b?i\";").pattern, "a/b");
}

TEST(RuleOptionsTest, Numbers) {
  const ByteTest test = only<ByteTest>("content:\"a\"; http_uri; byte_test:4,!&,0x80,-2,relative,little,bitmask 0xff;");
  EXPECT_EQ(test.where.buffer, RuleBuffer::http_uri) << "where the match before it was";
  EXPECT_TRUE(test.negated && test.number.relative && test.number.little_endian);
  EXPECT_EQ(test.comparison, "&");
  EXPECT_EQ(test.value.value, 0x80);
  EXPECT_EQ(test.number.offset.value, -2);
  EXPECT_EQ(only<ByteTest>("byte_test:5,<,65537,0,relative,string;").number.text_base, 10);
  const ByteJump jump = only<ByteJump>("byte_jump:4,8,multiplier 4,align,from_beginning,post_offset -4;");
  EXPECT_EQ(jump.multiplier, 4u);
  EXPECT_EQ(jump.post_offset.value, -4);
  EXPECT_EQ(jump.from, ByteJump::From::beginning);
  const Content content = only<Content>("byte_extract:2,0,n,align 4; content:\"a\"; distance:n; within:n;");
  EXPECT_EQ(content.distance->variable, "n");
  const ByteMath math =
      only<ByteMath>("byte_math:bytes 4, offset 2, oper *, rvalue 8, result r, endian little, string hex, relative;");
  EXPECT_EQ(math.number.text_base, 16);
  EXPECT_EQ(math.name, "r");
  const DataAt data = only<DataAt>("content:\"a\"; isdataat:!10,relative;");
  EXPECT_TRUE(data.negated && data.relative);
  EXPECT_EQ(only<DataAt>("uricontent:\"a\"; urilen:>5; isdataat:10,relative;").where.buffer, RuleBuffer::http_uri)
      << "a size is no match";
}

TEST(RuleOptionsTest, Sizes) {
  struct Row {
    const char* text;
    uint64_t least, most;
    bool negated;
  };
  for (const Row& row :
       {Row{"5", 5, 5, false}, Row{"!5", 5, 5, true}, Row{">5", 6, UINT64_MAX, false}, Row{">=5", 5, UINT64_MAX, false},
        Row{"<5", 0, 4, false}, Row{"<=5", 0, 5, false}, Row{"5<>9", 6, 8, false}, Row{"5<=>9", 5, 9, false}}) {
    const SizeRange wanted{row.least, row.most, row.negated};
    EXPECT_EQ(only<PacketSize>(fmt::format("dsize:{};", row.text)).size, wanted) << row.text;
    EXPECT_EQ(only<BufferSize>(fmt::format("urilen:{},norm;", row.text)).size, wanted) << row.text;
    EXPECT_EQ(only<BufferSize>(fmt::format("http.host; bsize:{};", row.text)).where.buffer, RuleBuffer::http_host);
  }
}

TEST(RuleOptionsTest, WhatIsNotAboutBytes) {
  const Rule rule = loaded(
      "flow:to_Server,Established; flowbits:isset,a|b; xbits:set,c,track ip_src,expire 9; noalert; content:\"a\"; "
      "threshold:type limit, track by_src, count 1, seconds 60; reference:CVE,2004-1; reference:url,x.y/\\;z; "
      "classtype:web-application-attack; metadata:a b, c\\,d; priority:2; gid:3; service:http,ftp; target:src_ip;");
  EXPECT_EQ(rule.flow.direction, RuleFlow::Direction::to_server);
  EXPECT_EQ(rule.flow.state, RuleFlow::State::established);
  ASSERT_EQ(rule.bits.size(), 2u);
  EXPECT_THAT(rule.bits[0].names, ElementsAre("a", "b"));
  EXPECT_EQ(rule.bits[1].scope, RuleBit::Scope::source);
  EXPECT_EQ(rule.bits[1].expire_s, 9u);
  EXPECT_TRUE(rule.silent);
  EXPECT_EQ(rule.threshold->seconds, 60u);
  EXPECT_EQ(rule.references[0].system, "cve");
  EXPECT_EQ(rule.references[1].id, "x.y/;z");
  EXPECT_THAT(rule.metadata, ElementsAre("a b", "c,d"));
  EXPECT_EQ(loaded("detection_filter:track by_dst, count 4, seconds 2; content:\"a\";").threshold->kind,
            RuleThreshold::Kind::detection_filter);
  const Content decoded = only<Content>(
      "base64_decode:bytes 30,offset 1,relative; base64_data; to_lowercase; content:!\"|00 01|a\\\"\"; startswith; "
      "endswith;");
  EXPECT_EQ(decoded.where.buffer, RuleBuffer::base64_data);
  EXPECT_THAT(decoded.where.transforms, ElementsAre(Transform::to_lowercase));
  EXPECT_EQ(decoded.bytes, std::string("\0\1a\"", 4));
}

TEST(RuleOptionsTest, SaysWhatItDoesNotUnderstand) {
  struct Row {
    const char* options;
    const char* words;
  };
  for (const Row& row : {Row{"content:\"a\"; frobnicate:1;", "frobnicate: not supported"},
                         Row{"nocase; content:\"a\";", "nocase: not supported"},
                         Row{"content:a;", "content: wants a text in quotes"},
                         Row{"content:\"a\"; depth:x;", "depth: 'x' is no number"},
                         Row{"content:\"a\"; depth:1; depth:1;", "depth: said twice"},
                         Row{"content:\"abc\"; depth:2;", "depth 2 is less than its 3 bytes"},
                         Row{"content:\"a\"; depth:2; distance:1;", "offset or depth, and distance or within"},
                         Row{"content:\"a\" x;", "content: 'x' is not understood"},
                         Row{"content:\"a\",nocas;", "content: 'nocas' is not understood"},
                         Row{"content:\"a\"; http_uri; http_header;", "http_header: a content of two buffers"},
                         Row{"content:\"a\"; flags:S;", "flags: a header's field"},
                         Row{"base64_data; content:\"a\";", "no base64_decode stands before it"},
                         Row{"pcre:\"/a/iQ\";", "flag 'Q' is not understood"},
                         Row{"pcre:\"/a/UP\";", "flags name two buffers"},
                         Row{"pcre:\"a\";", "wants /expression/flags"},
                         Row{"byte_test:4,~,1,0;", "'~' is no comparison"},
                         Row{"byte_test:4,>,x,0;", "'x' is no number"},
                         Row{"byte_test:9,>,1,0;", "a number of 9 bytes"},
                         Row{"byte_test:4,>,1,0,dce;", "'dce' is not understood"},
                         Row{"byte_test:4,>,1,0,hex;", "no `string`"},
                         Row{"byte_math:bytes 4,offset 0,oper +,result r; content:\"a\";", "an rvalue is missing"},
                         Row{"byte_math:bytes 4,offset 0,oper /,rvalue 0,result r;", "divided by zero"},
                         Row{"byte_math:bytes 4,offset 0,oper ?,rvalue 1,result r;", "'oper ?' is not understood"},
                         Row{"byte_extract:4,0,4;", "'4' is no name of a number"},
                         Row{"content:\"a\"; byte_extract:4,0,n; distance:n;", "its number is made behind the content"},
                         Row{"isdataat:5,elsewhere;", "'elsewhere' is not understood"},
                         Row{"content:\"a\"; flow:sideways;", "flow: 'sideways' is not understood"},
                         Row{"content:\"a\"; flowbits:set,a&b;", "'a&b' is no name of a bit"},
                         Row{"content:\"a\"; threshold:type often;", "'type often' is not understood"},
                         Row{"bsize:3;", "bsize: no buffer is named before it"},
                         Row{"dsize:3<>4;", "holds for no size"},
                         Row{"dsize:<0;", "holds for no size"},
                         Row{"flow:established;", "it looks at no bytes"}}) {
    const RuleFile file = with_options(row.options);
    ASSERT_EQ(file.refused.size(), 1u) << row.options;
    EXPECT_THAT(file.refused[0].reason, HasSubstr(row.words)) << row.options;
  }
}

TEST(RuleFileTest, VariablesAreResolved) {
  const RuleFile file = parse(
      "var WEB [10.0.0.0/8,!10.1.0.0/255.255.0.0]\nipvar ALL [$WEB,::1]\nportvar P [80:90,!85]\n"
      "alert tcp !$WEB :1023 -> $ALL $P (content:\"a\"; sid:1;)\n");
  ASSERT_EQ(file.rules.size(), 1u) << file.refused.at(0).reason;
  EXPECT_EQ(file.rules[0].line, 4);
  const Rule& rule = file.rules[0].rule;
  const auto address = [](uint8_t b) { return RuleAddress{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, b, 0, 1}; };
  EXPECT_TRUE(rule.destination.contains(address(2)));
  EXPECT_FALSE(rule.destination.contains(address(1)));
  EXPECT_TRUE(rule.destination.contains(RuleAddress{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_FALSE(rule.source.contains(address(2)));
  EXPECT_TRUE(rule.source.contains(address(1)));
  EXPECT_TRUE(rule.source_ports.contains(uint16_t{0}));
  EXPECT_FALSE(rule.source_ports.contains(uint16_t{1024}));
  EXPECT_TRUE(rule.destination_ports.contains(uint16_t{84}));
  EXPECT_FALSE(rule.destination_ports.contains(uint16_t{85}));
}

TEST(RuleFileTest, AVariableHoldsForWhatComesAfterIt) {
  const RuleFile file = parse(
      "var P 1\nalert tcp any any -> any $P (content:\"a\"; sid:1;)\n"
      "var P 2\nalert tcp any any -> any $P (content:\"a\"; sid:2;)\n");
  ASSERT_EQ(file.rules.size(), 2u);
  EXPECT_TRUE(file.rules[0].rule.destination_ports.contains(uint16_t{1}));
  EXPECT_TRUE(file.rules[1].rule.destination_ports.contains(uint16_t{2}));
}

TEST(RuleFileTest, SaysWhichHeadIsDamaged) {
  std::string bomb = "var A0 1.1.1.1\n";
  for (int i = 1; i < 5; ++i) {
    std::string items = fmt::format("$A{}", i - 1);
    for (int more = 0; more < 9; ++more) items += fmt::format(",$A{}", i - 1);
    bomb += fmt::format("var A{} [{}]\n", i, items);
  }
  struct Row {
    std::string head;
    const char* words;
  };
  for (const Row& row : {Row{"alert tcp $NONE any -> any any", "$NONE is not defined"},
                         Row{"alert tcp any any any any", "wants `action protocol"},
                         Row{"alert tcp any any >> any any", "'>>' is no direction"},
                         Row{"alert gopher any any -> any any", "protocol 'gopher' is not supported"},
                         Row{"shout tcp any any -> any any", "'shout' is no action"},
                         Row{"alert tcp 1.2.3 any -> any any", "source addresses: '1.2.3' is no address"},
                         Row{"alert tcp 1.2.3.4/33 any -> any any", "33: not within 0 and 32"},
                         Row{"alert tcp any any -> any 70000", "destination ports: port: 70000"},
                         Row{"alert tcp any any -> any 9:8", "no port is in it"},
                         Row{"alert tcp !$HOME_NET any -> any any", "'!any' holds for nothing"},
                         Row{"var L $L\nalert tcp $L any -> any any", "does a variable name itself?"},
                         Row{bomb + "alert tcp $A4 any -> any any", "more than 4096 items"}}) {
    const RuleFile file = parse(row.head + " (content:\"a\"; sid:1;)");
    ASSERT_EQ(file.refused.size(), 1u) << row.head;
    EXPECT_THAT(file.refused[0].reason, HasSubstr(row.words)) << row.head;
  }
}

TEST(RuleFileTest, WhatIsDamagedTakesNothingElseAlong) {
  const RuleFile file = parse(
      "alert tcp any any -> any any (content:\"a\"; sid:1;)\n"
      "alert tcp any any -> any any (content:\"a|4\"; sid:2;)\n"
      "no rule\n"
      "alert tcp any any -> any any (content:\"a\"; sid:1;)\n"
      "alert tcp any any -> any any (content:\"a\";)\n"
      "alert icmp any any -> any any (itype:8; sid:3;)\n"
      "alert tcp any any -> any any (flow:from_server; frobnicate; sid:4;)\n"
      "alert tcp any any -> any any (http.stat_code; content:\"a\"; sid:5;)\n"
      "alert tcp $HOME_NET any -> $EXTERNAL_NET any (flow:to_server; content:\"a\"; sid:6;)\n"
      "alert tcp any any -> any any (content:\"a\"; sid:7;)\n");
  std::vector<int> lines;
  for (const LoadedRule& rule : file.rules) lines.push_back(rule.line);
  EXPECT_THAT(lines, ElementsAre(1, 10));
  const auto all = [&](const std::vector<RuleSetAside>& list) {
    std::vector<std::string> out;
    for (const RuleSetAside& each : list) out.push_back(words_of(file, each));
    return out;
  };
  EXPECT_THAT(all(file.refused),
              ElementsAre("t.rules:2: sid 2: content: a '|' is left open", "t.rules:3: a '(' is missing",
                          "t.rules:4: sid 1: sid: a rule before it has the same", "t.rules:5: it has no sid"));
  EXPECT_THAT(
      all(file.not_applicable),
      ElementsAre("t.rules:6: sid 3: of ICMP", "t.rules:7: sid 4: of what a server sends",
                  "t.rules:8: sid 5: of what a server sends", "t.rules:9: sid 6: from a home network to the outside"));
}

}  // namespace
}  // namespace skep::formats
