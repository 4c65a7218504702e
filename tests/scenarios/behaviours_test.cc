// The built-in set, each of its signatures done for real, with a harmless neighbour that must stay silent. What is
// refused by its own table (connections, calls into the kernel, programs by whatever way) is in refusals_test and
// evasions_test.
#include <gmock/gmock.h>

#include <filesystem>

#include "harness/deed_rig.h"

namespace skep::harness {
namespace {

namespace fs = std::filesystem;

constexpr char kOutside[] = "10.99.0.2:9";

class BehavioursTest : public DeedTest {
 protected:
  void SetUp() override {
    DeedTest::SetUp();
    if (IsSkipped()) return;
    auto folder = Folder::make();
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(std::move(*folder));
  }
  // A harmless program by that name, where nobody but root writes.
  std::string called(const std::string& name) const {
    const std::string path = program(name);
    if (!fs::exists(path)) fs::copy_file("/bin/true", path);
    return path;
  }
  std::vector<std::string> rules_of(const archive::SessionSummary& session) const {
    std::vector<std::string> rules;
    for (const Alert& alert : session.alerts) rules.push_back(alert.rule);
    return rules;
  }
  std::optional<Folder> folder_;
};

TEST_F(BehavioursTest, ProgramsAreCalledWhatTheyAreFor) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  const std::pair<const char*, const char*> rows[] = {
      {"id", "reconnaissance_tool"},
      {"wget", "downloader"},
      {"socat", "relay"},
      {"perl", "interpreter"},
      {"xmrig", "miner"},
      {"crontab", "scheduler"},
      {"busybox", "shell_started"},
      {"anything", "unlisted_program"},
  };
  for (const auto& [name, rule] : rows)
    expect({name, ("plain run " + called(name)).c_str(), "run killed by 9", rule, AlertAction::killed});
  const std::string everybodys = folder_->path() + "/anything";
  fs::copy_file("/bin/true", everybodys);
  expect({"a program where everybody writes", ("plain run " + everybodys).c_str(), "run killed by 9",
          "program_where_everybody_writes", AlertAction::killed});
}

TEST_F(BehavioursTest, AListedProgramOfAnyNameIsLeftAlone) {
  ASSERT_NO_FATAL_FAILURE(
      start(fmt::format("app_groups: [{{name: tools, programs: [{}, {}]}}]", called("id"), called("wget")),
            ", app_groups: [tools]"));
  for (const char* name : {"id", "wget"})
    expect({name, ("plain run " + called(name)).c_str(), "run done", "", AlertAction::observed});
}

TEST_F(BehavioursTest, WhatIsDoneToFilesIsTold) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  const std::string& folder = folder_->path();
  const struct {
    const char* description;
    std::string request;
    std::string answer;
    const char* rule;
    AlertAction action = AlertAction::observed;
  } rows[] = {
      {"a path that climbs to the host's own files", "plain read /usr/../etc/hostname", "read done", "traversal_read"},
      {"the same file by its name", "plain read /etc/hostname", "read done", ""},
      {"a path that climbs elsewhere", "plain read /usr/share/../../bin/true", "read done", ""},
      {"a file that cron reads", "plain cron_file", "cron_file done", "cron_file"},
      {"a key to log in by", "plain write " + folder + "/authorized_keys", "write done", "ssh_key"},
      {"any other file", "plain write " + folder + "/anything", "write done", ""},
      {"a key, looked at", "plain read " + folder + "/none/authorized_keys", "read errno 2", ""},
      {"what every program loads first", "plain write " + folder + "/ld.so.preload", "write done", "start_file"},
      {"a script by a new name", "plain rename_to_script " + folder, "rename_to_script done", "web_script_written"},
      {"a text by a new name", "plain rename_to_text " + folder, "rename_to_text done", ""},
      {"a file that runs as its owner", "plain setuid_bit " + folder, "setuid_bit done", "setuid_bit"},
      {"any other mode", "plain plain_mode " + folder, "plain_mode done", ""},
      {"a link to a secret", "plain link_to_secret " + folder, "link_to_secret done", "link_to_a_secret"},
      {"a link to what is none", "plain link_to_text " + folder, "link_to_text done", ""},
      {"a log emptied", "plain empty_log", "empty_log done", "log_emptied"},
      {"a program of the kernel's", "double_fork open_to_write /proc/sys/kernel/core_pattern",
       "open_to_write killed by 9", "escape_file", AlertAction::killed},
      {"the memory of a process", "double_fork open_to_write /proc/self/mem", "open_to_write killed by 9",
       "process_memory_file", AlertAction::killed},
      {"the map of its memory, read", "plain read /proc/self/status", "read done", ""},
  };
  for (const auto& row : rows) expect({row.description, row.request.c_str(), row.answer.c_str(), row.rule, row.action});
}

TEST_F(BehavioursTest, CodeThatIsNoFilesIsKnownByItsCalls) {
  ASSERT_NO_FATAL_FAILURE(start("", "", ", --inject"));
  expect({"a file in memory, by a call of the program's", "plain make_memory_file", "make_memory_file done", "",
          AlertAction::observed});
  expect({"the same by injected code", "plain make_memory_file_injected", "make_memory_file_injected errno 1",
          "code_without_a_file", AlertAction::denied});
}

TEST_F(BehavioursTest, ASeriesIsCalledByItsName) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  expect({"a shell on a connection", "plain shell_on_socket", "shell_on_socket killed by 9", "shell_on_a_socket",
          AlertAction::killed});
  const auto [answer, session] = ask(std::string("plain connect_then_program ") + kOutside);
  EXPECT_EQ(answer, "connect_then_program killed by 9");
  EXPECT_THAT(rules_of(session), testing::Contains("connection_then_program"));
  const auto [memory, second] = ask(std::string("plain connect_then_memory ") + kOutside);
  EXPECT_EQ(memory, "connect_then_memory errno 1");
  EXPECT_THAT(rules_of(second), testing::Contains("connection_then_memory_file"));
}

TEST_F(BehavioursTest, ManySmallThingsMakeASessionSuspect) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  const auto [answer, session] = ask("plain look_about");
  EXPECT_EQ(session.session_class, SessionClass::suspect) << answer;
  ASSERT_EQ(session.alerts.size(), 1u);
  EXPECT_EQ(session.alerts[0].rule, "probing");
  EXPECT_TRUE(session.alerts[0].suspect);
  EXPECT_EQ(session.alerts[0].steps.size(), 2u);
  EXPECT_THAT(session.alerts[0].steps[0], testing::HasSubstr("+20 points"));
  expect({"one of them alone", "plain read /etc/passwd", "read done", "", AlertAction::observed});
}

TEST_F(BehavioursTest, WhoHasGoneTooFarIsLetDoNothingMore) {
  ASSERT_NO_FATAL_FAILURE(start("app_groups: [{name: tools, programs: [/bin/true]}]", ", app_groups: [tools]"));
  expect({"what is allowed", "plain program", "program done", "", AlertAction::observed});
  const auto [answer, session] = ask(std::string("plain go_too_far ") + kOutside);
  EXPECT_EQ(answer, "go_too_far errno 1") << "the same program, by a session that has gone too far";
  EXPECT_EQ(session.session_class, SessionClass::attack);
  EXPECT_THAT(rules_of(session), testing::Contains("foothold").Times(2)) << "the level, then what it refused";
  EXPECT_EQ(session.alerts.back().action, AlertAction::denied);
  expect({"others are none the worse", "plain program", "program done", "", AlertAction::observed});
}

}  // namespace
}  // namespace skep::harness
