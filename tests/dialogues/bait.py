"""A service of a dialogue as it is to stand on the honeypot host: where it listens, whether its hole is open, its files."""
import glob
import os
import shutil
import sys
from dataclasses import dataclass


@dataclass
class Bait:
    name: str         # of the entrance's service
    folder: str       # its own, absolute
    host: str
    outside: str      # the address at which clients find it, with the same ports: the proxy's
    base: int         # its first port; up to ten in a row are its own
    vulnerable: bool

    def port(self, index=0):
        return self.base + index

    def file(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o644):
        path = self.file(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def folder_of(self, user, name):
        path = self.file(name)
        os.makedirs(path, exist_ok=True)
        shutil.chown(path, user, user)
        return path

    def entrance(self, command, **more):
        """The service at the first port. Keys as monitor.yaml has them."""
        return {"name": self.name, "command": command, "ports": [self.port()], "output": self.file("service.log"), **more}

    def part(self, name, command, index, **more):
        """Another service that belongs to it, with a port of its own (every service names one)."""
        return {"name": f"{self.name}-{name}", "command": command, "ports": [self.port(index)],
                "output": self.file(f"{name}.log"), **more}

    def own(self, module_file, **more):
        """The entrance where the dialogue's module is the server itself: `serve(bait)` of it."""
        return self.entrance(["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "dialogues.py"), "serve",
                              os.path.basename(module_file).removesuffix(".py"), *self.words()], **more)

    def words(self):
        return [self.name, self.folder, self.host, self.outside, str(self.base), "vulnerable" if self.vulnerable else "fixed"]

    @staticmethod
    def of(words):
        name, folder, host, outside, base, variant = words
        return Bait(name, folder, host, outside, int(base), variant == "vulnerable")


def installed(pattern):
    """The newest of what a pattern names; where there is none, the reason why the dialogue cannot be held."""
    found = sorted(glob.glob(pattern))
    return found[-1] if found else sys.exit(f"dialogues: no {pattern}")
