"""Data deletion jobs: users out of segments, log, memory, models and reports, to the last byte; and what it means on
disk when a dataset is deleted."""
import csv
import io
import json
import sqlite3
import time

import pytest

from harness import *  # noqa: F401,F403

ROLE = "arn:aws:iam::000000000000:role/deletion"
RIU = "ResourceInUseException"
# Names of bytes that occur nowhere else, so that a search of raw bytes can find them.
GONE = ["gone-user-Zx81", "지워질-사용자-Zx82", 'gone, "quoted" Zx83']
SESSION = "visitor-Zx84"
PROBES = ["Zx81", "Zx82", "Zx83", "Zx84"]


@pytest.fixture
def alone(tmp_path):
    """A server whose objects lie outside of the data folder: what customers store there is theirs."""
    running = Server(tmp_path / "data", "--objects", str(tmp_path / "objects"))
    running.bucket = tmp_path / "objects" / "bucket"
    yield running
    if running.process is not None:
        running.stop()


def put(server, key, text):
    path = server.bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return f"s3://bucket/{key}"


def bring(server, dataset, text, mode=None):
    job = finish_import(server, start_import(server, dataset, put(server, f"{unique('in')}.csv", text), mode))
    assert job["status"] == "ACTIVE", job
    return job


def rows_of(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def with_users(text, extra):
    """The CSV with rows of the users to delete among its own."""
    rows = rows_of(text)
    step = max(1, (len(rows) - 1) // (len(extra) + 1))
    for n, row in enumerate(extra):
        rows.insert(1 + (n + 1) * step, row)
    return csv_text(rows[0], rows[1:])


def gone_interactions():
    return [
        (user, item_id("drama", n % 12), TIME_0 + 5000 + n, "view", 2.5, "phone") for user in GONE for n in range(12)
    ]


def gone_records():
    return [(user, 44, "KR") for user in GONE]


class Group:
    """Clustered data; with the users to be deleted, or as if they had never been."""

    def __init__(self, server, doomed):
        self.server = server
        self.group = new_group(server)
        self.datasets = {kind: new_dataset(server, self.group, kind) for kind in SCHEMAS}
        extra, records = (gone_interactions(), gone_records()) if doomed else ([], [])
        bring(server, self.datasets["INTERACTIONS"], with_users(interactions_csv(), extra))
        bring(server, self.datasets["ITEMS"], items_csv())
        bring(server, self.datasets["USERS"], with_users(users_csv(), records))
        self.tracking_id = server.control.create_event_tracker(name=unique("t"), datasetGroupArn=self.group)["trackingId"]
        for user in ["drama-fan-1"] + (GONE if doomed else []):
            self.put(user, f"session of {user}", 3)
            server.events.put_users(
                datasetArn=self.datasets["USERS"], users=[{"userId": user, "properties": json.dumps({"age": 21})}]
            )
        if doomed:  # a visitor who becomes a user that goes, and one session id that is named like a user
            self.put(None, SESSION, 2)
            self.put(GONE[0], SESSION, 1)
        self.put("drama-fan-2", GONE[1] if doomed else "somewhere", 1)

    def put(self, user, session, count):
        who = {"userId": user} if user else {}
        events = [
            {"eventType": "view", "itemId": item_id("western", n), "sentAt": TIME_0 + 86400 * 9 + n} for n in range(count)
        ]
        self.server.events.put_events(trackingId=self.tracking_id, sessionId=session, eventList=events, **who)

    def image(self, recipe, keep=None):
        """The bytes of a newly trained model."""
        solution = keep or new_solution(self.server, self.group, recipe)
        new_version(self.server, solution)
        return max((self.server.folder / "images").glob("*.image"), key=lambda p: p.stat().st_mtime_ns).read_bytes()

    def recommended(self, campaign, user):
        answer = self.server.runtime.get_recommendations(campaignArn=campaign, userId=user, numResults=12)
        return [item["itemId"] for item in answer["itemList"]]


def describe(server, job):
    return server.control.describe_data_deletion_job(dataDeletionJobArn=job)["dataDeletionJob"]


def start(server, group, location, name=None):
    return server.control.create_data_deletion_job(
        jobName=name or unique("deletion"), datasetGroupArn=group, dataSource={"dataLocation": location}, roleArn=ROLE
    )["dataDeletionJobArn"]


def finish(server, job):
    return wait_for(lambda: describe(server, job), lambda d: d["status"] in ("COMPLETED", "FAILED"))


def delete(server, group, users, folder=None):
    location = put(server, f"{unique('users')}.csv", csv_text(["USER_ID"], [(u,) for u in users]))
    done = finish(server, start(server, group, location))
    assert done["status"] == "COMPLETED", done
    return done


def receipt(server, job):
    path = f"/ondol/deletions/{job}"
    answer = server.send("GET", path, headers=server.sign("GET", path, b"", {}))
    assert answer.status == 200, answer
    return answer.json


def traces(server, probes=PROBES):
    """(file, probe) for every file of the data folder that holds one of the texts."""
    found = []
    for path in server.folder.rglob("*"):
        if path.is_file() and not path.is_socket():
            data = path.read_bytes()
            found += [(str(path.relative_to(server.folder)), probe) for probe in probes if probe.encode() in data]
    return found


def test_after_a_deletion_no_file_holds_the_user(alone):
    doomed = Group(alone, True)
    affinity = new_solution(alone, doomed.group, "aws-item-affinity")
    doomed.image(None, affinity)
    campaign = new_campaign(alone, new_version(alone, new_solution(alone, doomed.group)))
    # a failed import quotes what it did not like
    bad = with_users(interactions_csv(), [(GONE[0], "drama-01", GONE[0], "view", "", "")])
    failed = finish_import(alone, start_import(alone, doomed.datasets["INTERACTIONS"], put(alone, "bad.csv", bad), "INCREMENTAL"))
    assert failed["status"] == "CREATE FAILED" and "Zx81" in failed["failureReason"]
    # a record that was replaced, and an older segment that was too
    bring(alone, doomed.datasets["USERS"], with_users(users_csv(), gone_records()))
    before = {name for name, _ in traces(alone)}
    assert {name.split("/")[0] for name in before} >= {"segments", "images", "reports"}, before
    assert any(name.startswith("ondol.db") for name in before)
    known = doomed.recommended(campaign, GONE[0])
    others = {user: doomed.recommended(campaign, user) for user in ("drama-fan-1", "western-fan-3")}

    done = delete(alone, doomed.group, GONE + ["never-heard-of"])

    assert traces(alone) == []
    # 36 events and 3 users imported, 9 events and 3 users put, 3 events of the visitor
    assert done["numDeleted"] == 36 + 3 + 9 + 3 + 3
    assert doomed.recommended(campaign, GONE[0]) != known, "its history is gone from memory"
    assert doomed.recommended(campaign, GONE[0]) == doomed.recommended(campaign, "nobody-at-all")
    assert doomed.recommended(campaign, SESSION) == doomed.recommended(campaign, "nobody-at-all")
    assert others == {user: doomed.recommended(campaign, user) for user in others}

    page = receipt(alone, done["dataDeletionJobArn"])
    assert page["status"] == "COMPLETED"
    told = page["receipt"]
    assert (told["usersGiven"], told["importedRows"], told["events"], told["userRecords"]) == (4, 39, 12, 3)
    assert told["numDeleted"] == done["numDeleted"] and told["usersInModels"] == 3 and told["importReports"] == 1
    kinds = {segment["dataset"].rsplit("/", 1)[1]: segment for segment in told["segments"]}
    assert set(kinds) == {"INTERACTIONS", "USERS"}
    assert kinds["INTERACTIONS"]["rowsDeleted"] == 36 and kinds["USERS"]["rowsDeleted"] == 3
    assert kinds["INTERACTIONS"]["rowsLeft"] == len(rows_of(interactions_csv())) - 1
    for file in told["segments"] + told["models"]:
        assert (alone.folder / file["rewrittenAs"]).exists() and not (alone.folder / file["file"]).exists()
        assert file["file"] in told["filesRemoved"]
    assert [model["usersDeleted"] for model in told["models"]] == [3]
    failed = alone.control.describe_dataset_import_job(datasetImportJobArn=failed["datasetImportJobArn"])["datasetImportJob"]
    assert "Invalid value '(removed)' for column TIMESTAMP" in failed["failureReason"], failed

    # the same as if they had never been
    clean = Group(alone, False)
    for recipe in ("aws-user-personalization", "aws-item-affinity"):
        assert doomed.image(recipe) == clean.image(recipe)

    # later events begin anew, and a restart brings nothing back
    alone.stop()
    assert traces(alone) == []
    alone.start()
    assert doomed.recommended(campaign, GONE[0]) == doomed.recommended(campaign, "nobody-at-all")
    assert others == {user: doomed.recommended(campaign, user) for user in others}
    doomed.put(GONE[0], "new session", 4)
    assert doomed.recommended(campaign, GONE[0]) != doomed.recommended(campaign, "nobody-at-all")


def test_the_reason_of_a_failed_update_quotes_nobody(alone):
    group = alone.control.create_dataset_group(name=unique("group"), domain="ECOMMERCE")["datasetGroupArn"]
    recipe = "arn:aws:personalize:::recipe/aws-ecomm-popular-items-by-views"
    made = alone.control.create_recommender(name=unique("rec"), datasetGroupArn=group, recipeArn=recipe)["recommenderArn"]

    def state():
        return alone.control.describe_recommender(recommenderArn=made)["recommender"]

    wait_for(state, lambda told: told["status"] == "CREATE FAILED")  # there are no interactions
    alone.control.update_recommender(recommenderArn=made, recommenderConfig={"minRecommendationRequestsPerSecond": 2})
    reason = wait_for(state, lambda told: told["latestRecommenderUpdate"]["status"] == "CREATE FAILED")["latestRecommenderUpdate"]["failureReason"]
    alone.stop()
    database = sqlite3.connect(alone.folder / "ondol.db")
    quoted = f'The stored record of "{GONE[0]}" does not fit its schema: AGE: no number'
    (body,) = database.execute("SELECT body FROM resource WHERE kind = 'recommender'").fetchone()
    assert body.count(json.dumps(reason)) == 1
    database.execute("UPDATE resource SET body = ? WHERE kind = 'recommender'", (body.replace(json.dumps(reason), json.dumps(quoted)),))
    database.commit()
    database.close()
    alone.start()
    assert state()["latestRecommenderUpdate"]["failureReason"] == quoted and traces(alone)
    delete(alone, group, GONE)
    told = state()["latestRecommenderUpdate"]
    assert told["failureReason"] == quoted.replace(GONE[0], "(removed)") and told["status"] == "CREATE FAILED"
    assert traces(alone) == []


def test_jobs_under_way_bring_nobody_back(alone):
    """A deletion waits for what was asked for before it, and what is asked for after it waits."""
    world = Group(alone, True)
    solution = new_solution(alone, world.group, "aws-item-affinity")

    def train():
        return alone.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]

    location = put(alone, "users.csv", csv_text(["USER_ID"], [(user,) for user in GONE]))
    late = put(alone, "late.csv", with_users(interactions_csv(seed=2), gone_interactions()))
    with held(alone, train) as before:
        imported = start_import(alone, world.datasets["INTERACTIONS"], late, "INCREMENTAL")
        job = start(alone, world.group, location)
        after = train()
        with refused(RIU):
            alone.control.delete_dataset(datasetArn=world.datasets["USERS"])
    done = finish(alone, job)
    assert done["status"] == "COMPLETED" and done["numDeleted"] == 2 * 36 + 3 + 9 + 3 + 3, done
    assert finish_import(alone, imported)["status"] == "ACTIVE"
    for version in (before, after):
        assert finish_version(alone, version)["status"] == "ACTIVE"
    assert traces(alone) == []


@pytest.mark.parametrize("pause", [0.05, 0.3])
def test_a_killed_server_finishes_the_deletion(alone, pause):
    world = Group(alone, True)
    location = put(alone, "users.csv", csv_text(["USER_ID"], [(user,) for user in GONE]))
    job = start(alone, world.group, location)
    time.sleep(pause)
    alone.kill()
    alone.start()
    done = finish(alone, job)
    assert done["status"] == "COMPLETED" and done["numDeleted"] == 36 + 3 + 9 + 3 + 3, done
    assert traces(alone) == []
    assert receipt(alone, job)["receipt"]["numDeleted"] == done["numDeleted"]


def test_every_row_of_a_dataset_may_go(alone):
    group = new_group(alone)
    users = new_dataset(alone, group, "USERS")
    bring(alone, users, csv_text(["USER_ID", "AGE", "COUNTRY"], gone_records()))
    done = delete(alone, group, GONE)
    assert done["numDeleted"] == 3 and traces(alone) == []
    told = receipt(alone, done["dataDeletionJobArn"])["receipt"]["segments"]
    assert [(one["rowsLeft"], "rewrittenAs" in one) for one in told] == [(0, False)]
    assert list((alone.folder / "segments").iterdir()) == []
    bring(alone, users, csv_text(["USER_ID", "AGE", "COUNTRY"], [("new", 1, "DE")]))


def test_other_groups_keep_their_users(alone):
    ours, theirs = new_group(alone), new_group(alone)
    for group in (ours, theirs):
        bring(alone, new_dataset(alone, group, "USERS"), csv_text(["USER_ID", "AGE", "COUNTRY"], gone_records()))
    kept = set(traces(alone))
    delete(alone, ours, GONE)
    left = set(traces(alone))
    assert left < kept and len({name for name, _ in left}) == 1


# --- the job as a resource


def test_created_parameters_come_back_and_lists_are_newest_first(server):
    group = new_group(server)
    source = {"dataLocation": put_object(server, "people/some.csv", "USER_ID\nnobody\n").rsplit("/", 1)[0] + "/"}
    put_object(server, "people/deeper/down/more.CSV", "NAME,USER_ID\nx,somebody\n\"a,b\",nobody\n")
    put_object(server, "people/deeper/notes.txt", "not read")
    jobs = []
    for n in range(3):
        name = unique("people")
        job = server.control.create_data_deletion_job(
            jobName=name, datasetGroupArn=group, dataSource=source, roleArn=ROLE, tags=[{"tagKey": "n", "tagValue": str(n)}]
        )["dataDeletionJobArn"]
        assert job == arn(f"data-deletion-job/{name}")
        jobs.append(job)
        done = finish(server, job)
        assert {k: done[k] for k in ("jobName", "datasetGroupArn", "dataSource", "roleArn", "status", "numDeleted")} == {
            "jobName": name, "datasetGroupArn": group, "dataSource": source, "roleArn": ROLE, "status": "COMPLETED",
            "numDeleted": 0,
        }
        assert receipt(server, job)["receipt"]["usersGiven"] == 2
    assert server.control.list_tags_for_resource(resourceArn=jobs[1])["tags"] == [{"tagKey": "n", "tagValue": "1"}]
    listed, token = [], {}
    while True:
        page = server.control.list_data_deletion_jobs(datasetGroupArn=group, maxResults=2, **token)
        listed += page["dataDeletionJobs"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert [job["dataDeletionJobArn"] for job in listed] == jobs[::-1]
    assert all(job["status"] == "COMPLETED" for job in listed)
    with refused("ResourceAlreadyExistsException", jobs[0]):
        start(server, group, source["dataLocation"], jobs[0].rsplit("/", 1)[1])
    server.control.delete_dataset_group(datasetGroupArn=group)
    with refused("ResourceNotFoundException"):
        describe(server, jobs[0])
    assert not (server.folder / "reports" / f"{jobs[0].rsplit('/', 1)[1]}.deletion.json").exists()


def test_what_is_refused(server):
    group = new_group(server)
    with refused("InvalidInputException", "Invalid Data location."):
        start(server, group, "s3://bucket/../x")
    with refused("ResourceNotFoundException"):
        start(server, arn("dataset-group/nowhere"), "s3://bucket/x.csv")
    with refused("InvalidInputException"):
        start(server, arn("campaign/x"), "s3://bucket/x.csv")


@pytest.mark.parametrize(
    "text, words",
    [
        ("NAME\nx\n", ["USER_ID", "missing"]),
        ("USER_ID\n", ["no user"]),
        ("USER_ID\nsecret-1\n\"secret-2\n", ["line 3", "does not end"]),
        ("USER_ID\nsecret-1\nsecret-2,\n", ["line 3", "more cells"]),
        ("USER_ID\n" + "s" * 257 + "\n", ["line 2", "256"]),
        (b"USER_ID\nsecret\xff\n", ["line 2", "UTF-8"]),
    ],
)
def test_bad_files_fail_with_a_reason_that_quotes_nobody(server, text, words):
    done = finish(server, start(server, new_group(server), put_object(server, f"{unique('bad')}.csv", text)))
    assert done["status"] == "FAILED" and "numDeleted" not in done
    assert all(word in done["failureReason"] for word in words), done
    assert "secret" not in done["failureReason"]


def test_a_missing_file_fails(server):
    done = finish(server, start(server, new_group(server), "s3://bucket/no-such-file.csv"))
    assert done["status"] == "FAILED" and "no-such-file.csv" in done["failureReason"]


def test_five_jobs_may_wait_under_strict_quotas(tmp_path):
    server = Server(tmp_path / "data", "--strict")
    try:
        group = new_group(server)
        dataset = new_dataset(server, group)
        location = put_object(server, "big.csv", interactions_csv())
        users = put_object(server, "users.csv", "USER_ID\nnobody\n")
        for _ in range(3):
            start_import(server, dataset, location)  # keeps the deletions waiting
        jobs = [start(server, group, users) for _ in range(5)]
        with refused("LimitExceededException", "5"):
            start(server, group, users)
        for job in jobs:
            assert finish(server, job)["status"] == "COMPLETED"
    finally:
        server.stop()


# --- what deleting a dataset means on disk


def test_a_deleted_dataset_leaves_the_disk(alone):
    world = Group(alone, True)
    bad = with_users(users_csv(), [(GONE[0], GONE[0], "")])
    finish_import(alone, start_import(alone, world.datasets["USERS"], put(alone, "bad.csv", bad)))
    for n in range(200):
        alone.events.put_users(
            datasetArn=world.datasets["USERS"],
            users=[{"userId": f"{GONE[0]}-{n}-{m}", "properties": json.dumps({"country": "x" * 900})} for m in range(10)],
        )
    alone.stop()
    size = (alone.folder / "ondol.db").stat().st_size
    assert size > 2_000_000
    alone.start()
    alone.control.delete_event_tracker(
        eventTrackerArn=alone.control.list_event_trackers(datasetGroupArn=world.group)["eventTrackers"][0]["eventTrackerArn"]
    )
    for dataset in world.datasets.values():
        alone.control.delete_dataset(datasetArn=dataset)
    wait_for(lambda: (alone.folder / "ondol.db").stat().st_size, lambda now: now < size / 4, limit=60)
    assert list((alone.folder / "segments").iterdir()) == [] and list((alone.folder / "reports").iterdir()) == []
    assert traces(alone) == []
