#!/usr/bin/env python3
"""Runs unit test programs (cmocka), shows the output of those that fail, and closes with a count.

    python3 tools/run_unit.py [--name NAME] [--show] PROGRAM...

--show prints what the programs say that pass, too. As many run at once as there are cores; what they say comes in the order given. A program that is not
there counts as failed (it did not build), and so does one that crashes, hangs, or runs no test at all. Closes with `NAME: N passed, N failed, N skipped`.
"""
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

TIMEOUT_S = 3600 if os.environ.get("ONDOL_TORTURE") else 300


def count(word, text):
    return sum(int(n) for n in re.findall(rf"\[  {word:7s} ?\] (\d+) test", text))


def verdict(program):
    """(passed, failed, skipped, what went wrong, output, seconds)"""
    if not os.path.exists(program):
        return 0, 1, 0, "it did not build", "", 0
    start = time.monotonic()
    # Its own session, so that what it started ends with it when it hangs.
    process = subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace", start_new_session=True)
    wrong = ""
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        wrong = f"still running after {TIMEOUT_S} s"
    passed, failed, skipped = (count(word, output) for word in ("PASSED", "FAILED", "SKIPPED"))
    code = process.returncode
    if not wrong and code:
        wrong = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    if not wrong and passed + failed + skipped == 0:
        wrong = "it ran no test"
    if wrong:
        failed = max(failed, 1)
    return passed, failed, skipped, wrong, output, time.monotonic() - start


def main():
    programs, name, show = sys.argv[1:], "unit", False
    if programs[:1] == ["--name"]:
        name, programs = programs[1], programs[2:]
    if programs[:1] == ["--show"]:
        show, programs = True, programs[1:]
    total, broken = [0, 0, 0], []
    at_once = len(os.sched_getaffinity(0))
    runners = concurrent.futures.ThreadPoolExecutor(at_once)
    for program, said in zip(programs, runners.map(verdict, programs)):
        passed, failed, skipped, wrong, output, seconds = said
        total = [a + b for a, b in zip(total, (passed, failed, skipped))]
        short = program.split("/unit/")[-1]
        skips = f", {skipped} skipped" if skipped else ""
        if (failed or show) and output:
            print(output, end="" if output.endswith("\n") else "\n")
        if failed:
            broken.append(short)
            print(f"FAIL {short} ({passed} passed, {failed} failed{skips}): {wrong}", flush=True)
        else:
            print(f"ok   {short} ({passed} passed{skips}, {seconds:.1f} s)", flush=True)
    if broken:
        print(f"{name}: failed in {' '.join(broken)}")
    print(f"{name}: {total[0]} passed, {total[1]} failed, {total[2]} skipped")
    sys.exit(1 if total[1] or not total[0] else 0)


if __name__ == "__main__":
    main()
