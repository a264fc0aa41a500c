#!/usr/bin/env python3
"""Checks the house style where a program can: HACKING.md says what and why.

    python3 tools/lint.py           files under version control
    python3 tools/lint.py --all     also new ones that git does not ignore
    python3 tools/lint.py PATH...   only files below these paths

Prints `file:line: message` for each finding, closes with `lint: N passed, N failed, 0 skipped`,
where a file without findings has passed; stale generated files are a finding of their generator.
Two lists are read where people read them: banned functions from the line "Banned:" of HACKING.md,
the folders a folder may include from the line "May include:" of its README.md.
"""
import argparse
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FUNCTION_LINES_MAX = 80
FILE_LINES_MAX = 800
C_ENDINGS = {".c", ".h", ".cc", ".inc"}
TEXT_ENDINGS = C_ENDINGS | {".def", ".py", ".sh", ".md", ".mk", ".yml", ".yaml", ".toml", ".mjs", ".js", ".txt"}
TEXT_NAMES = {"Makefile", ".clang-format", ".editorconfig", ".gitignore", "run"}
# Spelt so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" "DO", "FIX" "ME", "X" "XX"]) + r")\b")


class File:
    def __init__(self, path):
        self.path = path
        self.ending = pathlib.Path(path).suffix
        self.text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.split("\n")
        parts = path.split("/")
        self.room = parts[1] if parts[0] == "src" and len(parts) > 2 else None
        self.is_c = self.ending in C_ENDINGS
        self.is_generated = "/gen/" in path and parts[0] == "src"

    @functools.cached_property
    def code(self):
        """The lines with comments, strings and characters blanked; line numbers stay."""
        return bare_code(self.text).split("\n")


TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def bare_code(text):
    def blank(found):
        token = found.group(0)
        if token.startswith('"') or token.startswith("'"):
            return token[0] + " " * (len(token) - 2) + token[0]
        return re.sub(r"[^\n]", " ", token)

    return TOKEN.sub(blank, text)


# ---- checks of one file: each yields (line, message)


@functools.cache
def banned():
    found = re.search(r"^\* Banned: `([a-z_0-9 ]+)`", (ROOT / "HACKING.md").read_text(encoding="utf-8"), re.M)
    if not found:
        sys.exit("lint: HACKING.md has no line '* Banned: `...`'")
    return re.compile(r"(?<![\w.>])(" + "|".join(found.group(1).split()) + r")\s*\(")


def check_banned_functions(file):
    if not file.is_c:
        return
    for number, line in enumerate(file.code, 1):
        for found in banned().finditer(line):
            yield number, f"{found.group(1)}() is banned (HACKING.md)"


@functools.cache
def may_include():
    rooms = {}
    for readme in sorted(ROOT.glob("src/*/README.md")):
        line = re.search(r"^May include:(.*)$", readme.read_text(encoding="utf-8"), re.M)
        if not line:
            sys.exit(f"lint: {readme.relative_to(ROOT)} has no line 'May include:'")
        rooms[readme.parent.name] = {r for r in re.split(r"[,\s]+", line.group(1)) if r}
    return rooms


def check_include_arrows(file):
    if not file.room:
        return
    rooms = may_include()
    if file.room not in rooms:
        yield 1, f"src/{file.room} has no README.md that says what it may include"
        return
    for number, line in enumerate(file.lines, 1):
        found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not found:
            continue
        target = found.group(1).split("/")[0]
        if target not in rooms:
            yield number, f'"{found.group(1)}" is not written as "folder of src/file"'
        elif target != file.room and target not in rooms[file.room]:
            yield number, f"src/{file.room} may not include {target} (src/{file.room}/README.md)"


def functions(file):
    """(first line, last line) of each body: house format puts both braces of a function in column 0."""
    start = None
    for number, line in enumerate(file.code, 1):
        if line.rstrip() == "{":
            before = next((text for text in reversed(file.code[:number - 1]) if text.strip()), "")
            start = None if re.match(r"\s*(namespace|extern|struct|class|union|enum)\b[^()]*$", before) else number
        elif line.startswith("}") and start:
            yield start, number
            start = None


def check_function_length(file):
    if not file.is_c or file.is_generated:
        return
    for first, last in functions(file):
        if last - first + 1 > FUNCTION_LINES_MAX:
            yield first, f"a function of {last - first + 1} lines, at most {FUNCTION_LINES_MAX}"


def check_bodies_in_headers(file):
    if file.ending != ".h" or not file.room:
        return
    for first, _ in functions(file):
        yield first, "a function body in a header"


def check_file_length(file):
    if file.is_generated or not (file.is_c or file.ending in {".py", ".sh"}):
        return
    count = file.text.count("\n")
    if count > FILE_LINES_MAX:
        yield count, f"a file of {count} lines, at most {FILE_LINES_MAX}"


