"""A binary protocol of our own: every message has its length before it; a context of 16 bytes and a handle that the service gave
out come back in what follows."""
import os
import secrets
import struct

import own_server
from client import Client, Unexpected

KIND = "plain"
RULE = "shell_started"
NEEDS = []
ALWAYS = True

HELLO, OPEN, WRITE, RUN = 1, 2, 3, 4


def services(bait):
    return [bait.own(__file__)]


def message(operation, payload):
    return struct.pack("<IHH", 4 + len(payload), operation, 0) + payload


def text(data):
    return struct.pack("<H", len(data)) + data


def handle(reader, writer, vulnerable):
    context, opened, job = os.urandom(16), secrets.randbits(32), b""
    while head := reader.read(8):
        size, operation, _ = struct.unpack("<IHH", head)
        payload = reader.read(min(size - 4, 65536))
        status, answer = 0, b""
        if operation == HELLO:
            answer = context + struct.pack("<I", 0x20040604)
        elif payload[:16] != context:
            status = 5
        elif operation == OPEN:
            answer = struct.pack("<I", opened)
        elif struct.unpack("<I", payload[16:20])[0] != opened:
            status = 6
        elif operation == WRITE:
            job = payload[22:]
            answer = struct.pack("<I", len(job))
        elif operation == RUN:
            answer = text((own_server.run(job) if vulnerable else "no such operation").encode())
            status = 0 if vulnerable else 7
        writer.write(struct.pack("<IHH", 4 + len(answer), operation | 0x8000, status) + answer)


def serve(bait):
    own_server.serve_stream(bait, handle)


def call(client, operation, payload):
    client.say(message(operation, payload))
    size, _, status = struct.unpack("<IHH", client.exactly(8))
    answer = client.exactly(size - 4)
    if status:
        raise Unexpected(f"operation {operation}: status {status}")
    return answer


def visit(address, random):
    client = Client(address)
    context = call(client, HELLO, text(b"workstation%d" % random.randrange(10**random.randint(1, 6))))[:16]
    opened = call(client, OPEN, context + text(b"\\pipe\\jobs"))
    call(client, WRITE, context + opened + text(b"id #%d" % random.randrange(10**random.randint(1, 9))))
    client.say(message(RUN, context + opened))
    client.exactly(8)
    client.close()
