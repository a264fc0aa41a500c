"""Dataset export jobs: what goes out comes in again, to the byte of the model; modes, files, errors."""
import csv
import io
import json
import random

import pytest

from harness import *  # noqa: F401,F403

ROLE = "arn:aws:iam::000000000000:role/export"
TEXTS = ["plain", "안녕하세요 제주", 'say "hi"', "a,b", "two\nlines", "back\\slash", "tab\there", " edges ", "\u00e9\U0001f34a"]

WIDE = schema(
    "Interactions",
    field("USER_ID", "string"),
    field("ITEM_ID", "string"),
    field("EVENT_TYPE", "string"),
    field("EVENT_VALUE", ["null", "float"]),
    field("TIMESTAMP", "long"),
    field("IMPRESSION", ["null", "string"]),
    field("RECOMMENDATION_ID", ["null", "string"]),
    field("EVENT_ATTRIBUTION_SOURCE", ["null", "string"]),
    field("NOTE", ["null", "string"]),
    field("DEVICE", ["null", "string"], categorical=True),
    field("EXACT", ["null", "double"]),
)
WIDE_ITEMS = schema(
    "Items",
    field("ITEM_ID", "string"),
    field("GENRES", ["null", "string"], categorical=True),
    field("PRICE", ["null", "float"]),
    field("EXACT", ["null", "double"]),
    field("STOCK", ["null", "long"]),
    field("IS_NEW", ["null", "boolean"]),
    field("OWNER", ["null", "string"]),
    field("DESCRIPTION", ["null", "string"], textual=True),
    field("CREATION_TIMESTAMP", "long"),
)
ACTIONS = schema("Actions", field("ACTION_ID", "string"), field("LEVEL", ["null", "string"], categorical=True))
ACTION_INTERACTIONS = schema(
    "ActionInteractions",
    field("USER_ID", "string"),
    field("ACTION_ID", "string"),
    field("EVENT_TYPE", "string"),
    field("TIMESTAMP", "long"),
)
REALS = [0.1, -0.0, 1e300, 5e-324, 1 / 3, 123456789.125, 2.5]


def wide_csv():
    rng = random.Random(3)
    rows = []
    for number, line in enumerate(csv.reader(io.StringIO(interactions_csv()))):
        if number == 0:
            continue
        user, item, when, kind, value, device = line
        shown = "|".join([item, item_id(rng.choice(CLUSTERS), 3)]) if rng.random() < 0.3 else ""
        rows.append(
            (
                user,
                item,
                kind,
                "" if rng.random() < 0.2 else repr(rng.random() * 5),
                when,
                shown,
                f"RID-{number:036d}" if number % 7 == 0 else "",
                "campaign" if number % 11 == 0 else "",
                TEXTS[number % len(TEXTS)] if number % 2 else "",
                "" if number % 5 == 0 else device,
                "" if number % 3 == 0 else repr(REALS[number % len(REALS)]),
            )
        )
    rows.append(rows[17])  # a row given twice
    return csv_text([f["name"] for f in WIDE["fields"]], rows)


def wide_items_csv():
    rows = []
    for c, cluster in enumerate(CLUSTERS):
        for number in range(ITEMS_PER_CLUSTER):
            n = c * ITEMS_PER_CLUSTER + number
            rows.append(
                (
                    item_id(cluster, number),
                    f"{cluster}|even" if number % 2 == 0 else cluster,
                    "" if n % 9 == 0 else repr(n / 7),
                    repr(REALS[n % len(REALS)]),
                    "" if n % 4 == 0 else 9_007_199_254_740_993 + n,
                    ["true", "false", ""][n % 3],
                    TEXTS[n % len(TEXTS)],
                    f"{TEXTS[(n + 3) % len(TEXTS)]} film {number}",
                    TIME_0 - n,
                )
            )
    return csv_text([f["name"] for f in WIDE_ITEMS["fields"]], rows)


def export(server, dataset, mode=None, name=None, path="s3://bucket/exports/"):
    name = name or unique("export")
    options = {"ingestionMode": mode} if mode else {}
    job = server.control.create_dataset_export_job(
        jobName=name, datasetArn=dataset, roleArn=ROLE, jobOutput={"s3DataDestination": {"path": path}}, **options
    )["datasetExportJobArn"]
    return wait_for(
        lambda: server.control.describe_dataset_export_job(datasetExportJobArn=job)["datasetExportJob"], ended
    )


