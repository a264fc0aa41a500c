#!/usr/bin/env python3
"""Ranking quality on public data sets: one table a measurement, and overview.md.

    run.py                          measure everything and rewrite all tables (hours), and run
                                    next_best_action.py
    run.py NAME...                  only these measurements (targets.py lists them)
    run.py --recipe RECIPE ...      only these recipes; other rows of a table stay
    run.py --quick                  measure what trains quickly and compare with the tables
    run.py --overview               rewrite overview.md from the tables

Everything is measured by `ondol eval`, one recipe a call, so that memory and time are its own. The
recipes are those that `ondol eval --list` names and that answer the protocol.

ONDOL_BINARY names the program (default: build/ondol), ONDOL_TEST_DATA the folder with the data sets
(default: ../shared/data beside the repository): what is absent there is skipped and said so.
THREADS: default all cores. Figures may differ from a table by TOLERANCE, for another instruction
set sums in another order.
"""
import argparse
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from targets import AGAIN, FLOORS, GENERATED, MEASUREMENTS, QUICK, QUICK_CALL, QUICK_SECONDS, TARGETS  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SEED = 1
TOLERANCE = 0.001
LISTS = {"raw": "raw", "past_removed": "past removed"}
BY_NAME = {m.name: m for m in MEASUREMENTS}


def data_folder():
    return pathlib.Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data"))


def program():
    return os.environ.get("ONDOL_BINARY", str(ROOT / os.environ.get("BUILD", "build") / "ondol"))


def threads():
    return int(os.environ.get("THREADS", len(os.sched_getaffinity(0))))


def known_recipes():
    """name -> type of every recipe of the program."""
    text = subprocess.run([program(), "eval", "--list"], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in text.split("recipes\n")[1].splitlines() if len(line.split()) == 2)


def recipes_for(measurement, recipes):
    if measurement.protocol == "trend":  # the others train in minutes, and this asks for twenty trainings
        return [name for name, kind in recipes.items() if kind == "POPULAR_ITEMS" or name == "aws-popularity-count"]
    lists_users = {"USER_SEGMENTATION"}
    apart = {"PERSONALIZED_ACTIONS"}
    wanted = [name for name, kind in recipes.items() if kind not in apart and name != "ondol-external-vectors"]  # needs a file
    wanted = [name for name in wanted if (recipes[name] in lists_users) == (measurement.protocol == "segment")]
    if measurement.protocol != "segment":
        return wanted
    by_value = "--segment-by" in measurement.options  # what recipes of attributes are for
    return [name for name in wanted if ("attribute" in name) == by_value]


# ---- measuring


