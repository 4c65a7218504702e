#include "judge/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

namespace skep::judge {
namespace {

// The wait status of a child that puts the list on and then does `act`.
template <typename Act>
int status_after(Act act) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!install_seccomp_list()) ::syscall(SYS_exit_group, 3);
    act();
    ::syscall(SYS_exit_group, 0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

bool killed_by_seccomp(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

TEST(SandboxTest, WhatJudgeNeedsGoesOn) {
  EXPECT_EQ(status_after([] { [[maybe_unused]] const ssize_t n = ::write(2, "", 0); }), 0);
}

// The C library opens its time zone at the first time that is told.
TEST(SandboxTest, TellingTheTimeGoesOn) {
  EXPECT_EQ(status_after([] { format_time(now_realtime_ns()); }), 0);
}

TEST(SandboxTest, OpeningAFileEndsIt) {
  EXPECT_TRUE(killed_by_seccomp(status_after([] { ::syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY); })));
}

TEST(SandboxTest, RunningAProgramEndsIt) {
  EXPECT_TRUE(killed_by_seccomp(status_after([] { ::syscall(SYS_execve, "/bin/true", nullptr, nullptr); })));
}

TEST(SandboxTest, MakingASocketEndsIt) {
  EXPECT_TRUE(killed_by_seccomp(status_after([] { ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); })));
}

TEST(SandboxTest, ExecutableMemoryEndsIt) {
  EXPECT_TRUE(killed_by_seccomp(status_after([] { ::syscall(SYS_mmap, 0, 4096, 5 /* read, exec */, 0x22, -1, 0); })));
}

TEST(SandboxTest, PrivilegesAreGoneForGood) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root to have something to drop";
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(drop_privileges("nobody") && ::geteuid() != 0 && ::setuid(0) != 0 ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace skep::judge
