#include "watch/copier.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
  FileCopy copy(bool running = false) {
    skep_file_order order{};
    order.head.ticket = ++ticket_;
    order.pid = static_cast<uint32_t>(::getpid());
    order.running = running ? 1 : 0;
    copier_.copy(order);
    pollfd wait{copier_.done_fd(), POLLIN, 0};
    ::poll(&wait, 1, 10'000);
    auto done = copier_.take_done();
    EXPECT_EQ(done.size(), 1u);
    return done.empty() ? FileCopy{} : std::move(done.front());
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
  const FileCopy copied = copy(true);
  EXPECT_EQ(copied.answer.outcome, uint32_t{SKEP_FILE_COPIED});
  EXPECT_EQ(content(copied).substr(0, 4),
            "\x7f"
            "ELF");
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

TEST(SpareThreadsTest, WorkThatHangsHoldsUpNobodyElse) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
    int inside = 0;
  };
  const auto gate = std::make_shared<Gate>();
  SpareThreads threads(2);
  const auto hang = [gate] {
    std::unique_lock lock(gate->mutex);
    ++gate->inside;
    gate->opened.wait(lock, [&] { return gate->open; });
    --gate->inside;
    gate->opened.notify_all();
  };
  EXPECT_TRUE(threads.run(hang));
  EXPECT_TRUE(threads.run(hang));
  EXPECT_FALSE(threads.run(hang)) << "all are busy";
  std::unique_lock lock(gate->mutex);
  gate->open = true;
  gate->opened.notify_all();
  gate->opened.wait(lock, [&] { return gate->inside == 0; });
}

}  // namespace
}  // namespace skep::watch
