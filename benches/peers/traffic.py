"""Events as the peers see them: features of an identity's hour and of its day, first uses, values."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

CATEGORIES = ["host", "network", "country", "client", "action", "resource"]


@dataclass
class Traffic:
    """One entry an event, in order of the log."""

    identity: np.ndarray
    seconds: np.ndarray
    values: list
    first_uses: np.ndarray
    failed: np.ndarray
    lifetime: np.ndarray
    group: np.ndarray
    readings: list
    campaign: list
    first_second: float

    @property
    def days(self):
        return (self.seconds - self.first_second) / 86_400


def values_of(event):
    """What rules and rarity look at, by name."""
    source = event.get("source", {})
    agent = source.get("user_agent", "").split("/")[0]
    resource = event.get("resource", "").split("/")[0]
    values = [source.get("host"), source.get("asn"), source.get("country"), agent]
    return values + [event.get("action"), resource]


def seconds_of(time):
    """Epoch seconds of a time in milliseconds or of RFC 3339."""
    if isinstance(time, str):
        return np.datetime64(time.rstrip("Z"), "ms").astype(np.int64) / 1_000
    return time / 1_000


def readings_of(verdicts):
    """The surprise of each signal, by the id of the event."""
    with open(verdicts) as lines:
        scored = map(json.loads, lines)
        return {v["event_id"]: {s["name"]: s["surprise_nats"] for s in v["signals"]} for v in scored}


def load(events, labels, verdicts):
    """Reads native events, the labels of attacks, and the verdicts of credwatch."""
    with open(labels) as lines:
        labels = {label["event_id"]: label["campaign"] for label in map(json.loads, lines)}
    readings = readings_of(verdicts)
    columns = defaultdict(list)
    seen, names, groups = defaultdict(set), {}, {}
    with open(events) as lines:
        for line in lines:
            event = json.loads(line)
            identity = event["identity"]
            who = names.setdefault(identity["id"], len(names))
            group = groups.setdefault(identity.get("group") or identity.get("kind"), len(groups))
            stamp = seconds_of(event["time"])
            values = values_of(event)
            fresh = []
            for category, value in enumerate(values):
                fresh.append(value is not None and value not in seen[who, category])
                seen[who, category].add(value)
            credential = event.get("credential", {})
            lifetime = 0.0
            if "issued_at" in credential and "expires_at" in credential:
                begin, end = seconds_of(credential["issued_at"]), seconds_of(credential["expires_at"])
                lifetime = max(0.0, float(end - begin))
            columns["identity"].append(who)
            columns["seconds"].append(stamp)
            columns["values"].append(tuple(values))
            columns["first_uses"].append(fresh)
            columns["failed"].append(event.get("outcome") in ("failure", "denied"))
            columns["lifetime"].append(lifetime)
            columns["group"].append(group)
            columns["readings"].append(readings.get(event["event_id"], {}))
            columns["campaign"].append(labels.get(event["event_id"]))
    return Traffic(
        identity=np.array(columns["identity"]),
        seconds=np.array(columns["seconds"]),
        values=columns["values"],
        first_uses=np.array(columns["first_uses"], dtype=float),
        failed=np.array(columns["failed"], dtype=float),
        lifetime=np.log1p(np.array(columns["lifetime"])),
        group=np.array(columns["group"]),
        readings=columns["readings"],
        campaign=columns["campaign"],
        first_second=min(columns["seconds"]),
    )


def windows(traffic, seconds):
    """One row of features for each identity and window, and the row of each event.

    An event is later given the score of its whole window, also of what came after it: more than
    the peer could know when the event was read.
    """
    window = (traffic.seconds // seconds).astype(np.int64)
    key = traffic.identity * (window.max() + 1) + window
    # In order of time, as a stream gives them.
    _, first, row = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    row = rank[row]
    count = np.bincount(row)
    sums = [np.bincount(row, weights=column) for column in traffic.first_uses.T]
    failures = np.bincount(row, weights=traffic.failed)
    lifetime = np.bincount(row, weights=traffic.lifetime) / count
    distinct = []
    for category in range(len(CATEGORIES)):
        pairs = {(at, values[category]) for at, values in zip(row, traffic.values)}
        distinct.append(np.bincount([at for at, _ in pairs], minlength=len(count)))
    hour = np.zeros(len(count))
    hour[row] = (traffic.seconds // 3_600) % 24
    weekend = np.zeros(len(count))
    weekend[row] = ((traffic.seconds // 86_400 + 3) % 7) >= 5
    columns = [np.log1p(count), *sums, np.log1p(failures), failures / count, lifetime]
    columns += [np.log1p(d) for d in distinct]
    columns += [np.sin(hour * np.pi / 12), np.cos(hour * np.pi / 12), weekend]
    identity = np.zeros(len(count), dtype=int)
    identity[row] = traffic.identity
    return against_own_past(np.column_stack(columns), identity), row


def against_own_past(rows, identity):
    """Each feature less its mean over the identity's past rows, beside the feature itself."""
    means, counts = {}, Counter()
    deviations = np.zeros_like(rows)
    for at, who in enumerate(identity):
        past = means.get(who, rows[at])
        deviations[at] = rows[at] - past
        counts[who] += 1
        means[who] = past + (rows[at] - past) / counts[who]
    return np.hstack([rows, deviations])
