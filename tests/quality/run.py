#!/usr/bin/env python3
"""Ranking quality on MovieLens-1M, leave one out, full ranking: the golden table ml-1m.md.

    python3 tests/quality/run.py            train, ask, compare with the golden table
    python3 tests/quality/run.py --write    rewrite the golden table

ONDOL_DATA names the folder with the data sets (default: ../shared/data beside the repository);
without it nothing is compared and the script says so. BUILD names the build folder (default:
build), CC the compiler, THREADS the threads (default: all cores).

Figures may differ from the table by TOLERANCE, for another instruction set sums in another order.
"""
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "quality" / "ml-1m.md"
ROOMS = ["recipes", "math", "data", "os", "base"]
RECIPES = ["aws-popularity-count", "aws-sims", "aws-user-personalization"]
SEED = 1
TOLERANCE = 0.001
FLOORS = {"aws-user-personalization": (0.28, 0.17)}  # HR@10, NDCG@10


def data_folder():
    return pathlib.Path(os.environ.get("ONDOL_DATA", ROOT.parent / "shared" / "data"))


def build():
    folder = pathlib.Path(os.environ.get("BUILD", "build"))
    libraries = [str(folder / "lib" / f"{room}.a") for room in ROOMS]
    subprocess.run(["make", "--no-print-directory", f"BUILD={folder}", *libraries], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    program = folder / "quality" / "loo"
    (ROOT / program).parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [os.environ.get("CC", "gcc"), "-std=gnu17", "-O2", "-Isrc", "-D_GNU_SOURCE", "-pthread", "-o", str(program),
         "tests/quality/loo.c", "-Wl,--start-group", *libraries, "-Wl,--end-group", "-lopenblas", "-lsimdjson",
         "-lstdc++", "-lm"], cwd=ROOT, check=True)
    return ROOT / program


def ask(program, file, recipe, threads):
    done = subprocess.run([program, file, recipe, str(SEED), str(threads)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{recipe}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def table(results, threads):
    first = results[0]
    lines = [
        "# MovieLens-1M, leave one out",
        "",
        "Written by `python3 tests/quality/run.py --write`; compared by `python3 tests/quality/run.py`.",
        "",
        "Per user the last event is the test, the one before it is part of the query but not of training; the test item is",
        "ranked among all items but those of the user's earlier events (ties against the model). Default hyperparameters.",
        "",
        f"{first['events']} events, {first['users']} users, {first['items']} items, {first['test_users']} test users; "
        f"data {first['hash']}, seed {SEED}, {threads} threads.",
        "",
        "| recipe | HR@10 | NDCG@10 | training, s | asking all users, s |",
        "|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(f"| {r['recipe']} | {r['hr_at_10']:.4f} | {r['ndcg_at_10']:.4f} | {r['fit_seconds']:.2f} | "
                     f"{r['ask_seconds']:.2f} |")
    return "\n".join(lines) + "\n"


def golden():
    """recipe -> (HR@10, NDCG@10), and the data hash."""
    figures, text = {}, GOLDEN.read_text()
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("aws-"):
            figures[cells[0]] = (float(cells[1]), float(cells[2]))
    return figures, text


def compare(results):
    wrong = []
    figures, text = golden()
    if results[0]["hash"] not in text:
        wrong.append(f"the data have hash {results[0]['hash']}, not the table's")
    for r in results:
        name, got = r["recipe"], (r["hr_at_10"], r["ndcg_at_10"])
        if name not in figures:
            wrong.append(f"{name} is not in the table")
            continue
        for what, have, want in zip(("HR@10", "NDCG@10"), got, figures[name]):
            if abs(have - want) > TOLERANCE:
                wrong.append(f"{name}: {what} is {have:.4f}, the table says {want:.4f}")
        for what, have, floor in zip(("HR@10", "NDCG@10"), got, FLOORS.get(name, (0, 0))):
            if have < floor:
                wrong.append(f"{name}: {what} is {have:.4f}, below {floor}")
    return wrong


def main():
    if sys.argv[1:] not in ([], ["--write"]):
        sys.exit(__doc__)
    source = data_folder() / "ml-1m" / "interactions.csv.gz"
    if not source.exists():
        print(f"SKIPPED: quality on MovieLens-1M, because {source} is absent (set ONDOL_DATA)")
        return
    threads = int(os.environ.get("THREADS", len(os.sched_getaffinity(0))))
    program = build()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "interactions.csv"
        file.write_bytes(gzip.decompress(source.read_bytes()))
        results = [ask(program, file, recipe, threads) for recipe in RECIPES]
    print(table(results, threads), end="")
    if sys.argv[1:]:
        GOLDEN.write_text(table(results, threads))
        return
    wrong = compare(results)
    for line in wrong:
        print(f"WRONG: {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
