// What the payloads do first: nothing that could be refused, and so end the connection, before the client has answered
// their mark.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

extern "C" {
extern const char payload_bind[], payload_bind_end[], payload_findsock[], payload_findsock_end[];
}

namespace {

constexpr int kClient = 5;     // the descriptor of the connection, among those that the payloads try
constexpr int kCallsMost = 8;  // of which one is told

// As a process that was taken over: the payload on a page of its own, one connection, each call told to the tracer.
[[noreturn]] void be_taken_over(const std::string& payload, int connection) {
  void* const page =
      ::mmap(nullptr, payload.size(), PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) ::_exit(1);
  std::memcpy(page, payload.data(), payload.size());
  const int spare = ::dup2(connection, 20);
  ::close_range(3, 19, 0);
  ::dup2(spare, kClient);
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::kill(::getpid(), SIGSTOP);
  reinterpret_cast<void (*)()>(page)();
  ::_exit(0);
}

using Call = std::pair<unsigned long long, unsigned long long>;  // its number, its first argument

// Up to the first that is no write.
std::vector<Call> first_calls(pid_t child) {
  std::vector<Call> calls;
  int status = 0;
  ::waitpid(child, &status, 0);
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  for (bool entry = false; calls.size() < kCallsMost; entry = !entry) {
    if (entry) {
      user_regs_struct registers{};
      ::ptrace(PTRACE_GETREGS, child, nullptr, &registers);
      calls.emplace_back(registers.orig_rax, registers.rdi);
      if (registers.orig_rax != SYS_write) break;
    }
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) break;
  }
  return calls;
}

class PayloadTest : public testing::TestWithParam<const char*> {
 protected:
  static std::string payload() {
    return GetParam() == std::string("bind") ? std::string(payload_bind, payload_bind_end)
                                             : std::string(payload_findsock, payload_findsock_end);
  }
};

TEST_P(PayloadTest, DoesNothingBeforeItsMarkIsAnswered) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const pid_t child = ::fork();
  if (child == 0) be_taken_over(payload(), ends[1]);
  const std::vector<Call> expected = {{SYS_write, 3}, {SYS_write, 4}, {SYS_write, kClient}, {SYS_read, kClient}};
  EXPECT_EQ(first_calls(child), expected);
  char mark[16] = "";
  EXPECT_EQ(::recv(ends[0], mark, sizeof mark - 1, MSG_DONTWAIT), 5);
  EXPECT_STREQ(mark, "XDUNE");
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

INSTANTIATE_TEST_SUITE_P(Payloads, PayloadTest, testing::Values("bind", "findsock"),
                         [](const auto& way) { return std::string(way.param); });

}  // namespace
