// Programs started, by whatever way. Where a deed takes a folder it holds `a`, a copy of marker_listed that the service
// may run, and `b`, one of marker_unlisted that it may not; the first creates the file `ran_a` there, the second
// `ran_b`.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "deeds.h"

namespace {

using skep::Fd;

constexpr int kTries = 1000;

int execute(const std::string& path, const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execv(path.c_str(), argv.data());
  return errno;
}

int run(const std::string& path, const std::vector<std::string>& words) {
  return in_child([&] { return execute(path, words); });
}

std::vector<std::string> marks(const std::string& folder) {
  return {"marker", folder + "/ran_a", folder + "/ran_b"};
}

bool is_there(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

Fd copy_to(Fd to, const std::string& from) {
  const Fd file(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  char block[65536];
  for (ssize_t got = 0; (got = ::read(file.get(), block, sizeof block)) > 0;) {
    if (::write(to.get(), block, static_cast<size_t>(got)) != got) return {};
  }
  return to;
}

int execute_descriptor(const Fd& fd, std::vector<std::string> words) {
  return in_child([&] {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const char* const none[] = {nullptr};
    ::syscall(SYS_execveat, fd.get(), "", argv.data(), none, AT_EMPTY_PATH);
    return errno;
  });
}

int run_memfd() {
  const Fd memory = copy_to(Fd(::memfd_create("program", MFD_CLOEXEC)), "/bin/true");
  return execute_descriptor(memory, {"program"});
}

// By a descriptor, without any name.
int run_descriptor(const std::string& folder) {
  return execute_descriptor(Fd(::open((folder + "/b").c_str(), O_PATH | O_CLOEXEC)), marks(folder));
}

int run_by_loader(const std::string& program) {
  return run("/lib64/ld-linux-x86-64.so.2", {"ld.so", program.empty() ? "/bin/true" : program});
}

// A copy under another name, in a folder of the request.
int run_copied_shell(const std::string& folder) {
  const std::string name = folder + "/innocent";
  copy_to(Fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755)), "/bin/sh");
  return run(name, {"innocent", "-c", "exit 0"});
}

int run_linked_shell(const std::string& folder) {
  const std::string name = folder + "/link";
  if (::symlink("/bin/sh", name.c_str()) != 0) return errno;
  return run(name, {"link", "-c", "exit 0"});
}

// One program that is every tool, the shell among them, by the name that it is called by.
int run_applet(const std::string& folder) {
  const std::string name = folder + "/ls";
  if (::symlink("/bin/busybox", name.c_str()) != 0) return errno;
  return run(name, {"sh", "-c", "exit 0"});
}

// The service may run `a`; another name of the same file is the same program. Of `b` every name is forbidden.
int run_hard_link(const std::string& folder) {
  const std::string name = folder + "/a_second_name";
  if (::link((folder + "/b").c_str(), name.c_str()) != 0) return errno;
  return run(name, marks(folder));
}

// "sh < script": no name of the script is ever told to execve.
int run_redirected(const std::string&) {
  return in_child([] {
    int ends[2];
    if (::pipe(ends) != 0) return errno;
    if (::write(ends[1], "exit 0\n", 7) != 7) return errno;
    ::close(ends[1]);
    ::dup2(ends[0], 0);
    return execute("/bin/sh", {"sh"});
  });
}

int after_vfork(const std::string& folder) {
  const std::vector<std::string> words = marks(folder);
  const std::string path = folder + "/b";
  const char* const argv[] = {words[0].c_str(), words[1].c_str(), words[2].c_str(), nullptr};
  const pid_t pid = ::vfork();
  if (pid == 0) {
    ::execv(path.c_str(), const_cast<char* const*>(argv));
    ::_exit(errno);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

struct CloneWork {
  std::string path;
  std::vector<std::string> words;
};

// As a debugger's tracee would escape it: memory shared, not to be traced.
int after_untraced_clone(const std::string& folder) {
  CloneWork work{folder + "/b", marks(folder)};
  std::vector<char> stack(256 * 1024);
  const auto child = [](void* argument) -> int {
    const auto& mine = *static_cast<CloneWork*>(argument);
    return execute(mine.path, mine.words);
  };
  const pid_t pid =
      ::clone(child, stack.data() + stack.size() - 64, CLONE_VM | CLONE_VFORK | CLONE_UNTRACED | SIGCHLD, &work);
  if (pid < 0) return errno;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// Runs `start` again and again while another thread does `swap`. 0: both programs were come upon, and `b` never ran its
// first instruction; EACCES: it did; EAGAIN: the race never was one.
int race(const std::string& folder, const std::function<void()>& swap, const std::function<int()>& start) {
  std::atomic<bool> over{false};
  std::thread swapper([&] {
    while (!over) swap();
  });
  int ran = 0;
  int killed = 0;
  for (int i = 0; i < kTries; ++i) {
    const int outcome = start();
    ran += outcome == 0;
    killed += outcome == -SIGKILL;
  }
  over = true;
  swapper.join();
  if (is_there(folder + "/ran_b")) return EACCES;
  return ran > 0 && killed > 0 && is_there(folder + "/ran_a") ? 0 : EAGAIN;
}

int race_names(const std::string& folder) {
  const std::string a = folder + "/a";
  const std::string b = folder + "/b";
  return race(
      folder, [&] { ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), 2 /* RENAME_EXCHANGE */); },
      [&] { return run(a, marks(folder)); });
}

int race_links(const std::string& folder) {
  const std::string link = folder + "/link";
  const std::string fresh = folder + "/fresh";
  int turn = 0;
  if (::symlink("a", link.c_str()) != 0) return errno;
  const auto swap = [&] {
    if (::symlink(++turn % 2 ? "b" : "a", fresh.c_str()) == 0) ::rename(fresh.c_str(), link.c_str());
  };
  return race(folder, swap, [&] { return run(link, marks(folder)); });
}

// The path itself changes in memory that the child of a vfork shares with the thread that changes it.
int race_strings(const std::string& folder) {
  const std::vector<std::string> words = marks(folder);
  const char* const argv[] = {words[0].c_str(), words[1].c_str(), words[2].c_str(), nullptr};
  static std::string path;
  path = folder + "/a";
  volatile char* const letter = &path.back();
  const auto start = [&] {
    const pid_t pid = ::vfork();
    if (pid == 0) {
      ::execv(path.c_str(), const_cast<char* const*>(argv));
      ::_exit(errno);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  };
  return race(
      folder, [&] { *letter = *letter == 'a' ? 'b' : 'a'; }, start);
}

}  // namespace

const Deeds& program_deeds() {
  static const Deeds kDeeds = {
      {"shell",
       [](const auto&) {
         return run("/bin/sh", {"sh", "-c", "exit 0"});
       }},
      {"program", [](const auto&) { return run("/bin/true", {"true"}); }},
      {"program_by_shell",
       [](const auto&) {
         return run("/bin/sh", {"sh", "-c", "/bin/true; exit $?"});
       }},
      {"memfd", [](const auto&) { return run_memfd(); }},
      {"run_a", [](const auto& folder) { return run(folder + "/a", marks(folder)); }},
      {"run_b", [](const auto& folder) { return run(folder + "/b", marks(folder)); }},
      {"descriptor", run_descriptor},
      {"loader", run_by_loader},
      {"copied_shell", run_copied_shell},
      {"linked_shell", run_linked_shell},
      {"applet", run_applet},
      {"hard_link", run_hard_link},
      {"redirected", run_redirected},
      {"vfork", after_vfork},
      {"untraced_clone", after_untraced_clone},
      {"race_names", race_names},
      {"race_links", race_links},
      {"race_strings", race_strings},
  };
  return kDeeds;
}
