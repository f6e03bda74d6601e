#!/usr/bin/env python3
"""Checks the dependencies of the workspace: licence, origin, wildcards, and duplicate versions.

Reads `cargo metadata --filter-platform TARGET` from standard input, prints every violation, and exits with 1 if
there is one. Licences and duplicates are checked without the dependencies of tests.
"""
import collections
import json
import re
import sys

# All of these permit distribution of binaries with no more than a notice.
PERMITTED_LICENCES = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT",
    "Unicode-3.0", "Zlib",
    "Apache-2.0 WITH LLVM-exception",
    "NCSA",  # the runtime of libFuzzer, which no product contains
}
# Older versions that other crates still depend on.
PERMITTED_DUPLICATES = {
    "base64",         # 0.22: jaq-std
    "foldhash",       # 0.1: jaq-json
    "getrandom",      # 0.2: ring
    "hashbrown",      # 0.14: dashmap 6
    "heck",           # 0.4: ouroboros, of apache-avro
    "syn",            # 2: half of the derive macros
    "unicode-width",  # 0.1: miette, of protox
}
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def is_permitted(expression):
    """Evaluates an SPDX expression; `/` is the older spelling of OR."""
    text = (expression or "").replace("/", " OR ")
    if re.search(r"[^\w.+() -]", text) or not text:
        return False
    tokens = re.findall(r"\(|\)|[^\s()]+(?: WITH [^\s()]+)?", text)
    logic = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
    return eval(" ".join(logic.get(token) or str(token in PERMITTED_LICENCES) for token in tokens))


def reachable(nodes, roots):
    """Ids of all packages that are built into the product, without dependencies of tests."""
    edges = {
        node["id"]: [
            dependency["pkg"]
            for dependency in node["deps"]
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
        ]
        for node in nodes
    }
    found, waiting = set(), list(roots)
    while waiting:
        package = waiting.pop()
        if package not in found:
            found.add(package)
            waiting.extend(edges[package])
    return found


metadata = json.load(sys.stdin)
nodes, members = metadata["resolve"]["nodes"], metadata["workspace_members"]
present, shipped = {node["id"] for node in nodes}, reachable(nodes, members)
problems = []
versions = collections.defaultdict(set)
for package in metadata["packages"]:
    if package["id"] not in present:
        continue
    name = f"{package['name']} {package['version']}"
    if package["id"] in shipped:
        versions[package["name"]].add(package["version"])
        if not is_permitted(package["license"]):
            problems.append(f"{name}: licence {package['license']} is not permitted")
    if package["source"] not in (None, REGISTRY):
        problems.append(f"{name}: origin {package['source']} is not permitted")
    if package["id"] in members:
        wildcards = [dependency["name"] for dependency in package["dependencies"]
                     if dependency["req"] == "*" and not dependency.get("path")]
        problems.extend(f"{name}: {wildcard}: any version is permitted" for wildcard in wildcards)
for name, found in sorted(versions.items()):
    if len(found) > 1 and name not in PERMITTED_DUPLICATES:
        problems.append(f"{name}: several versions: {', '.join(sorted(found))}")
print("\n".join(problems), end="\n" if problems else "")
sys.exit(1 if problems else 0)
