"""hids-redis: what supervision costs Redis, asked by redis-benchmark over eight kept connections; as hids_http.py does nginx."""
import csv
import io

import observers
from lab import Failed, Goal, await_that, listens, program, run

PORT = 8379
PARALLEL = 8
REQUESTS = 60000

GOALS = [Goal("hids-redis", 1.04, "request", "us a request", "supervised", "plain"),
         Goal("hids-redis-p99", 1.04, "p99", "us", "supervised", "plain")]


def load():
    said = run(["redis-benchmark", "-p", PORT, "-c", PARALLEL, "-n", REQUESTS, "-t", "get", "--csv"])
    rows = list(csv.DictReader(io.StringIO(said)))
    if len(rows) != 1 or "p99_latency_ms" not in rows[0]:
        raise Failed(f"redis-benchmark was not answered as it should: {said[-500:]}")
    return {"request": 1e6 / float(rows[0]["rps"]), "p99": float(rows[0]["p99_latency_ms"]) * 1e3}


def cases(lab):
    command = [program("redis-server"), str(lab.write("redis.conf", f'bind 127.0.0.1\nport {PORT}\nsave ""\ndir {lab.path}\n'))]

    def beside(observer):
        with observer(lab), lab.started(command, lambda _: listens(PORT)):
            return load()

    def supervised():
        with lab.supervised(f"services:\n  - {{name: store, command: [{', '.join(command)}], port: {PORT}}}\n"):
            await_that(lambda: listens(PORT), "Redis does not listen")
            return load()
    return {"plain": lambda: beside(observers.nothing), "supervised": supervised, "empty": lambda: beside(observers.empty),
            "auditd": lambda: beside(observers.auditd), "bpftrace": lambda: beside(observers.bpftrace)}
