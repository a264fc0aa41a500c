"""Import jobs: what is read, what is refused, and that a refused file changes nothing."""
import codecs
import json
import os
import signal
import time

import pytest
from harness import (
    INTERACTIONS,
    ITEMS,
    USERS,
    Server,
    children,
    arn,
    csv_text,
    field,
    finish_import,
    import_text,
    interactions_csv,
    items_csv,
    load,
    new_campaign,
    new_dataset,
    new_group,
    new_solution,
    new_version,
    put_object,
    refused,
    schema,
    start_import,
    unique,
    wait_for,
)

PLAIN = schema("Interactions", field("USER_ID", "string"), field("ITEM_ID", "string"), field("TIMESTAMP", "long"))
HEADER = ["USER_ID", "ITEM_ID", "TIMESTAMP"]
# A column of each kind, to be filled with bad values.
KINDS = schema(
    "Items",
    field("ITEM_ID", "string"),
    field("A_INT", ["null", "int"]),
    field("A_LONG", "long"),
    field("A_FLOAT", ["null", "float"]),
    field("A_DOUBLE", ["null", "double"]),
    field("A_BOOLEAN", ["null", "boolean"]),
    field("A_TEXT", ["null", "string"]),
    field("A_SET", ["null", "string"], categorical=True),
    field("A_STORY", ["null", "string"], textual=True),
)
GOOD = {
    "ITEM_ID": "i1",
    "A_INT": "1",
    "A_LONG": "2",
    "A_FLOAT": "1.5",
    "A_DOUBLE": "-2.5e3",
    "A_BOOLEAN": "true",
    "A_TEXT": "plain",
    "A_SET": "a|b",
    "A_STORY": "once",
}


def plain_rows(count=1000, item="i{}", start=1_600_000_000):
    return [(f"u{n % 40}", item.format(n % 25), start + n) for n in range(count)]


def kinds_text(*rows):
    """Rows as changes of the good one, each with an id of its own."""
    lines = []
    for number, change in enumerate(rows):
        row = {**GOOD, "ITEM_ID": f"i{number}", **change}
        lines.append(list(row.values()))
    return csv_text(list(GOOD), lines)


@pytest.fixture
def plain(server):
    return new_dataset(server, new_group(server), "INTERACTIONS", PLAIN)


@pytest.fixture
def kinds(server):
    return new_dataset(server, new_group(server), "ITEMS", KINDS)


@pytest.fixture
def catalogue(server):
    """A group with interactions on i0..i24 by popularity, served by a popularity campaign: what does it know?"""

    class Catalogue:
        group = new_group(server)

        def interactions(self):
            self.dataset = new_dataset(server, self.group, "INTERACTIONS", PLAIN)
            return self.dataset

        def trained_items(self):
            """The ids a training finds now."""
            campaign = new_campaign(server, new_version(server, new_solution(server, self.group, "aws-popularity-count")))
            answer = server.runtime.get_recommendations(campaignArn=campaign, userId="x", numResults=500)
            server.control.delete_campaign(campaignArn=campaign)
            return {item["itemId"] for item in answer["itemList"]}

    return Catalogue()


def failed(server, dataset, text, *words):
    """The import must fail and say these words; the job and the lines of its report."""
    job = import_text(server, dataset, text)
    assert job["status"] == "CREATE FAILED", job
    for word in words:
        assert word in job["failureReason"], job["failureReason"]
    report = server.folder / "reports" / f"{job['jobName']}.txt"
    return job, report.read_text(encoding="utf-8").splitlines() if report.exists() else []


# --- modes


def test_full_replaces_and_incremental_adds(server, catalogue):
    dataset = catalogue.interactions()
    load(server, dataset, csv_text(HEADER, plain_rows(item="old{}")))
    assert {i[:3] for i in catalogue.trained_items()} == {"old"}
    load(server, dataset, csv_text(HEADER, plain_rows(item="more{}")), "INCREMENTAL")
    assert {i[:3] for i in catalogue.trained_items()} == {"old", "mor"}
    load(server, dataset, csv_text(HEADER, plain_rows(item="new{}")), "FULL")
    assert {i[:3] for i in catalogue.trained_items()} == {"new"}


