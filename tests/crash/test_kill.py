"""kill -9 at random moments under eight writers, while imports, trainings, updates of a campaign, exports and deletions
of users are on their way.

After every kill the server starts again by itself. What was acknowledged is there once; what was not is there once or
not at all, and once when it is sent again; nothing else is there. The live history knows what was acknowledged. An
import is whole or not visible, and every job ends. ONDOL_TORTURE=1 kills 200 times instead of 10.
"""
import contextlib
import json
import os
import random
import sqlite3
import subprocess
import threading
import time

import pytest
from harness import (
    ACCOUNT,
    BINARY,
    Server,
    World,
    field,
    held,
    item_id,
    new_dataset,
    new_group,
    new_version,
    put_object,
    schema,
    start_import,
    wait_for,
)

ROUNDS = 200 if os.environ.get("ONDOL_TORTURE") else 10
IMPORT_ROWS = 150_000
ROLE = f"arn:aws:iam::{ACCOUNT}:role/anything"
SMALL = schema("Interactions", field("USER_ID", "string"), field("ITEM_ID", "string"), field("TIMESTAMP", "long"),
               field("EVENT_TYPE", "string"))
ACTIONS = schema("ActionInteractions", field("USER_ID", "string"), field("ACTION_ID", "string"),
                 field("TIMESTAMP", "long"), field("EVENT_TYPE", "string"))
LATEST = json.dumps({"genres": "comedy", "creationTimestamp": 1700000000})


class Writer(threading.Thread):
    """Puts batches until the server dies; remembers what was sent, what was acknowledged, and what was cut off."""

    def __init__(self, place, number, round_number):
        super().__init__(daemon=True)
        self.place, self.number = place, number
        self.name_of_batches = f"{self.kind}-{number}-r{round_number}"
        self.user = f"writer-{number}-r{round_number}"
        self.sent, self.acknowledged, self.cut_off = set(), set(), None

    def connect(self):
        # as many clients as writers: one for all would share its connections
        self.client = self.place.server.client("personalize-events", connect_timeout=5 + self.number, read_timeout=20)

    def run(self):
        self.connect()
        for batch in range(1_000_000):
            names = [f"{self.name_of_batches}-{batch}-{part}" for part in range(5)]
            self.sent.update(names)
            try:
                self.put(names, batch)
            except Exception:
                self.cut_off = names, batch
                return
            self.acknowledged.update(names)

    def send_again(self):
        """As an SDK does that got no answer."""
        if self.cut_off:
            self.connect()
            self.put(*self.cut_off)
            self.acknowledged.update(self.cut_off[0])


class EventWriter(Writer):
    kind = "event"

    def put(self, names, batch):
        events = [{"eventId": n, "eventType": "view", "itemId": self.item(batch, i), "sentAt": 1700000000 + batch}
                  for i, n in enumerate(names)]
        self.client.put_events(trackingId=self.place.tracking_ids[self.number % 2], userId=self.user, sessionId="s",
                               eventList=events)

    def item(self, batch, part):
        """Of the catalogue, so that a filter knows it: a few, so that others are left."""
        return item_id("horror", (batch * 5 + part) % 6)


class PlainWriter(Writer):
    """Events without ids: their content is their name."""

    kind = "plain"

    def put(self, names, batch):
        events = [{"eventType": "view", "itemId": n, "sentAt": 1700000000 + batch} for n in names]
        self.client.put_events(trackingId=self.place.tracking_ids[0], userId=self.user, sessionId="s", eventList=events)


class ActionWriter(Writer):
    kind = "action"

    def put(self, names, batch):
        about = {"userId": self.user, "sessionId": "s", "timestamp": 1700000000 + batch, "eventType": "Taken"}
        taken = [{"eventId": n, "actionId": f"action-{batch % 50}", **about} for n in names]
        self.client.put_action_interactions(trackingId=self.place.action_tracking_id, actionInteractions=taken)


class RecordWriter(Writer):
    """New records, and one that every batch writes anew."""

    def put(self, names, batch):
        records = [self.record(n, batch) for n in [*names, f"{self.name_of_batches}-last"]]
        self.put_records(records)
        self.last = batch

    last = -1


class ItemWriter(RecordWriter):
    kind = "item"

    def record(self, name, batch):
        return {"itemId": name, "properties": json.dumps({"year": batch, "creationTimestamp": 1700000000})}

    def put_records(self, records):
        self.client.put_items(datasetArn=self.place.world.datasets["ITEMS"], items=records)


class UserWriter(RecordWriter):
    kind = "user"

    def record(self, name, batch):
        return {"userId": name, "properties": json.dumps({"age": batch})}

    def put_records(self, records):
        self.client.put_users(datasetArn=self.place.world.datasets["USERS"], users=records)


