// bench_calls PORT PROGRAM: a service that answers its first connection with one line of JSON and ends. The line tells
// what three system calls took just then, nanoseconds a call, each the median of several batches:
//   unseen  getppid, which no signature looks at
//   listen  on the service's own port: looked at before it runs, and allowed
//   exec    fork, exec of PROGRAM (of an app group: looked at, and allowed), its end
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "net.h"

namespace {

constexpr int kBatches = 9;
constexpr int kUnseenCalls = 200'000;
constexpr int kListenCalls = 500;
constexpr int kExecCalls = 50;

void check(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::exit(1);
}

template <typename Call>
double median_ns(int calls, Call call) {
  std::vector<double> batches;
  for (int batch = 0; batch < kBatches; ++batch) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    batches.push_back(took.count() / calls);
  }
  std::sort(batches.begin(), batches.end());
  return batches[kBatches / 2];
}

int listening_socket(const char* port) {
  const sockaddr_in address = test_address(std::string("127.0.0.1:") + port);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  check(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
  check(::listen(fd, 8) == 0, "listen");
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int fd = listening_socket(argv[1]);
  const int asker = ::accept(fd, nullptr, nullptr);
  check(asker >= 0, "accept");
  const double unseen = median_ns(kUnseenCalls, [] { ::syscall(SYS_getppid); });
  const double listen = median_ns(kListenCalls, [fd] { check(::listen(fd, 8) == 0, "listen"); });
  const double exec = median_ns(kExecCalls, [argv] { run_program(argv[2]); });
  ::dprintf(asker, "{\"unseen\":%.1f,\"listen\":%.1f,\"exec\":%.1f}\n", unseen, listen, exec);
}
