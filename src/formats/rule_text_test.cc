#include "formats/rule_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> texts(const std::string& file) {
  std::vector<std::string> out;
  for (const LogicalLine& line : logical_lines(file))
    out.push_back(fmt::format("{}:{}{}", line.line, line.text, line.damage.empty() ? "" : " !" + line.damage));
  return out;
}

TEST(RuleLinesTest, BackslashesJoin) {
  EXPECT_THAT(texts("# none\n\nalert tcp any any -> any any \\\r\n  (msg:\"a\"; \\\r\n sid:1;)\nvar A \\\n 1\n"),
              ElementsAre("3:alert tcp any any -> any any (msg:\"a\"; sid:1;)", "6:var A 1"));
}

TEST(RuleLinesTest, AnOpenParenthesisJoins) {
  EXPECT_THAT(texts("alert http\n(\n  msg:\"a\";\n  # a word\n\n  content:\"x)\";\n  sid:1;\n)\nalert tcp a (sid:2;)"),
              ElementsAre("1:alert http ( msg:\"a\"; content:\"x)\"; sid:1; )", "9:alert tcp a (sid:2;)"));
}

TEST(RuleLinesTest, ARuleWithoutItsEndSwallowsNoOther) {
  EXPECT_THAT(texts("alert tcp any (msg:\"a\nalert tcp any (sid:2;)\nalert udp"),
              ElementsAre("1:alert tcp any (msg:\"a !a ')' is missing at its end", "2:alert tcp any (sid:2;)",
                          "3:alert udp !a ')' is missing at its end"));
}

TEST(RuleLinesTest, NorAVariable) {
  EXPECT_THAT(
      texts("alert tcp any (msg:\"a\nvar A 1\nalert tcp a (sid:1;)\\\n\n"),
      ElementsAre("1:alert tcp any (msg:\"a !a ')' is missing at its end", "2:var A 1", "3:alert tcp a (sid:1;)"));
}

TEST(RuleLinesTest, ALongRuleIsCutShort) {
  const auto lines =
      logical_lines("alert tcp (content:\"" + std::string(kRuleBytesMax, 'x') + "\";)\nalert udp (sid:1;)");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0].damage, HasSubstr("more than 65536 bytes"));
  EXPECT_EQ(lines[1].text, "alert udp (sid:1;)");
}

TEST(RuleLinesTest, ThereIsAnEndToThem) {
  std::string file;
  for (size_t i = 0; i < kRulesMax + 2; ++i) file += "x\n";
  const auto lines = logical_lines(file);
  ASSERT_EQ(lines.size(), kRulesMax + 1);
  EXPECT_THAT(lines.back().damage, HasSubstr("the rest is not read"));
}

TEST(RuleTextTest, HeadAndOptions) {
  const auto rule = split_rule(
      R"x(alert tcp [1.2.3.4, !$A] any -> any [80,!81] (Msg:"a\; \"b\": (c;d)"; Nocase; ;reference:url,x.y/a?b="c\;d; sid : 7;))x");
  ASSERT_TRUE(rule) << rule.error().message;
  EXPECT_THAT(rule->head, ElementsAre("alert", "tcp", "[1.2.3.4,!$A]", "any", "->", "any", "[80,!81]"));
  EXPECT_THAT(rule->options, ElementsAre(OptionText{"msg", R"x("a\; \"b\": (c;d)")x"}, OptionText{"nocase", ""},
                                         OptionText{"reference", R"(url,x.y/a?b="c\;d)"}, OptionText{"sid", "7"}));
}

TEST(RuleTextTest, SaysWhatIsDamaged) {
  struct Row {
    std::string text;
    const char* words;
  };
  for (const Row& row :
       {Row{"alert tcp any any", "a '(' is missing"}, Row{"alert tcp (sid:1;", "a ')' is missing"},
        Row{"alert tcp [1,2 (sid:1;)", "a ']' is missing"}, Row{"alert tcp 1] (sid:1;)", "a ']' without its '['"},
        Row{"alert tcp (msg:\"a; sid:1;)", "a quote is left open"},
        Row{"alert tcp (msg:\"a\"; sid:1)", "a ';' is missing behind the last option: sid:1"},
        Row{"alert tcp (ms g:\"a\";)", "'ms g:\"a\"' is no option"}, Row{"alert tcp (:1;)", "':1' is no option"},
        Row{std::string("alert tcp (a\0b;)", 16), "a control byte"}}) {
    const auto rule = split_rule(row.text);
    ASSERT_FALSE(rule) << row.text;
    EXPECT_THAT(rule.error().message, HasSubstr(row.words)) << row.text;
  }
  std::string many = "alert tcp (";
  for (size_t i = 0; i <= kRuleOptionsMax; ++i) many += "a;";
  EXPECT_FALSE(split_rule(many + ")"));
}

TEST(RuleTextTest, PatternBytes) {
  struct Row {
    const char* text;
    std::string bytes;
  };
  for (const Row& row : {Row{"abc", "abc"}, Row{"a|41 4a4B|b", "aAJKb"}, Row{R"(\"\;\\\:\|)", "\";\\:|"},
                         Row{"|00|", std::string(1, '\0')}, Row{"a:b", "a:b"}}) {
    const auto bytes = pattern_bytes(row.text);
    ASSERT_TRUE(bytes) << row.text << bytes.error().message;
    EXPECT_EQ(*bytes, row.bytes) << row.text;
    EXPECT_EQ(*pattern_bytes(pattern_text(*bytes)), *bytes);
  }
  for (const char* text : {"", "||", "a|41", "|4|", "|4 1|", "|4g|", "a\\", "\\n", "\\x41"})
    EXPECT_FALSE(pattern_bytes(text)) << text;
  EXPECT_FALSE(pattern_bytes(std::string(kPatternBytesMax + 1, 'a')));
}

TEST(RuleTextTest, QuotedTexts) {
  const auto quoted = split_quoted(R"( ! "a\"b" , nocase, depth 5)");
  ASSERT_TRUE(quoted);
  EXPECT_TRUE(quoted->negated);
  EXPECT_EQ(quoted->inside, R"(a\"b)");
  EXPECT_EQ(unescaped(quoted->inside), "a\"b");
  EXPECT_THAT(split_value(quoted->behind), ElementsAre("", "nocase", "depth 5"));
  for (const char* text : {"", "a", "\"a", "\"a\\\""}) EXPECT_FALSE(split_quoted(text)) << text;
}

TEST(RuleTextTest, Numbers) {
  EXPECT_EQ(*rule_number("0x10", 0, 100), 16);
  EXPECT_EQ(*rule_number("-3", -5, 5), -3);
  for (const char* text : {"", "-", "1a", "0x", "-1", "101", "99999999999999999999", "--1"})
    EXPECT_FALSE(rule_number(text, 0, 100)) << text;
}

}  // namespace
}  // namespace skep::formats
