"""PostgreSQL's protocol, as far as a client needs it, and clusters for the dialogues with it."""
import base64
import hashlib
import hmac
import os
import shutil
import struct
import subprocess

from bait import installed
from client import Client, Unexpected

SERVER = "/usr/lib/postgresql/*/bin/postgres"


def as_postgres(command, **more):
    subprocess.run(["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command], check=True,
                   stdout=subprocess.DEVNULL, **more)


def cluster(bait, method, sql):
    """A cluster that lets 10.99.0.0/16 in by `method`, with what `sql` makes of it; the service that serves it."""
    server = installed(SERVER)
    bin_folder = os.path.dirname(server)
    home = bait.folder_of("postgres", "pg")
    data = os.path.join(home, "data")
    as_postgres([f"{bin_folder}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"])
    as_postgres([server, "--single", "-D", data, "-F", "postgres"], input=sql.encode(), cwd=home)
    with open(os.path.join(data, "pg_hba.conf"), "w", encoding="utf-8") as file:
        file.write(f"local all all trust\nhost all all 10.99.0.0/16 {method}\n")
    shutil.chown(os.path.join(data, "pg_hba.conf"), "postgres", "postgres")
    return bait.entrance([server, "-D", data, "-c", f"listen_addresses={bait.host}", "-p", str(bait.port()), "-c",
                          f"unix_socket_directories={home}", "-c", "fsync=off", "-c", "max_connections=60"], user="postgres")


class Postgres(Client):
    def send(self, kind, payload):
        self.say(kind + struct.pack(">I", len(payload) + 4) + payload)

    def message(self):
        kind, size = struct.unpack(">cI", self.exactly(5))
        return kind, self.exactly(size - 4)

    def log_in(self, user, password=None):
        words = b"".join(each.encode() + b"\0" for each in ("user", user, "database", "postgres", "application_name", "report"))
        self.say(struct.pack(">II", len(words) + 9, 196608) + words + b"\0")
        scram = None
        while True:
            kind, payload = self.message()
            if kind == b"E":
                raise Unexpected(repr(payload))
            if kind == b"Z":
                return
            if kind != b"R":
                continue
            method = struct.unpack(">I", payload[:4])[0]
            if method == 10:
                scram = Scram(password)
                first = scram.first().encode()
                self.send(b"p", b"SCRAM-SHA-256\0" + struct.pack(">I", len(first)) + first)
            elif method == 11:
                self.send(b"p", scram.final(payload[4:].decode()).encode())

    def rows(self):
        """Until it is ready for more: rows, as lists of text; an error is raised once it is ready."""
        rows, error = [], None
        while True:
            kind, payload = self.message()
            if kind == b"D":
                rows.append(self.fields(payload))
            if kind == b"E":
                error = repr(payload)
            if kind == b"Z":
                break
        if error:
            raise Unexpected(error)
        return rows

    @staticmethod
    def fields(payload):
        fields, at = [], 2
        for _ in range(struct.unpack(">H", payload[:2])[0]):
            size = struct.unpack(">i", payload[at:at + 4])[0]
            fields.append(payload[at + 4:at + 4 + size].decode() if size >= 0 else None)
            at += 4 + max(size, 0)
        return fields

    def query(self, sql):
        self.send(b"Q", sql.encode() + b"\0")
        return self.rows()


class Scram:
    """RFC 5802 and 7677, the client's side."""

    def __init__(self, password):
        self.password = password.encode()
        self.bare = "n=,r=" + base64.b64encode(os.urandom(18)).decode()

    def first(self):
        return "n,," + self.bare

    def final(self, server_first):
        fields = dict(each.split("=", 1) for each in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = "c=biws,r=" + fields["r"]
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{self.bare},{server_first},{without_proof}".encode(), "sha256")
        return without_proof + ",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
