#!/usr/bin/env python3
"""Runs unit test programs, shows the output of those that fail, and closes with a count."""
import re
import subprocess
import sys

passed = failed = skipped = 0
broken = []
for program in sys.argv[1:]:
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    ok = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", done.stdout))
    bad = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test", done.stdout))
    skip = sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) test", done.stdout))
    if done.returncode and not bad:
        bad = 1
    passed, failed, skipped = passed + ok, failed + bad, skipped + skip
    name = program.split("/unit/")[-1]
    print(f"{'ok  ' if not bad else 'FAIL'} {name} ({ok} passed{f', {skip} skipped' if skip else ''})")
    if bad:
        broken.append(name)
        print(done.stdout)
        print(f"-- {name} exited with {done.returncode}")
if broken:
    print("failed: " + " ".join(broken))
print(f"unit: {passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
