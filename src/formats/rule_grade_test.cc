#include "formats/rule_grade.h"

#include <gtest/gtest.h>

#include "formats/rule_file.h"

namespace skep::formats {
namespace {

Rule rule_of(const std::string& options) {
  RuleVariables variables;
  const RuleFile file = parse_rule_file("t", "alert tcp any any -> any any (" + options + " sid:7;)", variables);
  return file.rules.size() == 1 ? file.rules[0].rule : Rule{};
}

TEST(RuleGradeTest, IsSpecificWhereAnAttackIsKnown) {
  struct Row {
    const char* options;
    RuleGrade grade;
    const char* why;
  };
  const RuleGrade specific = RuleGrade::specific;
  const RuleGrade generic = RuleGrade::generic;
  for (const Row& row :
       {Row{"content:\"a\"; reference:CVE,2001-500; classtype:attempted-admin;", specific, "cve 2001-500"},
        Row{"msg:\"CodeRed again\"; content:\"a\"; classtype:web-application-attack;", specific, "names 'codered'"},
        Row{"content:\"|90 90|\"; reference:arachnids,181; classtype:shellcode-detect;", generic,
            "classtype shellcode-detect"},
        Row{"content:\"a\"; reference:url,x.y; classtype:attempted-admin;", generic,
            "no reference to a catalogue, no worm's name"},
        Row{"content:!\"a\"; reference:cve,1; classtype:attempted-admin;", generic, "no bytes that must be there"},
        Row{"dsize:>9; reference:cve,1;", generic, "no bytes that must be there"}}) {
    const RuleGrading graded = grade(rule_of(row.options), "t", {});
    EXPECT_EQ(graded.grade, row.grade) << row.options;
    EXPECT_EQ(graded.why, row.why) << row.options;
  }
}

TEST(RuleGradeTest, TheNarrowestOverrideCounts) {
  const Rule rule = rule_of("content:\"a\"; reference:cve,1; classtype:c;");
  GradeOverrides overrides;
  overrides.by_file["t"] = RuleGrade::generic;
  EXPECT_EQ(grade(rule, "t", overrides).grade, RuleGrade::generic);
  EXPECT_EQ(grade(rule, "other", overrides).grade, RuleGrade::specific);
  overrides.by_classtype["c"] = RuleGrade::specific;
  EXPECT_EQ(grade(rule, "t", overrides).why, "said of its classtype");
  overrides.by_sid[7] = RuleGrade::generic;
  EXPECT_EQ(grade(rule, "t", overrides).grade, RuleGrade::generic);
}

}  // namespace
}  // namespace skep::formats
