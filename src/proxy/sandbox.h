// The calls that the proxy makes once it is at work: what is not on the list is refused (a recorder that goes on is
// worth more than one that ends). No program can be run, no process traced or started, nothing mounted. Files can be
// opened: segments and index are made anew as time goes on.
#pragma once

#include <asm/unistd_64.h>

namespace skep::proxy {

inline constexpr int kAllowedCalls[] = {
    // Sockets and waiting.
    __NR_socket,
    __NR_connect,
    __NR_bind,
    __NR_listen,  // services that come with options read again
    __NR_accept4,
    __NR_shutdown,
    __NR_setsockopt,
    __NR_getsockopt,
    __NR_getsockname,
    __NR_getpeername,
    __NR_recvfrom,
    __NR_sendto,
    __NR_recvmsg,
    __NR_sendmsg,
    __NR_epoll_create1,
    __NR_epoll_ctl,
    __NR_epoll_wait,
    __NR_epoll_pwait,
    __NR_poll,
    __NR_ppoll,
    __NR_eventfd2,
    __NR_io_uring_enter,  // of the ring that stands by now; no other can be made
    // Segments; the index, which is SQLite's.
    __NR_read,
    __NR_write,
    __NR_pread64,
    __NR_pwrite64,
    __NR_pwritev,
    __NR_openat,
    __NR_close,
    __NR_lseek,
    __NR_fcntl,
    __NR_flock,
    __NR_fsync,
    __NR_fdatasync,
    __NR_ftruncate,
    __NR_fallocate,
    __NR_mkdir,  // the index's folder is asked for whenever a day of it is opened
    __NR_unlink,
    __NR_rename,  // a sealed segment takes its place
    __NR_unlinkat,
    __NR_stat,
    __NR_lstat,
    __NR_fstat,
    __NR_newfstatat,
    __NR_access,
    __NR_faccessat,
    __NR_getcwd,
    __NR_readlink,
    __NR_fchmod,
    __NR_statfs,  // room for files that are evidence; their place
    __NR_link,
    __NR_utimensat,    // logs of tagged sessions have the time of what is in them
    __NR_setpriority,  // … and are written when there is time
    __NR_fchown,
    __NR_geteuid,
    __NR_getdents64,
    // Time, memory, threads, the end.
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
    __NR_getpid,
    __NR_gettid,
    __NR_tgkill,
    __NR_sched_yield,
    __NR_restart_syscall,
    __NR_rseq,
    __NR_set_robust_list,
    __NR_sysinfo,
};

}  // namespace skep::proxy