def test_full_is_the_default_and_keeps_what_came_by_put(server, catalogue):
    dataset = catalogue.interactions()
    tracker = server.control.create_event_tracker(name=unique("tracker"), datasetGroupArn=catalogue.group)
    load(server, dataset, csv_text(HEADER, plain_rows(item="old{}")))
    server.events.put_events(
        trackingId=tracker["trackingId"],
        userId="u1",
        sessionId="s",
        eventList=[{"eventType": "view", "itemId": "put-item", "sentAt": 1_600_000_500}],
    )
    job = load(server, dataset, csv_text(HEADER, plain_rows(item="new{}")))
    assert job["importMode"] == "FULL"
    assert catalogue.trained_items() == {f"new{n}" for n in range(25)} | {"put-item"}


def test_the_first_import_must_be_full(server, plain):
    location = put_object(server, f"{unique('first')}.csv", csv_text(HEADER, plain_rows()))
    with refused("InvalidInputException", "FULL"):
        start_import(server, plain, location, "INCREMENTAL")
    assert server.control.list_dataset_import_jobs(datasetArn=plain)["datasetImportJobs"] == []
    load(server, plain, csv_text(HEADER, plain_rows()))
    load(server, plain, csv_text(HEADER, plain_rows()), "INCREMENTAL")


def test_a_failed_first_import_is_no_earlier_import(server, plain):
    assert import_text(server, plain, csv_text(HEADER, plain_rows(10)))["status"] == "CREATE FAILED"
    location = put_object(server, f"{unique('first')}.csv", csv_text(HEADER, plain_rows()))
    with refused("InvalidInputException", "FULL"):
        start_import(server, plain, location, "INCREMENTAL")


def test_of_two_rows_with_an_id_the_later_wins(server, world_like):
    server_, group, campaign, dataset = world_like
    load(server_, dataset, csv_text(["ITEM_ID", "OWNER", "CREATION_TIMESTAMP"], [("i1", "a", 1), ("i1", "b", 1), ("i2", "a", 1)]))
    assert owners(server_, group, campaign, "b") == {"i1"}
    load(server_, dataset, csv_text(["ITEM_ID", "OWNER", "CREATION_TIMESTAMP"], [("i2", "b", 1)]), "INCREMENTAL")
    assert owners(server_, group, campaign, "b") == {"i1", "i2"}
    load(server_, dataset, csv_text(["ITEM_ID", "OWNER", "CREATION_TIMESTAMP"], [("i3", "b", 1)]), "FULL")
    assert owners(server_, group, campaign, "b") == {"i3"}


OWNED = schema("Items", field("ITEM_ID", "string"), field("OWNER", ["null", "string"]), field("CREATION_TIMESTAMP", "long"))


@pytest.fixture
def world_like(server):
    """A popularity campaign over i0..i24 and an empty Items dataset with an OWNER."""
    group = new_group(server)
    load(server, new_dataset(server, group, "INTERACTIONS", PLAIN), csv_text(HEADER, plain_rows()))
    dataset = new_dataset(server, group, "ITEMS", OWNED)
    campaign = new_campaign(server, new_version(server, new_solution(server, group, "aws-popularity-count")))
    return server, group, campaign, dataset


def owners(server, group, campaign, owner):
    """The items of an owner, by a filter: it sees an import as soon as the job is ACTIVE."""
    made = server.control.create_filter(
        name=unique("owner"), datasetGroupArn=group, filterExpression="INCLUDE ItemID WHERE Items.OWNER IN ($O)"
    )["filterArn"]
    answer = server.runtime.get_recommendations(
        campaignArn=campaign, userId="x", numResults=500, filterArn=made, filterValues={"O": json.dumps(owner)}
    )
    return {item["itemId"] for item in answer["itemList"]}


