"""replay-plan: planning a replay of a recorded session of 1 MiB in 1,000 messages, by bench_replay_plan, and the memory for one of 16 MiB.
Hostile recordings are those whose bytes were chosen to make the search for echoes dear; the dearest is judged. A plan that has not the
fields that there are is no figure: it fails the run."""
import json

from lab import Failed, Goal, run

BYTES, MESSAGES, LARGE = 1 << 20, 1000, 16
LIMIT_MS = 50
MEMORY_RATIO = 24
HOSTILE = ("equal", "periodic", "mirror", "escapes")
FIELDS_MIN = {"web": 2 * (MESSAGES // 2), "binary": MESSAGES // 2 - 1, "two-web": 2 * (MESSAGES // 2)}
GOALS = [*(Goal(f"replay-plan-{kind}", 1.0, "ms", "ms", kind, limit=LIMIT_MS) for kind in ("web", "binary", "hostile", "two-web")),
         Goal("replay-plan-memory", 1.0, "memory_ratio", "bytes a byte of the recording", "large", limit=MEMORY_RATIO)]


def planned(kind, times=1):
    said = json.loads(run(["bench_replay_plan", kind, BYTES * times, MESSAGES]))
    if said["fields"] < FIELDS_MIN.get(kind, 0):
        raise Failed(f"the plan of {kind} has {said['fields']} fields")
    return said


def cases(_lab):
    return {"hostile": lambda: max((planned(kind) for kind in HOSTILE), key=lambda said: said["ms"]),
            "large": lambda: planned("web", LARGE),
            **{kind: lambda kind=kind: planned(kind) for kind in FIELDS_MIN}}
