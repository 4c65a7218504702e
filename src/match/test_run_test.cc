// `tests:` of signature files: what they can say, how they fail, and those of the built-in set.
#include "match/test_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/doc_page.h"
#include "match/builtin.h"
#include "match/check.h"
#include "match/syscalls.h"

namespace skep::match {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kSignatures[] = R"y(signatures:
  - {signature: mounts, condition: evt.type = mount, action: deny}
  - {signature: shell, condition: evt.type = execve and proc.name = sh and not caller.name in (init), action: deny}
  - {signature: climbs, condition: evt.type = openat and evt.path.traits intersects PATH_CLIMBS and evt.path.extension = php, action: observe}
  - {signature: folder, condition: evt.type = openat and fd.folder = /etc, action: observe}
  - {signature: listens, condition: evt.type = listen and fd.is_service_port = false, action: deny}
  - signature: pair
    kind: sequence
    by: thread
    maxspan: 10s
    action: observe
    steps: [{on: umount2}, {on: unshare}]
tests:
)y";

Result<CheckedFiles> check_text(const std::string& tests) {
  const std::string path = testing::TempDir() + "/tests.yaml";
  EXPECT_TRUE(write_file(path, kSignatures + tests));
  return check_files({path});
}

// All failures of the tests, each without the folder.
std::vector<std::string> failures_of(const std::string& tests) {
  const auto checked = check_text(tests);
  EXPECT_TRUE(checked) << checked.error().message;
  std::vector<std::string> all;
  if (!checked) return all;
  for (const TestResult& result : checked->tests) {
    for (const std::string& failure : result.failures) all.push_back(failure.substr(failure.rfind("tests.yaml")));
  }
  return all;
}

std::string one(const std::string& trace, const std::string& expect) {
  return "  - {test: t, trace: [" + trace + "], expect: [" + expect + "]}";
}

TEST(TestRunTest, PassesWhereAllFiresThatIsExpectedAndNothingElse) {
  EXPECT_THAT(failures_of(one("{call: mount}", "{at: 1, signature: mounts, action: denied}")), IsEmpty());
  EXPECT_THAT(failures_of(one("{call: mount}, {call: umount2}", "{at: 1, signature: mounts}")), IsEmpty());
}

TEST(TestRunTest, SaysWhichLineWhatWasMissedAndWhatFiredInstead) {
  EXPECT_THAT(failures_of(one("{call: mount}", "")),
              ElementsAre("tests.yaml:14: call 1 (mount): fired unexpected: mounts (denied)"));
  EXPECT_THAT(
      failures_of(one("{call: mount}", "{at: 1, signature: shell, action: killed}")),
      ElementsAre(
          "tests.yaml:14: call 1 (mount): shell (killed) did not fire; what fired unexpected: mounts (denied)"));
}

TEST(TestRunTest, NamesTheFieldThatTheCallDoesNotSay) {
  EXPECT_THAT(failures_of(one("{call: execve, proc.name: sh}", "{at: 1, signature: shell}")),
              ElementsAre(HasSubstr("the call does not say: caller.name")));
  EXPECT_THAT(failures_of(one("{call: execve, proc.name: sh, caller.name: webd}", "{at: 1, signature: shell}")),
              IsEmpty());
}

TEST(TestRunTest, ARefusalThatComesTooLateIsAKill) {
  EXPECT_THAT(
      failures_of(one("{call: execve, proc.name: sh, caller.name: webd}", "{at: 1, signature: shell, action: killed}")),
      IsEmpty());
  EXPECT_THAT(failures_of(one("{call: listen, fd.is_service_port: false, intercepted: false}",
                              "{at: 1, signature: listens, action: killed}")),
              IsEmpty());
}

TEST(TestRunTest, ReadsNameExtensionFoldersAndTraitsOffAPath) {
  EXPECT_THAT(failures_of(one("{call: openat, evt.path: a/../b.php}", "{at: 1, signature: climbs}")), IsEmpty());
  EXPECT_THAT(failures_of(one("{call: openat, evt.path: a/b.php}", "")), IsEmpty());
  EXPECT_THAT(failures_of(one("{call: openat, evt.path: ../.php}", "")), IsEmpty()) << "a dot that hides";
  EXPECT_THAT(failures_of(one("{call: openat, fd.name: /etc/a/b/c}", "{at: 1, signature: folder}")), IsEmpty());
  EXPECT_THAT(failures_of(one("{call: openat, fd.name: /etc/a, fd.folder: [/srv, /]}", "")), IsEmpty())
      << "what the line says goes before";
}

