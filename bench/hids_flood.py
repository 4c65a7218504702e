"""hids-flood: is a verdict ever lost? A service makes as many calls as it can, such that nobody looks at and such that are judged,
and beside them violates the built-in set two thousand times. The service counts what was refused to it, the monitor what it refused
and alerted of; what is missing on either side is lost. The flood has to be a million calls a second, else it is none."""
import json
import socket
import time

from hids_call import JUDGES_RETURNS
from lab import Failed, Goal, await_that, listens, program, run

PORT = 8097
SECONDS = 2
VIOLATIONS = 2000
FLOODERS = 2
ALERTS_S = 10

GOALS = [Goal("hids-flood-lost", 0, "lost", "of all violations", "supervised", limit=1),
         Goal("hids-flood-rate", 1.0, "us", "us between two calls", "supervised", limit=1)]


def monitor_says(lab):
    return json.loads(run(["skep", "hids", "status", "--json", "--socket", lab.monitor_socket]))


def alerts_after(lab, wanted):
    """Alerts are told a moment after the refusal: as long as more come, they are waited for."""
    deadline = time.monotonic() + ALERTS_S
    while (said := monitor_says(lab))["alerts"] < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return said


def cases(lab):
    command = [program("bench_flood"), str(PORT), str(SECONDS), str(VIOLATIONS), str(FLOODERS)]

    def supervised():
        with lab.supervised(f"services:\n  - {{name: flood, command: [{', '.join(command)}], port: {PORT}}}\n", JUDGES_RETURNS):
            await_that(lambda: listens(PORT), "the flood does not listen")
            with socket.create_connection(("127.0.0.1", PORT), timeout=60) as connection:
                answer = connection.makefile().readline()
            if not answer:
                raise Failed("the flood came to no end")
            did = json.loads(answer)
            said = alerts_after(lab, did["committed"])
        if did["committed"] == 0 or did["refused"] > did["committed"]:
            raise Failed(f"the flood counts wrongly: {answer}")
        missing = sum(max(0, did["committed"] - told) for told in (did["refused"], said["denied"], said["alerts"]))
        return {"lost": missing / did["committed"], "us": SECONDS * 1e6 / did["calls"]}
    return {"supervised": supervised}
