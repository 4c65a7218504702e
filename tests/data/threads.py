"""A server with a thread for each session, as Python's are written: files, a database, compression, a child that is forked."""
import ctypes
import gzip
import os
import sqlite3
import sys
import tempfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

HOST, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def database():
    with sqlite3.connect(":memory:") as base:
        base.execute("CREATE TABLE bees (id INTEGER)")
        base.executemany("INSERT INTO bees VALUES (?)", [(i,) for i in range(100)])
        return f"sum {base.execute('SELECT sum(id) FROM bees').fetchone()[0]}\n"


def temporary():
    with tempfile.NamedTemporaryFile("w+") as note:
        note.write("honey")
        note.seek(0)
        return note.read() + " written, read, removed\n"


def forked():
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, b"a child")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as heard:
        text = heard.read()
    os.wait()
    return text + "\n"


def callback():
    """C that calls back into Python, through a little program that is made for it."""
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 4)(3, 1, 4, 2)
    ctypes.CDLL(None).qsort(numbers, 4, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
    return f"sorted {list(numbers)}\n"


PAGES = {"/callback": callback, "/sum": database, "/temporary": temporary, "/forked": forked,
         "/gzip": lambda: f"gzip {len(gzip.compress(b'honey' * 1000)) < 1000}\n"}


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, *words):
        super().__init__(*words, directory=FOLDER)

    def do_GET(self):
        if self.path not in PAGES:
            return super().do_GET()
        self.answer(PAGES[self.path]().encode())

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    request_queue_size = 64


Server((HOST, PORT), Handler).serve_forever()
