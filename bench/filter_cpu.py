"""filter-*: what the filter costs. In the proxy, all of it on: skep-proxy records everything and holds what clients send against the
rules, relative to HAProxy as in proxy_cpu.py, which records nothing and looks at nothing. And the matcher by itself (bench_scan), in
time by the clock: wide quartiles say that others use the machine.

The rules are Emerging Threats' of 2021. They are no part of skep: SKEP_DATA names the folder with `filter/et2021-active.rules.gz`, or it
lies beside the checkout (`../shared/data`); else nothing of this is measured."""
import gzip
import json
import os
import pathlib
import sys

import proxy_cpu
from lab import ROOT, Failed, Goal, Unmeasured, run

RULES = "et2021-active.rules"


def rules(lab):
    data = pathlib.Path(os.environ.get("SKEP_DATA", ROOT / "../shared/data")) / "filter" / (RULES + ".gz")
    if not data.exists():
        raise Unmeasured(f"{data} is not there: SKEP_DATA names the folder")
    path = lab.path / RULES
    if not path.exists():
        path.write_bytes(gzip.open(data).read())
    return path


def filtering(lab):
    return proxy_cpu.skep(lab, more=f"filter: {{rules: [{rules(lab)}], variables: {{HTTP_PORTS: {proxy_cpu.FRONT}}}}}\n")


PROXIES = {"skep-proxy": proxy_cpu.skep, "skep-proxy filtering": filtering, "haproxy": proxy_cpu.haproxy}


class Filtering(proxy_cpu.Load):
    PROXIES = tuple(PROXIES)

    @classmethod
    def cases(cls, lab):
        return {name: lambda proxy=PROXIES[name]: cls.measure(lab, proxy) for name in cls.PROXIES}


def cpu_goal(name, goal, unit):
    return Goal(name, goal, "cpu", unit, "skep-proxy filtering", "haproxy")


class Short(Filtering):
    WORDS = ("request", 4000, 16, 1024)
    WARM_UP = ("request", 50, 4, 1024)
    PASSED_ON = WORDS[1] * WORDS[3]
    UNIT_A_SECOND = 1e6 / WORDS[1]
    GOALS = [cpu_goal("filter-short", 0.95, "us of CPU an HTTP connection")]


class Random(Filtering):
    KIND = "random"
    COUNT, BYTES = 16, 16 << 20
    WORDS = ("upload", COUNT, 16, BYTES, KIND)
    PASSED_ON = COUNT * BYTES
    UNIT_A_SECOND = 1e3 * (1 << 30) / PASSED_ON
    GOALS = [cpu_goal("filter-random", 1.0, "ms of CPU a GiB")]


class Elf(Random):
    WORDS = (*Random.WORDS[:-1], "elf")
    GOALS = [cpu_goal("filter-elf", 1.0, "ms of CPU a GiB")]


class Http(Random):
    WORDS = (*Random.WORDS[:-1], "http")
    GOALS = [cpu_goal("filter-http", 2.0, "ms of CPU a GiB")]


class Scan:
    """The matcher alone, by bench_scan: no proxy, no network. The worst stream that was found is told, and has no goal: what bounds it
    is that a session's scan ends where it takes more than its bytes are worth."""
    BYTES = 32 << 20
    KINDS = ("random", "elf", "http")
    GOALS = [Goal("filter-load", 1.0, "load_s", "s", "random", limit=2.0),
             Goal("filter-state", 1.0, "held_bytes", "bytes a connection after its first request", "http", limit=2048),
             *(Goal(f"filter-read-{kind}", 1.0, "us_a_read", "us a read of 1,460 bytes", kind, limit=5.5) for kind in KINDS)]

    @classmethod
    def cases(cls, lab):
        return {kind: lambda kind=kind: cls.measure(lab, kind) for kind in (*cls.KINDS, "worst")}

    @classmethod
    def measure(cls, lab, kind):
        said = json.loads(run(["bench_scan", rules(lab), "--", kind, cls.BYTES]))
        if kind == "worst":
            until = f", until its byte {said['stopped_at']}" if said["stopped_at"] else ""
            print(f"    worst stream found: {said['stream']}, {said['us_a_read']:.1f} us a read{until}", file=sys.stderr)
        elif said["stopped_at"]:
            raise Failed(f"of {kind} bytes nothing was looked at after {said['stopped_at']}")
        return {metric: said[metric] for metric in ("load_s", "held_bytes", "us_a_read")}
