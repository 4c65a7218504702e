#include "cli/rules_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/folder.h"
#include "cli/command.h"

namespace skep::cli {
namespace {

using testing::ElementsAre;

constexpr char kRules[] =
    "alert tcp any any -> any 80 (msg:\"a hole\"; content:\"abcd\"; reference:cve,2004-1; sid:1; rev:2;)\n"
    "alert tcp any any -> any 80 (msg:\"answers\"; flow:to_client; content:\"abcd\"; sid:2;)\n"
    "alert tcp any any -> any 80 (msg:\"flags\"; flags:S; content:\"abcd\"; sid:3;)\n"
    "alert ip any any -> any any (msg:\"same\"; sameip; content:\"abcd\"; sid:4;)\n"
    "damaged\n"
    "alert tcp any any -> any 80 (msg:\"a way\\x1b\"; content:\"abcd\"; classtype:shellcode-detect; sid:6;)\n";

class RulesCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(write_file(path_, kRules));
    auto files = payload::read_rule_files({path_}, {});
    ASSERT_TRUE(files) << files.error().message;
    files_ = std::move(*files);
    auto set = payload::RuleSet::make(std::move(files_.rules), {});
    ASSERT_TRUE(set);
    set_ = *set;
    checked_ = checked_rules(files_, *set_);
  }

  std::vector<std::string> all(std::string (*text)(const CheckedRule&)) const {
    std::vector<std::string> lines;
    for (const CheckedRule& each : checked_) {
      std::string line = text(each);
      if (const size_t at = line.find(path_); at != std::string::npos) line.replace(at, path_.size(), "F");
      lines.push_back(std::move(line));
    }
    return lines;
  }

  Folder folder_ = *Folder::make();
  std::string path_ = folder_.path() + "/a.rules";
  payload::RuleFiles files_;
  std::shared_ptr<const payload::RuleSet> set_;
  std::vector<CheckedRule> checked_;
};

TEST_F(RulesCheckTest, EveryRuleHasALineInTheOrderOfTheFile) {
  EXPECT_THAT(all(rule_line), ElementsAre("F:1: sid 1: specific (cve 2004-1): a hole",
                                          "F:2: sid 2: not-applicable: of what a server sends",
                                          "F:3: sid 3: refused: flags: a header's field, which no proxy sees",
                                          "F:4: sid 4: refused: sameip: a header's field, which no proxy sees",
                                          testing::StartsWith("F:5: refused: "),
                                          "F:6: sid 6: generic (classtype shellcode-detect): a way\\x1b"));
}

TEST_F(RulesCheckTest, AnObjectHasTheKeysThatScriptsDependOn) {
  const auto objects = all(rule_json);
  EXPECT_EQ(
      objects[0],
      R"({"sid":1,"file":"F","line":1,"state":"loaded","grade":"specific","why":"cve 2004-1","gid":1,"rev":2,"msg":"a hole"})");
  EXPECT_EQ(objects[1],
            R"({"sid":2,"file":"F","line":2,"state":"not-applicable","reason":"of what a server sends","grade":null})");
  EXPECT_THAT(objects[4], testing::StartsWith(R"({"sid":null,"file":"F","line":5,"state":"refused","reason":)"));
}

TEST_F(RulesCheckTest, TheSummaryCountsByReason) {
  const std::string text = rules_summary(checked_, *set_);
  EXPECT_THAT(text, testing::StartsWith("6 rules: 2 loaded (1 specific, 1 generic), 3 refused, 1 not applicable\n"
                                        "of those about what a client sends over TCP 2 of 4 are loaded: 50.0 %\n"
                                        "refused:\n"));
  EXPECT_THAT(text, testing::HasSubstr("       1  flags\n"));
  EXPECT_THAT(text, testing::HasSubstr("not-applicable:\n       1  of what a server sends\n"));
  EXPECT_THAT(text, testing::HasSubstr(set_->engine() + ": "));
}

TEST_F(RulesCheckTest, GradesAreThoseOfTheProxysOptions) {
  const std::string config = folder_.path() + "/proxy.yaml";
  ASSERT_TRUE(
      write_file(config, fmt::format("archive: /a\nservices:\n"
                                     "  - {{name: web, listen: [\"127.0.0.1:80\"], address: \"127.0.0.1:81\"}}\n"
                                     "filter:\n  rules: [{}]\n  grades: {{sid: {{6: specific}}}}\n",
                                     path_)));
  const std::vector<const char*> words = {"rules", "check", "--config", config.c_str()};
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(run_rules(words), 0);
  EXPECT_EQ(run_rules(std::vector<const char*>{"rules", "check"}), 2);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::HasSubstr(":6: sid 6: specific (said of its sid): "));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("no rules named"));
}

TEST_F(RulesCheckTest, ARefusedRuleIsAFailureOnlyWhereThatIsAsked) {
  const auto check = [](std::vector<const char*> words) {
    words.insert(words.begin(), {"rules", "check"});
    return run_rules(words);
  };
  const std::string gone = path_ + ".gone";
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(check({path_.c_str(), "--json"}), 0);
  EXPECT_EQ(check({path_.c_str(), "--json", "--strict"}), 1);
  EXPECT_EQ(check({gone.c_str()}), 2);
  EXPECT_EQ(std::ranges::count(testing::internal::GetCapturedStdout(), '\n'), 12);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr(".gone"));
}

}  // namespace
}  // namespace skep::cli
