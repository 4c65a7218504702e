"""What a benchmark stands on: a temporary folder, programs that are started and ended, a network of the run's own."""
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build/bin"
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
READY_S = 30


class Failed(Exception):
    """Something could not be measured; its words say what and why."""


class Unmeasured(Exception):
    """A case that this machine does not have, with words why: what needs it is not measured, all else is."""


@dataclasses.dataclass
class Goal:
    """`ours` and `peer` are cases; the ratio of their `metric` is held against `goal`, which it must not exceed. With `base`, a case
    too, what both add to it is compared. With `limit` there is no peer: the ratio is to so many of the unit."""
    name: str
    goal: float
    metric: str
    unit: str
    ours: str
    peer: str = ""
    base: str = ""
    limit: float = 0

    def ratio(self, results):
        """Of one round; None where what the peer adds is lost in the noise."""
        ours = results[self.ours][self.metric]
        if self.limit:
            return ours / self.limit
        base = results[self.base][self.metric] if self.base else 0
        peer = results[self.peer][self.metric] - base
        return (ours - base) / peer if peer > 0 else None

    def words(self):
        against = f"{self.limit:g} {self.unit}" if self.limit else self.peer
        return f"{self.ours} / {against}" + (f", of what is added to {self.base}" if self.base else "")


def own_network():
    """This process, and all that it starts, sees an empty network but for its own loopback; it goes away with the last of them.
    So do its mounts: bpftrace finds tracepoints by tracefs, which not every host has mounted."""
    if os.geteuid() != 0:
        raise Failed("needs root: a network namespace, kernel programs")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise Failed(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    run(["mount", "--make-rprivate", "/"])
    if not pathlib.Path("/sys/kernel/tracing/events").exists():
        run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"])
    run(["ip", "link", "set", "lo", "up"])


def program(name):
    """The path of one of ours out of build/bin, or of a peer."""
    path = BIN / name if (BIN / name).exists() else shutil.which(name, path=os.defpath + ":/usr/sbin:/sbin")
    if path is None:
        raise Failed(f"{name} is missing: `make build` installs and builds what is needed")
    return str(path)


def run(command, timeout_s=300):
    """Runs it to its end and returns what it printed."""
    command = [program(command[0]), *map(str, command[1:])]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: no end after {timeout_s} s") from None
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def await_that(holds, what, timeout_s=READY_S):
    """The first true answer of `holds`."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = holds()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {timeout_s} s")
        time.sleep(0.02)


def listens(port):
    """Asked of the kernel's list, so that nobody is connected to for it."""
    wanted = f":{port:04X} 00000000:0000 0A"
    return any(wanted in line for line in pathlib.Path("/proc/self/net/tcp").read_text().splitlines())


def busiest_thread_s(pid, name):
    """CPU time of that one of a process's threads so named that has taken most of it."""
    spent = [int((thread / "schedstat").read_text().split()[0]) / 1e9
             for thread in pathlib.Path(f"/proc/{pid}/task").iterdir() if (thread / "comm").read_text().startswith(name)]
    if not spent:
        raise Failed(f"process {pid} has no thread named {name}")
    return max(spent)


def cpu_s(pid):
    """CPU time of all threads of a process, as the scheduler counts it."""
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    spent = sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)
    if spent == 0:
        raise Failed("this kernel counts no CPU time by thread (/proc/PID/schedstat)")
    return spent / 1e9


def judge_of(monitor):
    """The pid of a skep-monitor's judge."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, fields = stat.read_text().partition(") ")
            if name.endswith("(skep-judge") and int(fields.split()[1]) == monitor.pid:
                return int(stat.parent.name)
    raise Failed("skep-monitor has no judge")


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Lab:
    """A benchmark's folder, which is removed with all that is in it."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="skep-bench-")
        self.path = pathlib.Path(self._folder.name)
        self.path.chmod(0o755)  # services give up root and have files there
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @contextlib.contextmanager
    def started(self, command, ready, folder=None):
        """A program that runs (in `folder`) for the length of the block, which begins once `ready(what it printed)` holds."""
        log = self.path / f"{pathlib.Path(command[0]).name}.log"
        with open(log, "w") as output:
            command = [program(command[0]), *map(str, command[1:])]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                       cwd=folder)

        def stands():
            said = log.read_text()
            if process.poll() is not None:
                raise Failed(f"{' '.join(command)} ended with {process.returncode}: {said[-500:]}")
            return ready(said)
        try:
            await_that(stands, f"{command[0]} is not ready")
            yield process
        finally:
            end(process)
            log.unlink(missing_ok=True)

    @property
    def monitor_socket(self):
        return self.path / "monitor.sock"

    def supervised(self, service, more_signatures=""):
        """A skep-monitor with the built-in set, these signatures (YAML) besides, and this one service (lines of YAML)."""
        keys = self.path / "keys"
        if not keys.exists():
            run(["skep", "keys", "init", keys])
        signatures = ""
        if more_signatures:
            signatures = f"signatures: [{ROOT}/src/match/builtin.yaml, {self.write('more.yaml', more_signatures)}]\n"
        config = self.write("monitor.yaml",
                            f"listen: 127.0.0.1:7443\nkeys: {keys}\nsocket: {self.monitor_socket}\n{signatures}{service}")
        return self.started(["skep-monitor", "--config", config], lambda said: "\nready\n" in "\n" + said)
