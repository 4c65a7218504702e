"""websocket.py with masks as the standard wants them: what comes back is under a key that changes with every frame, which the
client chose and wrote in front of it."""
from websocket import NEEDS, RULE, hold, services  # noqa: F401

KIND = "masked"
ALWAYS = False


def visit(address, random):
    hold(address, random, lambda: random.randbytes(4))
