"""Writes the traffic of one organisation, with labels: generate.py FOLDER --seed N [--identities N] [--days N]
[--skill 0..1] [--attacks-a-day N] [--cloudtrail]. The organisation, its changes and its attacks follow from the seed alone."""

import argparse
import json
import pathlib
import random

from attacks import ATTACKS, Attacker
from cloudtrail import CloudTrail
from organisation import CHANGES, Organisation
from traits import DAY, Traits

START = 1_767_571_200  # a Monday
QUIET_DAYS = 14


def generate(seed, identities, days, skill, attacks_a_day, encode):
    rng = random.Random(seed)
    organisation = Organisation(Traits(seed, rng), identities, encode)
    changes = {rng.randrange(5, max(6, days - 1)): name for name in CHANGES for _ in range(1 + (rng.random() < 0.3))}
    count = 0
    for number in range(days):
        midnight = START + number * DAY
        change = changes.get(number)
        if change and change != "all hands":
            organisation.change(change, number, midnight)
        organisation.day(number, midnight)
        if change == "all hands":  # follows the working day
            organisation.change(change, number, midnight)
        if number >= QUIET_DAYS:
            due = int((number - QUIET_DAYS + 1) * attacks_a_day) - count
            for _ in range(due):
                attack = ATTACKS[count % len(ATTACKS)]
                attack(Attacker(organisation, skill, (f"{attack.__name__}-{count}", attack.__name__)), midnight)
                count += 1
    return sorted(organisation.events, key=lambda event: event[0]), changes


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--identities", type=int, default=300)
    arguments.add_argument("--days", type=int, default=42)
    arguments.add_argument("--skill", type=float, default=0.3, help="share of the victim's habits that is imitated")
    arguments.add_argument("--attacks-a-day", type=float, default=1.2)
    arguments.add_argument("--cloudtrail", action="store_true", help="the traffic as CloudTrail records it")
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    trail = CloudTrail(given.seed)

    def encode(event):
        record = trail.record(event) if given.cloudtrail else event
        return record and json.dumps(record)

    events, changes = generate(given.seed, given.identities, given.days, given.skill, given.attacks_a_day, encode)
    with open(given.folder / "events.jsonl", "w") as out, open(given.folder / "labels.jsonl", "w") as labels:
        for _, event_id, line, campaign in events:
            out.write(line + "\n")
            if campaign:
                labels.write(json.dumps({"event_id": event_id, "campaign": campaign[0], "scenario": campaign[1]}) + "\n")
    (given.folder / "changes.json").write_text(json.dumps(changes, indent=1))


if __name__ == "__main__":
    main()
