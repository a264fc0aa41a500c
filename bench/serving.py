#!/usr/bin/env python3
"""Answers and events over HTTP beside the limits of the machine, measured in the same run.

    python3 bench/serving.py [--items 100000,1000000] [--seconds 5] [--connections 32] [--folder DIR] [--out DIR]

The server runs on the first core with one HTTP thread, the generator (BUILD/bench/load) on the second;
both are real processes, all requests are signed and all signatures checked. Catalogues are served by
ondol-external-vectors with vectors of 64 numbers. A question asks for 25 results of a random user, with
a filter that half of the items pass.

  limit of an answer   HTTP with the same requests and answers as large, signatures checked, by a handler that
                       knows the answer (BUILD/bench/echo), plus the products of one question with all items as
                       int8 numbers (BUILD/bench/floors: the bare kernel), as one of eight that share a pass or
                       alone, whichever is faster: 1 / (a + b); what is measured may be above it, for what a filter
                       lets through is searched by itself once it was asked for a few times
  limit of latency     the same door without an answer to find, at the same rate
  limit of events      what BUILD/bench/bench_store stores, 10 events a request, 100 requests a commit, one thread

Everything is measured for a few seconds; "CPU us" is what the server's process used for each answer or event,
which tells more than a rate where others use the machine too. "at half" is at half of the rate reached, requests
at fixed times. "visible" is the time from the acknowledgement of an event to an answer that shows it, with events
coming at half the rate reached.

Prints a table and writes serving.json to --out, by default BUILD/serving. BUILD is `build` unless the environment
says otherwise.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import random
import re
import subprocess
import sys
import tempfile
import time

import boto3
import botocore.config

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
PROGRAMS = BUILD / "bench"
DIMENSIONS, RESULTS, USERS, INTERACTIONS = 64, 25, 20_000, 200_000
ROLE = "arn:aws:iam::000000000000:role/any"
FIELDS = {
    "INTERACTIONS": [("USER_ID", "string"), ("ITEM_ID", "string"), ("EVENT_TYPE", "string"), ("TIMESTAMP", "long")],
    "ITEMS": [("ITEM_ID", "string"), ("SHELF", ["null", "string"])],
}


def pinned(core, command):
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core % len(cores)]), *map(str, command)]


def wait(describe, member, **names):
    while True:
        value = describe(**names)[member]
        if value["status"] == "ACTIVE":
            return value
        if "FAILED" in value["status"]:
            sys.exit(f"bench/serving.py: {value.get('failureReason')}")
        time.sleep(0.05)


class Server:
    def __init__(self, folder):
        command = [os.environ.get("ONDOL_BINARY", BUILD / "ondol"), "serve", "--listen", "127.0.0.1:0", "--data", folder,
                   "--threads", "1", "--auto-update", "0"]
        self.folder = folder
        self.process = subprocess.Popen(pinned(0, command), stdout=subprocess.PIPE, text=True)
        self.keys, self.target = {}, None
        for line in self.process.stdout:
            self.keys.update(re.findall(r"export (\w+)=(\S+)", line))
            if ready := re.search(r"ready http://(\S+)", line):
                self.target = ready[1]
                break
        if not self.target:
            sys.exit("bench/serving.py: the server did not start")
        self.control = boto3.client(
            "personalize", endpoint_url=f"http://{self.target}", region_name="us-east-1",
            aws_access_key_id=self.keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=self.keys["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=600))

    def cpu(self):
        """Seconds that the server itself used, its workers not counted."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def load(self, workload, **options):
        command = [PROGRAMS / "load", workload, "--target", self.target, "--key-id", self.keys["AWS_ACCESS_KEY_ID"],
                   "--secret", self.keys["AWS_SECRET_ACCESS_KEY"]]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        return subprocess.Popen(pinned(1, command), stdout=subprocess.PIPE, text=True)

    def measure(self, workload, **options):
        before = self.cpu()
        figures = result(self.load(workload, **options))
        figures["cpu_us"] = (self.cpu() - before) * 1e6 / max(figures["answers"], 1)
        return figures

    def stop(self):
        self.process.terminate()
        self.process.wait()


def result(process):
    text = process.communicate()[0]
    if process.returncode:
        sys.exit(f"bench/serving.py: {process.args[3:5]} ended with {process.returncode}")
    figures = json.loads(text)
    if figures["errors"]:
        print(f"  {figures['workload']}: {figures['errors']} errors, the first {figures['first_error']}", flush=True)
    return figures


# --- the world


def write_world(bucket, items):
    dice = random.Random(items)
    with open(bucket / "items.csv", "w") as out:
        out.write("ITEM_ID,SHELF\n")
        out.writelines(f"i{i},{'front' if i % 2 else 'back'}\n" for i in range(items))
    with open(bucket / "interactions.csv", "w") as out:
        out.write("USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n")
        out.writelines(f"u{dice.randrange(USERS)},i{int(items * dice.random() ** 2)},view,{1_650_000_000 + n}\n"
                       for n in range(INTERACTIONS))
    pieces = [" ".join(f"{dice.gauss(0, 1):.3f}" for _ in range(8)) for _ in range(16384)]
    with open(bucket / "vectors.txt", "w") as out:
        for i in range(items):
            out.write(f"i{i}\t{' '.join(dice.choices(pieces, k=DIMENSIONS // 8))}\n")