def test_the_newest_arrival_wins_whichever_way_it_came(server, world_like):
    server_, group, campaign, dataset = world_like
    columns = ["ITEM_ID", "OWNER", "CREATION_TIMESTAMP"]
    put = lambda owner: server_.events.put_items(  # noqa: E731
        datasetArn=dataset, items=[{"itemId": "i1", "properties": json.dumps({"owner": owner, "creationTimestamp": 1})}]
    )
    load(server_, dataset, csv_text(columns, [("i1", "bulk-1", 1)]))
    put("put-1")
    assert owners(server_, group, campaign, "put-1") == {"i1"}
    load(server_, dataset, csv_text(columns, [("i1", "bulk-2", 1)]), "INCREMENTAL")
    assert owners(server_, group, campaign, "bulk-2") == {"i1"} and owners(server_, group, campaign, "put-1") == set()
    put("put-2")
    assert owners(server_, group, campaign, "put-2") == {"i1"}
    load(server_, dataset, csv_text(columns, [("i2", "bulk-3", 1)]), "FULL")
    assert owners(server_, group, campaign, "put-2") == {"i1"}, "FULL replaces bulk data only"


# --- locations


def test_a_folder_is_all_csv_files_directly_in_it(server, catalogue):
    dataset = catalogue.interactions()
    base = unique("folder")
    put_object(server, f"{base}/a.csv", csv_text(HEADER, plain_rows(600, "a{}")))
    put_object(server, f"{base}/b.csv", csv_text(HEADER, plain_rows(600, "b{}")))
    put_object(server, f"{base}/deeper/c.csv", csv_text(HEADER, plain_rows(600, "c{}")))
    job = finish_import(server, start_import(server, dataset, f"s3://bucket/{base}/"))
    assert job["status"] == "ACTIVE", job
    assert {i[0] for i in catalogue.trained_items()} == {"a", "b"}


def test_a_folder_with_a_bad_file_is_bad_as_a_whole(server, plain):
    base = unique("folder")
    put_object(server, f"{base}/a.csv", csv_text(HEADER, plain_rows(1000)))
    put_object(server, f"{base}/b.csv", csv_text(HEADER, [("u", "i", "soon")]))
    job = finish_import(server, start_import(server, plain, f"s3://bucket/{base}/"))
    assert job["status"] == "CREATE FAILED" and "soon" in job["failureReason"] and "b.csv" in job["failureReason"], job


@pytest.mark.parametrize("key", ["absent.csv", "absent/", "absent/deeper/x.csv"])
def test_an_object_that_is_not_there(server, plain, key):
    job = finish_import(server, start_import(server, plain, f"s3://bucket/{key}"))
    assert job["status"] == "CREATE FAILED", job
    assert job["failureReason"].startswith("Failed to create a data import job for INTERACTIONS dataset."), job


@pytest.mark.parametrize("location", ["s3://", "s3:///key", "http://bucket", "ftp://bucket/x.csv", "/etc/passwd", "s3//b/k"])
def test_malformed_locations(server, plain, location):
    with refused("InvalidInputException"):
        start_import(server, plain, location)


@pytest.mark.parametrize(
    "location",
    [
        "s3://bucket/../../secret.csv",
        "s3://../secret.csv",
        "s3://bucket/a/../../../secret.csv",
        "s3://./../secret.csv",
        "s3://bucket/%2e%2e/%2e%2e/secret.csv",
        "s3://bucket/..\\..\\secret.csv",
    ],
)
def test_locations_outside_the_objects_folder(server, plain, location):
    """Neither refused names nor encoded ones reach a file beside the objects."""
    (server.folder / "secret.csv").write_text(csv_text(HEADER, plain_rows()))
    try:
        job = finish_import(server, start_import(server, plain, location))
    except Exception as error:
        assert error.response["Error"]["Code"] == "InvalidInputException", error
    else:
        assert job["status"] == "CREATE FAILED", job


