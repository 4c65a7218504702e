// The machine, and other processes. What would change either is asked for with arguments that the kernel refuses.
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "deeds.h"

namespace {

using skep::Fd;

int write_to_parent() {
  char byte = 0;
  const iovec here{&byte, 1}, nowhere{nullptr, 1};
  return error_of(::process_vm_writev(::getppid(), &here, 1, &nowhere, 1, 0));
}

int io_uring() {
  io_uring_params parameters{};
  return error_of(Fd(static_cast<int>(::syscall(SYS_io_uring_setup, 4, &parameters))).get());
}

int foreign_abi() {
  long result = 20;  // getpid, by its 32-bit number; it looks at no argument
  asm volatile("int $0x80" : "+a"(result) : "b"(77L), "D"(0L) : "memory");
  return static_cast<int>(result) < 0 ? -static_cast<int>(result) : 0;
}

int x32() {
  return error_of(::syscall(0x40000000 | SYS_getpid));
}

// Memory that a program could be written to, from the first or made so later; nothing is.
int executable_memory(bool at_once) {
  void* page =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | (at_once ? PROT_EXEC : 0), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  const int error = at_once ? 0 : error_of(::mprotect(page, 4096, PROT_READ | PROT_EXEC));
  ::munmap(page, 4096);
  return error;
}

int clone_with(long flags) {
  const long pid = ::syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (pid == 0) ::_exit(0);
  const int error = error_of(pid);
  if (pid > 0) ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return error;
}

int clone3_user() {
  clone_args arguments{};
  arguments.flags = CLONE_NEWUSER;
  arguments.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) ::_exit(0);
  const int error = error_of(pid);
  if (pid > 0) ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return error;
}

// Opens it for writing, and writes nothing.
int memory_file_of_parent() {
  const std::string path = "/proc/" + std::to_string(::getppid()) + "/mem";
  return in_child([&] { return error_of(Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC)).get()); });
}

int handle_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  return error_of(::raise(SIGUSR1));
}

}  // namespace

const Deeds& kernel_deeds() {
  static const Deeds kDeeds = {
      {"nothing", [](const auto&) { return 0; }},
      {"signal", [](const auto&) { return handle_signal(); }},
      {"ptrace", [](const auto&) { return error_of(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr)); }},
      {"memory_file", [](const auto&) { return memory_file_of_parent(); }},
      {"vm_writev", [](const auto&) { return write_to_parent(); }},
      {"pidfd_getfd", [](const auto&) { return error_of(::syscall(SYS_pidfd_getfd, -1, 0, 0)); }},
      {"module", [](const auto&) { return error_of(::syscall(SYS_init_module, nullptr, 0, nullptr)); }},
      {"mount", [](const auto&) { return error_of(::mount("none", "/nowhere/at/all", "tmpfs", 0, nullptr)); }},
      {"unshare", [](const auto&) { return in_child([] { return error_of(::unshare(CLONE_NEWUTS)); }); }},
      {"unshare_user", [](const auto&) { return in_child([] { return error_of(::unshare(CLONE_NEWUSER)); }); }},
      {"clone", [](const auto&) { return clone_with(CLONE_NEWUTS); }},
      {"clone_user", [](const auto&) { return clone_with(CLONE_NEWUSER); }},
      {"clone3_user", [](const auto&) { return clone3_user(); }},
      {"setns", [](const auto&) { return error_of(::setns(-1, 0)); }},
      {"io_uring", [](const auto&) { return io_uring(); }},
      {"io_uring_enter", [](const auto&) { return error_of(::syscall(SYS_io_uring_enter, -1, 0, 0, 0, nullptr, 0)); }},
      {"bpf", [](const auto&) { return error_of(::syscall(SYS_bpf, -1, nullptr, 0)); }},
      {"perf", [](const auto&) { return error_of(::syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0)); }},
      {"userfaultfd", [](const auto&) { return error_of(::syscall(SYS_userfaultfd, ~0)); }},
      {"foreign_abi", [](const auto&) { return foreign_abi(); }},
      {"x32", [](const auto&) { return x32(); }},
      {"mmap_exec", [](const auto&) { return executable_memory(true); }},
      {"mprotect_exec", [](const auto&) { return executable_memory(false); }},
  };
  return kDeeds;
}