def exported(server, dataset, mode=None):
    """The rows of an export, as the files' lines in order."""
    job = export(server, dataset, mode)
    assert job["status"] == "ACTIVE", job
    files = sorted((server.objects / "bucket" / "exports" / job["jobName"]).iterdir())
    assert [f.name for f in files] == [f"part-{i:05d}.csv" for i in range(len(files))]
    lines = [line for f in files for line in read_rows(f.read_bytes())]
    return job, lines


def read_rows(data):
    """Cells by the rules of data.md section 6, read with Python's own reader."""
    reader = csv.reader(io.StringIO(data.decode(), newline=""), doublequote=False, escapechar="\\", lineterminator="\n")
    return [tuple(row) for row in reader]


def newest_image(server):
    """Of the last version trained: nothing else trains meanwhile."""
    return max((server.folder / "images").glob("*.image"), key=lambda path: int(path.stem))


class Rich:
    """A group with every kind of value, by import and by Put*."""

    def __init__(self, server):
        self.server = server
        self.group = new_group(server)
        self.datasets = {
            "INTERACTIONS": new_dataset(server, self.group, "INTERACTIONS", WIDE),
            "ITEMS": new_dataset(server, self.group, "ITEMS", WIDE_ITEMS),
            "USERS": new_dataset(server, self.group, "USERS"),
        }
        self.tracking_id = server.control.create_event_tracker(name=unique("t"), datasetGroupArn=self.group)["trackingId"]

    def fill(self):
        server = self.server
        load(server, self.datasets["INTERACTIONS"], wide_csv())
        load(server, self.datasets["ITEMS"], wide_items_csv())
        load(server, self.datasets["USERS"], users_csv())
        for n, text in enumerate(TEXTS):
            when = TIME_0 + 86400 * 3 + n
            event = {
                "eventType": "view",
                "itemId": item_id("drama", n),
                "sentAt": when,
                "properties": json.dumps({"note": text, "device": "phone|tv", "exact": REALS[n % len(REALS)]}),
            }
            if n % 2:
                event["eventValue"] = 0.1 * n
                event["recommendationId"] = f"RID-{n:036d}"
            else:
                event["impression"] = [item_id("drama", n), item_id("western", n)]
                event["metricAttribution"] = {"eventAttributionSource": "mail"}
            # anonymous first, then the session is somebody's
            server.events.put_events(trackingId=self.tracking_id, sessionId=f"s{n}", eventList=[event])
            event["sentAt"] = when + 100
            server.events.put_events(
                trackingId=self.tracking_id, sessionId=f"s{n}", userId=f"put user, {text[:9]}", eventList=[event, event]
            )
        server.events.put_events(
            trackingId=self.tracking_id,
            sessionId="nobody",
            eventList=[{"eventType": "view", "itemId": item_id("drama", 1), "sentAt": TIME_0}],
        )
        server.events.put_items(
            datasetArn=self.datasets["ITEMS"],
            items=[
                {
                    "itemId": f'new "{n}"' if n < 3 else item_id("horror", n),
                    "properties": json.dumps(
                        {
                            "genres": "horror|neu",
                            "price": n / 3,
                            "isNew": n % 2 == 0,
                            "owner": TEXTS[n],
                            "description": TEXTS[n],
                            "creationTimestamp": TIME_0 + n,
                        }
                    ),
                }
                for n in range(6)
            ],
        )
        server.events.put_users(
            datasetArn=self.datasets["USERS"],
            users=[{"userId": f"put user, {t[:9]}", "properties": json.dumps({"age": 30, "country": "KR|x"})} for t in TEXTS[:4]]
            + [{"userId": "drama-fan-1", "properties": json.dumps({"age": 99})}],
        )
        return self


@pytest.fixture(scope="module")
def rich(server):
    return Rich(server).fill()


@pytest.fixture(scope="module")
def copy(server, rich):
    """Another group, filled by what the first one exports."""
    made = Rich(server)
    for kind, dataset in rich.datasets.items():
        job, rows = exported(server, dataset, "ALL")
        location = f"s3://bucket/exports/{job['jobName']}/"
        done = finish_import(server, start_import(server, made.datasets[kind], location))
        assert done["status"] == "ACTIVE", done
    return made


