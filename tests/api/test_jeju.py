"""The promise of the project: eight views of Jeju lodgings, and the very next answer is Jeju.

Three seeds of generated lodging data; for each a known user who never had a Jeju event, a new user, and an anonymous
session. The catalogue and the users' histories are read from the generated files, so the tests know what is true.
"""
import csv
import shutil
import subprocess
import time

import pytest
from harness import (
    BINARY,
    JOB_LIMIT_S,
    Server,
    field,
    finish_import,
    new_campaign,
    new_dataset,
    new_filter,
    new_group,
    new_solution,
    new_version,
    schema,
    start_import,
    unique,
)

USERS, ITEMS = 4_000, 2_000
CATEGORY = {"categorical": True}
SCHEMAS = {
    "INTERACTIONS": schema(
        "Interactions",
        field("USER_ID", "string"),
        field("ITEM_ID", "string"),
        field("TIMESTAMP", "long"),
        field("EVENT_TYPE", "string"),
    ),
    "ITEMS": schema(
        "Items",
        field("ITEM_ID", "string"),
        field("CREATION_TIMESTAMP", "long"),
        field("GRADE", ["null", "string"], **CATEGORY),
        field("LOCATION", ["null", "string"], **CATEGORY),
        field("RATING", ["null", "int"]),
        field("FACILITY", ["null", "string"], **CATEGORY),
        field("FAVORITE", ["null", "long"]),
    ),
    "USERS": schema("Users", field("USER_ID", "string"), field("TIER", ["null", "string"], **CATEGORY)),
}
WELL_RATED = "INCLUDE ItemID WHERE Items.RATING >= 90"
VISITORS = ["known user", "new user", "anonymous session"]


class Lodgings:
    """A server that learned one seed's data. `known` are users of five events or more, none of them in Jeju."""

    def __init__(self, folder, seed):
        data = folder / "made"
        done = subprocess.run(
            [BINARY, "generate", "lodging", "--users", str(USERS), "--items", str(ITEMS), "--days", "90",
             "--seed", str(seed), "--out", str(data)],
            capture_output=True, text=True, timeout=JOB_LIMIT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        with open(data / "items.csv", newline="", encoding="utf-8") as lines:
            self.items = {row["ITEM_ID"]: row for row in csv.DictReader(lines)}
        self.jeju = {i for i, row in self.items.items() if row["LOCATION"] == "Jeju"}
        counts = {}
        with open(data / "interactions.csv", newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                mine = counts.setdefault(row["USER_ID"], [0, 0])
                mine[0] += 1
                mine[1] += row["ITEM_ID"] in self.jeju
        self.known = sorted(user for user, (count, jeju) in counts.items() if count >= 5 and jeju == 0)
        self.serve(folder, data)

    def serve(self, folder, data):
        self.server = Server(folder / "data")
        bucket = self.server.objects / "lodging"
        bucket.mkdir(parents=True)
        group = new_group(self.server)
        for kind, body in SCHEMAS.items():
            name = f"{kind.lower()}.csv"
            shutil.move(data / name, bucket / name)
            dataset = new_dataset(self.server, group, kind, body)
            job = finish_import(self.server, start_import(self.server, dataset, f"s3://lodging/{name}"))
            assert job["status"] == "ACTIVE", job
        self.tracking = self.server.control.create_event_tracker(name=unique("t"), datasetGroupArn=group)["trackingId"]
        self.well_rated = new_filter(self.server, group, WELL_RATED)
        version = new_version(self.server, new_solution(self.server, group))
        self.campaign = new_campaign(self.server, version, minProvisionedTPS=15)

    def top(self, user, **more):
        answer = self.server.runtime.get_recommendations(campaignArn=self.campaign, userId=user, numResults=10, **more)
        return [item["itemId"] for item in answer["itemList"]]

    def in_jeju(self, items):
        return len([item for item in items if item in self.jeju])

    def view(self, user, session, items):
        now = int(time.time())
        who = {"userId": user} if user else {}
        viewed = [{"eventType": "view", "itemId": item, "sentAt": now + 30 * n} for n, item in enumerate(items)]
        self.server.events.put_events(trackingId=self.tracking, sessionId=session, eventList=viewed, **who)


@pytest.fixture(scope="module", params=[1, 2, 3], ids=lambda seed: f"seed {seed}")
def lodgings(request, tmp_path_factory):
    made = Lodgings(tmp_path_factory.mktemp(f"jeju-{request.param}"), request.param)
    yield made
    made.server.stop()


def visitors(lodgings, kind):
    """(userId of the events or None, sessionId, userId of the requests) of three visitors of the kind."""
    step = max(1, len(lodgings.known) // 3)
    for n in range(3):
        session = unique("session")
        if kind == "known user":
            user = lodgings.known[n * step]
            yield user, session, user
        elif kind == "new user":
            user = unique("nobody")
            yield user, session, user
        else:
            yield None, session, session


@pytest.mark.parametrize("kind", VISITORS)
def test_eight_views_of_jeju(lodgings, kind):
    assert len(lodgings.known) > 100 and len(lodgings.jeju) > 200
    jeju = sorted(lodgings.jeju)
    step = len(jeju) // 8
    for n, (user, session, asked) in enumerate(visitors(lodgings, kind)):
        before = lodgings.top(asked)
        assert len(before) == 10 and lodgings.in_jeju(before) < 7, "they were not in Jeju before"
        lodgings.view(user, session, [jeju[(n + step * i) % len(jeju)] for i in range(8)])
        after = lodgings.top(asked)
        assert lodgings.in_jeju(after) >= 7, (kind, asked, after)
        rated = lodgings.top(asked, filterArn=lodgings.well_rated)
        assert len(rated) == 10
        assert all(float(lodgings.items[item]["RATING"]) >= 90 for item in rated), rated


def test_before_any_event_the_filter_holds_too(lodgings):
    for user in (lodgings.known[5], "nobody-at-all"):
        rated = lodgings.top(user, filterArn=lodgings.well_rated)
        assert len(rated) == 10 and all(float(lodgings.items[item]["RATING"]) >= 90 for item in rated)
