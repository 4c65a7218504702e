#include "judge/sandbox.h"

#include <asm/unistd_64.h>
#include <grp.h>
#include <linux/audit.h>
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

namespace skep::judge {
namespace {

// newfstatat: `proc.exepath` in a signature added at run time is looked up, never opened.
constexpr int kAllowed[] = {
    __NR_read,         __NR_write,        __NR_close,           __NR_recvfrom,      __NR_sendto,
    __NR_recvmsg,      __NR_sendmsg,      __NR_accept4,         __NR_shutdown,      __NR_setsockopt,
    __NR_getsockopt,   __NR_getsockname,  __NR_getpeername,     __NR_epoll_wait,    __NR_epoll_pwait,
    __NR_epoll_ctl,    __NR_poll,         __NR_ppoll,           __NR_clock_gettime, __NR_clock_nanosleep,
    __NR_nanosleep,    __NR_gettimeofday, __NR_munmap,          __NR_mremap,        __NR_brk,
    __NR_madvise,      __NR_futex,        __NR_getrandom,       __NR_exit,          __NR_exit_group,
    __NR_rt_sigreturn, __NR_rt_sigaction, __NR_rt_sigprocmask,  __NR_sigaltstack,   __NR_fcntl,
    __NR_pwrite64,     __NR_newfstatat,   __NR_fstat,           __NR_getpid,        __NR_gettid,
    __NR_tgkill,       __NR_sched_yield,  __NR_restart_syscall, __NR_rseq,          __NR_set_robust_list,
};
constexpr int kNeverExecutable[] = {__NR_mmap, __NR_mprotect};

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

std::vector<sock_filter> build_list() {
  std::vector<sock_filter> code = {load(offsetof(seccomp_data, arch)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
                                   answer(SECCOMP_RET_KILL_PROCESS), load(offsetof(seccomp_data, nr))};
  for (const int call : kAllowed) {
    code.push_back(unless_skip(static_cast<uint32_t>(call), 1));
    code.push_back(answer(SECCOMP_RET_ALLOW));
  }
  for (const int call : kNeverExecutable) {
    code.push_back(unless_skip(static_cast<uint32_t>(call), 4));
    code.push_back(load(kThirdArgument));
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
    code.push_back(answer(SECCOMP_RET_ALLOW));
    code.push_back(answer(SECCOMP_RET_KILL_PROCESS));
  }
  code.push_back(answer(SECCOMP_RET_KILL_PROCESS));
  return code;
}

}  // namespace

Status drop_privileges(const std::string& user) {
  const passwd* account = ::getpwnam(user.c_str());
  if (account == nullptr) return fail("no user named '{}' for judge to become", user);
  const uid_t uid = account->pw_uid;
  const gid_t gid = account->pw_gid;
  const rlimit no_core{0, 0};
  for (int capability = 0; capability < 64; ++capability) ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 || ::setresuid(uid, uid, uid) != 0)
    return fail_errno("become " + user);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("no_new_privs");
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (::setuid(0) == 0) return fail("judge could become root again");
  return {};
}

Status install_seccomp_list() {
  ::tzset();  // opens /etc/localtime, which else the first line of our log would
  std::vector<sock_filter> code = build_list();
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
    return fail_errno("install judge's seccomp list");
  return {};
}

}  // namespace skep::judge
