#include "watch/seccomp_filter.h"

#include <asm/unistd_64.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace skep::watch {
namespace {

constexpr uint32_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;
constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kSocketTypeMask = 0xf;

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
  // What match/intercepts.cc lets a signature refuse that no service has asked about whole.
  const std::vector<sock_filter> by_argument = {
      unless_skip(BPF_JEQ, __NR_clone, 4),
      load(low_half(0)),
      unless_skip(BPF_JSET, kNamespaceFlags, 1),
      answer(SECCOMP_RET_USER_NOTIF),
      answer(SECCOMP_RET_ALLOW),
      unless_skip(BPF_JEQ, __NR_socket, 7),
      load(low_half(0)),
      unless_skip(BPF_JEQ, AF_PACKET, 1),
      answer(SECCOMP_RET_USER_NOTIF),
      load(low_half(1)),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSocketTypeMask),
      unless_skip(BPF_JEQ, SOCK_RAW, 1),
      answer(SECCOMP_RET_USER_NOTIF),
      answer(SECCOMP_RET_ALLOW),
  };
  code.insert(code.end(), by_argument.begin(), by_argument.end());
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
