"""One table: what each peer and credwatch find on the same traffic, by the measure of `evaluate`."""

import json
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


def line(name, precision, recall, secs, took):
    """One row of the table."""
    shares = ", ".join(f"{100 * share:.0f}" for share in recall)
    waited = "none found" if secs is None else f"{secs:.0f} s"
    return f"| {name} | {precision:.2f} | {shares} % | {waited} | {took} |"


def main():
    """Reads the folder, prints the table."""
    folder = sys.argv[1]
    events = tr.load(folder)
    rows = {seconds: tr.windows(events, seconds) for seconds in (detectors.HOUR, detectors.DAY)}
    print("| detector | average precision on events | campaigns found at 1, 3, 10, 30 alerts a day |"
          " median time to detect at 3 | took |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    with open(f"{folder}/credwatch.json") as text:
        own = json.load(text)
    print(line("credwatch", own["average_precision"], own["campaign_recall"],
               own["median_secs_to_detect"], ""), flush=True)
    for name, detector, window in detectors.PEERS:
        features, row = rows.get(window, (None, None))
        begun = time.monotonic()
        scores = np.asarray(detector(events, features, row), dtype=float)
        took = f"{time.monotonic() - begun:.0f} s"
        print(line(name, *measure(scores, events), took), flush=True)


if __name__ == "__main__":
    main()
