#!/usr/bin/env python3
"""Runs sections of the tests one after the other, shows what they print, and closes with the counts.

    python3 tools/run_tests.py build unit asan fuzz lint api crash quality power soak

Each section ends in a line `NAME: N passed, N failed, N skipped`, said by its runner or made here
from pytest's last line. All of them are printed again at the end, what failed under its section, then
a line with the totals; the exit status is 1 when anything failed. A section that fails does not stop
the next. A section that has no tests counts as one skipped and says so, so that an empty folder never
looks like success.

Environment (the Makefile sets it): BUILD, VENV, JOBS, MAKE. The API, crash and quality tests get
ONDOL_BINARY and, where the public data sets lie beside the repository, ONDOL_TEST_DATA.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = os.environ.get("BUILD") or "build"
VENV = os.environ.get("VENV") or "build/venv"
MAKE = os.environ.get("MAKE") or "make"
JOBS = os.environ.get("JOBS") or str(os.cpu_count())
PYTHON = os.path.join(VENV, "bin", "python")
COUNTS = re.compile(r"^(\w+): (\d+) passed, (\d+) failed, (\d+) skipped")
# A failure by name, as pytest, tools/run_unit.py and cmocka say it.
FAILURE = re.compile(r"^((?:FAILED|ERROR) tests/.*|FAIL .*|\[  FAILED  \] [a-z_]\w+|\[   LINE   \] .*)$")
SANITIZED = ["SANITIZER=address,undefined", "CC=clang", "CXX=clang++"]
SECTION_LIMIT_S = 3600 + int(os.environ.get("SOAK_SECONDS") or 0)


def environment():
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    env.update(PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1", BUILD=BUILD, VENV=VENV,
               ONDOL_BINARY=os.path.abspath(os.path.join(BUILD, "ondol")))
    # The Node.js tests and the aws command are found without anybody's PATH.
    env["PATH"] = os.path.abspath(os.path.join(VENV, "bin")) + os.pathsep + env.get("PATH", "")
    data = ROOT.parent / "shared" / "data"
    if "ONDOL_TEST_DATA" not in env and data.is_dir():
        env["ONDOL_TEST_DATA"] = str(data)
    return env


failures = []  # of the section that runs


def stream(command):
    """Runs, shows the output as it comes; the exit status and the lines."""
    print("$ " + " ".join(command), flush=True)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace", env=environment(), start_new_session=True)

    def stop(*_):
        os.killpg(process.pid, signal.SIGKILL)

    # A hang must end in a report, not in the silence of whoever started us giving up.
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECTION_LIMIT_S)
    lines = []
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
            if FAILURE.match(lines[-1]) and lines[-1] not in failures:
                failures.append(lines[-1])
        code = process.wait()
    except KeyboardInterrupt:
        stop()
        raise
    finally:
        signal.alarm(0)
    if code:
        print(f"-- exited with {code}", flush=True)
    return code, lines


def make(*arguments):
    return stream([MAKE, "--no-print-directory", f"-j{JOBS}", f"BUILD={BUILD}", *arguments])


def own_counts(name, code, lines):
    """What the runner's closing line says; a runner that ends badly without one has failed once."""
    for line in reversed(lines):
        found = COUNTS.match(line)
        if found:
            passed, failed, skipped = (int(n) for n in found.groups()[1:])
            return passed, failed or (1 if code else 0), skipped, ""
    return 0, 1, 0, "" if code else f"{name} closed without a line of counts"


def missing(what):
    print(what)
    return 0, 0, 1, what


# --- the sections: each gives (passed, failed, skipped, note)


def section_build():
    # clang builds what the unit tests under sanitizers and the fuzz targets are linked with. Nothing else here builds
    # the programs of bench.
    wrong = []
    for compiler, arguments in (("gcc", ["CC=gcc", "CXX=g++", "bench-programs"]), ("clang", SANITIZED)):
        code, _ = make("-k", "WERROR=1", *arguments, "build")
        if code:
            wrong.append(compiler)
    return 2 - len(wrong), len(wrong), 0, f"not without errors or warnings: {' '.join(wrong)}" if wrong else ""


