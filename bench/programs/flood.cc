// bench_flood PORT SECONDS VIOLATIONS FLOODERS: a service that, once its first connection comes, makes as many calls as
// it can in FLOODERS processes, and beside them commits VIOLATIONS that the built-in set refuses, spread over SECONDS,
// by two processes. It answers with one line of JSON: the calls made, the violations committed, those refused.
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "net.h"

namespace {

constexpr int kViolators = 2;
constexpr int kUnseenInARow = 64;
constexpr int kNoticesEvery = 256;  // rows: the notifier is asked thousands of times a second besides

struct Counts {
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> committed{0};
  std::atomic<uint64_t> refused{0};
};

using Clock = std::chrono::steady_clock;

// getppid, which nobody looks at; dup, whose return the set judges; now and then listen, which is asked about.
void flood(Counts& counts, int listener, Clock::time_point end) {
  for (int row = 0; Clock::now() < end; ++row) {
    for (int i = 0; i < kUnseenInARow; ++i) ::syscall(SYS_getppid);
    const int copy = ::dup(listener);
    ::close(copy);
    if (row % kNoticesEvery == 0) ::listen(listener, 8);
    counts.calls += kUnseenInARow + 2;
  }
}

// Tracing by turns with a listener on a port that is not the service's own.
void violate(Counts& counts, int other, int count, Clock::duration pause) {
  for (int i = 0; i < count; ++i) {
    ++counts.committed;
    const bool traces = i % 2 == 0;
    const long result = traces ? ::ptrace(PTRACE_PEEKUSER, ::getppid(), nullptr, nullptr) : ::listen(other, 8);
    if (result < 0 && errno == (traces ? EPERM : EACCES)) ++counts.refused;
    std::this_thread::sleep_for(pause);
  }
}

int bound_socket(const std::string& port) {
  const sockaddr_in address = test_address("127.0.0.1:" + port);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  std::perror("bind");
  std::exit(1);
}

template <typename Work>
pid_t child(Work work) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  work();
  ::_exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const int seconds = std::atoi(argv[2]);
  const int violations = std::atoi(argv[3]) / kViolators;
  const int listener = bound_socket(argv[1]);
  const int other = bound_socket("0");
  if (::listen(listener, 8) != 0) return 1;
  const int asker = ::accept(listener, nullptr, nullptr);
  void* const shared = ::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (asker < 0 || shared == MAP_FAILED) return 1;
  auto& counts = *new (shared) Counts;
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  const auto pause = std::chrono::duration_cast<Clock::duration>(std::chrono::seconds(seconds)) / violations * 8 / 10;
  std::vector<pid_t> children;
  for (int i = 0; i < std::atoi(argv[4]); ++i) children.push_back(child([&] { flood(counts, listener, end); }));
  for (int i = 0; i < kViolators; ++i) children.push_back(child([&] { violate(counts, other, violations, pause); }));
  for (const pid_t pid : children) ::waitpid(pid, nullptr, 0);
  ::dprintf(asker, "{\"calls\":%llu,\"committed\":%llu,\"refused\":%llu}\n",
            static_cast<unsigned long long>(counts.calls), static_cast<unsigned long long>(counts.committed),
            static_cast<unsigned long long>(counts.refused));
}
