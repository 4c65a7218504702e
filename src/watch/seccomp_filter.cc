#include "watch/seccomp_filter.h"

#include <asm/unistd_64.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "match/intercepts.h"

namespace skep::watch {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;

constexpr uint32_t kArch = offsetof(seccomp_data, arch);
constexpr uint32_t kNumber = offsetof(seccomp_data, nr);
constexpr uint32_t low_half(unsigned argument) {
  return static_cast<uint32_t>(offsetof(seccomp_data, args) + argument * sizeof(uint64_t));
}

sock_filter load(uint32_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}
sock_filter answer(uint32_t value) {
  return BPF_STMT(BPF_RET | BPF_K, value);
}
// Goes on where the accumulator passes the test, else jumps over `count` instructions.
sock_filter unless_skip(int test, uint32_t value, uint8_t count) {
  return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | test | BPF_K), value, 0, count);
}

// "If it is call `number`: ask the notifier"; the accumulator holds the number, before and after.
void ask_about(std::vector<sock_filter>& code, uint32_t number) {
  code.push_back(unless_skip(BPF_JEQ, number, 1));
  code.push_back(answer(SECCOMP_RET_USER_NOTIF));
}

void append(std::vector<sock_filter>& code, const std::vector<sock_filter>& more) {
  code.insert(code.end(), more.begin(), more.end());
}

// "If the register passes", else over `rest` instructions more.
std::vector<sock_filter> passes_else_skip(const match::ArgumentCheck& check, size_t rest) {
  const auto over = static_cast<uint8_t>(rest);
  if (!check.none_of.empty()) {
    std::vector<sock_filter> code = {load(low_half(check.argument)), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, check.mask)};
    for (size_t left = check.none_of.size(); left > 0; --left)
      code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, check.none_of[check.none_of.size() - left],
                              static_cast<uint8_t>(rest + left - 1), 0));
    return code;
  }
  if (!check.value) return {load(low_half(check.argument)), unless_skip(BPF_JSET, check.mask, over)};
  return {load(low_half(check.argument)), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, check.mask),
          unless_skip(BPF_JEQ, *check.value, over)};
}

// Built from its end, so that each jump knows how far it goes.
std::vector<sock_filter> ask_if_all_pass(const match::ArgumentTest& test) {
  std::vector<sock_filter> code = {answer(SECCOMP_RET_USER_NOTIF)};
  for (auto check = test.all.rbegin(); check != test.all.rend(); ++check) {
    std::vector<sock_filter> before = passes_else_skip(*check, code.size());
    append(before, code);
    code = std::move(before);
  }
  return code;
}

// What match/intercepts.h lets a signature refuse of a call that no service asks about whole: its own tests, then "let
// it run".
void ask_by_arguments(std::vector<sock_filter>& code, std::span<const match::ArgumentTest> tests) {
  std::vector<sock_filter> body;
  for (const match::ArgumentTest& test : tests) append(body, ask_if_all_pass(test));
  body.push_back(answer(SECCOMP_RET_ALLOW));
  code.push_back(unless_skip(BPF_JEQ, tests.front().call, static_cast<uint8_t>(body.size())));
  append(code, body);
}

}  // namespace

std::vector<sock_filter> build_filter(std::span<const uint16_t> calls) {
  std::vector<sock_filter> code = {
      load(kArch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      answer(SECCOMP_RET_USER_NOTIF),  // 32-bit
      load(kNumber),
      unless_skip(BPF_JSET, kX32Bit, 1),
      answer(SECCOMP_RET_USER_NOTIF),  // x32
      unless_skip(BPF_JEQ, __NR_clone3, 1),
      answer(SECCOMP_RET_ERRNO | ENOSYS),
  };
  for (const uint16_t call : calls) ask_about(code, call);
  std::span<const match::ArgumentTest> rest = match::argument_tests();
  while (!rest.empty()) {
    size_t same = 1;
    while (same < rest.size() && rest[same].call == rest[0].call) ++same;
    ask_by_arguments(code, rest.first(same));
    rest = rest.subspan(same);
  }
  code.push_back(answer(SECCOMP_RET_ALLOW));
  return code;
}

Result<Fd> install_filter(const std::vector<sock_filter>& filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  // A caller that a signal reaches while it waits is only let go by a fatal one: else it would ask again, and be told
  // twice.
  const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  Fd listener(static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program)));
  if (!listener) return fail_errno("install the seccomp filter");
  return listener;
}

}  // namespace skep::watch
