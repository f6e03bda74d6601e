"""One table: what each peer and credwatch find on the same traffic, by the measure of `evaluate`; means over the
folders, each of which holds native events.jsonl, labels.jsonl, verdicts.jsonl and report.json."""

import json
import pathlib
import sys
import time
from collections import defaultdict

import numpy as np

import detectors
import traffic as tr

BUDGETS = [1, 3, 10, 30]


def average_precision(scores, is_attack):
    """Area under precision over recall; events of equal score share a rank."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_attack[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    ranks = np.flatnonzero(last_of_tie)
    new = np.diff(np.append(0, hits[ranks]))
    return float(np.sum(new * hits[ranks] / (ranks + 1)) / is_attack.sum())


def measure(scores, events):
    """Average precision, recall of campaigns at each budget, median seconds to detect at three."""
    campaigns = defaultdict(list)
    for at, campaign in enumerate(events.campaign):
        if campaign is not None:
            campaigns[campaign].append(at)
    is_attack = np.array([campaign is not None for campaign in events.campaign], dtype=float)
    alert_day = events.identity * 100_000 + (events.seconds // 86_400).astype(np.int64)
    _, day = np.unique(alert_day, return_inverse=True)
    peaks = np.full(day.max() + 1, -np.inf)
    np.maximum.at(peaks, day, scores)
    peaks = -np.sort(-peaks)
    span = max(1.0, float(events.days.max()))
    recall, secs = [], None
    for budget in BUDGETS:
        read = min(max(1, int(budget * span)), len(peaks))
        level = max(peaks[read - 1], np.finfo(float).tiny)
        times = []
        for of_campaign in campaigns.values():
            start = min(events.seconds[at] for at in of_campaign)
            found = [events.seconds[at] for at in of_campaign if scores[at] >= level]
            if found:
                times.append(min(found) - start)
        recall.append(len(times) / len(campaigns))
        if budget == 3:
            secs = float(np.median(times)) if times else None
    return average_precision(scores, is_attack), recall, secs


def of_organisation(folder):
    """What each detector finds in the traffic of one folder."""
    with open(folder / "report.json") as text:
        own = json.load(text)
    yield "credwatch", (own["average_precision"], own["campaign_recall"], own["median_secs_to_detect"]), None
    events = tr.load(folder / "events.jsonl", folder / "labels.jsonl", folder / "verdicts.jsonl")
    rows = {seconds: tr.windows(events, seconds) for seconds in (detectors.HOUR, detectors.DAY)}
    for name, detector, window in detectors.PEERS:
        features, row = rows.get(window, (None, None))
        begun = time.monotonic()
        scores = np.asarray(detector(events, features, row), dtype=float)
        yield name, measure(scores, events), time.monotonic() - begun


def line(name, results):
    """One row of the table: means over the organisations."""
    (precisions, recalls, waits), took = zip(*(found for found, _ in results)), [took for _, took in results]
    shares = ", ".join(f"{100 * share:.0f}" for share in np.mean(recalls, axis=0))
    found = [wait for wait in waits if wait is not None]
    waited = f"{np.mean(found):.0f} s" if found else "none found"
    spent = "" if None in took else f"{np.mean(took):.0f} s"
    return f"| {name} | {np.mean(precisions):.2f} | {shares} % | {waited} | {spent} |"


def main():
    """Reads the folders, prints the table."""
    table = {}
    for folder in map(pathlib.Path, sys.argv[1:]):
        for name, found, took in of_organisation(folder):
            table.setdefault(name, []).append((found, took))
            print(f"{folder.name}: {name}", file=sys.stderr, flush=True)
    print("| detector | average precision on events | campaigns found at 1, 3, 10, 30 alerts a day |"
          " median time to detect at 3 | took |")
    print("| --- | --- | --- | --- | --- |")
    for name, results in table.items():
        print(line(name, results))


if __name__ == "__main__":
    main()
