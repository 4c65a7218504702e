#!/usr/bin/env python3
"""The units in deploy/systemd: systemd finds no fault in them, and skep-proxy's exposure stays under 2.0."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

UNITS = pathlib.Path(__file__).resolve().parent.parent / "deploy" / "systemd"
EXPOSURE_MAX = {"skep-proxy.service": 20, "skep-monitor.service": 81}  # tenths
SKIPPED = 77


def analyze(*words):
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def verified(folder, programs):
    """What `verify` says of copies that name the programs where they were built."""
    for unit in UNITS.glob("*.service"):
        (folder / unit.name).write_text(unit.read_text().replace("/usr/bin/", f"{programs}/"))
    code, words = analyze("verify", "--man=no", *sorted(str(unit) for unit in folder.glob("*.service")))
    return [] if code == 0 and not words.strip() else [f"systemd-analyze verify: {words}"]


def exposure(name, most):
    code, words = analyze("security", "--offline=true", f"--threshold={most}", "--no-pager", str(UNITS / name))
    return [] if code == 0 else [f"{name}: over {most / 10}: {words.strip().splitlines()[-1]}"]


def keeps_the_ring():
    """RemoveIPC would remove what a crash leaves in /dev/shm."""
    return [] if "\nRemoveIPC=no\n" in (UNITS / "skep-proxy.service").read_text() else ["RemoveIPC must be off"]


def main():
    if not shutil.which("systemd-analyze"):
        print("systemd: systemd-analyze is not installed")
        return SKIPPED
    faults = keeps_the_ring()
    with tempfile.TemporaryDirectory() as folder:
        faults += verified(pathlib.Path(folder), sys.argv[1])
    for name, most in EXPOSURE_MAX.items():
        faults += exposure(name, most)
    print("\n".join(faults) or "systemd: the units hold")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
