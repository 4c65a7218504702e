#include "watch/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"

namespace skep::watch {
namespace {

// Any byte means "go in peace".
[[noreturn]] void stand_guard(int lifeline, const Cgroup& services) {
  ::prctl(PR_SET_NAME, "skep-guard");
  ::setsid();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  // Nothing else of watch's may be held open by a process that outlives it.
  ::dup2(lifeline, 3);
  ::close_range(4, ~0u, 0);
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(3, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) ::_exit(0);
  log::error("watch is gone: its services are ended");
  Cgroup(services).end();
  ::_exit(0);
}

}  // namespace

Result<Guard> Guard::start(const Cgroup& services) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make the guard's pipe");
  Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("start the guard");
  if (pid == 0) {
    writing.reset();
    stand_guard(reading.get(), services);
  }
  return Guard(pid, std::move(writing));
}

void Guard::dismiss() {
  const char byte = 1;
  [[maybe_unused]] const ssize_t written = ::write(lifeline_.get(), &byte, 1);
  lifeline_.reset();
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace skep::watch
