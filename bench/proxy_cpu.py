"""proxy-short, proxy-bulk: the CPU time of skep-proxy, which records everything, relative to HAProxy (`mode tcp`, no log, one
thread, copying as it does by default), with the same clients and the same backend behind both, all on loopback.

CPU time is user and system time of all of the proxy's threads as the scheduler counts it (/proc/PID/task/*/schedstat, in ns), from
after a few sessions that warm it up until it has come to rest after the load: what the index thread does belongs to it. What the
kernel's own threads do to write the archive to disk does not."""
import pathlib
import shutil
import time

from lab import Failed, Goal, cpu_s, listens, run

BACKEND, FRONT = 8001, 8002
WARM_UP = (50, 4, 1024)  # connections, of which at a time, bytes of each answer
REST_S = 0.25
REST_CPU_S = 0.002  # less than that in REST_S: at rest

HAPROXY = f"""global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen front
  bind 127.0.0.1:{FRONT}
  server backend 127.0.0.1:{BACKEND}
"""
SKEP = f"""services:
  - {{name: web, listen: ["127.0.0.1:{FRONT}"], address: "127.0.0.1:{BACKEND}"}}
"""


def fetch(connections, parallel, answer_bytes):
    run(["bench_tcp_load", "fetch", f"127.0.0.1:{FRONT}", connections, parallel, answer_bytes])


def cpu_at_rest(process):
    deadline = time.monotonic() + 20
    before = cpu_s(process.pid)
    while time.monotonic() < deadline:
        time.sleep(REST_S)
        now = cpu_s(process.pid)
        if now - before < REST_CPU_S:
            return now
        before = now
    raise Failed("the proxy did not come to rest in 20 s")


def cpu_of(process, load):
    fetch(*WARM_UP)
    before = cpu_at_rest(process)
    fetch(*load)
    return cpu_at_rest(process) - before


class Proxies:
    """Subclasses say LOAD, GOALS, and what a second of CPU for the load is in their goal's unit."""

    @classmethod
    def cases(cls, lab):
        return {"skep-proxy": lambda: cls.with_backend(lab, cls.skep), "haproxy": lambda: cls.with_backend(lab, cls.haproxy)}

    @classmethod
    def with_backend(cls, lab, proxy):
        with lab.started(["bench_tcp_load", "serve", f"127.0.0.1:{BACKEND}"], lambda _: listens(BACKEND)):
            return {"cpu": proxy(lab) * cls.UNIT_A_SECOND}

    @classmethod
    def haproxy(cls, lab):
        config = lab.write("haproxy.cfg", HAPROXY)
        with lab.started(["haproxy", "-db", "-f", config], lambda _: listens(FRONT)) as process:
            return cpu_of(process, cls.LOAD)

    @classmethod
    def skep(cls, lab):
        archive = lab.path / "archive"
        config = lab.write("proxy.yaml", f"archive: {archive}\nkeys: {lab.path}\n{SKEP}")
        with lab.started(["skep-proxy", "--config", config], lambda said: "\nready\n" in "\n" + said) as process:
            spent = cpu_of(process, cls.LOAD)
        recorded = sum(file.stat().st_size for file in (archive / "segments").iterdir())
        if recorded < cls.LOAD[0] * cls.LOAD[2]:
            raise Failed(f"skep-proxy recorded {recorded} bytes, fewer than it passed on")
        shutil.rmtree(archive)
        return spent


class Short(Proxies):
    LOAD = (4000, 16, 1024)
    UNIT_A_SECOND = 1e6 / LOAD[0]
    GOALS = [Goal("proxy-short", 0.85, "cpu", "us of CPU a connection", "skep-proxy", "haproxy")]


class Bulk(Proxies):
    LOAD = (1, 1, 256 << 20)
    UNIT_A_SECOND = 1e3 * (1 << 30) / LOAD[2]
    GOALS = [Goal("proxy-bulk", 0.50, "cpu", "ms of CPU a GiB", "skep-proxy", "haproxy")]
