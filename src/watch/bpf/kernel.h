/* The kernel's structures as far as they are used here, relocated at load time (CO-RE): fields are found by name, so this
 * header need not match any one kernel's layout. Nothing of the kernel's own headers is copied.
 *
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_WATCH_BPF_KERNEL_H
#define SKEP_WATCH_BPF_KERNEL_H

/* <linux/types.h> by way of <linux/bpf.h> is UAPI and safe here. */
#include <linux/bpf.h>

#include "model/c_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common { unsigned int inum; };
struct net { struct ns_common ns; };
typedef struct { struct net *net; } possible_net_t;

struct in6_addr { unsigned char in6_u[16]; };

struct sock_common {
  unsigned short skc_family;
  unsigned short skc_num;  /* host order */
  __be16 skc_dport;        /* network order */
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
  possible_net_t skc_net;
};
struct sock {
  struct sock_common __sk_common;
  unsigned short sk_protocol;
  unsigned short sk_type;
};
struct unix_sock {
  struct sock *peer;
};
struct socket {
  short type;
  struct sock *sk;
};

struct dentry;
struct super_block { unsigned int s_dev; };
struct inode {
  unsigned short i_mode;
  unsigned int i_nlink;
  unsigned int i_generation;
  unsigned long i_ino;
  struct super_block *i_sb;
};
struct qstr {
  unsigned int len;
  const unsigned char *name;
};
struct dentry {
  struct qstr d_name;
  struct dentry *d_parent;
  struct inode *d_inode;
};
struct vfsmount { struct dentry *mnt_root; };
struct mount {
  struct mount *mnt_parent;
  struct dentry *mnt_mountpoint;
  struct vfsmount mnt;
};
struct path {
  struct vfsmount *mnt;
  struct dentry *dentry;
};
struct file {
  void *private_data;
  unsigned int f_mode;
  struct inode *f_inode;
  struct path f_path;
};
struct fdtable {
  unsigned int max_fds;
  struct file **fd;
};
struct files_struct { struct fdtable *fdt; };
struct fs_struct { struct path pwd; };
struct linux_binprm {
  struct file *file;
  const char *filename;
  const char *interp;
};

typedef struct { unsigned int val; } kuid_t;
struct cred { kuid_t euid; };
struct vm_area_struct {
  unsigned long vm_flags;
  struct file *vm_file;
};
struct mm_struct {
  unsigned long arg_start;
  unsigned long arg_end;
};
struct thread_info { unsigned int status; };
typedef struct { int counter; } atomic_t;
struct signal_struct {
  atomic_t live;
  int group_exit_code;
};
struct task_struct {
  struct thread_info thread_info;
  int pid;
  int tgid;
  int exit_code;
  struct task_struct *group_leader;
  struct task_struct *real_parent;
  struct fs_struct *fs;
  struct files_struct *files;
  struct signal_struct *signal;
  struct mm_struct *mm;
  const struct cred *cred;
  unsigned long long start_boottime;
  char comm[16];
};
/* A call's number and arguments: di si dx r10 r8 r9 of x86-64, bx cx dx si di bp through the 32-bit entry. */
struct pt_regs {
  unsigned long di, si, dx, r10, r8, r9, bx, cx, bp, orig_ax;
  unsigned long ax, r11, r12, r13, r14, r15, ip, sp, flags;
};
struct sigaction { void *sa_handler; };
struct k_sigaction { struct sigaction sa; };

struct seq_file;
union __sifields { struct { void *_addr; } _sigfault; };
struct kernel_siginfo {
  int si_code;
  union __sifields _sifields;
};
struct bpf_iter_meta { struct seq_file *seq; };
struct bpf_iter__task {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
};
struct bpf_iter__bpf_sk_storage_map {
  struct bpf_iter_meta *meta;
  struct bpf_map *map;
  struct sock *sk;
  void *value;
};

#pragma clang attribute pop

extern struct task_struct *bpf_task_from_pid(int pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym;

/* An address in the kernel as a structure that the verifier knows: its fields are loads then, and no helper is called for
 * each. What lies at a wrong address reads as 0. Not to be kept: a global function takes such a pointer for no number. */
#define AS(type, address) ((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))

enum {
  K_AT_FDCWD = -100,
  K_AF_UNIX = 1,
  K_AF_INET = 2,
  K_AF_INET6 = 10,
  K_SOCK_STREAM = 1,
  K_AF_NETLINK = 16,
  K_AF_ALG = 38,
  K_SOCK_RAW = 3,
  K_IPPROTO_ICMP = 1,
  K_IPPROTO_TCP = 6,
  K_IPPROTO_UDP = 17,
  K_IPPROTO_ICMPV6 = 58,
  K_IPPROTO_RAW = 255,
  K_IPPROTO_MPTCP = 262,
  K_EPROTONOSUPPORT = 93,
  K_EAFNOSUPPORT = 97,
  K_ENETUNREACH = 101,
  K_TCP_ESTABLISHED = 1,
  K_TCP_SYN_SENT = 2,
  K_TCP_SYN_RECV = 3,
  K_TCP_CLOSE = 7,
  K_TCP_LISTEN = 10,
  K_TS_COMPAT = 2,            /* thread_info.status: inside a 32-bit call */
  K_S_IFMT = 0170000,
  K_S_IFSOCK = 0140000,
  K_S_IFREG = 0100000,
  K_S_IFDIR = 0040000,
  K_S_IFIFO = 0010000,
  K_SIGKILL = 9,
  K_X32_BIT = 0x40000000,
  K_AUDIT_ARCH_X86_64 = 0xC000003E,
  K_FMODE_WRITE = 2,
  K_FMODE_CREATED = 0x100000,
  K_NR_WRITE = 1,
  K_NR_OPEN = 2,
  K_NR_PWRITE64 = 18,
  K_NR_RENAME = 82,
  K_NR_MKDIR = 83,
  K_NR_RMDIR = 84,
  K_NR_CREAT = 85,
  K_NR_LINK = 86,
  K_NR_UNLINK = 87,
  K_NR_SYMLINK = 88,
  K_NR_CHMOD = 90,
  K_NR_TRUNCATE = 76,
  K_NR_OPENAT = 257,
  K_NR_UNLINKAT = 263,
  K_NR_RENAMEAT = 264,
  K_NR_LINKAT = 265,
  K_NR_SYMLINKAT = 266,
  K_NR_FCHMODAT = 268,
  K_NR_OPEN_BY_HANDLE_AT = 304,
  K_NR_RENAMEAT2 = 316,
  K_NR_MEMFD_CREATE = 319,
  K_NR_OPENAT2 = 437,
  K_NR_EXECVE = 59,
  K_NR_EXECVEAT = 322,
  K_NR_LISTEN = 50,
  K_NR_CONNECT = 42,
  K_NR_BIND = 49,
  K_NR_SENDTO = 44,
  K_NR_SOCKET = 41,
};

#endif