class Place:
    """The server and what its writers write to."""

    def __init__(self, folder):
        self.server = Server(folder / "data")
        self.world = World(self.server)
        control = self.server.control
        self.other_group = new_group(self.server)
        self.imported = new_dataset(self.server, self.other_group, "INTERACTIONS", SMALL)
        other = control.create_event_tracker(name="other", datasetGroupArn=self.other_group)["trackingId"]
        self.tracking_ids = [self.world.tracking_id, other]
        actions = new_dataset(self.server, self.other_group, "ACTION_INTERACTIONS", ACTIONS)
        self.action_tracking_id = control.describe_dataset(datasetArn=actions)["dataset"]["trackingId"]
        self.versions = [new_version(self.server, self.world.solution("aws-popularity-count")) for _ in range(2)]
        made = control.create_campaign(name="switched", solutionVersionArn=self.versions[0])
        self.campaign = made["campaignArn"]
        self.version = self.versions[0]  # the last that was acknowledged
        self.asked = {self.version}
        rows = "".join(f"u{i % 997},i{i % 211},{1600000000 + i},view\n" for i in range(IMPORT_ROWS))
        self.rows = put_object(self.server, "rows.csv", "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n" + rows)
        self.watched = self.world.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")')
        self.deletions = {}

    # --- the work under way when the kill comes

    def begin_import(self, round_number):
        jobs = self.jobs("list_dataset_import_jobs", "datasetImportJobs", datasetArn=self.imported)
        mode = "FULL" if round_number % 3 == 0 or not any(j["status"] == "ACTIVE" for j in jobs) else "INCREMENTAL"
        start_import(self.server, self.imported, self.rows, mode)

    def begin_training(self, round_number):
        self.server.control.create_solution_version(solutionArn=self.world.solution("aws-popularity-count"))

    def begin_update(self, round_number):
        version = self.versions[round_number % 2]
        self.asked = {self.version, version}
        self.server.control.update_campaign(campaignArn=self.campaign, solutionVersionArn=version)
        self.version, self.asked = version, {version}

    def begin_export(self, round_number):
        self.server.control.create_dataset_export_job(
            jobName=f"export-{round_number}", datasetArn=self.world.datasets["INTERACTIONS"], roleArn=ROLE,
            jobOutput={"s3DataDestination": {"path": f"s3://bucket/export-{round_number}/"}}, ingestionMode="ALL")

    def begin_deletion(self, round_number):
        user = f"doomed-{round_number}"
        self.world.put(user, [item_id("drama", i) for i in range(5)], session=user)
        location = put_object(self.server, f"doomed-{round_number}.csv", f"USER_ID\n{user}\n")
        job = self.server.control.create_data_deletion_job(
            jobName=f"deletion-{round_number}", datasetGroupArn=self.world.group,
            dataSource={"dataLocation": location}, roleArn=ROLE)["dataDeletionJobArn"]
        self.deletions[user] = job

    def begin_work(self, round_number):
        kinds = [self.begin_import, self.begin_training, self.begin_update, self.begin_export, self.begin_deletion]
        kinds[round_number % len(kinds)](round_number)

    def jobs(self, operation, member, **request):
        pages = self.server.control.get_paginator(operation).paginate(**request)
        return [job for page in pages for job in page[member]]

    # --- checks

    def check_files(self):
        """With the server dead: what the store refers to is whole. Returns how many jobs the kill interrupted."""
        database = self.database()
        interrupted = database.execute("SELECT count(*) FROM job").fetchone()[0]
        for path, rows in database.execute("SELECT path, row_count FROM bulk"):
            shown = subprocess.run([BINARY, "show", str(self.server.folder / path)], capture_output=True, text=True)
            assert shown.returncode == 0 and f"{rows} rows" in shown.stdout, shown.stderr
        database.close()
        return interrupted

    def database(self):
        return sqlite3.connect(f"file:{self.server.folder}/ondol.db?mode=ro", uri=True)

    def check_alive(self, writers):
        """The live history has what was acknowledged: a filter drops it from the writer's own recommendations."""
        for writer in writers:
            if writer.kind != "event" or writer.number % 2 or not writer.acknowledged:
                continue
            items = self.world.items(userId=writer.user, filterArn=self.watched, numResults=100)
            seen = {writer.item(int(n.split("-")[-2]), int(n.split("-")[-1])) for n in writer.acknowledged}
            assert items and not seen & set(items), (writer.user, seen & set(items))
            assert item_id("comedy", 1) in items
        described = self.server.control.describe_campaign(campaignArn=self.campaign)["campaign"]
        if described["solutionVersionArn"] in self.asked:
            self.version = described["solutionVersionArn"]
        assert described["solutionVersionArn"] == self.version, (described, self.asked)
        assert self.world.items(campaign=self.campaign, userId="anybody", numResults=5)

    def check_jobs(self):
        """Every job ends by itself, and fails only when the server was killed three times during it."""
        lists = [
            self.jobs("list_dataset_import_jobs", "datasetImportJobs", datasetArn=self.imported),
            self.jobs("list_solution_versions", "solutionVersions",
                      solutionArn=self.world.solution("aws-popularity-count")),
            self.jobs("list_dataset_export_jobs", "datasetExportJobs"),
            self.server.control.list_data_deletion_jobs(maxResults=100)["dataDeletionJobs"],
        ]
        jobs = [job for part in lists for job in part]
        return all(job["status"] in ("ACTIVE", "COMPLETED") or "3 times" in job.get("failureReason", "") for job in jobs)