def unit(name, *arguments):
    sources = sorted(ROOT.glob("tests/unit/*/test_*.c"))
    if not sources:
        return missing("there is no tests/unit/ROOM/test_X.c")
    variant = os.path.join(BUILD, "address-undefined") if arguments else BUILD
    programs = [os.path.join(variant, "unit", s.parent.name, s.stem) for s in sources]
    # Keep going: what builds is tested, and what does not is counted below.
    code, _ = make("-k", "WERROR=1", *arguments, "unit-programs")
    for program in programs if code else []:
        # One left from an earlier build would pass for the one that does not build now.
        stale = subprocess.run([MAKE, "-q", f"BUILD={BUILD}", *arguments, program], env=environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if stale.returncode and os.path.exists(program):
            os.remove(program)
    return own_counts(name, *stream([sys.executable, "tools/run_unit.py", "--name", name, *programs]))


def section_unit():
    return unit("unit")


def section_asan():
    return unit("asan", *SANITIZED)


def section_fuzz():
    if not list(ROOT.glob("tests/fuzz/fuzz_*.c")):
        return missing("there is no tests/fuzz/fuzz_X.c")
    return own_counts("fuzz", *stream([sys.executable, "tools/fuzz.py", "--regress"]))


def section_lint():
    return own_counts("lint", *stream([sys.executable, "tools/lint.py"]))


def pytest(folder, *options):
    if not list((ROOT / folder).glob("**/test_*.py")):
        return missing(f"there is no test_X.py in {folder}")
    # Never against the binary of an earlier build.
    if make("build")[0]:
        return 0, 1, 0, f"{BUILD}/ondol does not build"
    code, lines = stream([PYTHON, "-m", "pytest", "-q", "-rfEs", "-p", "no:cacheprovider", *options, folder])
    if code == 5:
        return missing(f"pytest found no test in {folder}")
    for line in reversed(lines):
        if not re.search(r" in [\d.]+s", line):
            continue
        n = {word: int(number) for number, word in
             re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)", line)}
        failed = n.get("failed", 0) + n.get("error", 0) + n.get("errors", 0) + n.get("xpassed", 0)
        skipped = n.get("skipped", 0) + n.get("xfailed", 0)
        return n.get("passed", 0), failed or (1 if code else 0), skipped, ""
    return 0, 1, 0, "pytest closed without a line of counts"


def section_api():
    # One process more than cores: these tests wait for jobs most of their time. A file stays in one process.
    return pytest("tests/api", "-n", str(int(JOBS) + 1), "--dist", "loadfile", "--durations=20")


def section_crash():
    if make("bad-disk")[0]:
        return 0, 1, 0, "bad_disk.so does not build"
    # Each has a server of its own, and waits most of the time.
    return pytest("tests/crash", "-n", str(int(JOBS) + 1))


def section_power():
    """Power cuts of all seeds; `unit` has some of them."""
    programs = [os.path.join(BUILD, "unit", room, "test_power_cut") for room in ("api", "store")]
    if make(*programs)[0]:
        return 0, 1, 0, "it does not build"
    return own_counts("power", *stream([sys.executable, "tools/run_unit.py", "--name", "power", "--show", *programs]))


def section_soak():
    if make("build", "bad-disk")[0]:
        return 0, 1, 0, "it does not build"
    return own_counts("soak", *stream([PYTHON, "tests/torture/soak.py"]))


def section_quality():
    if not (ROOT / "tests/quality/run.py").exists():
        return missing("there is no tests/quality/run.py")
    if make("build", "quality-programs")[0]:
        return 0, 1, 0, "it does not build"
    return own_counts("quality", *stream([PYTHON, "tests/quality/run.py", "--quick"]))


SECTIONS = {name[len("section_"):]: run for name, run in list(globals().items()) if name.startswith("section_")}


def main():
    strange = [name for name in sys.argv[1:] if name not in SECTIONS]
    if strange or not sys.argv[1:]:
        sys.exit(f"usage: run_tests.py SECTION...; the sections are {' '.join(SECTIONS)}")
    os.chdir(ROOT)
    closing, total = [], [0, 0, 0]
    for name in sys.argv[1:]:
        print(f"\n======== {name} ========", flush=True)
        start = time.monotonic()
        passed, failed, skipped, note = SECTIONS[name]()
        total = [a + b for a, b in zip(total, (passed, failed, skipped))]
        closing.append(f"{name}: {passed} passed, {failed} failed, {skipped} skipped" + (f" ({note})" if note else ""))
        print(f"-- {closing[-1]} [{time.monotonic() - start:.0f} s]", flush=True)
        closing += [f"    {line}" for line in failures]
        failures.clear()
    print("\n======== summary ========")
    print("\n".join(closing))
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped", flush=True)
    sys.exit(1 if total[1] or not total[0] else 0)


if __name__ == "__main__":
    main()
