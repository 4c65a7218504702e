"""An upload in chunks to a job whose number the service gives out: in paths, and within a chunk, whose size hangs on it."""
import json
import secrets

import own_server
from client import HttpClient, word

KIND = "plain"
RULE = "shell_started"
NEEDS = []
ALWAYS = False


def services(bait):
    return [bait.own(__file__)]


def routes(method, path, request):
    state = request.state
    if (method, path) == ("POST", "/jobs"):
        # Of five digits or of nine: what holds it has another length each time.
        state["job"] = str(secrets.randbelow(9 * 10 ** (4 + secrets.randbelow(5))) + 10**4)
        return 201, {"Content-Type": "application/json"}, json.dumps({"job": state["job"], "state": "new"})
    job = state.get("job")
    if (method, path) == ("PUT", f"/jobs/{job}/data") and request.body.startswith(f"job={job}\n".encode()):
        state["lines"] = request.body.decode("latin-1").split("\n")
        return 200, {}, json.dumps({"job": job, "bytes": len(request.body)})
    if (method, path) == ("POST", f"/jobs/{job}/run") and "lines" in state:
        if request.vulnerable:
            own_server.run(state["lines"][-1])
        return 202, {}, json.dumps({"job": job, "state": "done" if request.vulnerable else "refused"})
    return 404, {}, "no such job\n"


def serve(bait):
    own_server.serve_http(bait, routes)


def chunk(text):
    return b"%x\r\n%s\r\n" % (len(text), text.encode())


def visit(address, random):
    client = HttpClient(address)
    job = client.request("POST", "/jobs", ["Content-Type: application/json"], json.dumps({"name": word(random)}), (201,)).json()["job"]
    chunks = [f"job={job}\nname={word(random)}\n", f"for {job}: " + word(random, 20, 60) + "\n", f"id #{word(random)}"]
    client.request("PUT", f"/jobs/{job}/data", ["Transfer-Encoding: chunked"], b"".join(map(chunk, chunks)) + b"0\r\n\r\n")
    client.request("POST", f"/jobs/{job}/run", (), "", (202,))
    client.close()
