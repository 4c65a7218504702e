"""hids-call: what supervision adds to a system call, to one that no signature looks at and to those that are looked at and allowed.

The same program runs with nothing attached (plain), under skep-monitor with the built-in set (supervised), and under
`strace -f --seccomp-bpf` that follows the four calls which the set decides on (strace): the tool that also stops just the calls
it was asked for, in user space, and costs little on others.

The pairs that mean something, all of them supervised / strace:
  hids-call-unseen  getppid, which strace's filter lets pass in the kernel. Whole time over whole time: what the peer adds is next
                    to nothing, and a ratio to it would be noise. The goal allows for one observer at every call's return.
  hids-call-listen  a call that is put before the judging program, and allowed; strace stops it twice.
  hids-call-exec    fork, exec of a program of an app group, its end. Most of it is the kernel's own work: with nothing attached
                    0.73 of strace's time were measured, so that 0.85 is half of what strace adds.
"""
import json
import socket

from lab import Failed, Goal, await_that, listens, program

PORT = 8099
CALLS = "execve,connect,bind,listen"

GOALS = [Goal("hids-call-unseen", 1.5, "unseen", "ns a call", "supervised", "strace"),
         Goal("hids-call-listen", 0.5, "listen", "ns a call", "supervised", "strace"),
         Goal("hids-call-exec", 0.85, "exec", "ns a program", "supervised", "strace")]


def ask():
    """The service runs its loops once it is asked, so that nothing of its or the monitor's start falls into them."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=120) as connection:
        answer = connection.makefile().readline()
    if not answer:
        raise Failed("the timed loops came to no end: a call was refused, or the program did not run")
    return json.loads(answer)


def cases(lab):
    child = program("bench_nothing")
    loops = [program("bench_calls"), str(PORT), child]
    strace = ["strace", "-f", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", "/dev/null"]
    service = (f"services:\n  - {{name: calls, command: [{', '.join(loops)}], port: {PORT}, app_groups: [child]}}\n"
               f"app_groups: [{{name: child, programs: [{child}]}}]\n")

    def asked(started):
        with started:
            await_that(lambda: listens(PORT), "the timed loops do not listen")
            return ask()
    return {"plain": lambda: asked(lab.started(loops, lambda _: listens(PORT))),
            "strace": lambda: asked(lab.started(strace + loops, lambda _: listens(PORT))),
            "supervised": lambda: asked(lab.supervised(service))}
