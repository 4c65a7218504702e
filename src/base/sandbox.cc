#include "base/sandbox.h"

#include <asm/unistd_64.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <ctime>
#include <vector>

namespace skep {
namespace {

constexpr int kNeverExecutable[] = {__NR_mmap, __NR_mprotect};
constexpr int kCapabilitiesMax = 64;

constexpr uint32_t kThirdArgument = offsetof(seccomp_data, args) + 2 * sizeof(uint64_t);

sock_filter load(uint32_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}
sock_filter answer(uint32_t value) {
  return BPF_STMT(BPF_RET | BPF_K, value);
}
sock_filter unless_skip(uint32_t value, uint8_t count) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count);
}

std::vector<sock_filter> build_list(std::span<const int> calls, uint32_t otherwise) {
  std::vector<sock_filter> code = {load(offsetof(seccomp_data, arch)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
                                   answer(SECCOMP_RET_KILL_PROCESS), load(offsetof(seccomp_data, nr))};
  for (const int call : calls) {
    code.push_back(unless_skip(static_cast<uint32_t>(call), 1));
    code.push_back(answer(SECCOMP_RET_ALLOW));
  }
  for (const int call : kNeverExecutable) {
    code.push_back(unless_skip(static_cast<uint32_t>(call), 4));
    code.push_back(load(kThirdArgument));
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
    code.push_back(answer(SECCOMP_RET_ALLOW));
    code.push_back(answer(otherwise));
  }
  code.push_back(answer(otherwise));
  return code;
}

Status seal() {
  const rlimit no_core{0, 0};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("no_new_privs");
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return {};
}

void drop_bounding_set() {
  for (int capability = 0; capability < kCapabilitiesMax; ++capability) ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

Status keep_only(std::span<const int> keep) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {};
  for (const int capability : keep) {
    __user_cap_data_struct& half = kept[capability / 32];
    half.effective = half.permitted |= 1u << (capability % 32);
  }
  if (::syscall(SYS_capset, &header, kept) != 0)
    return fail_errno("give up all capabilities but those that are needed");
  return {};
}

}  // namespace

Status become_user(const std::string& user, std::span<const int> keep) {
  const passwd* account = ::getpwnam(user.c_str());
  if (account == nullptr) return fail("no user named '{}' to become", user);
  const uid_t uid = account->pw_uid;
  const gid_t gid = account->pw_gid;
  drop_bounding_set();
  if (!keep.empty() && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return fail_errno("keep capabilities");
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 || ::setresuid(uid, uid, uid) != 0)
    return fail_errno("become " + user);
  if (auto kept = keep_only(keep); !kept) return kept;
  if (::setuid(0) == 0) return fail("{} could become root again", user);
  return seal();
}

Status drop_capabilities(std::span<const int> keep) {
  drop_bounding_set();
  if (auto kept = keep_only(keep); !kept) return kept;
  return seal();
}

Status allow_only(std::span<const int> calls, OnUnlistedCall otherwise) {
  ::tzset();  // opens /etc/localtime, which else the first line of a log would
  const uint32_t answer_to_others = otherwise == OnUnlistedCall::end_process
                                        ? uint32_t{SECCOMP_RET_KILL_PROCESS}
                                        : uint32_t{SECCOMP_RET_ERRNO} | uint32_t{EPERM};
  std::vector<sock_filter> code = build_list(calls, answer_to_others);
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  const long done = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (done < 0) return fail_errno("install the seccomp list");
  if (done > 0) return fail("thread {} could not be brought under the seccomp list", done);
  return {};
}

}  // namespace skep
