"""OpenSSH: after the banners all is encrypted with a key of the session's own."""
import os
import subprocess

import client
from bait import installed
from client import Unexpected, word

KIND = "crypto"
RULE = "shell_started"
NEEDS = ["/usr/sbin/sshd", "/usr/bin/ssh"]
ALWAYS = False


def services(bait):
    os.makedirs("/run/sshd", exist_ok=True)
    os.makedirs(bait.folder, exist_ok=True)
    for name in ("host_key", "user_key"):
        subprocess.run(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", bait.file(name)], check=True)
    bait.write("sshd_config", f"""ListenAddress {bait.host}:{bait.port()}
HostKey {bait.file('host_key')}
PidFile {bait.file('sshd.pid')}
AuthorizedKeysFile {bait.file('user_key.pub') if bait.vulnerable else 'none'}
StrictModes no
UsePAM no
PasswordAuthentication no
""")
    return [bait.entrance([installed(NEEDS[0]), "-D", "-e", "-f", bait.file("sshd_config")])]


def visit(address, random):
    done = subprocess.run(["/usr/bin/ssh", "-F", "none", "-i", client.given + "/user_key", "-o", "StrictHostKeyChecking=no", "-o",
                           "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-p",
                           str(address[1]), f"root@{address[0]}", f"id # {word(random)}"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=30)
    if "Connection refused" in done.stderr:
        raise Unexpected(done.stderr)
