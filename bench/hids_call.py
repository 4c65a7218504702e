"""hids-call: what supervision adds to a system call, to one that no signature looks at and to those that are looked at and allowed
or refused.

The same program (programs/calls.cc) runs in each case once a round:
  plain        nothing is attached
  empty        BPF programs that do nothing, at the same hooks: the least that any observer adds
  supervised   a service of skep-monitor with the built-in set
  bystander    beside it, not supervised
  returns, returns-bystander   the same two, with a signature besides that judges the return of a call (dup): a set that judges no
               return has no program there
  auditd       with rules for the same calls
  strace       `--seccomp-bpf`, of four calls: it also stops just the calls that it was asked for, and costs little on others
  bpftrace     at the same hooks

What is added is compared (ratio of differences to plain) where the peer adds something. strace adds next to nothing to an unseen
call: there, and for what is asked about, whole times are compared."""
import json
import socket

import observers
from lab import Failed, Goal, await_that, listens, program

PORT = 8099
IDLE_PORT = 8098
CALLS = "execve,connect,bind,listen"
JUDGES_RETURNS = "signatures:\n  - {signature: failed_dup, condition: evt.type = dup and evt.res < -4000, action: observe}\n"
REFUSAL_LIMIT_NS = 12_000


def added(name, goal, metric, ours, peer):
    return Goal(name, goal, metric, "ns a call", ours, peer, base="plain")


GOALS = [added("hids-added-empty", 1.3, "unseen", "supervised", "empty"),
         added("hids-added-returns", 1.3, "unseen", "returns", "empty"),
         added("hids-added-bystander", 1.1, "unseen", "bystander", "empty"),
         added("hids-added-returns-bystander", 1.1, "unseen", "returns-bystander", "empty"),
         added("hids-added-auditd", 0.2, "unseen", "supervised", "auditd"),
         added("hids-mixed-empty", 1.3, "mixed", "supervised", "empty"),
         added("hids-mixed-auditd", 0.2, "mixed", "supervised", "auditd"),
         Goal("hids-call-unseen", 1.5, "unseen", "ns a call", "supervised", "strace"),
         Goal("hids-call-listen", 0.5, "listen", "ns a call", "supervised", "strace"),
         Goal("hids-call-exec", 0.85, "exec", "ns a program", "supervised", "strace"),
         Goal("hids-refused-listen", 1.0, "refused_listen", "ns a call", "supervised", limit=REFUSAL_LIMIT_NS),
         Goal("hids-refused-ptrace", 1.0, "refused_ptrace", "ns a call", "supervised", limit=REFUSAL_LIMIT_NS)]


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
    idle = [program("bench_calls"), str(IDLE_PORT), child]
    strace = ["strace", "-f", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", "/dev/null"]

    def service(command, port):
        return (f"services:\n  - {{name: calls, command: [{', '.join(command)}], port: {port}, app_groups: [child]}}\n"
                f"app_groups: [{{name: child, programs: [{child}]}}]\n")

    def alone(observer, words=()):
        with observer(lab), lab.started([*words, *loops], lambda _: listens(PORT)):
            return ask()

    def supervised(signatures=""):
        with lab.supervised(service(loops, PORT), signatures):
            await_that(lambda: listens(PORT), "the timed loops do not listen")
            return ask()

    def bystander(signatures=""):
        return alone(lambda _: lab.supervised(service(idle, IDLE_PORT), signatures))
    return {"plain": lambda: alone(observers.nothing), "empty": lambda: alone(observers.empty),
            "supervised": supervised, "bystander": bystander,
            "returns": lambda: supervised(JUDGES_RETURNS), "returns-bystander": lambda: bystander(JUDGES_RETURNS),
            "auditd": lambda: alone(observers.auditd), "bpftrace": lambda: alone(observers.bpftrace),
            "strace": lambda: alone(observers.nothing, strace)}