@pytest.mark.parametrize("recipe", ["aws-user-personalization", "aws-item-attribute-affinity"])
def test_an_export_imported_again_trains_to_the_same_model(server, rich, copy, recipe):
    images = []
    for group in (rich.group, copy.group):
        new_version(server, new_solution(server, group, recipe))
        images.append(newest_image(server))
    assert images[0] != images[1]
    assert len(images[0].read_bytes()) > 1000 and images[0].read_bytes() == images[1].read_bytes()


def test_a_copy_exports_the_same_bytes(server, rich, copy):
    for kind in rich.datasets:
        files = []
        for world in (rich, copy):
            job = export(server, world.datasets[kind], "ALL" if world is rich else "BULK")
            files.append((server.objects / "bucket" / "exports" / job["jobName"] / "part-00000.csv").read_bytes())
        assert files[0] == files[1] and files[0].count(b"\n") > 50


def number(cell):
    """Cells that are numbers as such, so that 1.50 and 1.5 are the same."""
    try:
        return float(cell) if "." in cell or "e" in cell else int(cell)
    except ValueError:
        return cell


def values(rows):
    return [tuple(number(cell) for cell in row) for row in rows]


def test_bulk_is_what_was_imported(server, rich):
    given = list(csv.reader(io.StringIO(wide_csv(), newline="")))
    _, rows = exported(server, rich.datasets["INTERACTIONS"], "BULK")
    assert values(rows) == values(map(tuple, given[:-1])), "the row given twice comes out once"
    _, rows = exported(server, rich.datasets["ITEMS"], "BULK")
    assert values(rows) == values(map(tuple, csv.reader(io.StringIO(wide_items_csv(), newline=""))))


def test_put_is_the_default_and_holds_what_came_by_put(server, rich):
    job, rows = exported(server, rich.datasets["INTERACTIONS"])
    assert job["ingestionMode"] == "PUT"
    names, events = rows[0], [dict(zip(rows[0], row)) for row in rows[1:]]
    assert names == tuple(f["name"] for f in WIDE["fields"])
    assert len(events) == 2 * len(TEXTS), "an event sent twice once, the session of nobody not at all"
    for n, text in enumerate(TEXTS):
        for event in events[2 * n : 2 * n + 2]:
            assert event["USER_ID"] == f"put user, {text[:9]}" and event["NOTE"] == text
            assert float(event["EXACT"]) == REALS[n % len(REALS)] and event["DEVICE"] == "phone|tv"
            if n % 2:
                assert event["EVENT_VALUE"] == repr(0.1 * n).removesuffix(".0") and event["IMPRESSION"] == ""
                assert event["RECOMMENDATION_ID"] == f"RID-{n:036d}"
            else:
                assert event["IMPRESSION"] == f"{item_id('drama', n)}|{item_id('western', n)}"
                assert event["EVENT_ATTRIBUTION_SOURCE"] == "mail" and event["EVENT_VALUE"] == ""
    _, rows = exported(server, rich.datasets["USERS"], "PUT")
    assert rows[-1] == ("drama-fan-1", "99", "") and rows[1] == ("put user, plain", "30", "KR|x")


def test_all_holds_the_newest_record_of_each_id(server, rich):
    _, rows = exported(server, rich.datasets["USERS"], "ALL")
    by_id = {row[0]: row for row in rows[1:]}
    assert len(by_id) == len(rows) - 1 == len(users_csv().splitlines()) - 1 + 4
    assert by_id["drama-fan-1"] == ("drama-fan-1", "99", "") and by_id["drama-fan-2"] == ("drama-fan-2", "17", "DE")
    _, rows = exported(server, rich.datasets["ITEMS"], "ALL")
    assert len(rows) - 1 == len(CLUSTERS) * ITEMS_PER_CLUSTER + 3
    assert [row for row in rows if row[0] == 'new "2"'] == [
        ('new "2"', "horror|neu", repr(2 / 3), "", "", "true", TEXTS[2], TEXTS[2], str(TIME_0 + 2))
    ]


