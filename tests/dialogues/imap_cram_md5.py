"""Dovecot with a login by CRAM-MD5: the answer is keyed with what the server said."""
import base64
import hmac

import dovecot
from client import Unexpected, word

KIND = "crypto"
RULE = "shell_started"
NEEDS = [dovecot.PROGRAM, dovecot.SIEVE]
ALWAYS = False


def services(bait):
    return [dovecot.service(bait, "cram-md5", "PLAIN")]


def visit(address, random):
    client = dovecot.Imap(address)
    tag = client.tag()
    client.say(f"{tag} AUTHENTICATE CRAM-MD5\r\n")
    challenge = base64.b64decode(client.line()[2:])
    answer = b"bee " + hmac.new(b"honey", challenge, "md5").hexdigest().encode()
    client.say(base64.b64encode(answer) + b"\r\n")
    if " OK " not in client.until_tagged(tag):
        raise Unexpected("login")
    uid = client.append("INBOX", f"Subject: {word(random)}\r\n\r\nx\r\n")
    client.command("SELECT INBOX")
    client.command(f"UID MOVE {uid} Junk")
    client.close()
