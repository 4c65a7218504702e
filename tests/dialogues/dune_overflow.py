"""The demo's web server of 2004 and its exploit, which searches the return address by brute force: the recording is the try that
hits, those before it crash the server's children."""
import os
import subprocess

from bait import installed
from client import Unexpected

KIND = "plain"
RULE = "foreign_port"
NEEDS = []
ALWAYS = True

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/bin")


def services(bait):
    program = "dune2004" if bait.vulnerable else "dune2004_repaired"
    return [bait.entrance([installed(f"{PROGRAMS}/{program}"), bait.host, str(bait.port())], address_randomisation=False)]


def visit(address, random):
    found = subprocess.run([f"{PROGRAMS}/xdune", "--target", f"{address[0]}:{address[1]}", "--seed", str(random.randrange(10**6))],
                           capture_output=True, text=True, check=False).stdout
    if '"outcome":"refused"' in found or not found:
        raise Unexpected(found or "nothing")
