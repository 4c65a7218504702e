"""hids-call: what supervision adds to a system call, to one that no signature looks at and to those that are looked at and allowed.

The same program runs with nothing attached (plain), under skep-monitor with the built-in set (supervised), and under
`strace -f --seccomp-bpf` that follows the four calls which the set decides on (strace): the tool that also stops just the calls
it was asked for, in user space, and costs little on others.

The pairs that mean something:
  hids-call-unseen  getppid: supervised / strace --seccomp-bpf, which lets it pass in the kernel. What is added to `plain` stands
                    in the information line; added time over added time means nothing where the peer adds next to nothing.
  hids-call-listen  a call that is put before the judging program and allowed: supervised / strace, which stops it twice.
  hids-call-exec    fork, exec of /bin/true in an app group, its end: supervised / strace.
"""
import json
import socket

from lab import Failed, Goal, await_that, listens, program

PORT = 8099
CHILD = "/bin/true"
CALLS = "execve,connect,bind,listen"

GOALS = [Goal("hids-call-unseen", 1.0, "unseen", "ns a call", "supervised", "strace"),
         Goal("hids-call-listen", 0.5, "listen", "ns a call", "supervised", "strace"),
         Goal("hids-call-exec", 0.5, "exec", "ns a program", "supervised", "strace")]


def ask():
    """The service runs its loops once it is asked, so that nothing of its or the monitor's start falls into them."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=120) as connection:
        answer = connection.makefile().readline()
    if not answer:
        raise Failed("the timed loops came to no end: a call was refused, or the program did not run")
    return json.loads(answer)


def cases(lab):
    loops = [program("bench_calls"), str(PORT), CHILD]
    strace = ["strace", "-f", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", "/dev/null"]
    service = (f"services:\n  - {{name: calls, command: [{', '.join(loops)}], port: {PORT}, app_groups: [child]}}\n"
               f"app_groups: [{{name: child, programs: [{CHILD}]}}]\n")

    def asked(started):
        with started:
            await_that(lambda: listens(PORT), "the timed loops do not listen")
            return ask()
    return {"plain": lambda: asked(lab.started(loops, lambda _: listens(PORT))),
            "strace": lambda: asked(lab.started(strace + loops, lambda _: listens(PORT))),
            "supervised": lambda: asked(lab.supervised(service))}