def test_links_out_of_the_objects_folder_are_not_followed(server, plain, tmp_path):
    (tmp_path / "secret.csv").write_text(csv_text(HEADER, plain_rows()))
    put_object(server, "there.csv", "x")
    link = server.objects / "bucket" / f"{unique('link')}.csv"
    link.symlink_to(tmp_path / "secret.csv")
    job = finish_import(server, start_import(server, plain, f"s3://bucket/{link.name}"))
    assert job["status"] == "CREATE FAILED", job
    folder = server.objects / "bucket" / unique("linked")
    folder.symlink_to(tmp_path)
    job = finish_import(server, start_import(server, plain, f"s3://bucket/{folder.name}/secret.csv"))
    assert job["status"] == "CREATE FAILED", job


def test_the_report_tells_the_rule(server, kinds):
    _, report = failed(server, kinds, kinds_text({"A_INT": "one"}))
    row = next(row for row in report if "A_INT" in row)
    assert "int" in row.split("one")[1], row


def test_file_locations_only_below_allowed_folders(tmp_path):
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    for folder in (allowed, other):
        folder.mkdir()
        (folder / "rows.csv").write_text(csv_text(HEADER, plain_rows()))
    server = Server(tmp_path / "data", "--allow-files", str(allowed))
    dataset = new_dataset(server, new_group(server), "INTERACTIONS", PLAIN)
    job = finish_import(server, start_import(server, dataset, f"file://{allowed}/rows.csv"))
    assert job["status"] == "ACTIVE", job
    for location in (f"file://{other}/rows.csv", f"file://{allowed}/../other/rows.csv", f"file://{tmp_path}/allowed-not/x.csv"):
        with refused("InvalidInputException"):
            start_import(server, dataset, location)
    server.stop()


def test_file_locations_are_forbidden_unless_allowed(server, plain, tmp_path):
    (tmp_path / "rows.csv").write_text(csv_text(HEADER, plain_rows()))
    with refused("InvalidInputException"):
        start_import(server, plain, f"file://{tmp_path}/rows.csv")


def test_the_objects_folder_can_be_elsewhere(tmp_path):
    objects = tmp_path / "elsewhere"
    (objects / "elsewhere-bucket").mkdir(parents=True)
    (objects / "elsewhere-bucket" / "rows.csv").write_text(csv_text(HEADER, plain_rows()))
    server = Server(tmp_path / "data", "--objects", str(objects))
    dataset = new_dataset(server, new_group(server), "INTERACTIONS", PLAIN)
    job = finish_import(server, start_import(server, dataset, "s3://elsewhere-bucket/rows.csv"))
    assert job["status"] == "ACTIVE", job
    server.stop()


# --- rows


@pytest.mark.parametrize("count,words", [(0, "records"), (999, "fewer than 1000"), (1000, None)])
def test_interactions_need_1000_records(server, plain, count, words):
    job = import_text(server, plain, csv_text(HEADER, plain_rows(count)))
    assert job["status"] == ("CREATE FAILED" if words else "ACTIVE"), job
    assert not words or words in job["failureReason"], job


def test_items_and_users_need_no_1000(server):
    group = new_group(server)
    load(server, new_dataset(server, group, "ITEMS"), items_csv())
    load(server, new_dataset(server, group, "USERS"), csv_text(["USER_ID", "AGE", "COUNTRY"], [("u", 1, "KR")]))


def test_missing_columns_are_named(server):
    dataset = new_dataset(server, new_group(server), "INTERACTIONS", INTERACTIONS)
    text = csv_text(["ITEM_ID", "TIMESTAMP", "EVENT_VALUE"], [("i", 1, 1.0)] * 1000)
    failed(server, dataset, text, "Input CSV is missing the following columns: [USER_ID, EVENT_TYPE", "INTERACTIONS")


def test_a_nullable_column_may_be_missing_or_must_be_named(server):
    """The source names missing columns without telling whether nullable ones count; it must be the one or the other."""
    dataset = new_dataset(server, new_group(server), "USERS", USERS)
    job = import_text(server, dataset, csv_text(["USER_ID", "AGE"], [("u", 1)]))
    assert job["status"] == "ACTIVE" or "[COUNTRY]" in job["failureReason"], job


def test_an_empty_file(server, plain):
    failed(server, plain, "", "INTERACTIONS")


