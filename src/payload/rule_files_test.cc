#include "payload/rule_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/folder.h"

namespace skep::payload {
namespace {

using formats::RuleGrade;
using testing::ElementsAre;
using testing::HasSubstr;

class RuleFilesTest : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    std::string path = folder_.path() + "/" + name;
    EXPECT_TRUE(write_file(path, text));
    return path;
  }
  std::string in_folder(const std::string& name) const { return folder_.path() + "/" + name; }

  Folder folder_ = *Folder::make();
};

std::string rule(int sid, int rev, const std::string& options = "content:\"abcd\";", const std::string& ports = "80") {
  return fmt::format("alert tcp any any -> any {} (msg:\"m{}\"; {} sid:{}; rev:{};)\n", ports, sid, options, sid, rev);
}

std::vector<std::string> messages(const RuleFiles& files) {
  std::vector<std::string> all;
  for (const GivenRule& each : files.rules)
    all.push_back(fmt::format("{} {}:{}", each.rule.message, each.rule.rev, each.line));
  return all;
}

std::vector<std::string> refused(const RuleFiles& files) {
  std::vector<std::string> all;
  for (const formats::RuleFile& each : files.files) {
    for (const formats::RuleSetAside& aside : each.refused)
      all.push_back(words_of(each, aside).substr(each.path.rfind('/') + 1));
  }
  return all;
}

TEST_F(RuleFilesTest, AllFilesOfAPatternAreReadInTheOrderOfTheirNames) {
  file("b.rules", rule(2, 1));
  file("a.rules", "# words\n" + rule(1, 1));
  file("c.txt", rule(3, 1));
  const auto files = read_rule_files({in_folder("*.rules")}, {});
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_THAT(messages(*files), ElementsAre("m1 1:2", "m2 1:1"));
  EXPECT_EQ(files->rules[0].file, in_folder("a.rules"));
  ASSERT_EQ(files->files.size(), 2U);
  EXPECT_TRUE(files->files[0].rules.empty());
}

TEST_F(RuleFilesTest, AFileThatSeveralPatternsNameIsReadOnce) {
  const std::string path = file("a.rules", rule(1, 1));
  const auto files = read_rule_files({path, in_folder("*.rules")}, {});
  ASSERT_TRUE(files);
  EXPECT_EQ(files->files.size(), 1U);
  EXPECT_THAT(refused(*files), ElementsAre());
}

TEST_F(RuleFilesTest, WhatIsSetAsideIsSaidByFileAndLine) {
  file("a.rules", rule(1, 1) + rule(2, 1, "content:\"x\"; flags:S;") + rule(3, 1, "flow:to_client; content:\"x\";"));
  const auto files = read_rule_files({in_folder("*.rules")}, {});
  ASSERT_TRUE(files);
  EXPECT_THAT(messages(*files), ElementsAre("m1 1:1"));
  EXPECT_THAT(refused(*files), ElementsAre(HasSubstr("a.rules:2: sid 2: flags")));
  ASSERT_EQ(files->files[0].not_applicable.size(), 1U);
  EXPECT_EQ(files->files[0].not_applicable[0].line, 3);
}

TEST_F(RuleFilesTest, APatternThatNamesNoFileIsAnError) {
  const auto files = read_rule_files({in_folder("*.rules")}, {});
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().message, "rules: no file is named '" + in_folder("*.rules") + "'");
  const auto plain = read_rule_files({in_folder("gone.rules")}, {});
  ASSERT_FALSE(plain);
  EXPECT_THAT(plain.error().message, HasSubstr("gone.rules"));
}

