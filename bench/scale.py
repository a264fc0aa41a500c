#!/usr/bin/env python3
"""How time and memory of training grow with the number of interactions: 1, 10 and 100 million.

    python3 bench/scale.py [--large] [--huge] [--recipe NAME ...] [--every] [--folder DIR] [--threads N] [--out DIR]

Make believable lodging data (`ondol generate lodging`): one user in ten interactions, one lodging in a
hundred. Each recipe is trained on what came before the last tenth of the time, records of lodgings and users
included, and asked 2,000 questions about the rest (`ondol eval`, protocol time), each in a process of its own.
Without flags only 1 million interactions; --large adds 10 million (3 GB of memory, minutes a recipe, up to half
an hour those with networks), --huge 100 million (15 GB, up to a quarter of an hour a recipe, 4.3 GB of disk).

--every trains every recipe but aws-next-best-action, which needs actions. Those that answer with users are asked
by protocol segment, aws-hrnn-coldstart by protocol cold. Lodgings have no text: for aws-semantic-similarity
their records are told in words.

  training, s   the recipe's training, metrics of its own included
  above, MiB    memory at the training's peak beyond the loaded data
  process, MiB  memory of the whole process at its peak
  figure        what came of it, beside popularity of the last 7 days (likewise the most active users; chance
                where only cold items are ranked): the mean reciprocal rank, or for users the recall in the top
                1 %

Writes scale.json and scale.svg (both axes logarithmic) to --out after every training, by default BUILD/scale.
BUILD is `build` unless the environment says otherwise.
"""
import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
RECIPES = ["aws-popularity-count", "aws-sims", "aws-user-personalization"]
EVERY = RECIPES + ["aws-trending-now", "aws-similar-items", "aws-semantic-similarity", "aws-item-affinity",
                   "aws-item-attribute-affinity", "aws-personalized-ranking", "aws-hrnn", "aws-hrnn-metadata",
                   "aws-hrnn-coldstart", "aws-user-personalization-v2", "aws-personalized-ranking-v2"]
PROTOCOLS = {"aws-item-affinity": ["segment"], "aws-item-attribute-affinity": ["segment", "--segment-by", "LOCATION"],
             "aws-hrnn-coldstart": ["cold"]}
QUESTIONS = 2000
EVENTS_PER_USER, EVENTS_PER_ITEM = 10, 100
COLOURS = ["#0b6e99", "#b3541e", "#4d7c2a", "#7a3e9d", "#8a6d00", "#a02050", "#2a9d8f", "#e07a1f", "#1f3b8f",
           "#6b705c", "#c2185b", "#00796b", "#5d4037", "#455a64"]


