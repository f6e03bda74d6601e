"""Detection on several organisations: compare.py PROGRAM FOLDER… prints one line each, and their mean with its
standard error. Each folder holds events.jsonl and labels.jsonl."""

import json
import math
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def evaluate(program, folder):
    command = [program, "evaluate", "-q", "--json", "--labels", folder / "labels.jsonl", folder / "events.jsonl"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    alerts = report["alerts"]
    severe = [count for name, count in alerts["by_severity"].items() if name not in ("low", "informational")]
    (folder / "report.json").write_text(json.dumps(report, indent=1))
    return {
        "AP": report["average_precision"], "at 1": report["campaign_recall"][0], "at 3": report["campaign_recall"][1],
        "at 10": report["campaign_recall"][2], "a day": alerts["per_day"], "precision": alerts["precision"],
        "alerted": alerts["campaigns_alerted"], "worst day": alerts["worst_day"], "repeated": alerts["most_repeated"],
        "false medium+": sum(count["wrong"] for count in severe) / report["days"],
    }


def main():
    program, *folders = sys.argv[1:]
    folders = [pathlib.Path(folder) for folder in folders]
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda folder: evaluate(program, folder), folders))
    print(f"{'organisation':<16}" + "".join(f"{name:>14}" for name in rows[0]))
    for folder, row in zip(folders, rows):
        print(f"{folder.name:<16}" + "".join(f"{value:>14.2f}" for value in row.values()))
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    print(f"{'mean':<16}" + "".join(f"{value:>14.2f}" for value in means.values()))
    if len(rows) > 1:
        spread = [math.sqrt(sum((row[n] - means[n]) ** 2 for row in rows) / (len(rows) - 1) / len(rows)) for n in means]
        print(f"{'standard error':<16}" + "".join(f"{value:>14.2f}" for value in spread))


if __name__ == "__main__":
    main()
