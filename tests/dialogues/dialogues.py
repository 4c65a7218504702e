#!/usr/bin/python3
"""The dialogues of this folder, as tests use them.
    dialogues.py list                                     a line each: name, kind, rule, `always` or `full` (in which run), and
                                                          the first of what it needs that is not installed
    dialogues.py prepare NAME SERVICE FOLDER HOST OUTSIDE PORT VARIANT
                                                          lays out files; prints `service` and its entry in monitor.yaml, as
                                                          JSON, `group` and an app group, `await` and a Unix socket of it
    dialogues.py visit NAME HOST:PORT SEED FOLDER         one client. Exit 0: it came to its last step. FOLDER: the vulnerable service's
    dialogues.py serve NAME …                             a service that is the dialogue's own"""
import glob
import importlib
import json
import os
import random
import sys

sys.dont_write_bytecode = True  # the checkout may be another user's

import client  # noqa: E402
from bait import Bait  # noqa: E402
from client import Unexpected  # noqa: E402

PARTS = ("bait", "client", "dialogues", "dovecot", "own_server", "postgres")  # of this folder, and no dialogues
FOLDER = os.path.dirname(os.path.abspath(__file__))


def all_names():
    modules = (os.path.basename(path).removesuffix(".py") for path in sorted(glob.glob(FOLDER + "/*.py")))
    return [name for name in modules if name not in PARTS]


def show_list():
    for name in all_names():
        module = importlib.import_module(name)
        missing = [each for each in module.NEEDS if not glob.glob(each)]
        print(name, module.KIND, module.RULE, "always" if module.ALWAYS else "full", *missing[:1])


def prepare(name, *words):
    bait = Bait.of(words)
    os.makedirs(bait.folder, exist_ok=True)
    for service in importlib.import_module(name).services(bait):
        for path in service.pop("sockets", []):
            print("await", path)
        for group in (groups := service.pop("groups", [])):
            print("group", json.dumps(group))
        service["app_groups"] = [group["name"] for group in groups]
        print("service", json.dumps(service))


def visit(name, address, seed, folder):
    client.given = folder
    host, port = address.rsplit(":", 1)
    try:
        importlib.import_module(name).visit((host, int(port)), random.Random(f"{name} {seed}"))
    except Unexpected as why:
        sys.exit(f"{name} at {address}: {why}")


def serve(name, *words):
    importlib.import_module(name).serve(Bait.of(words))


COMMANDS = {"list": show_list, "prepare": prepare, "visit": visit, "serve": serve}

if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
    sys.exit(__doc__)
COMMANDS[sys.argv[1]](*sys.argv[2:])
