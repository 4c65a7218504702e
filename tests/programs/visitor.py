#!/usr/bin/env python3
"""Clients that `dialogue` cannot be, because what they say hangs on what they hear, or because they need several connections.
    visitor.py KIND ADDRESS:PORT TIMES
says the same things TIMES times and prints what was answered. Exit 0: all of it was as it should be. It speaks with loopback and
the testbed's own network (10.99.0.0/16) alone."""
import ftplib
import io
import ipaddress
import smtplib
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

ALLOWED = [ipaddress.ip_network(each) for each in ("127.0.0.0/8", "10.99.0.0/16")]
SECONDS = 30
LARGE = b"".join(b"line %d of a file that does not fit a buffer\n" % i for i in range(8000))


class Redis:
    def __init__(self, address):
        self.socket = socket.create_connection(address, SECONDS)
        self.lines = self.socket.makefile("rb")

    def reply(self):
        line = self.lines.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return self.lines.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        return [self.reply() for _ in range(int(rest))] if kind == b"*" else rest

    def say(self, *words):
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
        return self.reply()

    def await_info(self, section, text):
        while text not in self.say("INFO", section).decode():
            threading.Event().wait(0.02)


def redis(address, number):
    """A pipeline, a message from one session to another, a snapshot by a forked child, and the log written anew."""
    reader, writer = Redis(address), Redis(address)
    heard = [reader.say("SUBSCRIBE", "news")]
    heard.append(writer.say("PUBLISH", "news", "honey"))
    heard.append(reader.reply())
    writer.socket.sendall(b"".join(b"SET key%d %s\r\n" % (i, b"v" * 100) for i in range(2000)))
    heard.append({writer.reply() for _ in range(2000)})
    for command, done in (("BGSAVE", "rdb_bgsave_in_progress:0"), ("BGREWRITEAOF", "aof_rewrite_in_progress:0")):
        heard.append(writer.say(command).split(b" started")[0])
        writer.await_info("persistence", done)
    status = writer.say("INFO", "persistence").decode()
    heard += [line for line in status.split("\r\n") if line.endswith("_status:ok")]
    return heard


def ftp(address, number):
    """Logs in, lists, fetches, sends, renames, removes: each by a data connection of its own to a port that the server names."""
    heard = []
    with ftplib.FTP() as server:
        server.connect(*address, timeout=SECONDS)
        heard.append(server.login())
        heard.append(server.pwd())
        heard.append(server.nlst("pub"))
        fetched = io.BytesIO()
        server.retrbinary("RETR pub/large.txt", fetched.write)
        heard.append(fetched.getvalue() == LARGE)
        fetched = io.BytesIO()
        server.retrbinary("RETR pub/large.txt", fetched.write, rest=1000)
        heard.append(fetched.getvalue() == LARGE[1000:])
        name = f"incoming/file{number}"
        heard.append(server.storbinary(f"STOR {name}", io.BytesIO(LARGE)))
        heard.append(server.size(name))
        heard.append(server.rename(name, name + "b"))
        heard.append(server.delete(name + "b"))
        heard.append(server.mkd(f"incoming/dir{number}") != "")
        heard.append(server.rmd(f"incoming/dir{number}"))
        try:
            server.retrbinary("RETR pub/none", fetched.write)
        except ftplib.error_perm as refused:
            heard.append(str(refused))
        heard.append(server.quit())
    with ftplib.FTP() as server:
        server.connect(*address, timeout=SECONDS)
        try:
            server.login("oracle", "letmein")
        except ftplib.error_perm as refused:
            heard.append(str(refused))
    return heard


def smtp(address, number):
    """A letter to a user of this host, one to several, and one that is refused."""
    heard = []
    with smtplib.SMTP(*address, local_hostname="visitor", timeout=SECONDS) as server:
        heard.append(server.ehlo()[0])
        text = f"Subject: letter {number}\r\n\r\n" + "a line of a letter\r\n" * 400
        heard.append(server.sendmail("bee@site", ["keeper@site"], text))
        heard.append(server.sendmail("bee@site", ["keeper@site", "queen@site"], text))
        heard.append(server.noop()[0])
        heard.append(server.verify("keeper@site")[0])
        try:
            server.sendmail("bee@site", ["someone@elsewhere.example"], text)
        except smtplib.SMTPRecipientsRefused as refused:
            heard.append(sorted(code for code, _ in refused.recipients.values()))
    return heard


KINDS = {"redis": (redis, 1), "ftp": (ftp, 4), "smtp": (smtp, 6)}  # and how many at the same time


def main():
    kind, (host, port), times = sys.argv[1], sys.argv[2].rsplit(":", 1), int(sys.argv[3])
    if not any(ipaddress.ip_address(host) in network for network in ALLOWED):
        sys.exit(f"visitor: {host} is no address of the tests")
    visit, at_once = KINDS[kind]
    with ThreadPoolExecutor(at_once) as pool:
        answers = {repr(heard) for heard in pool.map(lambda i: visit((host, int(port)), i), range(times))}
    for each in sorted(answers):
        print(each)
    sys.exit(0 if len(answers) == 1 else f"visitor: {len(answers)} different answers")


main()
