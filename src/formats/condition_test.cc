#include "formats/condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/signature_file.h"

namespace skep::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ConditionTest, AQuoteLeftOpenIsAnError) {
  for (const char* text : {"proc.name = \"sh", "proc.name in ('sh, bash)", "evt.type = mount '"}) {
    const auto parsed = parse_condition(text, {});
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("a quote is left open")) << text;
  }
  Vocabulary vocabulary;
  vocabulary.macros["m"] = "proc.name = 'sh";
  EXPECT_FALSE(parse_condition("m", vocabulary));
}

TEST(ConditionTest, ABareListHasTheSameLimit) {
  Vocabulary vocabulary;
  vocabulary.lists["most"] = std::vector<std::string>(kListMax, "1");
  vocabulary.lists["more"] = std::vector<std::string>(kListMax + 1, "1");
  for (const char* text : {"user.uid in most", "user.uid in (most)"}) EXPECT_TRUE(parse_condition(text, vocabulary));
  for (const char* text : {"user.uid in more", "user.uid in (more)", "user.uid in (most, 2)"}) {
    const auto parsed = parse_condition(text, vocabulary);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("more than 1024 values")) << text;
  }
}

Result<SignatureSet> with_exception(const std::string& exception) {
  return parse_signature_file("t.yaml",
                              "lists: [{list: shells, items: [sh]}]\n"
                              "signatures: [{signature: a, condition: evt.type = execve, exceptions: [" +
                                  exception + "]}]");
}

TEST(ExceptionTest, AValueIsTakenAsItIs) {
  for (const std::string value : {"a\" or evt.type = mount or proc.name = \"b", "it's", "shells", "("}) {
    const auto set =
        with_exception("{fields: [proc.name], values: [[\"" +
                       (value[1] == '"' ? "a\\\" or evt.type = mount or proc.name = \\\"b" : value) + "\"]]}");
    ASSERT_TRUE(set) << value << set.error().message;
    const Disjunction& condition = set->signatures[0].steps[0].condition;
    ASSERT_EQ(condition.size(), 1u) << value;
    ASSERT_EQ(condition[0].size(), 2u) << value;
    EXPECT_EQ(condition[0][1].field, "proc.name");
    EXPECT_TRUE(condition[0][1].negated);
    EXPECT_THAT(condition[0][1].values, ElementsAre(value));
  }
}

TEST(ExceptionTest, ARowHoldsAsAWhole) {
  const auto set =
      with_exception("{fields: [proc.name, user.uid], comps: [in, '>='], values: [[[sh, bash], 5], [[id], 7]]}");
  ASSERT_TRUE(set) << set.error().message;
  const Disjunction& condition = set->signatures[0].steps[0].condition;
  ASSERT_EQ(condition.size(), 4u) << "not (a and b) and not (c and d)";
  EXPECT_THAT(condition[1][1].values, ElementsAre("sh", "bash"));
  EXPECT_EQ(condition[1][2].comparison, Comparison::less);
  EXPECT_FALSE(condition[1][2].negated) << "not (user.uid >= 7)";
}

TEST(ExceptionTest, SaysWhatIsNoException) {
  struct Row {
    const char* exception;
    const char* words;
  };
  for (const Row& row : {
           Row{"{name: n, fields: [], values: [[]]}", "it would except everything"},
           Row{"{name: n, fields: [user.uid], values: [[[1, 2]]]}", "user.uid =: wants a text, found a list"},
           Row{"{name: n, fields: [user.uid], comps: [in], values: [[1]]}", "user.uid in: wants a list of texts"},
           Row{"{name: n, fields: [user.uid], comps: [in], values: [[[]]]}", "an empty list"},
           Row{"{name: n, fields: [user.uid], comps: [in], values: [[[{a: b}]]]}", "found a map in it"},
           Row{"{name: n, fields: [user.uid], values: [[{a: b}]]}", "wants a text, found a map"},
           Row{"{name: n, fields: [user.uid], comps: [like], values: [[1]]}", "'like' is no comparison"},
           Row{"{name: n, fields: [user.uid], values: [[1, 2]]}", "each row of values wants 1 items"},
       }) {
    const auto set = with_exception(row.exception);
    ASSERT_FALSE(set) << row.exception;
    EXPECT_THAT(set.error().message, HasSubstr(row.words)) << row.exception;
    EXPECT_THAT(set.error().message, HasSubstr("exception 'n'")) << row.exception;
  }
}

}  // namespace
}  // namespace skep::formats
