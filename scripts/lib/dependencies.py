#!/usr/bin/env python3
"""Checks the dependencies of the workspace: licence, duplicate versions, and origin.

Reads `cargo metadata --filter-platform …` from standard input, prints every violation, and exits with 1 if there
is one.
"""
import collections
import json
import re
import sys

# All of these permit distribution of binaries with no more than a notice.
PERMITTED_LICENCES = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "NCSA", "Unicode-3.0", "Unlicense", "Zlib",
}
# Older versions that other crates still depend on.
PERMITTED_DUPLICATES = {
    "hashbrown",  # 0.14: dashmap 6
    "syn",        # 2: half of the derive macros
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
used = reachable(metadata["resolve"]["nodes"], metadata["workspace_members"])
packages = [package for package in metadata["packages"] if package["id"] in used]
problems = []
versions = collections.defaultdict(set)
for package in packages:
    name = f"{package['name']} {package['version']}"
    versions[package["name"]].add(package["version"])
    if not is_permitted(package["license"]):
        problems.append(f"{name}: licence {package['license']} is not permitted")
    if package["source"] not in (None, REGISTRY):
        problems.append(f"{name}: origin {package['source']} is not permitted")
for name, found in sorted(versions.items()):
    if len(found) > 1 and name not in PERMITTED_DUPLICATES:
        problems.append(f"{name}: several versions: {', '.join(sorted(found))}")
print("\n".join(problems), end="\n" if problems else "")
sys.exit(1 if problems else 0)