def record_checks(database, writers):
    counts = dict(database.execute("SELECT id, count(*) FROM record GROUP BY id, dataset"))
    bodies = dict(database.execute("SELECT id, body FROM record"))
    for writer in writers:
        if not isinstance(writer, RecordWriter):
            continue
        stored = {name for name in writer.sent if name in counts}
        assert writer.acknowledged <= stored, sorted(writer.acknowledged - stored)[:5]
        name = f"{writer.name_of_batches}-last"
        if writer.last >= 0:
            body = json.loads(bodies[name])
            assert body.get("YEAR", body.get("AGE")) == writer.last, (name, body, writer.last)
    assert all(count == 1 for count in counts.values())


def event_checks(database, writers):
    by_id, by_item = {}, {}
    for identity, item in database.execute("SELECT identity, item FROM event"):
        identity = bytes(identity)
        if identity[:1] == b"\x01":
            by_id[identity[1:].decode()] = by_id.get(identity[1:].decode(), 0) + 1
        elif item.startswith("plain-"):
            by_item[item] = by_item.get(item, 0) + 1
    sent, acknowledged = set(), set()
    for writer in writers:
        if not isinstance(writer, RecordWriter):
            sent |= writer.sent
            acknowledged |= writer.acknowledged
    stored = {**by_id, **by_item}
    assert acknowledged <= set(stored), f"lost: {sorted(acknowledged - set(stored))[:5]}"
    assert set(stored) <= sent, f"nobody sent {sorted(set(stored) - sent)[:5]}"
    assert all(count == 1 for count in stored.values()), "twice"
    return len(acknowledged), len(stored)


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.server.kill()


WRITERS = [EventWriter, EventWriter, EventWriter, PlainWriter, ActionWriter, ActionWriter, ItemWriter, UserWriter]


def test_nothing_acknowledged_is_lost_and_every_job_ends(place):
    server, everybody, interrupted = place.server, [], 0
    rng = random.Random(20261123)
    for round_number in range(ROUNDS):
        def begin(round_number=round_number):
            place.begin_work(round_number)

        # every fifth job is an import that is kept from ending before the kill, however fast the machine
        with held(server, begin) if round_number % 5 == 0 else contextlib.nullcontext(begin()):
            writers = [kind(place, number, round_number) for number, kind in enumerate(WRITERS)]
            for writer in writers:
                writer.start()
            # the short ones meet the job at work, the long ones the writers
            time.sleep(rng.uniform(0.005, 0.4 if round_number % 4 == 3 else 0.05))
            server.kill()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive()
        interrupted += place.check_files() > 0
        server.start()
        place.check_alive(writers)
        for writer in writers:
            writer.send_again()
        place.check_alive(writers)
        everybody += writers
    wait_for(place.check_jobs, bool, 120)
    for user, job in place.deletions.items():
        described = server.control.describe_data_deletion_job(dataDeletionJobArn=job)["dataDeletionJob"]
        if described["status"] == "COMPLETED":
            assert place.world.items(userId=user, filterArn=place.watched, numResults=100).count(item_id("drama", 0)) == 1
    server.kill()
    database = place.database()
    acknowledged, stored = event_checks(database, everybody)
    record_checks(database, everybody)
    for user, job in place.deletions.items():
        count = database.execute("SELECT count(*) FROM event WHERE person = ?", (user,)).fetchone()[0]
        assert count in (0, 5), (user, count)
    assert database.execute("SELECT count(*) FROM job").fetchone()[0] == 0
    database.close()
    place.check_files()
    print(f"{ROUNDS} kills, {interrupted} during a job; of events {acknowledged} acknowledged, {stored} stored")
    assert acknowledged > ROUNDS * 20, "too few events were acknowledged to prove anything"
    assert interrupted >= ROUNDS / 10, "too few jobs were interrupted to prove anything"