def check_unfinished(file):
    for number, line in enumerate(file.lines, 1):
        found = UNFINISHED.search(line)
        if found:
            yield number, f"{found.group(1)}: finish it, or open an issue"


def check_white_space(file):
    tabs_allowed = file.path == "Makefile" or file.ending == ".mk"
    for number, line in enumerate(file.lines, 1):
        if line != line.rstrip():
            yield number, "white space at the end of the line"
        if "\t" in line and not tabs_allowed:
            yield number, "a tab"
        if "\r" in line:
            yield number, "a carriage return"
    if file.text and not file.text.endswith("\n"):
        yield len(file.lines), "no newline at the end of the file"


def check_essay(file):
    if file.ending in {".c", ".cc"} and not file.is_generated and not re.match(r"/\*|//", file.text):
        yield 1, "the file does not open with a comment that says what it is"


def check_header_guard(file):
    if file.ending != ".h" or not file.room or file.is_generated:
        return
    stem = re.sub(r"\W", "_", pathlib.Path(file.path).stem).upper()
    guard = f"OD_{file.room.upper()}_{stem}_H"
    directives = [(n, line.split()) for n, line in enumerate(file.code, 1) if line.startswith("#")]
    if [d for _, d in directives[:2]] != [["#ifndef", guard], ["#define", guard]]:
        yield (directives[0][0] if directives else 1), f"the header guard is not {guard}"


FILE_CHECKS = [check_banned_functions, check_include_arrows, check_function_length, check_bodies_in_headers,
               check_file_length, check_unfinished, check_white_space, check_essay, check_header_guard]

# ---- checks of many files at once: each yields (path, line, message)


def check_format(files):
    """clang-format in batches, one a core."""
    names = [f.path for f in files if f.ending in {".c", ".h", ".cc"} and not f.is_generated]
    if not names:
        return
    if not shutil.which("clang-format"):
        sys.exit("lint: clang-format is missing: tools/deps.sh test installs it")
    cores = os.cpu_count() or 1
    batches = [names[i::cores] for i in range(cores) if names[i::cores]]
    running = [subprocess.Popen(["clang-format", "--dry-run", "-Werror", *batch], cwd=ROOT, text=True,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for batch in batches]
    for process in running:
        _, errors = process.communicate()
        places = re.findall(r"^(\S+?):(\d+):\d+: error: ", errors, re.M)
        if process.returncode and not places:
            sys.exit(f"lint: clang-format failed: {errors.strip()}")
        first = {}
        for path, line in places:
            first.setdefault(path, []).append(int(line))
        for path, lines in first.items():
            more = f" (and {len(lines) - 1} places more)" if len(lines) > 1 else ""
            yield path, lines[0], f"not in house format{more}: clang-format -i"


def check_generated():
    """Each tools/gen/*_tables.py --check; (generator, message or None)."""
    for script in sorted(ROOT.glob("tools/gen/*_tables.py")):
        done = subprocess.run([sys.executable, str(script), "--check"], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        yield str(script.relative_to(ROOT)), done.stdout.strip() or "--check failed" if done.returncode else None


# ---- which files


def listed(everything):
    command = ["git", "ls-files", "-z", "--cached"] + (["--others", "--exclude-standard"] if everything else [])
    try:
        out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        sys.exit("lint: git ls-files failed; lint needs a clone")
    return sorted({p for p in out.split("\0") if p and (ROOT / p).is_file()})


def wanted(path):
    if path.startswith("tests/fuzz/corpus/"):
        return False
    return pathlib.Path(path).suffix in TEXT_ENDINGS or pathlib.Path(path).name in TEXT_NAMES


def main():
    parser = argparse.ArgumentParser(description="check the house style")
    parser.add_argument("--all", action="store_true", help="also new files that git does not ignore")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only files below these paths")
    asked = parser.parse_args()
    below = tuple(os.path.relpath(os.path.abspath(p), ROOT) for p in asked.paths)
    names = [p for p in listed(asked.all) if wanted(p)]
    if below:
        names = [p for p in names if any(p == b or b == "." or p.startswith(b + "/") for b in below)]
        if not names:
            sys.exit(f"lint: nothing to check below {' '.join(asked.paths)}")

    files = [File(p) for p in names]
    findings = [(f.path, line, message) for f in files for check in FILE_CHECKS for line, message in check(f)]
    findings += check_format(files)
    generators = [] if below else list(check_generated())
    findings += [(script, 1, message) for script, message in generators if message]
    for path, line, message in sorted(findings):
        print(f"{path}:{line}: {message}")
    checked = set(names) | {script for script, _ in generators}
    failed = {path for path, _, _ in findings}
    print(f"lint: {len(checked - failed)} passed, {len(failed)} failed, 0 skipped")
    sys.exit(1 if failed or not checked else 0)


if __name__ == "__main__":
    main()
