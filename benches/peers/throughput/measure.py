"""Runs one contestant and prints what it cost: measure.py NAME EVENTS [--metrics URL | --whole] -- COMMAND…

The time is that from its first event to its last: it prints `first` and `done`, or its metric of processed records
says so; with --whole that of the whole run. The processor time is that of the whole process in between."""

import argparse
import json
import os
import re
import resource
import subprocess
import threading
import time
import urllib.request

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Marks:
    """First and last moment of a contestant: time, processor time and resident bytes."""

    def __init__(self, pid):
        self.pid, self.seen = pid, {}

    def set(self, name):
        moment = (time.monotonic(), cpu_seconds(self.pid), resident_bytes(self.pid))
        self.seen.setdefault(name, moment)


def watch_output(stream, marks):
    for line in stream:
        if line.strip() in ("first", "done"):
            marks.set(line.strip())


def processed(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    count = re.search(r'^credwatch_records_total\{stage="detect"\} (\d+)', text, re.M)
    return int(count.group(1)) if count else 0


def watch_metrics(url, events, marks):
    begun = None
    while "done" not in marks.seen:
        count = processed(url)
        if count and begun is None:
            begun = count
            marks.set("first")
        if count >= events:
            marks.set("done")
        time.sleep(0.05)
    return begun


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("events", type=int)
    parser.add_argument("--metrics")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    if given.whole:
        return run_whole(given)
    process = subprocess.Popen(given.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    marks, before_first = Marks(process.pid), 1
    reader = threading.Thread(target=watch_output, args=(process.stdout, marks), daemon=True)
    reader.start()
    if given.metrics:
        before_first = watch_metrics(given.metrics, given.events, marks)
        process.terminate()
    else:
        while "done" not in marks.seen and process.poll() is None:
            time.sleep(0.01)
        if "done" not in marks.seen:
            raise SystemExit(f"{given.name} ended before it was done")
    process.wait()
    (start, cpu_before, _), (end, cpu_after, resident) = marks.seen["first"], marks.seen["done"]
    report(given.name, given.events - before_first, end - start, cpu_after - cpu_before, resident)


def run_whole(given):
    start = time.monotonic()
    subprocess.run(given.command, check=True, stdout=subprocess.DEVNULL)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    report(given.name, given.events, time.monotonic() - start, spent.ru_utime + spent.ru_stime, spent.ru_maxrss * 1024)


def report(name, events, seconds, cpu, resident):
    print(json.dumps({
        "name": name, "events": events, "events_per_second": round(events / seconds),
        "cpu_seconds_per_million": round(cpu / events * 1e6, 2), "resident_mb": round(resident / 1e6),
    }))


if __name__ == "__main__":
    main()
