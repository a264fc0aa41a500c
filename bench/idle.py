#!/usr/bin/env python3
"""What an idle campaign costs, and how long its first answer takes.

    python3 bench/idle.py [--items 100000] [--users 100000] [--events-per-user 10] [--idle 60]
                          [--recipe NAME ...] [--folder DIR]

Starts `ondol serve` (BUILD/ondol; BUILD is `build` unless the environment says otherwise) on data of
its own (`ondol generate lodging`) with one campaign a recipe, which it makes once (--folder keeps
them). For each campaign alone:

  start      memory that the campaign adds to a server that has just started, MiB: of the process
             (anonymous), and pages of files
  first      its first answer, ms, and the server's CPU time for it; then the median of the next 100
  awake      the memory that it adds after these answers
  CPU        seconds of the whole process in an idle minute
  idle       the memory that it adds at the end of that minute: it has gone to sleep (--rest-after 10),
             or given its pages back
  woken      its first answer then, ms, and the server's CPU time for it; asleep or open until then

Memory is that of /proc/PID/smaps_rollup. Small differences are chance: what the start has freed stays
with the allocator. Each server is started with the image's pages out of the page cache, as far as the
kernel does what it is asked; after the start, which reads the file to verify it, they are in it.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time

import batch

RECIPES = ["aws-popularity-count", "aws-sims", "aws-user-personalization", "ondol-external-vectors"]
RELATED = {"aws-sims"}
CATALOGUE = "bench-idle.json"


def vectors(folder, data):
    """64 random numbers an item, of a fixed seed."""
    rng = random.Random(1)
    path = folder / "objects" / "bucket" / "vectors.txt"
    with open(data / "items.csv") as items, open(path, "w") as out:
        next(items)
        for line in items:
            out.write(line.split(",")[0] + "\t" + " ".join(f"{rng.gauss(0, 1):.4f}" for _ in range(64)) + "\n")
    return "s3://bucket/vectors.txt"


def make(given, folder, data):
    """Imports, trains each recipe; recipe to version."""
    server = batch.Server(folder, 0)
    try:
        group = server.call("CreateDatasetGroup", name="g")["datasetGroupArn"]
        objects = folder / "objects" / "bucket"
        objects.mkdir(parents=True, exist_ok=True)
        for kind in batch.FIELDS:
            schema = server.call("CreateSchema", name=kind, schema=batch.schema_text(kind))["schemaArn"]
            dataset = server.call("CreateDataset", name=kind, schemaArn=schema, datasetGroupArn=group, datasetType=kind)
            shutil.copy(data / f"{kind.lower()}.csv", objects)
            job = server.call("CreateDatasetImportJob", jobName=kind, datasetArn=dataset["datasetArn"],
                              dataSource={"dataLocation": f"s3://bucket/{kind.lower()}.csv"}, roleArn=batch.ROLE)
            server.wait("DescribeDatasetImportJob", "datasetImportJob", **job)
        made = {}
        for recipe in given.recipe:
            more = {}
            if recipe == "ondol-external-vectors":
                more = {"solutionConfig": {"algorithmHyperParameters": {"location": vectors(folder, data)}}}
            begun = time.monotonic()
            solution = server.call("CreateSolution", name=recipe, datasetGroupArn=group, performAutoTraining=False,
                                   recipeArn=f"arn:aws:personalize:::recipe/{recipe}", **more)
            version = server.call("CreateSolutionVersion", **solution)
            server.wait("DescribeSolutionVersion", "solutionVersion", **version)
            made[recipe] = version["solutionVersionArn"]
            print(f"trained {recipe} in {time.monotonic() - begun:.0f} s", flush=True)
        (folder / CATALOGUE).write_text(json.dumps(made))
        return made
    finally:
        server.stop()


def memory(server):
    """MiB: anonymous, and pages of files."""
    text = pathlib.Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    kib = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return kib["Anonymous"] / 1024, (kib["Rss"] - kib["Anonymous"]) / 1024


def cool(folder):
    for path in (folder / "data" / "images").iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def ask(server, campaign, recipe, number):
    """In milliseconds."""
    body = {"campaignArn": campaign, "numResults": 25}
    body |= {"itemId": f"jeju-{number:05d}"} if recipe in RELATED else {"userId": f"U{number + 1:07d}"}
    begun = time.perf_counter()
    server.connection.request("POST", "/recommendations", json.dumps(body), {"Content-Type": "application/json"})
    answer = server.connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"bench/idle.py: {answer.status} {text.decode()}")
    return (time.perf_counter() - begun) * 1000


def cpu_ms(server):
    """Of all threads, so far."""
    return sum(int(task.read_text().split()[0])
               for task in pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/schedstat")) / 1e6


def ask_first(server, campaign, recipe, number):
    """Milliseconds by the clock, and of CPU."""
    before = cpu_ms(server)
    wall = ask(server, campaign, recipe, number)
    return wall, cpu_ms(server) - before


def added(server, base):
    return tuple(now - before for now, before in zip(memory(server), base))


def reconnect(server):
    server.connection.close()  # the server may have closed an idle one
    server.connection.connect()


def is_asleep(server):
    server.connection.request("GET", "/metrics")
    return b"\nondol_campaigns_asleep 1\n" in server.connection.getresponse().read()


def measure(given, folder, recipe, version, base):
    server = batch.Server(folder, 0)
    campaign = server.call("CreateCampaign", name="c", solutionVersionArn=version)["campaignArn"]
    server.stop()
    cool(folder)
    server = batch.Server(folder, 0)
    try:
        start = added(server, base)
        reconnect(server)
        first = ask_first(server, campaign, recipe, 1)
        later = statistics.median(ask(server, campaign, recipe, n) for n in range(2, 102))
        awake = added(server, base)
        cpu = batch.cpu_of(server.process.pid)
        time.sleep(given.idle)
        cpu = (batch.cpu_of(server.process.pid) - cpu) * 60 / given.idle
        asleep = added(server, base)
        reconnect(server)
        state = "asleep" if is_asleep(server) else "open"
        woken = ask_first(server, campaign, recipe, 200)
        print(f"{recipe:26} {start[0]:7.1f} +{start[1]:6.1f} {first[0]:7.1f} {first[1]:6.1f} {later:7.2f} {awake[0]:7.1f} +{awake[1]:6.1f}"
              f" {cpu:7.2f} {asleep[0]:7.1f} +{asleep[1]:6.1f} {woken[0]:7.1f} {woken[1]:6.1f} {state}", flush=True)
        reconnect(server)
        server.connection.request("POST", "/", json.dumps({"campaignArn": campaign}), {
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonPersonalize.DeleteCampaign"})
        server.connection.getresponse().read()  # says nothing
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--events-per-user", type=int, default=10)
    parser.add_argument("--idle", type=float, default=60)
    parser.add_argument("--recipe", action="append")
    parser.add_argument("--folder", type=pathlib.Path, help="where data and models are made; kept, and used again")
    given = parser.parse_args()
    given.recipe = given.recipe or RECIPES
    os.environ["ONDOL_REST_AFTER"] = "10"
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CATALOGUE).exists():
            made = json.loads((folder / CATALOGUE).read_text())
        else:
            data = folder / "lodging"
            subprocess.run([batch.BINARY, "generate", "lodging", "--users", str(given.users), "--items", str(given.items),
                            "--events-per-user", str(given.events_per_user), "--days", "365", "--out", data], check=True,
                           stdout=subprocess.DEVNULL)
            made = make(given, folder, data)
        server = batch.Server(folder, 0)
        base = memory(server)
        server.stop()
        print(f"{given.items:,} items, {given.users:,} users; without a campaign {base[0]:.1f} + {base[1]:.1f} MiB")
        print(f"{'':26} {'start':>7}  {'files':>6} {'first':>7} {'CPU':>6} {'next':>7} {'awake':>7}  {'files':>6} {'CPU':>7} {'idle':>7}"
              f"  {'files':>6} {'woken':>7} {'CPU':>6}")
        for recipe in given.recipe:
            measure(given, folder, recipe, made[recipe], base)


if __name__ == "__main__":
    main()