BAD = [
    ({"A_INT": "1.5"}, "A_INT", "1.5"),
    ({"A_INT": "12abc"}, "A_INT", "12abc"),
    ({"A_INT": "2147483648"}, "A_INT", "2147483648"),
    ({"A_INT": "0x10"}, "A_INT", "0x10"),
    ({"A_LONG": ""}, "A_LONG", ""),
    ({"A_LONG": "9223372036854775808"}, "A_LONG", "9223372036854775808"),
    ({"A_LONG": "tomorrow"}, "A_LONG", "tomorrow"),
    ({"A_FLOAT": "1,5"}, "A_FLOAT", "1,5"),
    ({"A_FLOAT": "cheap"}, "A_FLOAT", "cheap"),
    ({"A_FLOAT": "nan"}, "A_FLOAT", "nan"),
    ({"A_DOUBLE": "inf"}, "A_DOUBLE", "inf"),
    ({"A_DOUBLE": "1e999"}, "A_DOUBLE", "1e999"),
    ({"A_BOOLEAN": "TRUE"}, "A_BOOLEAN", "TRUE"),
    ({"A_BOOLEAN": "1"}, "A_BOOLEAN", "1"),
    ({"A_TEXT": "x" * 1001}, "A_TEXT", "1000"),
    ({"A_SET": "y|" * 501}, "A_SET", "Length cannot be more than 1000 characters for A_SET"),
    ({"ITEM_ID": "z" * 257}, "ITEM_ID", "Length cannot be more than 256 characters for ITEM_ID"),
    ({"ITEM_ID": ""}, "ITEM_ID", ""),
]


@pytest.mark.parametrize("change,column,words", BAD, ids=[f"{column}-{str(list(c.values())[0])[:12]}" for c, column, _ in BAD])
def test_a_bad_cell_is_told_with_line_column_and_value(server, kinds, change, column, words):
    _, report = failed(server, kinds, kinds_text({}, {}, change, {}), "ITEMS", column, words)
    assert any("4" in line and column in line for line in report), report


def test_every_bad_row_is_in_the_report(server, kinds):
    """Lines 3, 5 and 7; the reason tells the first."""
    text = kinds_text({}, {"A_INT": "one"}, {}, {"A_LONG": "two"}, {}, {"A_FLOAT": "three"})
    job, report = failed(server, kinds, text, "one", "A_INT", "line 3")
    assert "two" not in job["failureReason"].split("report")[0]
    body = "\n".join(report)
    for line, column, value in [(3, "A_INT", "one"), (5, "A_LONG", "two"), (7, "A_FLOAT", "three")]:
        assert any(str(line) in row and column in row and value in row for row in report), (line, column, body)


def test_a_report_of_very_many_bad_rows_has_each(server, plain):
    rows = [("u", "i", f"t{n}") for n in range(5000)]
    _, report = failed(server, plain, csv_text(HEADER, rows))
    told = [row for row in report if "TIMESTAMP" in row]
    assert len(told) == 5000, len(told)
    assert "t4999" in told[-1] and "5001" in told[-1], told[-1]


def test_rows_with_too_few_or_too_many_cells(server, plain):
    good = csv_text(HEADER, plain_rows(1000))
    for row in ("u1,i1\n", "u1,i1,5,6\n", ",,\n", '"u1,i1,5\n'):
        job = import_text(server, plain, good + row)
        assert job["status"] == "CREATE FAILED" and "1002" in job["failureReason"], (row, job)


def test_values_of_every_length_that_is_allowed(server, kinds):
    load(server, kinds, kinds_text({"A_TEXT": "x" * 1000, "A_SET": "y" * 1000, "ITEM_ID": "z" * 256, "A_STORY": "s" * 30000}))


def test_limits_count_characters_not_bytes(server, kinds):
    load(server, kinds, kinds_text({"A_TEXT": "한" * 1000, "ITEM_ID": "제" * 256, "A_SET": "주" * 1000}))
    failed(server, kinds, kinds_text({"A_TEXT": "한" * 1001}), "A_TEXT")


