#!/usr/bin/env python3
"""Builds tests/fuzz/fuzz_*.c with clang and libFuzzer, and runs them.

    python3 tools/fuzz.py --regress           each target once over its corpus, linked with the objects
                                              of the sanitized unit tests
    python3 tools/fuzz.py --seconds 600       fuzz, the seconds shared out among the targets
    python3 tools/fuzz.py --seconds 60 image  only fuzz_image

The corpus of tests/fuzz/fuzz_NAME.c is tests/fuzz/corpus/NAME, and only people add to it. What
fuzzing finds on the way goes to BUILD/fuzz/found/NAME and is used again the next time; an input
that breaks a target is left in BUILD/fuzz and its path printed. BUILD is `build` unless the
environment says otherwise. Closes with `fuzz: N passed, N failed, 0 skipped`.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD") or "build")
CORPUS = pathlib.Path("tests/fuzz/corpus")
# One input may not take longer or more memory: a small request must not cost much.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048"]


def plain_environment():
    """Ours without what an outer make left in it: its flags would override those given here."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


def variant(regress):
    """The folder and the make options of a build: only who looks for inputs needs to see where they lead."""
    return (BUILD / "address-undefined", []) if regress else (BUILD / "address-undefined-coverage", ["COVERAGE=1"])


def build(names, regress):
    """Name -> program, of the targets that build."""
    folder, options = variant(regress)
    programs = {name: folder / "fuzz" / f"fuzz_{name}" for name in names}
    command = [os.environ.get("MAKE") or "make", "--no-print-directory", "-k",
               f"-j{os.environ.get('JOBS') or os.cpu_count()}", f"BUILD={BUILD}", "SANITIZER=address,undefined", "CC=clang",
               "CXX=clang++", *options]
    subprocess.run([*command, *map(str, programs.values())], env=plain_environment())
    # What an earlier build left would pass for what does not build now.
    built = lambda program: subprocess.run([*command, "-q", str(program)], env=plain_environment(),  # noqa: E731
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    return {name: program for name, program in programs.items() if built(program)}


def run(name, program, arguments, show):
    """True when the target came through. Its output is shown when it did not, or when asked for."""
    if not program:
        print(f"FAIL fuzz_{name}: does not build")
        return False
    (BUILD / "fuzz").mkdir(parents=True, exist_ok=True)
    command = [str(program), f"-artifact_prefix={BUILD}/fuzz/{name}-", *LIMITS, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", env=plain_environment())
    lines = []
    for line in process.stdout:
        lines.append(line)
        if show:
            print(line, end="", flush=True)
    code = process.wait()
    if code and not show:
        print("".join(lines), end="")
    inputs = re.search(r"INFO:\s+(\d+) files found", "".join(lines))
    over = f" ({inputs.group(1)} inputs)" if inputs else ""
    print(f"{'ok  ' if not code else 'FAIL'} fuzz_{name}{over}{f' exited with {code}' if code else ''}", flush=True)
    return code == 0


def regress(name, program):
    corpus = CORPUS / name
    if not corpus.is_dir() or not any(corpus.iterdir()):
        print(f"FAIL fuzz_{name}: {corpus} holds no input")
        return False
    return run(name, program, ["-runs=0", str(corpus)], show=False)


def fuzz(name, program, seconds):
    found = BUILD / "fuzz" / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    folders = [str(found)] + ([str(CORPUS / name)] if (CORPUS / name).is_dir() else [])
    print(f"== fuzz_{name}, {seconds} s", flush=True)
    return run(name, program, [f"-max_total_time={seconds}", "-print_final_stats=1", *folders], show=True)


def main():
    parser = argparse.ArgumentParser(description="build and run the fuzz targets")
    parser.add_argument("--regress", action="store_true", help="run each target once over its corpus")
    parser.add_argument("--seconds", type=int, default=600, help="fuzz for so long, all targets together (600)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these targets")
    asked = parser.parse_args()
    os.chdir(ROOT)

    names = sorted(p.stem[len("fuzz_"):] for p in pathlib.Path("tests/fuzz").glob("fuzz_*.c"))
    strange = [n for n in asked.names if n not in names]
    if strange:
        sys.exit(f"fuzz: no target {' '.join(strange)}; there are {' '.join(names)}")
    names = asked.names or names
    if not names:
        sys.exit("fuzz: there is no tests/fuzz/fuzz_*.c")
    share = max(1, asked.seconds // len(names))
    programs = build(names, asked.regress)
    results = [regress(n, programs.get(n)) if asked.regress else fuzz(n, programs.get(n), share) for n in names]
    # A corpus whose target is gone tests nothing, and nobody would notice.
    for corpus in sorted(CORPUS.iterdir()) if asked.regress and not asked.names and CORPUS.is_dir() else []:
        if corpus.name not in names:
            print(f"FAIL {corpus}: there is no tests/fuzz/fuzz_{corpus.name}.c")
            results.append(False)
    failed = results.count(False)
    print(f"fuzz: {len(results) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