def test_older_versions_of_a_record_are_in_bulk(server):
    dataset = new_dataset(server, new_group(server), "USERS")
    load(server, dataset, csv_text(["USER_ID", "AGE", "COUNTRY"], [("a", 1, "KR"), ("b", 2, "DE")]))
    load(server, dataset, csv_text(["USER_ID", "AGE", "COUNTRY"], [("a", 3, "KR"), ("b", 2, "DE")]), "INCREMENTAL")
    _, rows = exported(server, dataset, "BULK")
    assert rows[1:] == [("a", "1", "KR"), ("b", "2", "DE"), ("a", "3", "KR")]
    _, rows = exported(server, dataset, "ALL")
    assert rows[1:] == [("a", "3", "KR"), ("b", "2", "DE")]


def test_imports_land_in_the_order_they_were_asked_for(tmp_path):
    """A large FULL import and a small one after it, with a worker for each."""
    server = Server(tmp_path / "data", "--jobs", "2")
    try:
        dataset = new_dataset(server, new_group(server), "ITEMS", WIDE_ITEMS)
        names = [f["name"] for f in WIDE_ITEMS["fields"]]
        row = lambda item: (item, "x", "1.5", "", "", "", "", "", "5")  # noqa: E731
        load(server, dataset, csv_text(names, [row("first")]))
        large = put_object(server, "large.csv", csv_text(names, [row(f"item-{n:06d}") for n in range(300000)]))
        small = put_object(server, "small.csv", csv_text(names, [row("late")]))
        jobs = [start_import(server, dataset, large, "FULL"), start_import(server, dataset, small, "INCREMENTAL")]
        assert [finish_import(server, job)["status"] for job in jobs] == ["ACTIVE", "ACTIVE"]
        _, rows = exported(server, dataset, "BULK")
        items = {row[0] for row in rows}
        assert "late" in items and "item-299999" in items and "first" not in items
    finally:
        server.stop()


def test_rows_older_than_a_field_are_null_in_it(server):
    dataset = new_dataset(server, new_group(server), "USERS")
    load(server, dataset, csv_text(["USER_ID", "AGE", "COUNTRY"], [("a", 1, "KR")]))
    grown = schema("Users", field("CITY", ["null", "string"]), *USERS["fields"])
    server.control.update_dataset(datasetArn=dataset, schemaArn=new_schema(server, grown))
    _, rows = exported(server, dataset, "BULK")
    assert rows == [("CITY", "USER_ID", "AGE", "COUNTRY"), ("", "a", "1", "KR")]


def test_actions_and_their_interactions(server):
    group = new_group(server)
    actions = new_dataset(server, group, "ACTIONS", ACTIONS)
    load(server, actions, csv_text(["LEVEL", "ACTION_ID"], [("a|b", "act, 1"), ("", "act 2")]))
    assert exported(server, actions, "ALL")[1] == [("ACTION_ID", "LEVEL"), ("act, 1", "a|b"), ("act 2", "")]
    taken = new_dataset(server, group, "ACTION_INTERACTIONS", ACTION_INTERACTIONS)
    given = [(f"u{n}", "act 2", "Taken", str(TIME_0 + n)) for n in range(1000)]
    load(server, taken, csv_text([f["name"] for f in ACTION_INTERACTIONS["fields"]], given))
    assert exported(server, taken, "ALL")[1][1:] == given


def test_a_dataset_without_rows_gives_a_header(server):
    dataset = new_dataset(server, new_group(server), "USERS")
    assert exported(server, dataset)[1] == [("USER_ID", "AGE", "COUNTRY")]


# --- the job as a resource


