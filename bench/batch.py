#!/usr/bin/env python3
"""Batch inference beside single requests: how many users a second each way, in the same run.

    python3 bench/batch.py [--users 100000] [--items 2000] [--events-per-user 5] [--recipe NAME]
                           [--requests 3000] [--results 25] [--job-threads 0] [--folder DIR]

Starts `ondol serve` (BUILD/ondol; BUILD is `build` unless the environment says otherwise) on data of
its own (`ondol generate lodging`), imports, trains, and asks for every user. Exploration is off, so
that both ways have one right answer, which is compared for the users asked singly: before the batch and, where
that differs, after it too, for what is answered depends on how long a user has been away.

  one by one    GetRecommendations over one kept connection, the next when the last is answered
  N at once     the same over N connections, one a core
  batch         CreateBatchInferenceJob for all users: from the first line to the last (`answering`),
                and as a client sees it, from creation to ACTIVE, loading of data included

A job's worker runs at low priority: beside other work on the machine the rates say less than the CPU
time a user, which is the server's (the client's is not in it) and the worker's.

Memory is the most that a process ever held (VmHWM): of the server, which holds the group and the
campaign, and of the job's worker, which holds a group and a model of its own and a block of lines.
`added` is what the worker held at its peak beyond what it held when the first line was answered.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

BINARY = os.environ.get("ONDOL_BINARY") or str(pathlib.Path(os.environ.get("BUILD", "build")) / "ondol")
ROLE = "arn:aws:iam::000000000000:role/bench"
NO_CHANCE = {"itemExplorationConfig": {"explorationWeight": "0"}}
EXPLORES = {"aws-user-personalization"}
FIELDS = {
    "INTERACTIONS": [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("EVENT_TYPE", "string")],
    "ITEMS": [("ITEM_ID", "string"), ("CREATION_TIMESTAMP", "long"), ("GRADE", "string"), ("LOCATION", "string"),
              ("RATING", "int"), ("FACILITY", "string"), ("FAVORITE", "int")],
    "USERS": [("USER_ID", "string"), ("TIER", "string")],
}
CATEGORICAL = {"GRADE", "LOCATION", "FACILITY", "TIER"}


class Server:
    def __init__(self, folder, job_threads):
        self.folder = folder
        self.log = open(folder / "log", "w+b")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--data", str(folder / "data"), "--no-auth", "--job-threads",
             str(job_threads), "--objects", str(folder / "objects")], stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while not (ready := re.search(rb"^ready http://(\S+):(\d+)", (folder / "log").read_bytes(), re.MULTILINE)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("bench/batch.py: the server does not start\n" + (folder / "log").read_text())
            time.sleep(0.02)
        self.address = ready[1].decode(), int(ready[2])
        self.connection = http.client.HTTPConnection(*self.address, timeout=600)

    def call(self, operation, **body):
        self.connection.close()  # the server may have closed an idle one
        self.connection.request("POST", "/", json.dumps(body), {
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"AmazonPersonalize.{operation}"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"bench/batch.py: {operation}: {answer.status} {text.decode()}")
        return json.loads(text)

    def wait(self, operation, member, **body):
        while True:
            value = self.call(operation, **body)[member]
            if value["status"] == "ACTIVE":
                return value
            if "FAILED" in value["status"]:
                sys.exit(f"bench/batch.py: {value['failureReason']}")
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def schema_text(kind):
    fields = [{"name": name, "type": what, **({"categorical": True} if name in CATEGORICAL else {})}
              for name, what in FIELDS[kind]]
    return json.dumps({"type": "record", "name": kind.capitalize(), "namespace": "bench", "fields": fields, "version": "1.0"})


def prepare(server, given, data):
    """Imports, trains; the version and its campaign."""
    group = server.call("CreateDatasetGroup", name="g")["datasetGroupArn"]
    for kind in FIELDS:
        schema = server.call("CreateSchema", name=kind, schema=schema_text(kind))["schemaArn"]
        dataset = server.call("CreateDataset", name=kind, schemaArn=schema, datasetGroupArn=group, datasetType=kind)
        objects = server.folder / "objects" / "bucket"
        objects.mkdir(parents=True, exist_ok=True)
        name = f"{kind.lower()}.csv"
        if not (objects / name).exists():
            os.link(data / name, objects / name)
        job = server.call("CreateDatasetImportJob", jobName=kind, datasetArn=dataset["datasetArn"],
                          dataSource={"dataLocation": f"s3://bucket/{name}"}, roleArn=ROLE)
        server.wait("DescribeDatasetImportJob", "datasetImportJob", **job)
    solution = server.call("CreateSolution", name="s", datasetGroupArn=group, performAutoTraining=False,
                           recipeArn=f"arn:aws:personalize:::recipe/{given.recipe}")
    version = server.call("CreateSolutionVersion", **solution)
    server.wait("DescribeSolutionVersion", "solutionVersion", **version)
    config = {"campaignConfig": NO_CHANCE} if given.recipe in EXPLORES else {}
    campaign = server.call("CreateCampaign", name="c", **version, **config)
    server.wait("DescribeCampaign", "campaign", **campaign)
    return version["solutionVersionArn"], campaign["campaignArn"]


def ask(address, campaign, users, results):
    """Asks for each user over one connection: seconds, and the items of each."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    bodies = [json.dumps({"campaignArn": campaign, "userId": u, "numResults": results}) for u in users]
    answers = []
    begun = time.perf_counter()
    for body in bodies:
        connection.request("POST", "/recommendations", body, {"Content-Type": "application/json"})
        answers.append(connection.getresponse().read())
    seconds = time.perf_counter() - begun
    return seconds, [[item["itemId"] for item in json.loads(answer)["itemList"]] for answer in answers]


