// bench_calls PORT PROGRAM: a service that answers its first connection with one line of JSON and ends. The line tells
// what system calls took just then, nanoseconds a call:
//   unseen   getppid, which no signature looks at
//   mixed    a thousand calls of a server's ordinary life; of these one bind at its hook, and one listen before it
//   runs,
//            are looked at, and allowed
//   listen   on the service's own port: looked at before it runs, and allowed
//   exec     fork, exec of PROGRAM (of an app group: looked at, and allowed), its end
//   refused_listen, refused_ptrace   the built-in set refuses them; whoever is not supervised has them go through, or
//            fail at once for want of a process
// Of the first four the lower quartile of many batches: what else runs on the machine only ever adds. Of the refused
// calls, which are timed one by one, the median.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "net.h"

namespace {

constexpr int kBatches = 40;
constexpr int kUnseenCalls = 10'000;
constexpr int kMixedCalls = 1000;
constexpr int kListenCalls = 25;
constexpr int kExecCalls = 5;
constexpr int kRefusedCalls = 300;

void check(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::exit(1);
}

// Nanoseconds of one call of `batch`, sorted.
template <typename Batch>
std::vector<double> timed(int count, Batch batch) {
  std::vector<double> took;
  for (int i = 0; i < count; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    batch();
    took.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(took.begin(), took.end());
  return took;
}

template <typename Call>
double loop_ns(int calls, Call call) {
  const auto took = timed(kBatches, [&] {
    for (int i = 0; i < calls; ++i) call();
  });
  return took[kBatches / 4] / calls;
}

template <typename Call>
double median_ns(Call call) {
  return timed(kRefusedCalls, call)[kRefusedCalls / 2];
}

sockaddr_in any_port() {
  return test_address("127.0.0.1:0");
}

int bound_socket(const sockaddr_in& address) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  check(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
  return fd;
}

void run_program(char* program) {
  const pid_t pid = ::fork();
  check(pid >= 0, "fork");
  if (pid == 0) {
    char* const argv[] = {program, nullptr};
    ::execv(program, argv);
    ::_exit(127);
  }
  int status = 0;
  check(::waitpid(pid, &status, 0) == pid && status == 0, "the program that was run");
}

// kMixedCalls calls.
class Mixed {
 public:
  explicit Mixed(int listener) : listener_(listener) { check(::pipe(pipe_) == 0, "pipe"); }

  void operator()() {
    for (int i = 0; i < (kMixedCalls - kOnce) / kEach; ++i) each();
    ::close(bound_socket(any_port()));
    check(::listen(listener_, 8) == 0, "listen");
  }

 private:
  static constexpr int kOnce = 5;  // socket, setsockopt, bind, close, listen
  static constexpr int kEach = 5;

  void each() {
    char bytes[64] = {};
    struct stat about {};
    check(::write(pipe_[1], bytes, sizeof bytes) == sizeof bytes, "write");
    check(::read(pipe_[0], bytes, sizeof bytes) == sizeof bytes, "read");
    ::fstat(pipe_[0], &about);
    ::lseek(pipe_[0], 0, SEEK_CUR);
    ::fcntl(listener_, F_GETFL);
  }

  int listener_;
  int pipe_[2];
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int fd = bound_socket(test_address(std::string("127.0.0.1:") + argv[1]));
  check(::listen(fd, 8) == 0, "listen");
  const int asker = ::accept(fd, nullptr, nullptr);
  check(asker >= 0, "accept");
  Mixed mixed(fd);
  const double unseen = loop_ns(kUnseenCalls, [] { ::syscall(SYS_getppid); });
  const double mixture = loop_ns(1, mixed) / kMixedCalls;
  const double listen = loop_ns(kListenCalls, [fd] { check(::listen(fd, 8) == 0, "listen"); });
  const double exec = loop_ns(kExecCalls, [argv] { run_program(argv[2]); });
  const int other = bound_socket(any_port());
  const double refused_listen = median_ns([other] { ::listen(other, 8); });
  const double refused_ptrace = median_ns([] { ::ptrace(PTRACE_PEEKUSER, ::getpid(), nullptr, nullptr); });
  ::dprintf(asker,
            "{\"unseen\":%.1f,\"mixed\":%.1f,\"listen\":%.1f,\"exec\":%.1f,\"refused_listen\":%.1f,"
            "\"refused_ptrace\":%.1f}\n",
            unseen, mixture, listen, exec, refused_listen, refused_ptrace);
}
