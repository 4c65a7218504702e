"""proxy-*: the CPU time of skep-proxy, which records everything, relative to HAProxy (`mode tcp`, no log, one thread, copying as it
does by default), with the same clients and the same backend behind both, all on loopback. For information beside them: nginx's
stream proxy, and HAProxy with a recorder beside it (tcpflow, dumpcap), whose CPU counts too.

CPU time is user and system time of all threads of the proxy (and of the recorder) as the scheduler counts it
(/proc/PID/task/*/schedstat, in ns), from after a few sessions that warm it up until it has come to rest after the load: what the
index thread does belongs to it. What the kernel's own threads do to write the archive to disk does not."""
import contextlib
import os
import pathlib
import re
import resource
import shutil
import time

import observers
from lab import Failed, Goal, await_that, busiest_thread_s, cpu_s, listens, run

BACKEND, FRONT = 8001, 8002
REST_S = 0.25
REST_CPU_S = 0.002  # less than that in REST_S: at rest

HAPROXY = f"""global
  nbthread 1
  maxconn 9900
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen front
  bind 127.0.0.1:{FRONT} backlog 4096
  server backend 127.0.0.1:{BACKEND}
"""
NGINX = """daemon off; worker_processes 1; error_log {0}/nginx.log; pid {0}/nginx.pid;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {{ worker_connections 19800; }}
stream {{ server {{ listen 127.0.0.1:{1} backlog=4096; proxy_pass 127.0.0.1:{2}; proxy_timeout 600s; }} }}
"""
SKEP = f"""services:
  - {{name: web, listen: ["127.0.0.1:{FRONT}"], address: "127.0.0.1:{BACKEND}"}}
"""


def load(what, *numbers):
    return run(["bench_tcp_load", what, f"127.0.0.1:{FRONT}", *numbers])


def children(pid):
    listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(child for each in listed for child in children(int(each)))]


def cpu_of_all(processes):
    return sum(cpu_s(pid) for process in processes for pid in children(process.pid))


def cpu_at_rest(processes):
    deadline = time.monotonic() + 20
    before = cpu_of_all(processes)
    while time.monotonic() < deadline:
        time.sleep(REST_S)
        now = cpu_of_all(processes)
        if now - before < REST_CPU_S:
            return now
        before = now
    raise Failed("the proxy did not come to rest in 20 s")


# ---- the proxies: each for the length of a block, as the processes whose CPU counts ----

@contextlib.contextmanager
def haproxy(lab):
    with lab.started(["haproxy", "-db", "-f", lab.write("haproxy.cfg", HAPROXY)], lambda _: listens(FRONT)) as process:
        yield [process]


@contextlib.contextmanager
def nginx(lab):
    observers.peer("nginx", "libnginx-mod-stream")
    if not os.path.exists("/usr/lib/nginx/modules/ngx_stream_module.so"):
        raise observers.Unmeasured("nginx has no stream module: `apt-get install libnginx-mod-stream`")
    config = lab.write("nginx.conf", NGINX.format(lab.path, FRONT, BACKEND))
    with lab.started(["nginx", "-c", config, "-p", lab.path], lambda _: listens(FRONT)) as process:
        yield [process]


@contextlib.contextmanager
def recorded_by(lab, recorder, package, *words):
    """HAProxy, and a recorder of the front's packets beside it."""
    observers.peer(recorder, package)
    folder = lab.path / recorder
    folder.mkdir()
    try:
        with haproxy(lab) as processes, lab.started([recorder, *words], lambda _: True, folder) as beside:
            await_that(sniffs, f"{recorder} does not listen")
            yield [*processes, beside]
            if not any(file.stat().st_size > 0 for file in folder.iterdir()):
                raise Failed(f"{recorder} recorded nothing")
    finally:
        shutil.rmtree(folder)


def sniffs():
    """Somebody has a packet socket in this network namespace."""
    return len(pathlib.Path("/proc/self/net/packet").read_text().splitlines()) > 1


def tcpflow(lab):
    return recorded_by(lab, "tcpflow", "tcpflow", "-i", "lo", "-q", "tcp", "port", str(FRONT))


def dumpcap(lab):
    return recorded_by(lab, "dumpcap", "wireshark-common", "-i", "lo", "-q", "-f", f"tcp port {FRONT}", "-w", "all.pcapng")


@contextlib.contextmanager
def skep(lab, shards=1, more=""):
    archive = lab.path / "archive"
    config = lab.write("proxy.yaml", f"archive: {archive}\nkeys: {lab.path}\nsessions_max: 20000\nshards: {shards}\n{SKEP}{more}")
    try:
        with lab.started(["skep-proxy", "--config", config], lambda said: "\nready\n" in "\n" + said) as process:
            yield [process]
    finally:
        shutil.rmtree(archive, ignore_errors=True)


def check_recorded(lab, least):
    segments = lab.path / "archive/segments"
    if not segments.exists():
        return  # another proxy's turn
    recorded = sum(file.stat().st_size for file in segments.iterdir())
    if recorded < least:
        raise Failed(f"skep-proxy recorded {recorded} bytes, fewer than the {least} that it passed on")


PROXIES = {"skep-proxy": skep, "haproxy": haproxy, "nginx-stream": nginx, "haproxy-tcpflow": tcpflow, "haproxy-dumpcap": dumpcap}


# ---- what is asked of them ----

