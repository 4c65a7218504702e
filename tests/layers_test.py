#!/usr/bin/env python3
"""Every include in src/ goes to the file's own layer or to one that src/LAYERS allows it. The file itself cannot express a
circle: a layer may only name those above it. Tries itself first on a tree that is wrong."""
import os
import re
import sys
import tempfile


def read_layers(path):
    layers = {}
    for number, line in enumerate(open(path), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, below = line.split(":")
        for each in below.split():
            if each not in layers:
                yield f"{path}:{number}: {name} names {each}, which does not stand above it"
        layers[name] = set(below.split())
    read_layers.found = layers


def check(src):
    problems = list(read_layers(os.path.join(src, "LAYERS")))
    layers = read_layers.found
    for folder, _, files in os.walk(src):
        layer = os.path.relpath(folder, src).split(os.sep)[0]
        if layer == ".":
            continue
        if layer not in layers:
            problems.append(f"{folder}: no line in LAYERS")
            continue
        for name in files:
            if not name.endswith((".cc", ".h", ".c")):
                continue
            path = os.path.join(folder, name)
            for number, line in enumerate(open(path, encoding="utf-8"), 1):
                include = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if not include:
                    continue
                target = include.group(1).split("/")[0]
                if "/" not in include.group(1):
                    problems.append(f"{path}:{number}: an include begins at src/: {include.group(1)}")
                elif target != layer and target not in layers[layer]:
                    problems.append(f"{path}:{number}: {layer} may not include {target}")
    return problems


def can_fail():
    with tempfile.TemporaryDirectory() as tree:
        for name, text in {"LAYERS": "base:\ntop: base\n", "base/a.h": '#include "top/b.h"\n', "top/b.h": '#include "c.h"\n'}.items():
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            open(os.path.join(tree, name), "w").write(text)
        if len(check(tree)) != 2:
            return False
        open(os.path.join(tree, "LAYERS"), "w").write("base: top\ntop: base\n")
        return any("does not stand above" in problem for problem in check(tree))


if not can_fail():
    sys.exit("the test itself does not notice a wrong tree")
found = check(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src"))
print("\n".join(found) if found else "layers: every include goes downward")
sys.exit(1 if found else 0)