class Unpacked:
    """The data sets, unpacked or generated into a temporary folder when they are asked for."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ondol-quality-")

    def path(self, folder, file):
        to = pathlib.Path(self.folder.name) / folder / file
        if not to.exists() and folder in GENERATED:
            subprocess.run([program(), "generate", *GENERATED[folder], "--out", to.parent], check=True, capture_output=True)
        elif not to.exists():
            to.parent.mkdir(exist_ok=True)
            with gzip.open(data_folder() / folder / (file + ".gz")) as source, open(to, "wb") as target:
                shutil.copyfileobj(source, target)
        return to


def absent(measurement):
    """The first file of the measurement that is not there, or None."""
    for file in measurement.files.values() if measurement.folder not in GENERATED else ():
        path = data_folder() / measurement.folder / (file + ".gz")
        if not path.exists():
            return path
    return None


def measure(measurement, recipe, unpacked):
    """The report of one recipe as `ondol eval --json` writes it; or why there is none."""
    report = pathlib.Path(unpacked.folder.name) / "report.json"
    command = [program(), "eval", "--protocol", measurement.protocol, "--recipe", recipe, "--seed", str(SEED),
               "--threads", str(threads()), "--json", report, *measurement.options]
    for option, file in measurement.files.items():
        command += ["--" + option, unpacked.path(measurement.folder, file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode < 0:
        return None, f"ended by signal {-done.returncode}"
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return json.loads(report.read_text()), ""


# ---- tables


def number(value, digits=4):
    return "–" if value is None else f"{value:.{digits}f}"


def cells_of(report, row, lists):
    """One line of a table, from one row of a report."""
    figures = [f for f in row["figures"] if f["lists"] == lists and f["group"] == "all"]
    cells = [row["name"], LISTS[lists]]
    for f in figures:
        v = f["value"]
        low, high = v["low"], v["high"]
        cells.append(number(v["mean"]) + (f" ({low:.4f} to {high:.4f})" if low is not None else ""))
    shown = next((f for f in figures if f["metric"] == report["shown"]["metric"]), figures[0])
    above, times = shown["above_last_7_days"], shown["times_all_time"]
    cells.append(f"{above['low']:+.4f} to {above['high']:+.4f}" if above and above["low"] is not None else "–")
    cells.append(number(times, 2))
    cells.append(number(row["coverage"][lists], 3))
    if row["kind"] == "baseline":
        return cells + ["–"] * 4
    mib = 1 << 20
    return cells + [number(row["training_seconds"], 2), number(row["gflops"], 1),
                    number(row["peak_bytes"] / mib if row["peak_bytes"] else None, 0),
                    number(row["answers_per_second"], 0)]


def head_cells(report):
    metrics = [f["metric"] for f in report["rows"][0]["figures"]
               if f["lists"] == report["rows"][0]["figures"][0]["lists"] and f["group"] == "all"]
    shown = report["shown"]["metric"]
    return ["recipe", "lists", *metrics, f"{shown}: above popularity of 7 days, 95 %", "times popularity of all time",
            "coverage", "training, s", "GFLOP/s", "peak MiB", "answers/s"]


def row_lines(report, rows):
    lines = []
    for row in rows:
        for lists in LISTS:
            if lists in row["coverage"]:
                lines.append("| " + " | ".join(cells_of(report, row, lists)) + " |")
    return lines


def data_line(report):
    d = report["data"]
    return (f"Data {d['hash']}: {d['events']} events, {d['users']} users, {d['catalogue']} items; "
            f"{report['trained_events']} events trained on; {report['questions']} questions"
            f"{'' if report['folds'] == 1 else ' in %d folds' % report['folds']}; {report['skipped']} users have too "
            f"few events. Seed {report['seed']}, {report['threads']} threads.")


def parse(text):
    """recipe -> its lines of a table, in order; and recipe -> why it has none."""
    rows, reasons = {}, {}
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) > 3 and cells[0] != "recipe":
            rows.setdefault(cells[0], []).append(line)
        found = re.match(r"\* (\S+): (.*)", line)
        if found:
            reasons[found.group(1)] = found.group(2)
    return rows, reasons


def table_path(measurement):
    return HERE / f"{measurement.name}.md"


def write_table(measurement, reports, reasons):
    """reports: recipe -> report. Rows of other recipes on the same data stay."""
    path = table_path(measurement)
    rows, old_reasons = parse(path.read_text() if path.exists() else "")
    if not reports:
        return
    first = next(iter(reports.values()))
    if first["data"]["hash"] not in (path.read_text() if path.exists() else ""):
        rows, old_reasons = {}, {}
    baselines = [r["name"] for r in first["rows"] if r["kind"] == "baseline"]
    for report in reports.values():
        for row in report["rows"]:
            rows[row["name"]] = row_lines(report, [row])
            old_reasons.pop(row["name"], None)
    old_reasons.update(reasons)
    for name in reasons:
        rows.pop(name, None)
    order = baselines + sorted(name for name in rows if name not in baselines)
    head = head_cells(first)
    lines = [f"# {measurement.title}", "", "Written by `make quality`; the quick part is compared by `make test-quality`.",
             "", measurement.about, "", data_line(first), "",
             "Means over questions, in brackets 95 % bootstrap intervals; the difference to popularity of the last 7 days "
             "is paired. Default hyperparameters.", "",
             "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in order:
        lines += rows[name]
    if old_reasons:
        lines += ["", "Not measured:", ""] + [f"* {name}: {old_reasons[name]}" for name in sorted(old_reasons)]
    path.write_text("\n".join(lines) + "\n")


# ---- figures read back


def figures(measurement):
    """(recipe, lists) -> {column: float}, from the table."""
    path = table_path(measurement)
    out, head = {}, None
    for line in path.read_text().splitlines() if path.exists() else []:
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| recipe "):
            head = cells
        elif line.startswith("| ") and head:
            lists = next(k for k, v in LISTS.items() if v == cells[1])
            values = {}
            for name, cell in zip(head[2:], cells[2:]):
                found = re.match(r"[-+]?[0-9]*\.?[0-9]+", cell)
                values[name] = float(found.group(0)) if found else None
            out[cells[0], lists] = values
    return out


def best_line(target):
    """Our best figures for a target: by the first metric, among recipes."""
    table = figures(BY_NAME[target.measurement])
    ours = [(v, recipe) for (recipe, lists), v in table.items()
            if lists == target.lists and recipe not in AGAIN and v["training, s"] is not None and v.get(target.metrics[0]) is not None]
    if not ours:
        return "not measured"
    value, recipe = max(ours, key=lambda x: (x[0][target.metrics[0]], -x[0]["training, s"]))
    text = " / ".join(f"{value[m]:.4f}".lstrip("0") for m in target.metrics)
    if BY_NAME[target.measurement].protocol == "segment" and value["times popularity of all time"] is not None:
        text += f" ({value['times popularity of all time']:.1f}x)"
    return f"{text} ({recipe}, {value['training, s']:.1f} s)"


def link(measurement, title):
    """To the table, where it has been measured."""
    return f"[{title}]({measurement.name}.md)" if table_path(measurement).exists() else title


def write_overview():
    lines = ["# Quality: where we stand", "",
             "Written by `make quality` from the tables beside it. \"Best published\" are others' figures on the same "
             "data and protocol; \"goal\" is what we aim at, \"quick goal\" within the seconds given on two cores, "
             "\"known\" what a closed-form model reached before this code; \"ours\" is the best recipe with its default "
             "configuration and its training time, the same configuration on all sets.", "",
             "| data and protocol | best published | goal | quick goal | known | ours |", "|---|---|---|---|---|---|"]
    for t in TARGETS:
        lines.append(f"| {link(BY_NAME[t.measurement], t.title)} | {t.published} | {t.goal} | {t.quick} | {t.known} | "
                     f"{best_line(t)} |")
    others = [m for m in MEASUREMENTS if m.name not in {t.measurement for t in TARGETS}]
    lines += ["", "Measured too: " + ", ".join(link(m, m.title) for m in others) + ". Next-best-action "
              "is judged in a simulated world with known propensities: `next_best_action.py`, part of `make quality`."]
    (HERE / "overview.md").write_text("\n".join(lines) + "\n")


def below_floors(measured):
    """Floors that the tables miss, of these pairs of measurement and recipe."""
    wrong = []
    for name, lists, recipe, metric, floor in FLOORS:
        if (name, recipe) not in measured:
            continue
        value = figures(BY_NAME[name]).get((recipe, lists), {}).get(metric)
        if value is None:
            wrong.append(f"{name}, {recipe}: {metric} was not measured, and is to be at least {floor}")
        elif value < floor:
            wrong.append(f"{name}, {recipe}: {metric} is {value:.4f}, below {floor}")
    return wrong


# ---- the quick part


def quick_plan():
    """(measurement, recipe) pairs, those that train fastest first, within QUICK_SECONDS."""
    known, plan, spent = known_recipes(), [], 0.0
    timed = []
    for name in QUICK:
        seen = set()
        for (recipe, _), values in figures(BY_NAME[name]).items():
            if recipe in known and recipe not in AGAIN | seen and values["training, s"] is not None:
                timed.append((values["training, s"], name, recipe))
                seen.add(recipe)
    for seconds, name, recipe in sorted(timed):
        spent += seconds + QUICK_CALL
        if spent > QUICK_SECONDS:
            break
        plan.append((BY_NAME[name], recipe))
    return plan


def differences(measurement, report):
    """What is not as the table says, of all rows of a report."""
    wrong, table = [], figures(measurement)
    if report["data"]["hash"] not in table_path(measurement).read_text():
        wrong.append(f"the data have hash {report['data']['hash']}, not the table's")
    for row in report["rows"]:
        for f in row["figures"]:
            if f["group"] != "all":
                continue
            want = table.get((row["name"], f["lists"]), {}).get(f["metric"])
            have = f["value"]["mean"]
            if want is None or have is None or abs(have - want) > TOLERANCE:
                wrong.append(f"{row['name']}, {f['lists']}: {f['metric']} is {number(have)}, the table says {number(want)}")
    return wrong


def quick():
    plan, unpacked = quick_plan(), Unpacked()
    passed = failed = skipped = 0
    if not plan:
        print("FAIL the tables of the quick part have no recipe that this program knows")
        failed += 1
    for measurement, recipe in plan:
        if absent(measurement):
            print(f"SKIPPED: {measurement.name}, {recipe}, because {absent(measurement)} is absent (set ONDOL_TEST_DATA)")
            skipped += 1
            continue
        report, reason = measure(measurement, recipe, unpacked)
        wrong = differences(measurement, report) if report else [reason]
        failed += bool(wrong)
        passed += not wrong
        print(f"{'FAIL' if wrong else 'ok'} {measurement.name} {recipe}")
        for line in wrong:
            print(f"  {line}")
    for line in below_floors({(m.name, recipe) for m, recipe in plan}):
        print(f"FAIL {line}")
        failed += 1
    print(f"quality: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


# ---- everything


def whole(names, only):
    unpacked, failed, skipped, done = Unpacked(), 0, 0, 0
    recipes, measured = known_recipes(), set()
    for measurement in MEASUREMENTS:
        if names and measurement.name not in names:
            continue
        if absent(measurement):
            print(f"SKIPPED: {measurement.name}, because {absent(measurement)} is absent (set ONDOL_TEST_DATA)")
            skipped += 1
            continue
        reports, reasons, had = {}, {}, figures(measurement)
        for recipe in recipes_for(measurement, recipes):
            if only and recipe not in only:
                continue
            print(f"{measurement.name} {recipe}", end=" ", flush=True)
            report, reason = measure(measurement, recipe, unpacked)
            print("done" if report else reason, flush=True)
            measured.add((measurement.name, recipe))
            if report:
                reports[recipe] = report
                done += 1
                continue
            reasons[recipe] = reason
            if reason.startswith("ended by signal") or any(name == recipe for name, _ in had):
                print(f"FAIL {measurement.name}, {recipe}: {reason}")
                failed += 1
        write_table(measurement, reports, reasons)
    if not names and not only:  # actions are judged in a simulated world, by a program of its own
        simulated = subprocess.run([sys.executable, HERE / "next_best_action.py"]).returncode == 0
        done, failed = done + simulated, failed + (not simulated)
    write_overview()
    for line in below_floors(measured):
        print(f"FAIL {line}")
        failed += 1
    print(f"quality: {done} measured, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BY_NAME, []])
    parser.add_argument("--recipe", action="append", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--overview", action="store_true")
    args = parser.parse_args()
    if args.overview:
        write_overview()
        return 0
    return quick() if args.quick else whole(args.names, args.recipe)


if __name__ == "__main__":
    sys.exit(main())
