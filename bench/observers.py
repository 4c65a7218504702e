"""What else can watch a host's system calls, each for the length of a block: what skep costs is held against what these cost."""
import contextlib
import pathlib
import subprocess

from lab import Failed, Unmeasured, program, run

# What the built-in set looks at, as far as audit's rules can say it. Not sendto: audit would write down every send of a socket that
# is connected, and skep's hook is not even called for it.
AUDITED = [["execve,execveat,connect,bind,listen,ptrace,process_vm_readv,process_vm_writev,memfd_create,pidfd_getfd"],
           ["init_module,finit_module,delete_module,kexec_load,kexec_file_load,perf_event_open,bpf,userfaultfd"],
           ["mount,umount2,pivot_root,move_mount,open_tree,fsopen,fsmount,unshare,setns,io_uring_setup,io_uring_enter"],
           ["open,openat,openat2,creat,open_by_handle_at,dup,dup2,dup3,fcntl,write,pwrite,ftruncate"],
           ["chmod,fchmod,fchmodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,setuid,setresuid,setreuid"],
           ["mprotect,pkey_mprotect", "-F", "a2&4"], ["mmap", "-F", "a2&4", "-F", "a3&0x20"],
           ["clone", "-F", "a0&0x7e020080"], ["socket", "-F", "a0=17"], ["socket", "-F", "a1=3"]]

AUDITD = """local_events = yes
write_logs = yes
log_file = {0}/audit.log
log_format = RAW
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 64
num_logs = 2
max_log_file_action = ROTATE
plugin_dir = {0}/plugins.d
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
"""

# The same hooks, and a count by program where skep's set looks.
BPFTRACE = """
tracepoint:raw_syscalls:sys_exit
/args->id == 59 || args->id == 322 || args->id == 42 || args->id == 49 || args->id == 50 || args->id == 101/ { @calls[comm] = count(); }
tracepoint:sock:inet_sock_set_state { @states[args->newstate] = count(); }
tracepoint:sock:sock_recv_length { @received[pid] = sum(args->ret); }
tracepoint:sock:sock_send_length { @sent[pid] = sum(args->ret); }
tracepoint:sched:sched_process_fork { @forks = count(); }
tracepoint:sched:sched_process_exec { @execs[comm] = count(); }
tracepoint:sched:sched_process_exit { @exits = count(); }
tracepoint:sched:sched_waking { @wakings = count(); }
BEGIN { printf("ready\\n"); }
"""


def said_ready(said):
    return "\nready\n" in "\n" + said


def cgroup_root():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return line.split()[1]
    raise Failed("no cgroup v2 hierarchy is mounted")


@contextlib.contextmanager
def nothing(_lab):
    yield


def empty(lab):
    """BPF programs that do nothing, at the same hooks."""
    return lab.started(["bench_attach_empty", cgroup_root()], said_ready)


def peer(name, package):
    """Not among what skep is built with: auditd, once installed, watches over the host that it is installed on."""
    try:
        return program(name)
    except Failed:
        raise Unmeasured(f"{name} is missing: `apt-get install {package}`") from None


def bpftrace(lab):
    return lab.started([peer("bpftrace", "bpftrace"), "-e", BPFTRACE], said_ready)


def auditctl(*words):
    done = subprocess.run([peer("auditctl", "auditd"), *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unmeasured(f"auditctl {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def rest_audit():
    """Once audit has been on, every process that begins later pays for it, also when it is off again, but for this rule. It stays."""
    auditctl("-e", "0")
    auditctl("-D")
    auditctl("-a", "never,task")


def audit_is_free():
    rules = auditctl("-l").strip()
    if "pid 0\n" not in auditctl("-s") or rules not in ("No rules", "-a never,task"):
        raise Unmeasured("the host's own audit is in use, and is left alone")


def prepare_audit():
    """Before anything is measured: what an earlier run has left behind is not to slow the cases without auditd."""
    try:
        audit_is_free()
        rest_audit()
    except Unmeasured:
        pass  # the case says why


@contextlib.contextmanager
def auditd(lab):
    audit_is_free()
    folder = lab.path / "audit"
    (folder / "plugins.d").mkdir(parents=True, exist_ok=True)
    (folder / "auditd.conf").write_text(AUDITD.format(folder))
    try:
        with lab.started(["auditd", "-n", "-c", folder], lambda _: "enabled 1" in auditctl("-s")):
            auditctl("-D")
            for calls, *more in AUDITED:
                auditctl("-a", "always,exit", "-F", "arch=b64", "-S", calls, *more)
            yield
            if "type=SYSCALL" not in (folder / "audit.log").read_text(errors="replace"):
                raise Failed("auditd wrote no system call down")
    finally:
        rest_audit()
        for log in folder.glob("audit.log*"):
            log.unlink()