def test_null_cells(server, kinds):
    empty = {name: "" for name in GOOD if name not in ("ITEM_ID", "A_LONG")}
    load(server, kinds, kinds_text(empty))


@pytest.mark.parametrize(
    "name,dress",
    [
        ("bom", lambda text: codecs.BOM_UTF8 + text.encode()),
        ("crlf", lambda text: text.replace("\n", "\r\n").encode()),
        ("bom and crlf", lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode()),
        ("no last line end", lambda text: text.rstrip("\n").encode()),
        ("blank lines", lambda text: text.replace("\n", "\n\n").encode()),
        ("quoted everything", lambda text: quote_cells(text).encode()),
        ("spaces in the header", lambda text: text.replace("USER_ID,ITEM_ID", " USER_ID , ITEM_ID ").encode()),
    ],
)
def test_ways_to_write_a_file(server, catalogue, name, dress):
    dataset = catalogue.interactions()
    load(server, dataset, dress(csv_text(HEADER, plain_rows())))
    assert catalogue.trained_items() == {f"i{n}" for n in range(25)}


def quote_cells(text):
    lines = text.splitlines()
    return "\n".join([lines[0]] + [",".join(f'"{cell}"' for cell in line.split(",")) for line in lines[1:]]) + "\n"


def test_columns_in_any_order_and_extra_ones(server, catalogue):
    dataset = catalogue.interactions()
    rows = [(t, "ignored", i, u) for u, i, t in plain_rows()]
    load(server, dataset, csv_text(["TIMESTAMP", "EXTRA", "ITEM_ID", "USER_ID"], rows))
    assert catalogue.trained_items() == {f"i{n}" for n in range(25)}


def test_a_column_twice_is_refused(server, plain):
    rows = [(u, i, t, t) for u, i, t in plain_rows()]
    failed(server, plain, csv_text([*HEADER, "TIMESTAMP"], rows), "TIMESTAMP")


QUOTED = [
    ('"a,b"', "a,b"),
    ('"say \\"hi\\""', 'say "hi"'),
    ('"say ""hi"""', 'say "hi"'),
    ('"two\nlines"', "two\nlines"),
    ('"back\\\\slash"', "back\\slash"),
    ("007", "007"),
    ("제주-호텔", "제주-호텔"),
    ("emoji-🏝", "emoji-🏝"),
    (" padded ", " padded "),
]


def test_quotes_escapes_and_unicode(server, catalogue):
    dataset = catalogue.interactions()
    text = "USER_ID,ITEM_ID,TIMESTAMP\n" + "".join(
        f"u{n % 40},{QUOTED[n % len(QUOTED)][0]},{1_600_000_000 + n}\n" for n in range(1080)
    )
    load(server, dataset, text)
    assert catalogue.trained_items() == {value for _, value in QUOTED}


@pytest.mark.parametrize("cell", [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"a\x00b"])
def test_bytes_that_are_not_text(server, plain, cell):
    text = csv_text(HEADER, plain_rows(1000)).encode() + b"u1," + cell + b",1600000000\n"
    job = import_text(server, plain, text)
    assert job["status"] == "CREATE FAILED" and "1002" in job["failureReason"], job


def test_identical_interactions_are_kept_once(server, plain):
    """1000 rows in the file suffice for the import; the same event twice is one to a training."""
    load(server, plain, csv_text(HEADER, [("u1", "i1", 5)] * 1000))
    group = server.control.describe_dataset(datasetArn=plain)["dataset"]["datasetGroupArn"]
    version = server.control.create_solution_version(solutionArn=new_solution(server, group, "aws-popularity-count"))
    described = wait_for(
        lambda: server.control.describe_solution_version(solutionVersionArn=version["solutionVersionArn"])["solutionVersion"],
        lambda value: value["status"] in ("ACTIVE", "CREATE FAILED"),
    )
    assert described["status"] == "CREATE FAILED" and described["failureReason"], described


# --- failures leave things as they were


