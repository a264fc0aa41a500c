#!/usr/bin/env python3
"""Ranking quality on MovieLens-1M, leave one out, full ranking: the golden table ml-1m.md.

    python3 tests/quality/run.py            measure and rewrite the golden table
    python3 tests/quality/run.py --quick    measure and compare with the golden table

Both fail below FLOORS. ONDOL_TEST_DATA names the folder with the data sets (default: ../shared/data
beside the repository); without it nothing is measured and the script says so. BUILD names the build
folder (default: build), MAKE the make, THREADS the threads (default: all cores).

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
RECIPES = ["aws-popularity-count", "aws-sims", "aws-user-personalization"]
SEED = 1
TOLERANCE = 0.001
FLOORS = {"aws-user-personalization": (0.28, 0.17)}  # HR@10, NDCG@10


def data_folder():
    return pathlib.Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data"))


def build():
    program = pathlib.Path(os.environ.get("BUILD", "build")) / "quality" / "loo"
    make = os.environ.get("MAKE", "make").split()
    subprocess.run([*make, "--no-print-directory", "-s", f"BUILD={program.parent.parent}", str(program)], cwd=ROOT,
                   check=True)
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
        "Written by `make quality`; compared by `make test-quality`.",
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
    figures, text = {}, GOLDEN.read_text() if GOLDEN.exists() else ""
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("aws-"):
            figures[cells[0]] = (float(cells[1]), float(cells[2]))
    return figures, text


def differences(results):
    """What is not as the golden table says, by recipe."""
    wrong = {}
    figures, text = golden()
    for r in results:
        name, lines = r["recipe"], []
        if r["hash"] not in text:
            lines.append(f"the data have hash {r['hash']}, not the table's")
        if name not in figures:
            lines.append("not in the table")
        for what, key, place in (("HR@10", "hr_at_10", 0), ("NDCG@10", "ndcg_at_10", 1)):
            want = figures.get(name, (r["hr_at_10"], r["ndcg_at_10"]))[place]
            if abs(r[key] - want) > TOLERANCE:
                lines.append(f"{what} is {r[key]:.4f}, the table says {want:.4f}")
        wrong[name] = lines
    return wrong


def below_floor(r):
    low = FLOORS.get(r["recipe"], (0, 0))
    return [f"{what} is {have:.4f}, below {floor}"
            for what, have, floor in (("HR@10", r["hr_at_10"], low[0]), ("NDCG@10", r["ndcg_at_10"], low[1]))
            if have < floor]


def main():
    if sys.argv[1:] not in ([], ["--quick"]):
        sys.exit(__doc__)
    source = data_folder() / "ml-1m" / "interactions.csv.gz"
    if not source.exists():
        print(f"SKIPPED: MovieLens-1M, because {source} is absent (set ONDOL_TEST_DATA)")
        print(f"quality: 0 passed, 0 failed, {len(RECIPES)} skipped")
        return
    threads = int(os.environ.get("THREADS", len(os.sched_getaffinity(0))))
    program = build()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "interactions.csv"
        file.write_bytes(gzip.decompress(source.read_bytes()))
        results = [ask(program, file, recipe, threads) for recipe in RECIPES]
    print(table(results, threads), end="")
    wrong = differences(results) if sys.argv[1:] else {}
    failed = 0
    for r in results:
        lines = wrong.get(r["recipe"], []) + below_floor(r)
        failed += bool(lines)
        for line in lines:
            print(f"FAIL {r['recipe']}: {line}")
    if not sys.argv[1:]:
        GOLDEN.write_text(table(results, threads))
    print(f"quality: {len(results) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