TEST_F(RuleFilesTest, OfOneSidInSeveralFilesTheHighestRevisionHolds) {
  struct Case {
    const char* description;
    int rev_a, rev_b;
    const char* holds;
    const char* said;
  };
  for (const Case& each :
       {Case{"the later is newer", 1, 2, "m7 2:2", "a.rules:1: sid 7: sid: /b.rules:2 has rev 2 of it"},
        Case{"equal: the later", 3, 3, "m7 3:2", "a.rules:1: sid 7: sid: /b.rules:2 has rev 3 of it"},
        Case{"the earlier is newer", 5, 4, "m7 5:1", "b.rules:2: sid 7: sid: /a.rules:1 has rev 5 of it"}}) {
    SCOPED_TRACE(each.description);
    file("a.rules", rule(7, each.rev_a));
    file("b.rules", "\n" + rule(7, each.rev_b));
    const auto files = read_rule_files({in_folder("*.rules")}, {});
    ASSERT_TRUE(files);
    EXPECT_THAT(messages(*files), ElementsAre(each.holds));
    auto said = refused(*files);
    ASSERT_EQ(said.size(), 1U);
    if (const size_t at = said[0].find(folder_.path()); at != std::string::npos)
      said[0].erase(at, folder_.path().size());
    EXPECT_EQ(said[0], each.said);
  }
}

TEST_F(RuleFilesTest, ARuleThatWasReplacedCanBeReplacedAgainAndOthersKeepTheirPlace) {
  file("a.rules", rule(1, 1) + rule(7, 1) + rule(2, 1));
  file("b.rules", rule(7, 3));
  file("c.rules", rule(7, 2) + rule(3, 1));
  file("d.rules", rule(7, 4));
  const auto files = read_rule_files({in_folder("*.rules")}, {});
  ASSERT_TRUE(files);
  EXPECT_THAT(messages(*files), ElementsAre("m1 1:1", "m2 1:3", "m3 1:2", "m7 4:1"));
  EXPECT_EQ(refused(*files).size(), 3U);
}

TEST_F(RuleFilesTest, AnotherGeneratorsSidIsAnotherRule) {
  file("a.rules", rule(7, 1) + rule(7, 1, "content:\"abcd\"; gid:3;"));
  file("b.rules", rule(7, 1, "content:\"abcd\"; gid:4;"));
  const auto files = read_rule_files({in_folder("*.rules")}, {});
  ASSERT_TRUE(files);
  EXPECT_EQ(files->rules.size(), 3U);
}

TEST_F(RuleFilesTest, RulesAreGradedAsTheOperatorSays) {
  const std::string a = file("a.rules", rule(1, 1) + rule(2, 1, "content:\"abcd\"; reference:cve,2004-1;") +
                                            rule(3, 1, "content:\"abcd\"; classtype:mine;"));
  const std::string b = file("b.rules", rule(4, 1));
  formats::GradeOverrides overrides;
  overrides.by_sid[2] = RuleGrade::generic;
  overrides.by_classtype["mine"] = RuleGrade::specific;
  overrides.by_file[b] = RuleGrade::specific;
  const auto files = read_rule_files({a, b}, overrides);
  ASSERT_TRUE(files);
  std::vector<RuleGrade> grades;
  for (const GivenRule& each : files->rules) grades.push_back(each.grading.grade);
  EXPECT_THAT(grades, ElementsAre(RuleGrade::generic, RuleGrade::generic, RuleGrade::specific, RuleGrade::specific));
  EXPECT_EQ(files->rules[3].grading.why, "said of its file");
}

TEST_F(RuleFilesTest, VariablesHoldForTheFilesBehind) {
  file("a.rules", rule(1, 1, "content:\"abcd\";", "$MINE"));
  file("b.rules", "portvar MINE 99\n" + rule(2, 1, "content:\"abcd\";", "$MINE"));
  file("c.rules", rule(3, 1, "content:\"abcd\";", "$MINE"));
  const auto files = read_rule_files({in_folder("*.rules")}, {});
  ASSERT_TRUE(files);
  EXPECT_THAT(messages(*files), ElementsAre("m2 1:2", "m3 1:1"));
  EXPECT_TRUE(files->rules[1].rule.destination_ports.contains(uint16_t{99}));
  EXPECT_THAT(refused(*files), ElementsAre(HasSubstr("a.rules:1: sid 1: ")));
  formats::RuleVariables variables = formats::default_rule_variables();
  variables["MINE"] = "77";
  EXPECT_EQ(read_rule_files({in_folder("a.rules")}, {}, variables)->rules.size(), 1U);
}

}  // namespace
}  // namespace skep::payload
