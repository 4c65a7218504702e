"""hids-http: what supervision costs a real web server. ab (apache2-utils) asks nginx itself, no proxy between, for a small page;
the ratio is nginx's mean time per request as a service of skep-monitor / started by itself, on one worker with the same options.
With kept connections (-k) the cost is that of reads and writes; with one connection a request also that of accept and a label."""
import re

from lab import Failed, Goal, await_that, listens, program, run

PORT = 8080
PARALLEL = 8
REQUESTS = {"kept": 40000, "fresh": 10000}

GOALS = [Goal("hids-http-kept", 1.04, "kept", "us a request", "supervised", "plain"),
         Goal("hids-http-fresh", 1.04, "fresh", "us a request", "supervised", "plain")]

OPTIONS = """daemon off; worker_processes 1; error_log {0}/error.log; pid {0}/nginx.pid; events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 1000000; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
  fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
  server {{ listen 127.0.0.1:{1}; root {0}/www; }} }}
"""


def us_a_request(kind):
    keep = ["-k"] if kind == "kept" else []
    said = run(["ab", "-q", *keep, "-c", PARALLEL, "-n", REQUESTS[kind], f"http://127.0.0.1:{PORT}/index.html"])
    took = re.search(r"Time taken for tests: +([\d.]+)", said)
    if not took or "Non-2xx" in said or not re.search(r"Failed requests: +0\n", said):
        raise Failed(f"ab was not answered as it should: {said[-500:]}")
    return float(took.group(1)) * 1e6 / REQUESTS[kind]


def load():
    return {kind: us_a_request(kind) for kind in REQUESTS}


def cases(lab):
    lab.write("www/index.html", "<html><body>a harmless page</body></html>\n")
    command = [program("nginx"), "-c", str(lab.write("nginx.conf", OPTIONS.format(lab.path, PORT))), "-p", str(lab.path)]

    def plain():
        with lab.started(command, lambda _: listens(PORT)):
            return load()

    def supervised():
        with lab.supervised(f"services:\n  - {{name: site, command: [{', '.join(command)}], port: {PORT}}}\n"):
            await_that(lambda: listens(PORT), "nginx does not listen")
            return load()
    return {"plain": plain, "supervised": supervised}