def generate(events, folder, threads):
    subprocess.run([BUILD / "ondol", "generate", "lodging", "--users", str(events // EVENTS_PER_USER), "--items",
                    str(events // EVENTS_PER_ITEM), "--events-per-user", str(EVENTS_PER_USER), "--days", "365",
                    "--threads", str(threads), "--out", folder], check=True, stdout=subprocess.DEVNULL)


def told_in_words(folder):
    """items.csv with a field TEXT that says what the others do."""
    told = folder / "items-told.csv"
    if not told.exists():
        with open(folder / "items.csv", newline="", encoding="utf-8") as records, open(told, "w", newline="", encoding="utf-8") as out:
            rows, writer = csv.reader(records), csv.writer(out)
            header = next(rows)
            of = [header.index(name) for name in ("GRADE", "LOCATION", "FACILITY")]
            writer.writerow([*header, "TEXT"])
            writer.writerows([*row, " with ".join(row[i].replace("|", ", ") for i in of)] for row in rows)
    return told


def train(recipe, folder, threads, report):
    """One process; its figures and its own peak."""
    items = told_in_words(folder) if recipe == "aws-semantic-similarity" else folder / "items.csv"
    command = [BUILD / "ondol", "eval", "--protocol", *PROTOCOLS.get(recipe, ["time"]),
               "--interactions", folder / "interactions.csv", "--items", items, "--users", folder / "users.csv",
               "--recipe", recipe, "--users-most", str(QUESTIONS), "--threads", str(threads), "--json", report]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"bench/scale.py: training {recipe} ended with {child.returncode}")
    return json.loads(report.read_text()), used.ru_maxrss / 1024


def figure_of(row):
    return next(f["value"]["mean"] for f in row["figures"] if f["metric"] in ("mrr_at_25", "recall_at_1_percent")
                and f["lists"] == "raw" and f["group"] == "all")


def measure(recipe, folder, threads, report):
    told, process = train(recipe, folder, threads, report)
    trained = next(row for row in told["rows"] if row["kind"] == "recipe")
    beside = "chance" if PROTOCOLS.get(recipe) == ["cold"] else "7"
    popular = next(row for row in told["rows"] if row["kind"] == "baseline" and beside in row["name"])
    return {"recipe": recipe, "events": told["data"]["events"], "users": told["data"]["users"],
            "items": told["data"]["items"], "training_seconds": trained["training_seconds"],
            "above_mib": trained["peak_bytes"] / 2**20, "process_mib": process,
            "image_mib": trained["image_bytes"] / 2**20, "figure": figure_of(trained), "beside": figure_of(popular)}


def decades(values):
    """The powers of ten around the values."""
    low, high = 0, 0
    while 10.0**low > min(values):
        low -= 1
    while 10.0 ** (low + 1) <= min(values):
        low += 1
    while 10.0**high < max(values):
        high += 1
    return low, max(high, low + 1)


def panel(figures, key, title, left):
    """One picture: events along, `key` up."""
    import math
    width, height, top = 330, 260, 50
    x0, x1 = decades([f["events"] for f in figures])
    y0, y1 = decades([f[key] for f in figures])
    place = lambda f: (left + width * (math.log10(f["events"]) - x0) / (x1 - x0),
                       top + height * (1 - (math.log10(f[key]) - y0) / (y1 - y0)))
    out = [f'<text x="{left}" y="{top - 18}" font-weight="bold">{title}</text>']
    for d in range(x0, x1 + 1):
        x = left + width * (d - x0) / (x1 - x0)
        out.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + height}" stroke="#ddd"/>'
                   f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{10 ** d:,}</text>')
    for d in range(y0, y1 + 1):
        y = top + height * (1 - (d - y0) / (y1 - y0))
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0 ** d:g}</text>')
    for i, recipe in enumerate(dict.fromkeys(f["recipe"] for f in figures)):
        points = [place(f) for f in figures if f["recipe"] == recipe]
        colour = COLOURS[i % len(COLOURS)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points)
    return out


def picture(figures):
    recipes = list(dict.fromkeys(f["recipe"] for f in figures))
    shown = [dict(f, **{k: max(f[k], 1e-3) for k in ("training_seconds", "process_mib")}) for f in figures]
    height = 365 + 15 * (len(recipes) // 3 + 1)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{height}" font-family="sans-serif" '
             f'font-size="11"><rect width="860" height="{height}" fill="white"/>']
    lines += panel(shown, "training_seconds", "training, seconds, by interactions", 60)
    lines += panel(shown, "process_mib", "memory of the process at its peak, MiB", 490)
    for i, recipe in enumerate(recipes):
        lines.append(f'<text x="{60 + 250 * (i % 3)}" y="{350 + 15 * (i // 3)}" '
                     f'fill="{COLOURS[i % len(COLOURS)]}">● {recipe}</text>')
    return "\n".join(lines + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--large", action="store_true", help="10 million interactions too")
    parser.add_argument("--huge", action="store_true", help="100 million interactions too")
    parser.add_argument("--recipe", action="append", help=f"by default {', '.join(RECIPES)}")
    parser.add_argument("--every", action="store_true", help="every recipe but aws-next-best-action")
    parser.add_argument("--folder", type=pathlib.Path, help="where data is made; kept, and used again")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=BUILD / "scale")
    given = parser.parse_args()
    sizes = [1_000_000] + [10_000_000] * given.large + [100_000_000] * given.huge
    figures = []
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{'recipe':28} {'interactions':>12} {'training, s':>12} {'above, MiB':>11} {'process, MiB':>13} "
          f"{'image, MiB':>11} {'figure':>7} {'beside':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        base = given.folder or pathlib.Path(scratch)
        for events in sizes:
            folder = base / f"lodging-{events}"
            if not (folder / "interactions.csv").exists():
                generate(events, folder, given.threads)
            for recipe in given.recipe or (EVERY if given.every else RECIPES):
                f = measure(recipe, folder, given.threads, given.out / "report.json")
                figures.append(f)
                print(f"{recipe:28} {f['events']:12,} {f['training_seconds']:12.1f} {f['above_mib']:11.0f} "
                      f"{f['process_mib']:13.0f} {f['image_mib']:11.0f} {f['figure']:7.4f} {f['beside']:8.4f}",
                      flush=True)
                (given.out / "scale.json").write_text(json.dumps(figures, indent=1) + "\n")
                (given.out / "scale.svg").write_text(picture(figures))
    print(f"{given.out / 'scale.svg'}, {given.out / 'scale.json'}")


if __name__ == "__main__":
    main()
