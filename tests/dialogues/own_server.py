"""Servers of our own, as scripts that people put on the network: a process a connection. What they hand out is anew each time."""
import http.server
import os
import socketserver
import subprocess


def run(command):
    """The hole: what the client sent goes to a shell. What it printed; empty where it was refused."""
    try:
        return subprocess.run(command, shell=True, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


class Server(socketserver.ForkingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 64
    max_children = 200
    block_on_close = False


def serve_stream(bait, handler):
    """`handler(rfile, wfile, vulnerable)` holds one connection."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            handler(self.rfile, self.wfile, bait.vulnerable)

    with Server((bait.host, bait.port()), Handler) as server:
        server.serve_forever()


def serve_http(bait, routes):
    """`routes(method, path, request)` answers (status, fields, body); `request` has .fields, .body, .state (a dict that lives as
    long as the connection) and .vulnerable."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            self.state, self.vulnerable = {}, bait.vulnerable

        def read_body(self):
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size + 2)[:-2]
            self.rfile.readline()
            return body

        def answer(self):
            try:
                self.body = self.read_body()
            except ValueError:
                self.send_error(400)
                self.close_connection = True
                return
            self.fields = self.headers
            status, fields, body = routes(self.command, self.path, self)
            data = body.encode()
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass

    with Server((bait.host, bait.port()), Handler) as server:
        server.serve_forever()


def token(count=16):
    return os.urandom(count)