TEST(TestRunTest, CallersAreKeptApartAndTimePasses) {
  const std::string last = "{at: 2, signature: pair}";
  EXPECT_THAT(failures_of(one("{call: umount2, thread: a}, {call: unshare, thread: a, after: 10s}", last)), IsEmpty());
  EXPECT_THAT(failures_of(one("{call: umount2, thread: a}, {call: unshare, thread: a, after: 11s}", "")), IsEmpty());
  EXPECT_THAT(failures_of(one("{call: umount2, thread: a}, {call: unshare, thread: b}", "")), IsEmpty());
  EXPECT_THAT(failures_of(one("{call: umount2, process: 5}, {call: unshare, thread: 5}", last)), IsEmpty());
}

TEST(TestRunTest, WhatCannotBeUnderstoodDoesNotLoad) {
  struct Row {
    const char* trace;
    const char* expect;
    const char* words;
  };
  const Row rows[] = {
      {"{call: mout}", "", "did you mean 'mount'?"},
      {"{call: openat, fd.nme: /x}", "", "did you mean 'fd.name'?"},
      {"{call: mount, proc.name: sh}", "", "proc.name is not known where mount is judged"},
      {"{call: openat, fd.sport: 70000}", "", "fd.sport: '70000' is outside 0 to 65535"},
      {"{call: openat, fd.name: x}", "", "a path from / is wanted"},
      {"{call: connect, fd.rip: 10.0.0.0/8}", "", "'10.0.0.0/8' is no address"},
      {"{call: mount, stage: exec}", "", "mount is judged nowhere then"},
      {"{call: mount, stage: late}", "", "'late' is none of: before, hook, exec, after"},
      {"{call: mount, after: 5}", "", "'5' is no span"},
      {"{call: mount, proces: 5}", "", "did you mean 'process'?"},
      {"{call: mount}", "{at: 2, signature: mounts}", "2 is outside 1 to 1"},
      {"{call: mount}", "{at: 1, signature: mount}", "did you mean 'mounts'?"},
      {"{call: mount}", "{at: 1, signature: mounts, action: deny}", "'deny' is none of: observed, denied, killed"},
      {"", "", "trace: no call"},
  };
  for (const Row& row : rows) {
    const auto checked = check_text(one(row.trace, row.expect));
    ASSERT_FALSE(checked) << row.trace << row.expect;
    EXPECT_THAT(checked.error().message, HasSubstr(row.words));
    EXPECT_THAT(checked.error().message, HasSubstr("tests.yaml:14")) << row.trace << row.expect;
  }
}

class BuiltinTestsTest : public testing::Test {
 protected:
  static std::string path_of(const char* name) { return std::string(SKEP_SOURCE_DIR) + "/src/match/" + name; }
  const Result<CheckedFiles> checked_ = check_files({path_of("builtin.yaml"), path_of("builtin_tests.yaml")});
};

TEST_F(BuiltinTestsTest, AllPass) {
  ASSERT_TRUE(checked_) << checked_.error().message;
  for (const TestResult& result : checked_->tests) {
    for (const std::string& failure : result.failures) ADD_FAILURE() << result.test->name << ": " << failure;
  }
}

TEST_F(BuiltinTestsTest, EverySignatureHasATrueCaseAndANeighbourThatItIsAskedAbout) {
  ASSERT_TRUE(checked_) << checked_.error().message;
  std::set<std::string> fired;
  std::set<std::string> left_alone;
  for (const TestResult& result : checked_->tests) {
    for (const auto& expected : result.test->expect) fired.insert(expected.signature);
    const std::string& about = result.test->about;
    const bool fires = std::any_of(result.test->expect.begin(), result.test->expect.end(),
                                   [&](const auto& expected) { return expected.signature == about; });
    EXPECT_FALSE(fires) << result.test->name;
    if (!about.empty()) left_alone.insert(about);
  }
  for (const SignatureInfo& info : checked_->compiled.signatures) {
    EXPECT_TRUE(fired.count(info.name)) << info.name << " has no case in which it fires";
    EXPECT_TRUE(left_alone.count(info.name)) << info.name << " has no case that it leaves alone";
  }
}

// A neighbour that makes no call which its signature looks at would prove nothing.
TEST_F(BuiltinTestsTest, ANeighbourMakesACallThatItsSignatureLooksAt) {
  ASSERT_TRUE(checked_) << checked_.error().message;
  const skep_table& table = *checked_->compiled.table;
  for (const TestResult& result : checked_->tests) {
    if (result.test->about.empty()) continue;
    const bool looked_at = std::any_of(result.test->trace.begin(), result.test->trace.end(), [&](const auto& line) {
      const skep_run run = table.calls[skep_canonical_call(call_number(line.call).value_or(0))];
      return std::any_of(table.by_call + run.first, table.by_call + run.first + run.count, [&](uint16_t step) {
        return checked_->compiled.signatures[table.steps[step].signature].name == result.test->about;
      });
    });
    EXPECT_TRUE(looked_at) << result.test->name;
  }
}

}  // namespace
}  // namespace skep::match
