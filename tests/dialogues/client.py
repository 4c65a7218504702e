"""A client's end of a dialogue: bytes as they are said, and what is waited for."""
import ipaddress
import json
import socket

ALLOWED = [ipaddress.ip_network(each) for each in ("127.0.0.0/8", "10.99.0.0/16")]
SECONDS = 20
given = ""  # the folder of the vulnerable service: where it lays what it gives its users (a key)


class Unexpected(Exception):
    """The service said something else than it has to on the way to the last step."""


class Client:
    def __init__(self, address):
        if not any(ipaddress.ip_address(address[0]) in network for network in ALLOWED):
            raise SystemExit(f"dialogues: {address[0]} is no address of the tests")
        self.socket = socket.create_connection(address, SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""

    def say(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise Unexpected(f"it ended behind {self.heard[-200:]!r}")
        self.heard += got

    def until(self, mark):
        """What comes up to and with `mark`."""
        while mark not in self.heard:
            self.more()
        end = self.heard.index(mark) + len(mark)
        taken, self.heard = self.heard[:end], self.heard[end:]
        return taken

    def exactly(self, count):
        while len(self.heard) < count:
            self.more()
        taken, self.heard = self.heard[:count], self.heard[count:]
        return taken

    def line(self):
        return self.until(b"\n").rstrip(b"\r\n").decode()

    def ask(self, line, wanted=""):
        """A line, and the line that answers it."""
        self.say(line + "\r\n")
        answer = self.line()
        if not answer.startswith(wanted):
            raise Unexpected(f"to {line!r}: {answer!r}")
        return answer

    def rest(self):
        """Whatever still comes until the service ends, or says nothing for a second."""
        self.socket.settimeout(1)
        try:
            while True:
                self.more()
        except (Unexpected, OSError):
            return self.heard

    def close(self):
        self.socket.close()


class Answer:
    def __init__(self, status, head, body):
        self.status, self.head, self.body = status, head, body

    def field(self, name):
        for line in self.head.split("\r\n"):
            if line.lower().startswith(name.lower() + ":"):
                return line.partition(":")[2].strip()
        raise Unexpected(f"no {name} in {self.head!r}")

    def cookie(self, name):
        """`name=value`, of the cookie that it sets."""
        for each in self.field("Set-Cookie").split(";"):
            if each.strip().startswith(name + "="):
                return each.strip()
        raise Unexpected(f"no cookie {name} in {self.head!r}")

    def json(self):
        return json.loads(self.body)


class HttpClient(Client):
    """One connection for all requests, as attackers' tools hold it."""

    def request(self, method, path, fields=(), body=None, wanted=(200,)):
        lines = [f"{method} {path} HTTP/1.1", "Host: site", "User-Agent: visitor/1.0", *fields]
        data = b""
        if body is not None:
            data = body if isinstance(body, bytes) else body.encode()
            if not any("chunked" in each for each in fields):
                lines.append(f"Content-Length: {len(data)}")
        self.say("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        return self.answer(wanted)

    def answer(self, wanted=(200,)):
        head = self.until(b"\r\n\r\n").decode()
        answer = Answer(int(head.split()[1]), head, "")
        if "content-length:" in head.lower():
            answer.body = self.exactly(int(answer.field("Content-Length"))).decode()
        elif "chunked" in head.lower():
            while size := int(self.until(b"\r\n"), 16):
                answer.body += self.exactly(size + 2)[:-2].decode()
            self.until(b"\r\n")
        if answer.status not in wanted:
            raise Unexpected(f"{head}{answer.body[:300]}")
        return answer


def word(random, least=6, most=12):
    return "".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(random.randint(least, most)))
