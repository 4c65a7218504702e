// drop_server: takes a file from whoever connects and runs it, as one that was taken over would.
//   drop_server ADDRESS:PORT FOLDER
// A request is "KIND NAME BYTES TIMES\n" and so many bytes. KIND: how it is laid down and started: absolute, relative
// (to the current directory), memfd (by /proc/self/fd), memfd_at (by its descriptor), large (grown to 100 MiB before it
// is run), fifo (a pipe of that name instead of the bytes), crash (nothing is run: a write to address 0x1234),
// storm (nothing is run: TIMES children that end at once), keep (nothing is run), placed (laid down, and again beside,
// from where it gets its place in another folder by rename: placed/NAME; then run), many (TIMES files more, NAME-1 and
// so on, of a byte each; then run). The answer is "done", "errno N" or "killed by N" of the last
// start. Nothing here does harm where it is allowed: what runs is what the test has sent.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <sstream>

#include "net.h"

namespace {

constexpr off_t kLarge = 100 << 20;

int in_child(const std::function<void()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    work();
    ::_exit(errno);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void run_path(const std::string& path) {
  const char* const words[] = {path.c_str(), nullptr};
  const char* const none[] = {nullptr};
  ::execve(path.c_str(), const_cast<char* const*>(words), const_cast<char* const*>(none));
}

void run_descriptor(int fd) {
  const char* const words[] = {"program", nullptr};
  const char* const none[] = {nullptr};
  ::syscall(SYS_execveat, fd, "", words, none, AT_EMPTY_PATH);
}

void lay_down(int fd, const std::string& bytes) {
  size_t put = 0;
  while (put < bytes.size()) {
    const ssize_t wrote = ::write(fd, bytes.data() + put, bytes.size() - put);
    if (wrote <= 0) ::_exit(120);
    put += static_cast<size_t>(wrote);
  }
}

int lay_down_at(const std::string& path, const std::string& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0755);
  lay_down(fd, bytes);
  return fd;
}

// Written beside, then put in its place. The content is another, by its last byte.
void place(const std::string& name, const std::string& bytes) {
  ::mkdir("placed", 0755);
  ::close(lay_down_at(name + ".part", bytes + "placed"));
  ::rename((name + ".part").c_str(), ("placed/" + name).c_str());
}

int perform(const std::string& kind, const std::string& name, const std::string& bytes, int times) {
  if (kind == "crash") return in_child([] { *reinterpret_cast<volatile int*>(0x1234) = 1; });
  if (kind == "storm") {
    int outcome = 0;
    for (int i = 0; i < times; ++i) outcome = in_child([] { errno = 0; });
    return outcome;
  }
  const bool memory = kind.rfind("memfd", 0) == 0;
  if (kind == "fifo") {
    if (::mkfifo(name.c_str(), 0755) != 0) return errno;
  } else {
    const int fd = memory ? ::memfd_create("program", 0) : lay_down_at(name, bytes);
    if (memory) lay_down(fd, bytes);
    if (kind == "large" && ::ftruncate(fd, kLarge) != 0) return errno;
    if (kind == "memfd") return in_child([&] { run_path("/proc/self/fd/" + std::to_string(fd)); });
    if (kind == "memfd_at") return in_child([&] { run_descriptor(fd); });
    ::close(fd);
  }
  if (kind == "keep") return 0;
  if (kind == "placed") place(name, bytes);
  if (kind == "many") {
    for (int i = 1; i <= times; ++i) ::close(lay_down_at(name + "-" + std::to_string(i), "x"));
    times = 1;
  }
  char folder[4096] = "";
  if (::getcwd(folder, sizeof folder) == nullptr) return errno;
  const std::string path = (kind == "relative" ? "./" : std::string(folder) + "/") + name;
  int outcome = 0;
  for (int i = 0; i < times; ++i) outcome = in_child([&] { run_path(path); });
  return outcome;
}

void serve(int client) {
  std::string text;
  receive_until(client, text, 30'000, [](const std::string& so_far) { return so_far.find('\n') != std::string::npos; });
  const size_t line = text.find('\n') + 1;
  std::istringstream words(text.substr(0, line));
  std::string kind, name;
  size_t bytes = 0;
  int times = 1;
  words >> kind >> name >> bytes >> times;
  receive_until(client, text, 30'000, [&](const std::string& so_far) { return so_far.size() >= line + bytes; });
  const int outcome = perform(kind, name, text.substr(line), times);
  send_all(client, outcome == 0  ? "done\n"
                   : outcome > 0 ? "errno " + std::to_string(outcome) + "\n"
                                 : "killed by " + std::to_string(-outcome) + "\n");
  ::close(client);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || ::chdir(argv[2]) != 0) return 2;
  ::signal(SIGPIPE, SIG_IGN);
  serve_by_fork(listen_at(test_address(argv[1]), 128), serve);
}
