"""Reads the messages of a cargo build; prints name and path of each executable, separated by a tab."""

import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["executable"]:
        print(message["target"]["name"], message["executable"], sep="\t")
