#!/usr/bin/env python3
"""Checks relative links and anchors in Markdown files: links.py PATH…; prints each broken one, and exits with 1."""
import pathlib
import re
import sys


def anchors(text):
    """Anchors of the headings, as mdBook and GitHub derive them."""
    headings = re.findall(r"^#+ +(.+)$", text, re.M)
    plain = [re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in plain}


def markdown_files(arguments):
    for argument in map(pathlib.Path, arguments):
        yield from sorted(argument.rglob("*.md")) if argument.is_dir() else [argument]


problems = []
for path in markdown_files(sys.argv[1:]):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = path if not file else path.parent / file
        if not linked.exists():
            problems.append(f"{path}: {target}: no such file")
        elif anchor and linked.suffix == ".md" and anchor not in anchors(linked.read_text()):
            problems.append(f"{path}: {target}: no such heading")
print("\n".join(problems), end="\n" if problems else "")
sys.exit(1 if problems else 0)
