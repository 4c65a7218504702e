#include "watch/copier.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>

#include "base/clock.h"
#include "base/file.h"

namespace skep::watch {
namespace {

class CopierTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-copier-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  // As if this process were about to run it.
  void look(const std::string& path) {
    ExecQuestion question{::getpid(), SYS_execve, {}};
    question.args[0] = reinterpret_cast<uint64_t>(path.c_str());
    copier_.look(question);
  }
  FileCopy copy(skep_file_how how = SKEP_FILE_PENDING) {
    skep_file_order order{};
    order.pid[0] = static_cast<uint32_t>(::getpid());
    order.how = how;
    return copy(order, {});
  }
  FileCopy copy(skep_file_order order, Leave leave) {
    order.head.ticket = ++ticket_;
    copier_.copy(order, leave);
    pollfd wait{copier_.done_fd(), POLLIN, 0};
    ::poll(&wait, 1, 10'000);
    auto done = copier_.take_done();
    EXPECT_EQ(done.size(), 1u);
    return done.empty() ? FileCopy{} : std::move(done.front());
  }
  // The file at `path`, by device and inode, under `names`.
  static skep_file_order known(const std::string& path, skep_file_how how, const std::vector<std::string>& names) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    skep_file_order order{};
    order.how = how;
    order.device = uint64_t{major(info.st_dev)} << 20 | minor(info.st_dev);
    order.inode = info.st_ino;
    for (size_t i = 0; i < names.size(); ++i) names[i].copy(order.path[i], sizeof order.path[i] - 1);
    return order;
  }
  static std::string content(const FileCopy& copy) {
    std::string text(copy.answer.copied, '\0');
    EXPECT_EQ(::pread(copy.content.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }
  std::string folder_;
  Copier copier_;
  uint32_t ticket_ = 0;
};

TEST_F(CopierTest, CopiesWhatWasAboutToRunEvenWhenItsNameIsGone) {
  const std::string path = folder_ + "/dropped";
  ASSERT_TRUE(write_file(path, "a program"));
  look(path);
  ::unlink(path.c_str());
  const FileCopy copied = copy();
  EXPECT_EQ(copied.answer.outcome, uint32_t{SKEP_FILE_COPIED});
  EXPECT_EQ(copied.answer.head.ticket, ticket_);
  EXPECT_EQ(content(copied), "a program");
  EXPECT_LT(::pwrite(copied.content.get(), "x", 1, 0), 0) << "sealed";
}

TEST_F(CopierTest, ALinkThroughItsOwnDescriptorsIsTheCallersOwn) {
  const Fd memory(::memfd_create("program", MFD_CLOEXEC));
  ASSERT_EQ(::write(memory.get(), "from memory", 11), 11);
  for (const char* form : {"/proc/self/fd/{}", "/dev/fd/{}", "/proc/thread-self/fd/{}"}) {
    look(fmt::format(fmt::runtime(form), memory.get()));
    copier_.begin_judge();
    EXPECT_EQ(content(copy()), "from memory") << form;
  }
}

TEST_F(CopierTest, AnUnchangedFileIsCopiedOnceForAJudge) {
  const std::string path = folder_ + "/dropped";
  ASSERT_TRUE(write_file(path, "a program"));
  look(path);
  EXPECT_EQ(copy().answer.outcome, uint32_t{SKEP_FILE_COPIED});
  EXPECT_EQ(copy().answer.outcome, uint32_t{SKEP_FILE_SAME});
  copier_.begin_judge();
  EXPECT_EQ(copy().answer.outcome, uint32_t{SKEP_FILE_COPIED}) << "another judge";
}

TEST_F(CopierTest, ABurstIsAnsweredWholeAndItsFileCopiedOnceAThreadAtMost) {
  const std::string path = folder_ + "/dropped";
  ASSERT_TRUE(write_file(path, "a program"));
  look(path);
  skep_file_order order{};
  order.pid[0] = static_cast<uint32_t>(::getpid());
  for (size_t i = 0; i < Copier::kCopiesWaitMax; ++i) copier_.copy(order, {});
  std::vector<uint32_t> outcomes;
  pollfd wait{copier_.done_fd(), POLLIN, 0};
  while (outcomes.size() < Copier::kCopiesWaitMax && ::poll(&wait, 1, 10'000) > 0) {
    for (const FileCopy& each : copier_.take_done()) outcomes.push_back(each.answer.outcome);
  }
  ASSERT_EQ(outcomes.size(), Copier::kCopiesWaitMax);
  EXPECT_EQ(outcomes.front(), uint32_t{SKEP_FILE_COPIED}) << "\"the same\" comes after what it is the same as";
  const auto copied = std::count(outcomes.begin(), outcomes.end(), uint32_t{SKEP_FILE_COPIED});
  const auto same = std::count(outcomes.begin(), outcomes.end(), uint32_t{SKEP_FILE_SAME});
  EXPECT_LE(copied, static_cast<ptrdiff_t>(Copier::kCopiersMax));
  EXPECT_EQ(copied + same, static_cast<ptrdiff_t>(Copier::kCopiesWaitMax));
}

TEST_F(CopierTest, NothingIsReadOfWhatIsNoRegularFile) {
  const std::string path = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0700), 0);
  look(path);
  EXPECT_EQ(copy().answer.outcome, uint32_t{SKEP_FILE_NO_FILE});
  look("/dev/zero");
  EXPECT_EQ(copy().answer.outcome, uint32_t{SKEP_FILE_NO_FILE});
}

TEST_F(CopierTest, ALongFileIsCutAtTheBound) {
  const std::string path = folder_ + "/long";
  ASSERT_TRUE(write_file(path, "begin"));
  ASSERT_EQ(::truncate(path.c_str(), 1L << 40), 0) << "sparse";
  look(path);
  const FileCopy copied = copy();
  EXPECT_EQ(copied.answer.outcome, uint32_t{SKEP_FILE_COPIED});
  EXPECT_EQ(copied.answer.bytes, uint64_t{1} << 40);
  EXPECT_EQ(copied.answer.copied, uint64_t{SKEP_FILE_BYTES_MAX});
}

TEST_F(CopierTest, WhatNobodyHeldIsNotThere) {
  EXPECT_EQ(copy().answer.outcome, uint32_t{SKEP_FILE_NOT_HELD});
  look(folder_ + "/not/there");
  EXPECT_EQ(copy().answer.outcome, uint32_t{SKEP_FILE_NOT_HELD});
}

TEST_F(CopierTest, WhatAProcessRunsIsFoundByItsProcess) {
  const FileCopy copied = copy(SKEP_FILE_RUNNING);
  EXPECT_EQ(copied.answer.outcome, uint32_t{SKEP_FILE_COPIED});
  EXPECT_EQ(content(copied).substr(0, 4),
            "\x7f"
            "ELF");
}

TEST_F(CopierTest, AWrittenFileIsFoundByAnyOfItsNames) {
  const std::string path = folder_ + "/placed";
  ASSERT_TRUE(write_file(path, "written"));
  ASSERT_TRUE(write_file(folder_ + "/another", "not it"));
  const struct {
    const char* description;
    std::vector<std::string> names;
    skep_file_clue clue;
  } rows[] = {{"the newest", {path}, SKEP_FILE_BY_NEWEST_NAME},
              {"the first, where the newest is another file's", {folder_ + "/another", path}, SKEP_FILE_BY_FORMER_NAME},
              {"the first, where the newest is none", {folder_ + "/none", path}, SKEP_FILE_BY_FORMER_NAME},
              {"by its inode, where it is called otherwise in its folder", {folder_ + "/part"}, SKEP_FILE_BY_FOLDER}};
  for (const auto& row : rows) {
    copier_.begin_judge();
    const FileCopy copied = copy(known(path, SKEP_FILE_WRITTEN, row.names), {.own = false, .written = true});
    ASSERT_EQ(copied.answer.outcome, uint32_t{SKEP_FILE_COPIED}) << row.description;
    EXPECT_EQ(content(copied), "written") << row.description;
    EXPECT_EQ(copied.answer.clue, uint32_t{row.clue}) << row.description;
  }
}

TEST_F(CopierTest, AWrittenFileWithoutANameIsFoundAmongDescriptors) {
  const std::string path = folder_ + "/removed";
  ASSERT_TRUE(write_file(path, "written"));
  const Fd open(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  skep_file_order order = known(path, SKEP_FILE_WRITTEN, {path});
  ::unlink(path.c_str());
  EXPECT_EQ(copy(order, {.own = false, .written = true}).answer.outcome, uint32_t{SKEP_FILE_GONE});
  order.pid[1] = static_cast<uint32_t>(::getpid());
  EXPECT_EQ(content(copy(order, {.own = false, .written = true})), "written");
}

// What a judge that was taken over can have by a name is nobody's secret.
TEST_F(CopierTest, ANameOpensOnlyWhatTheKernelSawWrittenOrEverybodyMayRun) {
  const std::string path = folder_ + "/secret";
  ASSERT_TRUE(write_file(path, "a secret", 0700));
  const auto outcome = [&](skep_file_how how, Leave leave) { return copy(known(path, how, {path}), leave).answer; };
  EXPECT_EQ(outcome(SKEP_FILE_WRITTEN, {}).outcome, uint32_t{SKEP_FILE_CLOSED});
  EXPECT_EQ(outcome(SKEP_FILE_NAMED, {}).outcome, uint32_t{SKEP_FILE_CLOSED});
  EXPECT_EQ(outcome(SKEP_FILE_NAMED, {}).inode, 0u) << "nothing is told of it";
  EXPECT_EQ(outcome(SKEP_FILE_NAMED, {.own = true, .written = false}).outcome, uint32_t{SKEP_FILE_COPIED});
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  EXPECT_EQ(outcome(SKEP_FILE_NAMED, {}).outcome, uint32_t{SKEP_FILE_COPIED});
  ASSERT_EQ(::chmod(path.c_str(), 0744), 0);
  EXPECT_EQ(outcome(SKEP_FILE_NAMED, {}).outcome, uint32_t{SKEP_FILE_CLOSED}) << "to be read, not to be run";
}

TEST_F(CopierTest, TheProgramOfAProcessThatHasEndedIsFoundByItsName) {
  const std::string path = folder_ + "/program";
  ASSERT_TRUE(write_file(path, "a program", 0755));
  EXPECT_EQ(content(copy(known(path, SKEP_FILE_RUNNING, {path}), {})), "a program");
  skep_file_order other = known(path, SKEP_FILE_RUNNING, {folder_ + "/none"});
  ++other.inode;
  EXPECT_EQ(copy(other, {}).answer.outcome, uint32_t{SKEP_FILE_GONE});
}

TEST(HeldFilesTest, PrefersTheFileThatTheKernelOpenedAndLetsGoInTime) {
  HeldFiles held;
  const auto put = [&](pid_t process, uint64_t inode, int64_t now_ns) {
    FileFacts facts;
    facts.device = 1;
    facts.inode = inode;
    held.put(process, Fd(::open("/dev/null", O_PATH | O_CLOEXEC)), facts, now_ns);
  };
  put(1, 10, 0);
  put(1, 11, 1);
  put(2, 12, 2);
  EXPECT_EQ(held.find(1, 1, 10)->facts.inode, 10u);
  EXPECT_EQ(held.find(1, 0, 0)->facts.inode, 11u) << "else the newest";
  EXPECT_FALSE(held.find(3, 1, 10));
  EXPECT_TRUE(held.expire(HeldFiles::kHeldNs + 1));
  EXPECT_FALSE(held.find(1, 1, 10) && held.find(1, 1, 10)->facts.inode == 10);
  EXPECT_FALSE(held.expire(HeldFiles::kHeldNs + 3));
  for (uint64_t i = 0; i <= HeldFiles::kHeldMax; ++i) put(1, i, 0);
  EXPECT_NE(held.find(1, 1, 0)->facts.inode, 0u) << "the oldest has gone";
}

// Work that hangs until it is let go on.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int inside = 0;
  int done = 0;

  void pass() {
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
    --inside;
    ++done;
    changed.notify_all();
  }
  void await(const int& count, int wanted) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return count == wanted; });
  }
  void let_go_on() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

TEST(SpareThreadsTest, WorkThatHangsHoldsUpNobodyElse) {
  const auto gate = std::make_shared<Gate>();
  SpareThreads threads(2, 0);
  const auto hang = [gate] { gate->pass(); };
  EXPECT_TRUE(threads.run(hang));
  EXPECT_TRUE(threads.run(hang));
  EXPECT_FALSE(threads.run(hang)) << "all are busy";
  gate->let_go_on();
  gate->await(gate->done, 2);
}

TEST(SpareThreadsTest, WorkWaitsItsTurnUpToTheBound) {
  const auto gate = std::make_shared<Gate>();
  SpareThreads threads(2, 3);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(threads.run([gate] { gate->pass(); })) << i;
  EXPECT_FALSE(threads.run([gate] { gate->pass(); })) << "no more may wait";
  gate->await(gate->inside, 2);
  gate->let_go_on();
  gate->await(gate->done, 5);
  EXPECT_TRUE(threads.run([gate] { gate->pass(); }));
  gate->await(gate->done, 6);
}

}  // namespace
}  // namespace skep::watch