def test_created_parameters_come_back(server, rich):
    dataset, name = rich.datasets["USERS"], unique("export")
    output = {"s3DataDestination": {"path": "s3://bucket/else"}}
    created = server.control.create_dataset_export_job(
        jobName=name, datasetArn=dataset, roleArn=ROLE, jobOutput=output, ingestionMode="BULK",
        tags=[{"tagKey": "k", "tagValue": "v"}],
    )["datasetExportJobArn"]
    assert created == arn(f"dataset-export-job/{name}")
    assert server.control.list_tags_for_resource(resourceArn=created)["tags"] == [{"tagKey": "k", "tagValue": "v"}]
    done = wait_for(
        lambda: server.control.describe_dataset_export_job(datasetExportJobArn=created)["datasetExportJob"], ended
    )
    kept = {k: done[k] for k in ("jobName", "datasetExportJobArn", "datasetArn", "roleArn", "jobOutput", "ingestionMode")}
    assert kept == {
        "jobName": name, "datasetExportJobArn": created, "datasetArn": dataset, "roleArn": ROLE, "jobOutput": output,
        "ingestionMode": "BULK",
    }
    assert done["status"] == "ACTIVE" and "failureReason" not in done
    assert (server.objects / "bucket" / "else" / name / "part-00000.csv").exists()
    listed = server.control.list_dataset_export_jobs(datasetArn=dataset)["datasetExportJobs"]
    assert [job["datasetExportJobArn"] for job in listed][-1] == created
    with refused("ResourceAlreadyExistsException", created):
        server.control.create_dataset_export_job(jobName=name, datasetArn=dataset, roleArn=ROLE, jobOutput=output)


def test_what_is_refused(server, rich):
    dataset = rich.datasets["USERS"]

    def create(dataset=dataset, **destination):
        server.control.create_dataset_export_job(
            jobName=unique("no"), datasetArn=dataset, roleArn=ROLE, jobOutput={"s3DataDestination": destination}
        )

    with refused("InvalidInputException", "Invalid Data location."):
        create(path="s3://bucket/../other/")
    with refused("InvalidInputException", "kmsKeyArn"):
        create(path="s3://bucket/x/", kmsKeyArn="arn:aws:kms:us-east-1:000000000000:key/k")
    with refused("ResourceNotFoundException"):
        create(dataset=arn("dataset/nowhere/USERS"), path="s3://bucket/x/")
    with refused("InvalidInputException"):
        create(dataset=rich.group, path="s3://bucket/x/")


def test_a_file_in_the_way_is_a_reason(server, rich):
    put_object(server, "taken/blocked", "not a folder")
    job = export(server, rich.datasets["USERS"], "BULK", name="blocked", path="s3://bucket/taken")
    assert job["status"] == "CREATE FAILED" and "blocked" in job["failureReason"], job


def test_files_of_another_attempt_are_replaced(server, rich):
    folder = server.objects / "bucket" / "again" / "again-1"
    folder.mkdir(parents=True)
    for name in ("part-00000.csv", "part-00003.csv", "part-00004.csv.tmp", "mine.csv"):
        (folder / name).write_text("old")
    assert export(server, rich.datasets["USERS"], "BULK", "again-1", "s3://bucket/again/")["status"] == "ACTIVE"
    assert sorted(f.name for f in folder.iterdir()) == ["mine.csv", "part-00000.csv"]
    assert (folder / "part-00000.csv").read_text().startswith("USER_ID,")


def test_a_killed_server_finishes_its_exports(own_server):
    dataset = new_dataset(own_server, new_group(own_server))
    load(own_server, dataset, interactions_csv())
    jobs = [
        own_server.control.create_dataset_export_job(
            jobName=f"killed-{n}", datasetArn=dataset, roleArn=ROLE, ingestionMode="ALL",
            jobOutput={"s3DataDestination": {"path": "s3://bucket/killed"}},
        )["datasetExportJobArn"]
        for n in range(4)
    ]
    own_server.kill()
    own_server.start()
    for n, job in enumerate(jobs):
        done = wait_for(
            lambda job=job: own_server.control.describe_dataset_export_job(datasetExportJobArn=job)["datasetExportJob"],
            ended,
        )
        assert done["status"] == "ACTIVE", done
        folder = own_server.objects / "bucket" / "killed" / f"killed-{n}"
        assert [f.name for f in folder.iterdir()] == ["part-00000.csv"]
        assert (folder / "part-00000.csv").read_text() == interactions_csv()


def test_names_of_export_jobs_are_free_when_their_dataset_is_gone(server):
    dataset = new_dataset(server, new_group(server), "USERS")
    job = export(server, dataset)
    server.control.delete_dataset(datasetArn=dataset)
    with refused("ResourceNotFoundException"):
        server.control.describe_dataset_export_job(datasetExportJobArn=job["datasetExportJobArn"])
