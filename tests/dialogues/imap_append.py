"""Dovecot: a letter is laid down by a literal, and moved by the number that the server gave it to a box at which a program of the
keeper's waits."""
import dovecot
from client import Unexpected, word

KIND = "plain"
RULE = "shell_started"
NEEDS = [dovecot.PROGRAM, dovecot.SIEVE]
ALWAYS = False


def services(bait):
    return [dovecot.service(bait, "plain", "PLAIN")]


def visit(address, random):
    client = dovecot.Imap(address)
    if " OK " not in client.command("LOGIN bee honey"):
        raise Unexpected("login")
    uid = client.append("INBOX", f"Subject: {word(random)}\r\nFrom: a@site\r\n\r\n{word(random, 10, 300)}\r\n")
    client.command("SELECT INBOX")
    client.command(f"UID FETCH {uid} (FLAGS)")
    client.command(f"UID MOVE {uid} Junk")
    client.close()