class Load:
    """Subclasses say WORDS of the load generator, WARM_UP likewise, what a second of CPU is in their goal's unit, and how many bytes
    are passed on at least: skep-proxy must have recorded as many."""
    PASSED_ON = 0
    WARM_UP = ("fetch", 50, 4, 1024)
    PROXIES = ("skep-proxy", "haproxy", "nginx-stream")

    @classmethod
    def cases(cls, lab):
        return {name: lambda proxy=PROXIES[name]: cls.measure(lab, proxy) for name in cls.PROXIES}

    @classmethod
    def measure(cls, lab, proxy):
        with lab.started(["bench_tcp_load", "serve", f"127.0.0.1:{BACKEND}"], lambda _: listens(BACKEND)), \
             proxy(lab) as processes:
            load(*cls.WARM_UP)
            return cls.results(lab, processes)

    @classmethod
    def results(cls, lab, processes):
        before = cpu_at_rest(processes)
        said = load(*cls.WORDS)
        spent = cpu_at_rest(processes) - before
        check_recorded(lab, cls.PASSED_ON)
        return {"cpu": spent * cls.UNIT_A_SECOND, **cls.more(said)}

    @staticmethod
    def more(_said):
        return {}


def cpu_goal(name, goal, unit, peer="haproxy"):
    return Goal(name, goal, "cpu", unit, "skep-proxy", peer)


class Short(Load):
    WORDS = ("fetch", 4000, 16, 1024)
    PASSED_ON = WORDS[1] * WORDS[3]
    UNIT_A_SECOND = 1e6 / WORDS[1]
    PROXIES = tuple(PROXIES)
    GOALS = [cpu_goal("proxy-short", 0.85, "us of CPU a connection"),
             cpu_goal("proxy-short-tcpflow", 0.55, "us of CPU a connection", "haproxy-tcpflow")]


class Shards(Load):
    """How many sessions a second two shards would carry, each on a CPU of its own: as many as the busier one has CPU time for. Here
    the clients and the backend take the same two CPUs, so that the rate itself says nothing; what a lock or the kernel's share-out
    costs is in the busier one's CPU time all the same."""
    WORDS = Short.WORDS
    PASSED_ON = Short.PASSED_ON
    PROXIES = {"one shard": 1, "two shards": 2}
    GOALS = [Goal("proxy-shards", 0.588, "cpu", "us of CPU of the busiest shard a connection", "two shards", "one shard")]

    @classmethod
    def cases(cls, lab):
        return {name: lambda shards=shards: cls.measure(lab, lambda lab: skep(lab, shards)) for name, shards in cls.PROXIES.items()}

    @classmethod
    def results(cls, lab, processes):
        pid = processes[0].pid
        before = busiest_thread_s(pid, "shard")
        load(*cls.WORDS)
        cpu_at_rest(processes)
        check_recorded(lab, cls.PASSED_ON)
        return {"cpu": (busiest_thread_s(pid, "shard") - before) * 1e6 / cls.WORDS[1]}


class Reset(Load):
    WORDS = ("reset", 8000, 16)
    UNIT_A_SECOND = 1e6 / WORDS[1]
    GOALS = [cpu_goal("proxy-reset", 1.0, "us of CPU a connection")]


class Messages(Load):
    WORDS = ("messages", 128_000, 64)
    PASSED_ON = 2 * 64 * WORDS[1]
    UNIT_A_SECOND = 1e6 / WORDS[1]
    GOALS = [cpu_goal("proxy-messages", 0.80, "us of CPU a message and its echo"),
             Goal("proxy-latency-p50", 1.0, "p50", "us", "skep-proxy", "haproxy"),
             Goal("proxy-latency-p99", 1.1, "p99", "us", "skep-proxy", "haproxy")]

    @staticmethod
    def more(said):
        p50, p99 = said.split()
        return {"p50": int(p50) / 1e3, "p99": int(p99) / 1e3}


class Bulk(Load):
    WORDS = ("fetch", 16, 16, 32 << 20)
    PASSED_ON = WORDS[1] * WORDS[3]
    UNIT_A_SECOND = 1e3 * (1 << 30) / (WORDS[1] * WORDS[3])
    GOALS = [cpu_goal("proxy-bulk", 0.50, "ms of CPU a GiB")]


class Upload(Bulk):
    WORDS = ("upload", *Bulk.WORDS[1:])
    GOALS = [cpu_goal("proxy-upload", 0.60, "ms of CPU a GiB")]


class Idle(Load):
    SESSIONS = 9500  # each takes two descriptors of the proxy
    GOALS = [Goal("proxy-idle-memory", 1.0, "bytes", "bytes of user memory a session", "skep-proxy", limit=1536),
             Goal("proxy-idle-memory-all", 1.0, "mb", "MB", "skep-proxy", limit=40)]

    @classmethod
    def results(cls, lab, processes):
        before = resident_bytes(processes)
        with lab.started(["bench_tcp_load", "hold", f"127.0.0.1:{FRONT}", str(cls.SESSIONS)], lambda said: "held" in said):
            time.sleep(REST_S)
            now = resident_bytes(processes)
        return {"bytes": (now - before) / cls.SESSIONS, "mb": now / 1e6}


def resident_bytes(processes):
    """Anonymous memory: the ring in shared memory, which does not grow, is not among it."""
    total = 0
    for process in processes:
        for pid in children(process.pid):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024
    return total


def raise_descriptor_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
