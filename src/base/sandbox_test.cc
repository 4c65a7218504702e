#include "base/sandbox.h"

#include <asm/unistd_64.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "base/clock.h"

namespace skep {
namespace {

constexpr int kFew[] = {__NR_write, __NR_exit_group, __NR_exit, __NR_futex, __NR_brk};

// The wait status of a child that puts a short list on and then does `act`.
template <typename Act>
int status_after(Act act, OnUnlistedCall otherwise = OnUnlistedCall::end_process) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!allow_only(kFew, otherwise)) ::syscall(SYS_exit_group, 3);
    ::syscall(SYS_exit_group, act());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

bool killed_by_seccomp(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

TEST(SandboxTest, WhatIsListedGoesOn) {
  EXPECT_EQ(status_after([] { return static_cast<int>(::write(2, "", 0)); }), 0);
}

// The C library opens its time zone at the first time that is told.
TEST(SandboxTest, TellingTheTimeGoesOn) {
  EXPECT_EQ(status_after([] { return format_time(now_realtime_ns()).empty() ? 1 : 0; }), 0);
}

TEST(SandboxTest, WhatIsNotEndsTheProcess) {
  const auto open = [] { return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY)); };
  EXPECT_TRUE(killed_by_seccomp(status_after(open)));
}

TEST(SandboxTest, OrIsRefused) {
  const auto open = [] {
    return ::syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY) == -1 && errno == EPERM ? 7 : 0;
  };
  EXPECT_EQ(WEXITSTATUS(status_after(open, OnUnlistedCall::refuse)), 7);
}

TEST(SandboxTest, ExecutableMemoryIsNeverToBeHad) {
  const auto map = [](int protection) {
    return [protection] { return static_cast<int>(::syscall(SYS_mmap, 0, 4096, protection, 0x22, -1, 0) == -1); };
  };
  EXPECT_EQ(status_after(map(PROT_READ | PROT_WRITE)), 0);
  EXPECT_TRUE(killed_by_seccomp(status_after(map(PROT_READ | PROT_EXEC))));
}

TEST(SandboxTest, ItHoldsForThreadsThatRunAlready) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    std::atomic<bool> closed{false};
    std::thread other([&] {
      while (!closed) std::this_thread::yield();
      ::syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
    });
    const int with_yield[] = {__NR_sched_yield, __NR_exit_group, __NR_exit, __NR_futex};
    if (!allow_only(with_yield, OnUnlistedCall::end_process)) ::_exit(3);
    closed = true;
    other.join();
    ::_exit(4);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(killed_by_seccomp(status));
}

// The wait status of a child of root's that gives up what it has and then says whether it is gone.
template <typename Act>
int status_of(Act act) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(act() ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

TEST(SandboxTest, AnotherUserIsOneForGood) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to have something to drop";
  EXPECT_EQ(status_of([] { return become_user("nobody") && ::geteuid() != 0 && ::setuid(0) != 0; }), 0);
  EXPECT_FALSE(become_user("nobody-of-this-name"));
}

TEST(SandboxTest, RootWithoutCapabilitiesOwnsItsFilesAndNoMore) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to have something to drop";
  EXPECT_EQ(status_of([] {
              if (!drop_capabilities()) return false;
              const int raw = ::socket(AF_PACKET, SOCK_RAW, 0);
              return raw < 0 && errno == EPERM && ::chroot("/") != 0 && errno == EPERM;
            }),
            0);
}

}  // namespace
}  // namespace skep
