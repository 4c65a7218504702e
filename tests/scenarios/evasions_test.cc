// Ways around a refusal, each tried for real: the effect did not happen. Programs are tried with two that leave a mark
// by their first instruction: `a`, which the service may run, and `b`, which it may not.
#include <gmock/gmock.h>

#include <filesystem>
#include <thread>

#include "base/file.h"
#include "harness/deed_rig.h"

namespace skep::harness {
namespace {

namespace fs = std::filesystem;

class EvasionsTest : public DeedTest {
 protected:
  // The marks have a folder of their own beside the server's program.
  void start_with_marks() {
    folder_ = program("marks");
    ASSERT_TRUE(fs::create_directory(folder_));
    fs::copy_file(Rig({}).program("marker_listed"), path("a"));
    fs::copy_file(Rig({}).program("marker_unlisted"), path("b"));
    ASSERT_NO_FATAL_FAILURE(
        start(fmt::format("app_groups: [{{name: marks, programs: [{}/a]}}]", folder_), ", app_groups: [marks]"));
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  // The deed ends with what it says, and `b` never ran; expect_sessions() says that its session is tagged.
  void expect_unmarked(const char* description, const std::string& deed, const char* answer, const char* rule,
                       AlertAction action = AlertAction::killed) {
    const std::string request = deed + " " + folder_;
    const std::string whole = deed.substr(deed.find(' ') + 1) + " " + answer;
    expect_answer({description, request.c_str(), whole.c_str(), rule, action});
    EXPECT_FALSE(fs::exists(path("ran_b"))) << description;
  }
  std::string folder_;
};

TEST_F(EvasionsTest, AProgramThatIsNotListedRunsNoInstructionWhateverWayItIsStarted) {
  ASSERT_NO_FATAL_FAILURE(start_with_marks());
  expect({"the mark is left by what may run", ("plain run_a " + folder_).c_str(), "run_a done", "",
          AlertAction::observed});
  ASSERT_TRUE(fs::exists(path("ran_a"))) << "or the absence of the other's says nothing";
  const struct {
    const char* description;
    const char* deed;
    const char* answer;
    const char* rule;
  } rows[] = {
      {"by its name", "plain run_b", "killed by 9", "unlisted_program"},
      {"by a descriptor and an empty path", "plain descriptor", "killed by 9", "unlisted_program"},
      {"by a second hard link", "plain hard_link", "killed by 9", "unlisted_program"},
      {"after vfork", "plain vfork", "killed by 9", "unlisted_program"},
      {"after a clone that shares memory and is not to be traced", "plain untraced_clone", "killed by 9",
       "unlisted_program"},
      {"by a thread, and by an exec among a thousand", "plain exec_among_threads", "killed by 9", "unlisted_program"},
      {"after a storm of forks", "storm run_b", "killed by 9", "unlisted_program"},
      {"by an orphan under another name", "double_fork run_b", "killed by 9", "unlisted_program"},
      {"a shell, copied", "plain copied_shell", "killed by 9", "unlisted_program"},
      {"a shell, by a link", "plain linked_shell", "killed by 9", "shell_started"},
      {"busybox as a shell, by a link with another tool's name", "plain applet", "killed by 9", "shell_started"},
      {"a shell that reads its script from a pipe", "plain redirected", "killed by 9", "shell_started"},
      {"written", "plain written", "killed by 9", "unlisted_program"},
      {"written without a name, linked to one then", "plain linked_from_nowhere", "killed by 9", "unlisted_program"},
      {"copied by the kernel", "plain ranged", "killed by 9", "unlisted_program"},
      {"written by a mapping", "plain mapped", "killed by 9", "unlisted_program"},
      {"removed before it starts", "plain removed", "killed by 9", "program_from_memory"},
      {"moved to the name of a listed one", "plain renamed", "killed by 9", "unlisted_program"},
  };
  for (const auto& row : rows) expect_unmarked(row.description, row.deed, row.answer, row.rule);
  expect_sessions();
}

TEST_F(EvasionsTest, AListedProgramThatASessionHasRewrittenRunsNoInstruction) {
  ASSERT_NO_FATAL_FAILURE(start_with_marks());
  expect_unmarked("into the very file that the service may run", "plain written_over", "killed by 9",
                  "dropped_program");
  expect_sessions();
}

TEST_F(EvasionsTest, TheLoaderIsAProgramOfItsOwn) {
  ASSERT_NO_FATAL_FAILURE(start_with_marks());
  expect({"ld.so with a program to run", ("plain loader " + path("b")).c_str(), "loader killed by 9",
          "unlisted_program", AlertAction::killed});
  EXPECT_FALSE(fs::exists(path("ran_b")));
}

// A thousand starts each, while a second thread changes what the name leads to: what the kernel opened is what is
// judged.
class RaceTest : public EvasionsTest, public testing::WithParamInterface<const char*> {};

TEST_P(RaceTest, WhatWasOpenedIsWhatIsJudged) {
  ASSERT_NO_FATAL_FAILURE(start_with_marks());
  // By itself: the built-in set lets a session start nothing more that has tried a few times.
  ASSERT_NO_FATAL_FAILURE(
      set_signatures("  - {signature: unlisted, condition: 'evt.type in (execve, execveat) and proc.is_listed = "
                     "false', action: deny}\n"));
  const std::string deed = GetParam();
  const auto [answer, session] = ask("plain " + deed + " " + folder_);
  EXPECT_EQ(answer, deed + " done") << "errno 13: the forbidden program ran; errno 11: there was no race";
  EXPECT_TRUE(fs::exists(path("ran_a")));
  EXPECT_FALSE(fs::exists(path("ran_b")));
  EXPECT_GT(session.alerts_total, 0u);
}

INSTANTIATE_TEST_SUITE_P(Ways, RaceTest, testing::Values("race_names", "race_links", "race_strings"),
                         [](const auto& way) { return std::string(way.param); });

TEST_F(EvasionsTest, OtherEntriesAndOtherProcessesAreNoWay) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  const DeedRow rows[] = {
      {"int 0x80", "plain foreign_abi", "foreign_abi errno 38", "foreign_abi", AlertAction::denied},
      {"x32", "plain x32", "x32 errno 38", "foreign_abi", AlertAction::denied},
      {"a ring of io_uring", "plain io_uring", "io_uring errno 38", "io_uring", AlertAction::denied},
      {"somebody else's ring", "plain io_uring_enter", "io_uring_enter errno 38", "io_uring", AlertAction::denied},
      {"a user namespace by unshare", "plain unshare_user", "unshare_user errno 1", "mount_or_namespace",
       AlertAction::denied},
      {"a user namespace by clone", "plain clone_user", "clone_user errno 1", "mount_or_namespace",
       AlertAction::denied},
      {"a user namespace by clone3, which there is not", "plain clone3_user", "clone3_user errno 38", "",
       AlertAction::observed},
      {"a neighbour traced", "plain ptrace", "ptrace errno 1", "foreign_process_memory", AlertAction::denied},
      {"a neighbour's memory", "plain vm_writev", "vm_writev errno 1", "foreign_process_memory", AlertAction::denied},
      {"a neighbour's memory, as a file", "plain memory_file", "memory_file killed by 9", "process_memory_file",
       AlertAction::killed},
      {"a neighbour's descriptor", "plain pidfd_getfd", "pidfd_getfd errno 1", "foreign_process_memory",
       AlertAction::denied},
      {"a listener after a storm of forks", "storm listen", "listen errno 13", "new_listener", AlertAction::denied},
      {"a connection among a thousand threads", "plain among_threads connect", "among_threads errno 101",
       "outgoing_connection", AlertAction::denied},
      {"a shell among a thousand threads", "plain among_threads shell", "among_threads killed by 9", "shell_started",
       AlertAction::killed},
      {"a listener by the first thread's heir", "thread_exec listen", "listen errno 13", "new_listener",
       AlertAction::denied},
  };
  for (const DeedRow& row : rows) expect_answer(row);
  expect_sessions();
}

constexpr char kLeaderThenListener[] =
    "  - signature: leader_then_listener\n"
    "    kind: sequence\n"
    "    by: process\n"
    "    action: deny\n"
    "    steps: [{on: [setsid], where: evt.res > 0}, {on: [listen]}]\n";

TEST_F(EvasionsTest, TenThousandCallsBetweenItsStepsDoNotShakeASeriesOff) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  ASSERT_NO_FATAL_FAILURE(set_signatures(kLeaderThenListener));
  expect({"padded", "plain padded listen", "padded errno 1", "leader_then_listener", AlertAction::denied});
}

// Two sets take turns, each of which refuses it: there is no moment between them.
TEST_F(EvasionsTest, NoCallPassesWhileSignaturesAreSwapped) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  const char* const set = "  - {{signature: s{}, condition: 'evt.type = listen and fd.l4proto = tcp', action: deny}}\n";
  ASSERT_NO_FATAL_FAILURE(set_signatures(fmt::format(fmt::runtime(set), 0)));
  std::atomic<bool> over{false};
  int swaps = 0;
  std::thread swapper([&] {
    for (; !over; ++swaps) {
      const std::string file = rig_->file(fmt::format("turn{}.yaml", swaps % 2));
      if (!write_file(file, "signatures:\n" + fmt::format(fmt::runtime(set), swaps % 2))) return;
      const auto done = testbed::run_to_end({"/usr/bin/env", "SKEP_MONITOR_SOCKET=" + rig_->file("monitor.sock"),
                                             rig_->program("skep"), "hids", "signatures", "set", file});
      if (!done) return;
    }
  });
  const auto [answer, session] = ask("plain again_and_again listen");
  over = true;
  swapper.join();
  EXPECT_EQ(answer, "again_and_again done");
  EXPECT_GT(swaps, 2);
  EXPECT_GT(session.alerts_total, 1000u);
}

}  // namespace
}  // namespace skep::harness
