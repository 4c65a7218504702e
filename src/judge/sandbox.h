// The calls that judge makes once it is at work: what is not on the list ends the process, and watch starts another. No
// file can be opened, no program run, no socket made.
#pragma once

#include <asm/unistd_64.h>

namespace skep::judge {

// newfstatat: `proc.exepath` in a signature added at run time is looked up, never opened.
inline constexpr int kAllowedCalls[] = {
    __NR_read,
    __NR_write,
    __NR_close,
    __NR_recvfrom,
    __NR_sendto,
    __NR_recvmsg,
    __NR_sendmsg,
    __NR_accept4,
    __NR_shutdown,
    __NR_setsockopt,
    __NR_getsockopt,
    __NR_getsockname,
    __NR_getpeername,
    __NR_epoll_wait,
    __NR_epoll_pwait,
    __NR_epoll_ctl,
    __NR_poll,
    __NR_ppoll,
    __NR_clock_gettime,
    __NR_clock_nanosleep,
    __NR_nanosleep,
    __NR_gettimeofday,
    __NR_munmap,
    __NR_mremap,
    __NR_brk,
    __NR_madvise,
    __NR_futex,
    __NR_getrandom,
    __NR_exit,
    __NR_exit_group,
    __NR_rt_sigreturn,
    __NR_rt_sigaction,
    __NR_rt_sigprocmask,
    __NR_sigaltstack,
    __NR_fcntl,
    __NR_pread64,
    __NR_pwrite64,
    __NR_newfstatat,
    __NR_fstat,
    __NR_getpid,
    __NR_gettid,
    __NR_tgkill,
    __NR_sched_yield,
    __NR_restart_syscall,
    __NR_rseq,
    __NR_set_robust_list,
};

}  // namespace skep::judge
