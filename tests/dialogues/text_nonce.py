"""Lines, as 2004's protocols had them: the banner's nonce and stamp come back with the login, and eight raw bytes as hexadecimal."""
import os
import secrets
import time

import own_server
from client import Client

KIND = "plain"
RULE = "shell_started"
NEEDS = []
ALWAYS = False


def services(bait):
    return [bait.own(__file__)]


def handle(reader, writer, vulnerable):
    nonce, stamp, raw, ready = secrets.token_hex(8), str(time.time_ns() // 1000), os.urandom(8), False
    writer.write(f"220 agent ready nonce={nonce} stamp={stamp}\r\n".encode())
    while line := reader.readline(4096):
        words = line.decode("latin-1").rstrip("\r\n").split(" ", 3)
        if words[0] == "LOGIN" and words[1:] and words[-1] == f"{nonce}/{stamp}":
            writer.write(b"334 8\r\n" + raw + b"\r\n")
        elif words == ["PROVE", raw.hex()]:
            ready = True
            writer.write(b"235 welcome\r\n")
        elif words[0] == "CHECK" and ready:
            answer = own_server.run("ls -d -- " + " ".join(words[1:])) if vulnerable else ""
            writer.write(f"250 checked {len(answer)}\r\n".encode())
        else:
            writer.write(b"550 no\r\n")


def serve(bait):
    own_server.serve_stream(bait, handle)


def hold(client, random):
    _, _, _, nonce, stamp = client.line().split()
    client.say(f"LOGIN operator{random.randrange(100)} {nonce.partition('=')[2]}/{stamp.partition('=')[2]}\r\n")
    client.line()
    raw = client.exactly(10)[:8]
    client.ask(f"PROVE {raw.hex()}", "235")
    client.ask(f"CHECK /etc/hosts{random.randrange(10**6)};id", "250")
    client.close()


def visit(address, random):
    hold(Client(address), random)
