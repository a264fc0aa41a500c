#!/usr/bin/env python3
"""Import of interactions beside DuckDB's CSV reader: same file, same run, same number of threads.

    python3 bench/import.py [--rows 10000000] [--threads 1,2] [--folder DIR] [--repeat 3]

The rows are made by BUILD/bench/bench_import (BUILD is `build` unless the environment says
otherwise; `make bench-programs` builds it). Each figure is the best of the repetitions, each of
which is a process of its own; the file is in the page cache for all of them.

  ondol            rows checked against the schema, dictionary-coded, written to a segment, synced
  duckdb memory    create table as select from read_csv, column types given
  duckdb parquet   copy of the same select to a parquet file (snappy), not synced
  read             the bytes of the file through read calls, nothing else
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PEER = r"""
import json, resource, sys, time
import duckdb
csv, kind, threads, out = sys.argv[1:5]
columns = "{'USER_ID': 'VARCHAR', 'ITEM_ID': 'VARCHAR', 'TIMESTAMP': 'BIGINT', 'EVENT_TYPE': 'VARCHAR'}"
source = f"select * from read_csv('{csv}', header = true, delim = ',', quote = '\"', auto_detect = false, columns = {columns})"
db = duckdb.connect()
db.execute(f"set threads = {int(threads)}")
db.execute("set enable_progress_bar = false")
used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
began, cpu = time.perf_counter(), used()
db.execute(f"create table t as {source}" if kind == "memory" else f"copy ({source}) to '{out}' (format parquet)")
seconds, cpu = time.perf_counter() - began, used() - cpu
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu,
                  "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"bench/import.py: {command[0]} exited with {done.returncode}")
    return json.loads(done.stdout)


def best(command, repeat):
    return min((run(command) for _ in range(repeat)), key=lambda figures: figures["seconds"])


def has_duckdb():
    return subprocess.run([sys.executable, "-c", "import duckdb"], stderr=subprocess.DEVNULL).returncode == 0


def measure(program, csv, folder, threads, repeat, peer):
    segment, parquet = str(folder / "events.seg"), str(folder / "events.parquet")
    lines = [("ondol", best([program, "run", csv, segment, str(threads)], repeat))]
    for kind in ("memory", "parquet") if peer else ():
        command = [sys.executable, "-c", PEER, csv, kind, str(threads), parquet]
        lines.append((f"duckdb {kind}", best(command, repeat)))
    return lines


def show(threads, lines, rows, size):
    ours = lines[0][1]["seconds"]
    for name, f in lines:
        seconds = f["seconds"]
        print(f"{threads:7d}  {name:15s} {seconds:8.2f} {f['cpu_seconds']:8.2f} {rows / seconds / 1e6:9.2f} "
              f"{rows / seconds / threads / 1e6:9.2f} {rows / f['cpu_seconds'] / 1e6:9.2f} "
              f"{size / seconds / 1e6:8.0f} {f['peak_rss_mb']:8.0f} {seconds / ours:8.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--threads", default="1,2", help="numbers of threads, separated by commas")
    parser.add_argument("--folder", help="where the files go (default: a temporary folder)")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    program = str(pathlib.Path(os.environ.get("BUILD") or "build") / "bench" / "bench_import")
    if not pathlib.Path(program).exists():
        sys.exit(f"bench/import.py: {program} is missing; run `make bench-programs`")
    peer = has_duckdb()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ondol-bench-", dir=args.folder))
    try:
        csv = str(folder / "events.csv")
        subprocess.run([program, "generate", csv, str(args.rows)], check=True)
        size = os.path.getsize(csv)
        read = best([program, "read", csv], args.repeat)
        print(f"{args.rows:,} interactions, {size / 1e6:.0f} MB of CSV, {os.cpu_count()} cores"
              + ("" if peer else "; duckdb is not installed, so there is no peer"))
        print(f"read alone: {read['seconds']:.2f} s, {size / read['seconds'] / 1e6:.0f} MB/s")
        print("threads  reader           seconds  cpu s   Mrows/s  /thread   /cpu s     MB/s   RSS MB  x ondol")
        for threads in (int(t) for t in args.threads.split(",")):
            show(threads, measure(program, csv, folder, threads, args.repeat, peer), args.rows, size)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