def ask_at_once(address, campaign, users, results, count):
    parts = [(address, campaign, users[i::count], results) for i in range(count)]
    with multiprocessing.Pool(count) as pool:
        pool.starmap(ask, [(a, c, u[:10], r) for a, c, u, r in parts])
        return max(seconds for seconds, _ in pool.starmap(ask, parts))


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {key: int(kib) * 1024 for key, kib in re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB", text, re.MULTILINE)}


def cpu_of(pid):
    """Seconds of all threads, so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch(threading.Thread):
    """The worker's memory and CPU time while a job runs."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.pid, self.ended = server.process.pid, threading.Event()
        self.peak, self.held, self.cpu = 0, 0, 0.0
        self.start()

    def run(self):
        while not self.ended.wait(0.01):
            for task in pathlib.Path(f"/proc/{self.pid}/task").glob("*/children"):
                try:
                    for child in task.read_text().split():
                        status = status_of(child)
                        self.peak = max(self.peak, status.get("VmHWM", 0))
                        self.held, self.cpu = status.get("VmRSS", 0), cpu_of(child)
                except (FileNotFoundError, ProcessLookupError):
                    pass

    def end(self):
        self.ended.set()
        self.join()


def run_batch(server, given, version, users):
    folder = server.folder / "objects" / "bucket"
    (folder / "users.json").write_text("".join(f'{{"userId":"{u}"}}\n' for u in users))
    config = {"batchInferenceJobConfig": NO_CHANCE} if given.recipe in EXPLORES else {}
    watch = Watch(server)
    begun = time.perf_counter()
    job = server.call("CreateBatchInferenceJob", jobName="b", solutionVersionArn=version, roleArn=ROLE,
                      numResults=given.results, jobInput={"s3DataSource": {"path": "s3://bucket/users.json"}},
                      jobOutput={"s3DataDestination": {"path": "s3://bucket/out/"}}, **config)
    stage, answering, held, loaded = "", begun, 0, 0.0
    jobs = http.client.HTTPConnection(*server.address, timeout=60)
    while True:
        jobs.request("GET", "/ondol/jobs")
        running = json.loads(jobs.getresponse().read())
        running = running.get("jobs", running) if isinstance(running, dict) else running
        if not running:
            break
        if running[0]["stage"] == "answering" and stage != "answering":
            stage, answering = "answering", time.perf_counter()
            held, loaded = watch.held, watch.cpu
        time.sleep(0.01)
    ended = time.perf_counter()
    server.wait("DescribeBatchInferenceJob", "batchInferenceJob", **job)
    whole = time.perf_counter() - begun
    watch.end()
    return {"whole": whole, "answering": ended - answering, "cpu": watch.cpu - loaded, "peak": watch.peak,
            "added": max(0, watch.peak - held), "path": folder / "out" / "users.json.out"}


def compare(users, answers, path):
    """Users whose answers differ, with those of the batch; and how many lines there are."""
    expected, other, lines = dict(zip(users, answers)), {}, 0
    with open(path) as out:
        for line in out:
            lines += 1
            value = json.loads(line)
            user = value["input"]["userId"]
            if expected.get(user, value["output"]["recommendedItems"]) != value["output"]["recommendedItems"]:
                other[user] = value["output"]["recommendedItems"]
    return other, lines


def measure(server, given, data):
    users = [f"U{n + 1:07d}" for n in range(given.users)]
    version, campaign = prepare(server, given, data)
    single = users[:: max(1, len(users) // given.requests)][: given.requests]
    ask(server.address, campaign, single[:200], given.results)
    cpu = cpu_of(server.process.pid)
    seconds, answers = ask(server.address, campaign, single, given.results)
    cpu = cpu_of(server.process.pid) - cpu
    cores = len(os.sched_getaffinity(0))
    at_once = ask_at_once(server.address, campaign, single, given.results, cores)
    batch = run_batch(server, given, version, users)
    other, lines = compare(single, answers, batch["path"])
    again = dict(zip(other, ask(server.address, campaign, list(other), given.results)[1]))
    differ = [user for user in other if other[user] != again[user]]
    if lines != len(users) or differ:
        sys.exit(f"bench/batch.py: {lines} lines of {len(users)}; asked singly, before and after, these have other answers: "
                 f"{' '.join(differ)}")
    one = len(single) / seconds
    rows = [("one by one", one, cpu / len(single)), (f"{cores} at once", len(single) / at_once, None),
            ("batch, answering", len(users) / batch["answering"], batch["cpu"] / len(users)),
            ("batch, whole job", len(users) / batch["whole"], None)]
    print(f"{given.recipe}, {given.users:,} users, {given.items:,} items, {given.results} results, {cores} cores")
    print(f"{'':20} {'users/s':>10} {'x one by one':>13} {'CPU us a user':>14}")
    for name, rate, each in rows:
        print(f"{name:20} {rate:10,.0f} {rate / one:13.1f} {'' if each is None else f'{each * 1e6:14.0f}'}")
    print(f"memory: server {status_of(server.process.pid)['VmHWM'] / 2**20:,.0f} MiB, worker {batch['peak'] / 2**20:,.0f} "
          f"MiB, of it {batch['added'] / 2**20:,.0f} MiB added while answering; output "
          f"{batch['path'].stat().st_size / 2**20:,.1f} MiB")
    later = f", {len(other)} of them to what is answered after it, for pauses grow" if other else ""
    print(f"{len(single):,} answers compared with those of single requests: all equal{later}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--events-per-user", type=int, default=5)
    parser.add_argument("--recipe", default="aws-user-personalization")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--results", type=int, default=25)
    parser.add_argument("--job-threads", type=int, default=0)
    parser.add_argument("--folder", type=pathlib.Path, help="where data is made; kept, and used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        data = given.folder or scratch / "lodging"
        if not (data / "interactions.csv").exists():
            subprocess.run([BINARY, "generate", "lodging", "--users", str(given.users), "--items", str(given.items),
                            "--events-per-user", str(given.events_per_user), "--days", "365", "--out", data], check=True,
                           stdout=subprocess.DEVNULL)
        server = Server(scratch, given.job_threads)
        try:
            measure(server, given, data)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