def test_a_failed_import_changes_nothing(server, world_like):
    server_, group, campaign, dataset = world_like
    columns = ["ITEM_ID", "OWNER", "CREATION_TIMESTAMP"]
    load(server_, dataset, csv_text(columns, [("i1", "a", 1)]))
    for mode in ("FULL", "INCREMENTAL"):
        job = import_text(server_, dataset, csv_text(columns, [("i2", "a", 1), ("i1", "b", "bad")]), mode)
        assert job["status"] == "CREATE FAILED", job
        assert owners(server_, group, campaign, "a") == {"i1"} and owners(server_, group, campaign, "b") == set()
    load(server_, dataset, csv_text(columns, [("i3", "a", 1)]), "INCREMENTAL")
    assert owners(server_, group, campaign, "a") == {"i1", "i3"}


def test_kill_9_of_the_worker_fails_the_import_and_nothing_else(own_server):
    server = own_server
    group = new_group(server)
    load(server, new_dataset(server, group, "INTERACTIONS", PLAIN), csv_text(HEADER, plain_rows()))
    items = new_dataset(server, group, "ITEMS", OWNED)
    campaign = new_campaign(server, new_version(server, new_solution(server, group, "aws-popularity-count")))
    columns = ["ITEM_ID", "OWNER", "CREATION_TIMESTAMP"]
    load(server, items, csv_text(columns, [("i1", "a", 1)]))
    big = csv_text(columns, [(f"big{n}", "b", 1) for n in range(1_500_000)])
    location = put_object(server, "big.csv", big)
    before = set(children(server.process.pid))
    job = start_import(server, items, location)
    workers = wait_for(lambda: [pid for pid in children(server.process.pid) if pid not in before], bool, 20)
    time.sleep(0.05)
    os.kill(workers[0], signal.SIGKILL)
    described = finish_import(server, job)
    assert described["status"] == "CREATE FAILED", described
    assert "killed" in described["failureReason"] or "signal" in described["failureReason"].lower(), described
    assert owners(server, group, campaign, "a") == {"i1"} and owners(server, group, campaign, "b") == set()
    load(server, items, csv_text(columns, [("i2", "a", 1)]), "INCREMENTAL")
    assert owners(server, group, campaign, "a") == {"i1", "i2"}


def test_an_import_survives_a_restart_of_the_server(own_server):
    """SIGTERM in the middle of an import: afterwards the job ends, one way or the other, and is not lost."""
    server = own_server
    items = new_dataset(server, new_group(server), "ITEMS", OWNED)
    rows = [(f"big{n}", "b", 1) for n in range(600_000)]
    job = start_import(server, items, put_object(server, "big.csv", csv_text(["ITEM_ID", "OWNER", "CREATION_TIMESTAMP"], rows)))
    server.stop()
    server.start()
    assert finish_import(server, job)["status"] == "ACTIVE"


# --- the job as a resource


def test_progress_is_told_while_an_import_runs(own_server):
    server = own_server
    items = new_dataset(server, new_group(server), "ITEMS", OWNED)
    rows = [(f"big{n}", "b", 1) for n in range(600_000)]
    job = start_import(server, items, put_object(server, "big.csv", csv_text(["ITEM_ID", "OWNER", "CREATION_TIMESTAMP"], rows)))
    seen = []

    def look():
        answer = server.send("GET", "/ondol/jobs", headers=server.sign("GET", "/ondol/jobs", b"", {}))
        seen.append(answer.body.decode())
        return server.control.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]

    wait_for(look, lambda value: value["status"] == "ACTIVE")
    assert any(job in text or job.rsplit("/", 1)[1] in text for text in seen), seen[:3]


def test_an_import_needs_a_dataset_that_exists(server):
    with refused("ResourceNotFoundException"):
        start_import(server, arn("dataset/nowhere/ITEMS"), "s3://bucket/x.csv")


def test_the_worked_example_imports(server):
    group = new_group(server)
    load(server, new_dataset(server, group, "INTERACTIONS"), interactions_csv())
    load(server, new_dataset(server, group, "ITEMS", ITEMS), items_csv())
