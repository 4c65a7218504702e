"""archive-million: what the operator waits for in an archive of 1,000,000 sessions over 30 days, each question a `skep` of its own, start
and output included, with the days that are over sealed and the segments compressed, as they are after the next start of skep-proxy. The
archive goes through the proxy's writer (bench_archive_make), and is made once a run. A question that finds nothing, or not what
was put there, is no figure: it fails the run."""
import json
import time

from lab import Failed, Goal, run

SESSIONS = 1_000_000
DAYS = 30
WAIT_S = 0.1

QUESTIONS = ["newest", "class", "day", "source", "rule", "text", "show"]
GOALS = [Goal(f"archive-million-{name}", 1.0, "seconds", "s", name, limit=WAIT_S) for name in QUESTIONS]


def cases(lab):
    folder = lab.path / "archive"
    made = json.loads(run(["bench_archive_make", folder, SESSIONS, DAYS], timeout_s=1800))
    run(["skep", "archive", "compact", "--archive", folder], timeout_s=1800)
    middle = made["middle"]
    hour = f"{middle[:4]}-{middle[4:6]}-{middle[6:8]}T{middle[9:11]}"

    def asked(words, holds):
        begin = time.monotonic()
        said = run(["skep", "session", *words, "--archive", folder, "--json"])
        took = time.monotonic() - begin
        rows = [json.loads(line) for line in said.splitlines()]
        if not rows or not all(holds(row) for row in rows):
            raise Failed(f"skep session {' '.join(words)}: {len(rows)} rows, or one that should not be there")
        return {"seconds": took}
    return {
        "newest": lambda: asked(["list", "--newest", "--limit", "100"], lambda row: row["start"]),
        "class": lambda: asked(["list", "--class", "attack"], lambda row: row["class"] == "attack"),
        "day": lambda: asked(["list", "--since", hour + ":00:00Z", "--until", hour + ":20:00Z", "--limit", "1000"],
                             lambda row: row["start"].startswith(hour)),
        "source": lambda: asked(["list", "--source", made["source"]], lambda row: row["src_ip"] == made["source"]),
        "rule": lambda: asked(["list", "--rule", "shell_from_service"], lambda row: row["alerts"][0]["rule"] == "shell_from_service"),
        "text": lambda: asked(["list", "--text", "needle-in-a-haystack"], lambda row: row["bytes_in"] == 38),
        "show": lambda: asked(["show", made["attack"]], lambda row: row["id"] == made["attack"]),
    }
