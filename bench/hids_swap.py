"""hids-swap: a new set of signatures under a running service. How long `skep hids signatures set` takes until the set is in force,
and the longest pause in a tight loop of the service's calls meanwhile. The pause is held against that while the same set is only
checked, by a process of its own: what compiles a set takes a CPU from the service here and there. Whether the set is in force is
tried: it refuses what the built-in set allows."""
import json
import re
import socket
import time

from lab import ROOT, Failed, Goal, await_that, listens, program, run

PORT = 8096
WANTED = 200
CALLS = ["read", "write", "close", "fstat", "lseek", "dup", "dup2", "pipe", "fcntl", "fsync", "getcwd", "chdir", "rename", "mkdir",
         "rmdir", "link", "unlink", "symlink", "chmod", "umask", "getuid", "setuid", "setgid", "setsid", "kill"]
LEAD_S = 0.2

GOALS = [Goal("hids-swap-time", 1.0, "seconds", "s", "set", limit=1),
         Goal("hids-swap-pause", 1.5, "longest_us", "us", "set", "checked")]


def most():
    """As many signatures as are wanted, or as the table holds."""
    limit = re.search(r"SKEP_SIGNATURES_MAX = (\d+)", (ROOT / "src/model/signature_table.h").read_text())
    if not limit:
        raise Failed("src/model/signature_table.h does not say how many signatures there may be")
    return min(WANTED, int(limit.group(1)))


def signatures(count):
    lines = [f"  - {{signature: s{i}, condition: 'evt.type = {CALLS[i % len(CALLS)]} and evt.arg.1 = {i} and evt.res = -{1 + i % 30}',"
             f" action: observe}}" for i in range(count - 1)]
    return "signatures:\n" + "\n".join(lines) + "\n  - {signature: tried, condition: evt.type = listen, action: deny}\n"


def cases(lab):
    file = lab.write("set.yaml", signatures(most()))
    command = [program("bench_gap"), str(PORT)]

    def beside(words, refuses):
        with lab.supervised(f"services:\n  - {{name: gap, command: [{', '.join(command)}], port: {PORT}}}\n"):
            await_that(lambda: listens(PORT), "the loop does not listen")
            with socket.create_connection(("127.0.0.1", PORT), timeout=60) as connection:
                time.sleep(LEAD_S)
                begin = time.monotonic()
                run(words)
                took = time.monotonic() - begin
                time.sleep(LEAD_S)
                connection.sendall(b".")
                answer = json.loads(connection.makefile().readline() or "{}")
        if answer.get("refused") is not refuses:
            raise Failed(f"after {' '.join(map(str, words))}: {answer}")
        return {"seconds": took, "longest_us": answer["longest_us"]}
    return {"set": lambda: beside(["skep", "hids", "signatures", "set", file, "--socket", lab.monitor_socket], True),
            "checked": lambda: beside(["skep", "hids", "check", file], False)}