def make_world(server, items):
    """Imports, trains, deploys: the campaign, the filters and the tracker."""
    control, bucket = server.control, server.folder / "objects" / "bucket"
    bucket.mkdir(parents=True)
    write_world(bucket, items)
    group = control.create_dataset_group(name="g")["datasetGroupArn"]
    for kind, fields in FIELDS.items():
        text = json.dumps({"type": "record", "name": kind.capitalize(), "namespace": "bench", "version": "1.0",
                           "fields": [{"name": n, "type": t, **({"categorical": True} if n == "SHELF" else {})}
                                      for n, t in fields]})
        schema = control.create_schema(name=kind, schema=text)["schemaArn"]
        dataset = control.create_dataset(name=kind, schemaArn=schema, datasetGroupArn=group, datasetType=kind)["datasetArn"]
        job = control.create_dataset_import_job(
            jobName=kind, datasetArn=dataset, roleArn=ROLE,
            dataSource={"dataLocation": f"s3://bucket/{kind.lower()}.csv"})["datasetImportJobArn"]
        wait(control.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=job)
    solution = control.create_solution(
        name="s", datasetGroupArn=group, recipeArn="arn:aws:personalize:::recipe/ondol-external-vectors",
        performAutoTraining=False,
        solutionConfig={"algorithmHyperParameters": {"location": "s3://bucket/vectors.txt"}})["solutionArn"]
    version = control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    wait(control.describe_solution_version, "solutionVersion", solutionVersionArn=version)
    campaign = control.create_campaign(name="c", solutionVersionArn=version)["campaignArn"]
    wait(control.describe_campaign, "campaign", campaignArn=campaign)
    filters = {}
    for name, text in {"half": 'INCLUDE ItemID WHERE Items.SHELF IN ("front")',
                       "unseen": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'}.items():
        filters[name] = control.create_filter(name=name, datasetGroupArn=group, filterExpression=text)["filterArn"]
        wait(control.describe_filter, "filter", filterArn=filters[name])
    tracker = control.create_event_tracker(name="t", datasetGroupArn=group)["trackingId"]
    return campaign, filters, tracker


# --- limits


def measure_echo(server, body_bytes, checked, **options):
    """The door alone, with answers as large and the same requests."""
    keys = server.keys["AWS_ACCESS_KEY_ID"], server.keys["AWS_SECRET_ACCESS_KEY"]
    command = [PROGRAMS / "echo", max(1, round(body_bytes)), *(("signed", *keys) if checked else ("none",))]
    echo = subprocess.Popen(pinned(0, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(echo.stdout.readline())
    load = [PROGRAMS / "load", "recommend", "--target", f"127.0.0.1:{port}", "--key-id", keys[0], "--secret", keys[1]]
    for name, value in options.items():
        load += [f"--{name}", str(value)]
    figures = result(subprocess.Popen(pinned(1, load), stdout=subprocess.PIPE, text=True))
    echo.stdin.close()
    echo.wait()
    if figures["errors"]:
        sys.exit("bench/serving.py: the echo refused requests")
    return figures


def measure_commits(folder, seconds):
    """Durable events a second of the store alone: 10 a request, 100 requests a commit, no event ids."""
    text = subprocess.run(pinned(0, [PROGRAMS / "bench_store", folder, seconds, "none"]), stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    row = next(line.split("|") for line in text.splitlines() if re.match(r"\|\s*none\s*\|\s*10 \|\s*100 \|", line))
    return float(row[4])


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text() if platform.system() == "Linux" else ""
    model = re.search(r"model name\s*:\s*(.+)", info)
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {"cpu": model[1] if model else platform.processor(), "cores": len(os.sched_getaffinity(0)),
            "memory_gib": int(memory[1]) / 2**20, "kernel": platform.release(), "load_average": os.getloadavg()[0]}


# --- the run


def measure_floors(seconds):
    return json.loads(subprocess.run(pinned(0, [PROGRAMS / "floors", str(seconds)]), stdout=subprocess.PIPE,
                                     check=True).stdout)


def measure_answers(server, world, items, given):
    campaign, filters, _ = world
    asked = {"campaign": campaign, "filter": filters["half"], "results": RESULTS, "users": USERS,
             "connections": given.connections}
    server.measure("recommend", seconds=1, **asked)  # the first fills caches
    most = server.measure("recommend", seconds=given.seconds, **asked)
    half = server.measure("recommend", seconds=given.seconds, rate=most["per_second"] / 2, **asked)
    http = {name: measure_echo(server, most["body_bytes"], checked, seconds=min(given.seconds, 3), **asked)
            for name, checked in (("bare", False), ("signed", True))}
    http["half"] = measure_echo(server, most["body_bytes"], True, seconds=given.seconds, rate=half["rate"], **asked)
    floors = measure_floors(given.seconds / 5)  # near what is held against it: the machine's speed varies
    size, times = (items, 1) if str(items) in floors["scan"] else (1_000_000, items / 1e6)
    scan = min(floors["scan"][str(size)].values()) * times
    limit = 1 / (1 / http["signed"]["per_second"] + scan)
    return {"items": items, "most": most, "half": half, "http": http, "scan_seconds": scan, "limit": limit,
            "of_limit": most["per_second"] / limit, "server_mib": server.resident()}


def measure_events(server, world, items, given, folder):
    campaign, filters, tracker = world
    told = {"tracking": tracker, "users": USERS, "items": items, "connections": given.event_connections}
    pool = given.seconds * given.event_pool
    most = server.measure("events", seconds=given.seconds, pool=pool, **told)
    raw = measure_commits(folder, 1)
    rate = most["per_second"] / 2
    background = server.load("events", seconds=given.seconds + 1, pool=int(rate * (given.seconds + 2)) + 1, rate=rate, **told)
    time.sleep(0.5)
    visible = server.measure("visible", campaign=campaign, filter=filters["unseen"], tracking=tracker, results=RESULTS,
                             pool=20000, seconds=given.seconds)
    half = result(background)
    return {"items": items, "most": most, "half": half, "visible": visible, "raw_events_per_second": raw,
            "events_per_second": most["per_second"] * 10, "of_raw": most["per_second"] * 10 / raw}


def row(name, value, limit, ratio, note=""):
    print(f"  {name:44} {value:>14} {limit:>16} {ratio:>7}  {note}", flush=True)


def latency(figures):
    return " ".join(f"{figures[name + '_ms']:.2f}" for name in ("p50", "p99", "p999", "max"))


def print_answers(f):
    most, half = f["most"], f["half"]
    row(f"answers/s, {f['items']:,} items", f"{most['per_second']:,.0f}", f"{f['limit']:,.0f}", f"{f['of_limit']:.0%}",
        f"CPU {most['cpu_us']:.0f} us an answer")
    row("  of it: HTTP, signatures checked /s", "", f"{f['http']['signed']['per_second']:,.0f}", "",
        f"unchecked {f['http']['bare']['per_second']:,.0f}")
    row("  of it: int8 scan, us a question", "", f"{f['scan_seconds'] * 1e6:,.0f}", "")
    row("  latency, ms: p50 p99 p99.9 max", "", "", "", latency(most))
    row(f"  at half, {half['rate']:,.0f}/s, ms: p50 p99 p99.9 max", "", "", "",
        f"{latency(half)}; the door alone {latency(f['http']['half'])}")


def print_events(f):
    most, half, visible = f["most"], f["half"], f["visible"]
    row("durable events/s, 10 a request", f"{f['events_per_second']:,.0f}", f"{f['raw_events_per_second']:,.0f}",
        f"{f['of_raw']:.0%}", f"CPU {most['cpu_us'] / 10:.1f} us an event")
    row(f"  at half, {half['rate']:,.0f} requests/s, ms: p50 p99 p99.9 max", "", "", "", latency(half))
    row("  acknowledged to visible, ms: p50 p99 max", "", "", "",
        f"{visible['p50_ms']:.2f} {visible['p99_ms']:.2f} {visible['max_ms']:.2f}; "
        f"{visible['not_as_expected']} of {visible['answers']} not in the next answer")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", default="100000,1000000", help="catalogues, separated by commas")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--event-connections", type=int, default=128)
    parser.add_argument("--event-pool", type=int, default=10000, help="batches of events made for each second")
    parser.add_argument("--folder", type=pathlib.Path, help="where the data folders are made, and removed; by default in BUILD")
    parser.add_argument("--out", type=pathlib.Path, default=BUILD / "serving")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    told = {"machine": machine(), "floors": measure_floors(0.2)}
    m = told["machine"]
    print(f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']:.0f} GiB, load {m['load_average']:.1f}; "
          f"one core reads {told['floors']['bandwidth'] / 1e9:.1f} GB/s; server on one core, generator on "
          f"{'the other' if m['cores'] > 1 else 'the same'}")
    row("", "measured", "limit", "of it")
    told["answers"], told["events"] = [], []
    for items in map(int, given.items.split(",")):
        with tempfile.TemporaryDirectory(dir=given.folder or BUILD) as scratch, contextlib.ExitStack() as stack:
            server = Server(pathlib.Path(scratch) / "data")
            stack.callback(server.stop)
            world = make_world(server, items)
            told["answers"].append(measure_answers(server, world, items, given))
            print_answers(told["answers"][-1])
            if len(told["events"]) == 0:
                told["events"].append(measure_events(server, world, items, given, scratch))
                print_events(told["events"][-1])
    (given.out / "serving.json").write_text(json.dumps(told, indent=1) + "\n")
    print(f"{given.out / 'serving.json'}")


if __name__ == "__main__":
    main()
