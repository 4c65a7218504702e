"""hids-http: what supervision costs a real web server. wrk asks nginx itself, no proxy between, for a small page; one worker, one
thread of wrk, eight connections. With kept connections the cost is that of reads and writes; with one connection a request also
that of accept, of a label and of the judge, who shares the two CPUs with both. The same beside empty BPF programs, auditd and
bpftrace, for information. The
share of a CPU that skep-judge took while there was load is the last row: it is part of what `fresh` tells."""
import re

import observers
from lab import Failed, Goal, await_that, cpu_s, judge_of, listens, program, run

PORT = 8080
PARALLEL = 8
SECONDS = 1
KINDS = {"kept": [], "fresh": ["-H", "Connection: close"]}

GOALS = [Goal(f"hids-http-{kind}", 1.04, kind, "us a request", "supervised", "plain") for kind in KINDS] + [
    Goal(f"hids-http-{kind}-p99", 1.04, f"{kind}-p99", "us", "supervised", "plain") for kind in KINDS] + [
    Goal("hids-http-judge", 0.04, "judge_s", "s of CPU", "supervised", limit=SECONDS * len(KINDS))]

OPTIONS = """daemon off; worker_processes 1; error_log {0}/error.log; pid {0}/nginx.pid; events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 1000000; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
  fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
  server {{ listen 127.0.0.1:{1}; root {0}/www; }} }}
"""
US = {"us": 1, "ms": 1e3, "s": 1e6}


def ask(kind):
    """Mean time between answers and the 99th percentile of an answer's, us."""
    said = run(["wrk", "-t1", f"-c{PARALLEL}", f"-d{SECONDS}s", "--latency", *KINDS[kind], f"http://127.0.0.1:{PORT}/index.html"])
    rate = re.search(r"Requests/sec: +([\d.]+)", said)
    p99 = re.search(r"99% +([\d.]+)(us|ms|s)\b", said)
    if not rate or not p99 or "Non-2xx" in said or "Socket errors" in said:
        raise Failed(f"wrk was not answered as it should: {said[-500:]}")
    return 1e6 / float(rate.group(1)), float(p99.group(1)) * US[p99.group(2)]


def load():
    results = {}
    for kind in KINDS:
        results[kind], results[f"{kind}-p99"] = ask(kind)
    return results


def cases(lab):
    lab.write("www/index.html", "<html><body>a harmless page</body></html>\n")
    command = [program("nginx"), "-c", str(lab.write("nginx.conf", OPTIONS.format(lab.path, PORT))), "-p", str(lab.path)]

    def beside(observer):
        with observer(lab), lab.started(command, lambda _: listens(PORT)):
            return load()

    def supervised():
        with lab.supervised(f"services:\n  - {{name: site, command: [{', '.join(command)}], port: {PORT}}}\n") as monitor:
            await_that(lambda: listens(PORT), "nginx does not listen")
            judge = judge_of(monitor)
            before = cpu_s(judge)
            return {**load(), "judge_s": cpu_s(judge) - before}
    return {"plain": lambda: beside(observers.nothing), "supervised": supervised, "empty": lambda: beside(observers.empty),
            "auditd": lambda: beside(observers.auditd), "bpftrace": lambda: beside(observers.bpftrace)}
