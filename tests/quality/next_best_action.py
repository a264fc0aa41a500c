#!/usr/bin/env python3
"""Next-best-action in a world with known propensities: the golden table next-best-action.md.

    python3 tests/quality/next_best_action.py            simulate and rewrite the golden table
    python3 tests/quality/next_best_action.py --quick    simulate and compare with the golden table

Both fail when Ondol's policy has more regret than LEAST of what showing the most taken action has, or
when its probabilities are further from the propensities than ECE. BUILD names the build folder (default:
build), MAKE the make, THREADS the threads (default: all cores). Nothing is downloaded or read.

Figures may differ from the table by TOLERANCE, for another instruction set sums in another order and a
policy's later decisions follow from its earlier ones.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "quality" / "next-best-action.md"
SEED = 1
TOLERANCE = 0.02
LEAST = 0.5
ECE = 0.03


def simulate():
    program = pathlib.Path(os.environ.get("BUILD", "build")) / "quality" / "next_best_action"
    make = os.environ.get("MAKE", "make").split()
    subprocess.run([*make, "--no-print-directory", "-s", f"BUILD={program.parent.parent}", str(program)], cwd=ROOT,
                   check=True)
    threads = os.environ.get("THREADS", str(len(os.sched_getaffinity(0))))
    done = subprocess.run([ROOT / program, str(SEED), threads], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())
    print(done.stderr, file=sys.stderr, end="")
    return done.stdout


def rows(text):
    """First cell -> numbers of the row; tables without names are known by their numbers of columns."""
    found = {}
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")] if line.startswith("|") else []
        numbers = [float(c) for c in cells if re.fullmatch(r"-?\d+(\.\d+)?", c)]
        if len(numbers) >= 4:
            found[cells[0] if len(numbers) < len(cells) else f"numbers {len(found)}"] = numbers
    return found


def failures(text):
    have = rows(text)
    ondol, common = have["Ondol (Thompson for new actions)"][3], have["most taken"][3]
    calibration = next(v for k, v in have.items() if k.startswith("numbers"))
    if ondol > LEAST * common:
        yield f"Ondol's regret is {ondol:.4f}, above {LEAST} of {common:.4f}"
    if calibration[3] > ECE:
        yield f"ECE is {calibration[3]:.4f}, above {ECE}"


def differences(text):
    want = rows(GOLDEN.read_text() if GOLDEN.exists() else "")
    for name, numbers in rows(text).items():
        if name not in want:
            yield f"{name} is not in the table"
            continue
        for a, b in zip(numbers, want[name]):
            if abs(a - b) > TOLERANCE and a < 2:  # counts of decisions follow from the others
                yield f"{name}: {a} is not the table's {b}"


def main():
    if sys.argv[1:] not in ([], ["--quick"]):
        sys.exit(__doc__)
    text = simulate()
    print(text, end="")
    wrong = list(failures(text)) + (list(differences(text)) if sys.argv[1:] else [])
    for line in wrong:
        print(f"FAIL {line}")
    if not sys.argv[1:]:
        GOLDEN.write_text(text)
    print(f"quality: {int(not wrong)} passed, {int(bool(wrong))} failed, 0 skipped")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
