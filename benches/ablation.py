#!/usr/bin/env python3
"""What is lost without each signal: `evaluate` with one signal off at a time.

Usage: benches/ablation.py FOLDER ...   (after `cargo build --release`; folders of benches/organisations/generate.py)
Counts sum what is found of each scenario at 1, 3, 10 and 30 alerts a day, over all folders.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/credwatch"
SIGNALS = (
    "host network client action privilege token_lifetime issuer credential_age refresh rhythm rate "
    "failure fan_out travel concurrency dormancy purpose"
).split()


def evaluate(traffic, off, folder):
    config = folder / "off.toml"
    config.write_text(f"[detect]\ndisabled_signals = {json.dumps(off)}\n")
    found, precision, recall = {}, 0.0, 0.0
    for events, labels in traffic:
        printed = subprocess.run(
            [PROGRAM, "evaluate", "-q", "--json", "--config", config, "--labels", labels, events],
            check=True, capture_output=True,
        ).stdout
        report = json.loads(printed)
        precision += report["average_precision"] / len(traffic)
        recall += report["campaign_recall"][1] / len(traffic)
        for scenario, of in report["scenarios"].items():
            found[scenario] = found.get(scenario, 0) + sum(of["found"])
    return precision, recall, found


def main():
    folders = [pathlib.Path(name) for name in sys.argv[1:]]
    traffic = [(folder / "events.jsonl", folder / "labels.jsonl") for folder in folders]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        precision, recall, whole = evaluate(traffic, [], folder)
        print("| without | average precision | recall at 3 a day | found less |")
        print("| --- | --- | --- | --- |")
        print(f"| nothing | {precision:.3f} | {recall:.3f} | |", flush=True)
        for signal in SIGNALS:
            ap, at_three, found = evaluate(traffic, [signal], folder)
            less = sorted((found[s] - whole[s], s) for s in whole if found[s] < whole[s])
            words = ", ".join(f"{s} {whole[s]} → {found[s]}" for _, s in less) or "none"
            print(f"| {signal} | {ap:.3f} | {at_three:.3f} | {words} |", flush=True)


if __name__ == "__main__":
    main()
