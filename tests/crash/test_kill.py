"""kill -9 at random moments during PutEvents, PutActionInteractions and imports.

After every kill the server starts again by itself; every acknowledged event is there, none is there that was not
sent, and an import is either whole or not visible. ONDOL_TORTURE=1 does 200 rounds instead of 50.
"""
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("ONDOL_BINARY", str(ROOT / "build" / "ondol"))
ROUNDS = 200 if os.environ.get("ONDOL_TORTURE") else 50
IMPORT_ROWS = 150_000
REGION = "us-east-1"


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.keys = {}
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--data", str(self.folder)], stdout=subprocess.PIPE, text=True
        )
        for line in self.process.stdout:
            match = re.match(r"\s*export (\w+)=(\S+)", line)
            if match:
                self.keys[match[1]] = match[2]
            if line.startswith("ready "):
                self.url = line.split()[1]
                return
        raise AssertionError(f"the server did not start again: exit status {self.process.wait()}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.keys["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20),
        )


class Writer(threading.Thread):
    """Puts events until the server dies; remembers what was sent and what was acknowledged."""

    def __init__(self, server, tracking_id, name):
        super().__init__(daemon=True)
        self.events = server.client("personalize-events")
        self.tracking_id, self.name_of_events = tracking_id, name
        self.sent, self.acknowledged = set(), set()

    def run(self):
        for number in range(1_000_000):
            ids = [f"{self.name_of_events}-{number}-{part}" for part in range(5)]
            self.sent.update(ids)
            try:
                self.put(ids, number)
            except Exception:
                return
            self.acknowledged.update(ids)

    def put(self, ids, number):
        batch = [{"eventId": i, "eventType": "view", "itemId": f"item-{number % 50}", "sentAt": 1700000000 + number} for i in ids]
        self.events.put_events(trackingId=self.tracking_id, userId=f"user-{number % 40}", sessionId="s", eventList=batch)


class ActionWriter(Writer):
    def put(self, ids, number):
        about = {"userId": f"user-{number % 40}", "sessionId": "s", "timestamp": 1700000000 + number, "eventType": "Taken"}
        batch = [{"eventId": i, "actionId": f"action-{number % 50}", **about} for i in ids]
        self.events.put_action_interactions(trackingId=self.tracking_id, actionInteractions=batch)


def write_csv(folder, name):
    bucket = folder / "objects" / "bucket"
    bucket.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"u{i % 997},i{i % 211},{1600000000 + i},view\n" for i in range(IMPORT_ROWS))
    (bucket / name).write_text("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n" + rows)


@pytest.fixture
def prepared(tmp_path):
    server = Server(tmp_path / "data")
    write_csv(tmp_path / "data", "rows.csv")
    personalize = server.client("personalize")
    group = personalize.create_dataset_group(name="crash")["datasetGroupArn"]

    def create(kind, name, thing):
        fields = [("USER_ID", "string"), (thing, "string"), ("TIMESTAMP", "long"), ("EVENT_TYPE", "string")]
        schema = {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields], "version": "1.0"}
        schema_arn = personalize.create_schema(name=name, schema=json.dumps(schema))["schemaArn"]
        return personalize.create_dataset(name=name, schemaArn=schema_arn, datasetGroupArn=group, datasetType=kind)["datasetArn"]

    dataset = create("INTERACTIONS", "Interactions", "ITEM_ID")
    actions = create("ACTION_INTERACTIONS", "ActionInteractions", "ACTION_ID")
    tracking_id = personalize.create_event_tracker(name="crash", datasetGroupArn=group)["trackingId"]
    action_tracking_id = personalize.describe_dataset(datasetArn=actions)["dataset"]["trackingId"]
    yield server, dataset, tracking_id, action_tracking_id
    if server.process.poll() is None:
        server.kill()


def import_jobs(server, dataset):
    pages = server.client("personalize").get_paginator("list_dataset_import_jobs").paginate(datasetArn=dataset)
    return [job for page in pages for job in page["datasetImportJobs"]]


def wait_for_imports(server, dataset):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        jobs = import_jobs(server, dataset)
        if all(job["status"] not in ("CREATE PENDING", "CREATE IN_PROGRESS") for job in jobs):
            return jobs
        time.sleep(0.1)
    raise AssertionError(f"imports did not end: {jobs}")


def check_files(server):
    """With the server dead: what the store refers to is whole, and nothing is half visible. Returns how many jobs
    the kill interrupted."""
    database = sqlite3.connect(f"file:{server.folder}/ondol.db?mode=ro", uri=True)
    interrupted = database.execute("SELECT count(*) FROM job").fetchone()[0]
    for path, rows in database.execute("SELECT path, row_count FROM bulk"):
        assert rows == IMPORT_ROWS
        shown = subprocess.run([BINARY, "show", str(server.folder / path)], capture_output=True, text=True)
        assert shown.returncode == 0 and f"{IMPORT_ROWS} rows" in shown.stdout, shown.stderr
    database.close()
    return interrupted


def stored_event_ids(server):
    database = sqlite3.connect(f"file:{server.folder}/ondol.db?mode=ro", uri=True)
    ids = [bytes(row[0])[1:].decode() for row in database.execute("SELECT identity FROM event")]  # byte 01, then the id
    database.close()
    return ids


def test_nothing_acknowledged_is_lost_and_no_import_is_half_visible(prepared):
    server, dataset, tracking_id, action_tracking_id = prepared
    rng = random.Random(20261123)
    sent, acknowledged, interrupted = set(), set(), 0
    for round_number in range(ROUNDS):
        mode = "FULL" if round_number % 3 == 0 else "INCREMENTAL"
        if not any(job["status"] == "ACTIVE" for job in import_jobs(server, dataset)):
            mode = "FULL"
        server.client("personalize").create_dataset_import_job(
            jobName=f"import-{round_number}",
            datasetArn=dataset,
            importMode=mode,
            dataSource={"dataLocation": "s3://bucket/rows.csv"},
        )
        writers = [
            Writer(server, tracking_id, f"r{round_number}items"),
            ActionWriter(server, action_tracking_id, f"r{round_number}actions"),
        ]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(0.005, 0.35 if round_number % 3 == 2 else 0.06))  # the short ones meet the import at work
        server.kill()
        for writer in writers:
            writer.join(30)
            sent |= writer.sent
            acknowledged |= writer.acknowledged
        interrupted += check_files(server) > 0
        server.start()
    jobs = wait_for_imports(server, dataset)
    server.kill()
    stored = stored_event_ids(server)
    assert len(acknowledged) > ROUNDS, "too few events were acknowledged to prove anything"
    assert interrupted >= 5, "too few imports were interrupted to prove anything"
    print(f"{ROUNDS} kills, {interrupted} during an import, {len(acknowledged)} events acknowledged, {len(stored)} stored")
    assert sum("actions" in event for event in acknowledged) > ROUNDS / 2
    assert acknowledged <= set(stored), f"lost: {sorted(acknowledged - set(stored))[:5]}"
    assert len(stored) == len(set(stored))
    assert set(stored) <= sent, "events nobody sent"
    failed = [job for job in jobs if job["status"] != "ACTIVE"]
    assert all("3 times" in job.get("failureReason", "") for job in failed), failed
    assert len(jobs) == ROUNDS
    check_files(server)
