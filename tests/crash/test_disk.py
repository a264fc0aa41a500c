"""A disk that is full, read-only, slow or whose syncs fail: whoever wants something stored is told, everything else goes
on, and when the disk is back the server needs no restart. The faults come from below the whole process
(tests/faults/bad_disk.c), and once from a real file system that is full."""
import os
import sqlite3
import subprocess
import threading
import time

import pytest
from botocore.exceptions import ClientError
from disk import BadDisk, metric, mounted
from harness import (
    SCHEMAS,
    Server,
    World,
    finish_import,
    finish_version,
    held,
    interactions_csv,
    new_group,
    new_schema,
    put_object,
    refused,
    start_import,
    unique,
    wait_for,
)

FAULTS = {
    "full": (lambda disk: disk.full(), "full"),
    "full in the middle of a write": (lambda disk: disk.full(room=5000), "full"),
    "read-only": (lambda disk: disk.read_only(), "read-only"),
    "failing syncs": (lambda disk: disk.failing_syncs(), "disk failed"),
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    bad = BadDisk(tmp_path_factory.mktemp("disk"))
    yield bad
    bad.heal()
    if bad.server.process:
        bad.server.stop()


@pytest.fixture(scope="module")
def world(disk):
    made = World(disk.server)
    made.campaign()
    return made


def event(item, **more):
    return {"eventType": "view", "itemId": item, "sentAt": int(time.time()), **more}


def put(world, *ids, item="comedy-01"):
    """One PutEvents with these event ids."""
    world.server.events.put_events(
        trackingId=world.tracking_id, userId="writer", sessionId="s", eventList=[event(item, eventId=i) for i in ids]
    )


def stored_ids(server):
    """Event ids in the log, of a server that does not run."""
    database = sqlite3.connect(f"file:{server.folder}/ondol.db?mode=ro", uri=True)
    rows = database.execute("SELECT identity FROM event").fetchall()
    database.close()
    return [bytes(row[0])[1:].decode() for row in rows if row[0][:1] == b"\x01"]


def check_reading(world):
    """What needs no disk goes on."""
    server = world.server
    assert len(world.items(userId="horror-fan-3", numResults=5)) == 5
    assert server.control.describe_dataset_group(datasetGroupArn=world.group)["datasetGroup"]["status"] == "ACTIVE"
    assert server.control.list_datasets(datasetGroupArn=world.group)["datasets"]
    assert server.control.describe_campaign(campaignArn=world.campaign())["campaign"]["status"] == "ACTIVE"
    explained = server.rest("/ondol/explain", {"campaignArn": world.campaign(), "userId": "horror-fan-3", "itemId": "horror-01"})
    assert explained.status == 200, explained
    assert server.send("GET", "/health").status == 200
    assert metric(server, "ondol_campaigns") >= 1


def check_refusals(world, word):
    """Whoever wants something stored is told why not, in a way that SDKs retry."""
    server = world.server
    properties = '{"genres": "comedy", "creationTimestamp": 1700000000}'
    calls = [
        lambda: put(world, unique("refused")),
        lambda: server.events.put_items(
            datasetArn=world.datasets["ITEMS"], items=[{"itemId": "new-item", "properties": properties}]
        ),
        lambda: server.events.put_users(
            datasetArn=world.datasets["USERS"], users=[{"userId": "new-user", "properties": '{"age": 7}'}]
        ),
        lambda: new_group(server),
        lambda: new_schema(server, SCHEMAS["USERS"]),
        lambda: server.control.create_filter(
            name=unique("filter"), datasetGroupArn=world.group, filterExpression="EXCLUDE ItemID WHERE Items.YEAR > 1"
        ),
        lambda: server.control.tag_resource(resourceArn=world.group, tags=[{"tagKey": "k", "tagValue": "v"}]),
        lambda: server.control.delete_schema(schemaArn=world.spare_schema),
    ]
    for call in calls:
        with refused("ServiceUnavailableException", word, status=503):
            call()


def check_recovery(world):
    server = world.server
    wait_for(lambda: metric(server, "ondol_disk_failing"), lambda failing: failing == 0, 20)
    put(world, unique("again"))
    group = new_group(server)
    server.control.delete_dataset_group(datasetGroupArn=group)
    check_reading(world)


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_bad_disk_is_told_and_reading_goes_on(disk, world, fault):
    server = world.server
    world.spare_schema = new_schema(server, SCHEMAS["USERS"])
    before, number = len(server.log.read_text()), metric(server, "ondol_disk_failures")
    begin, word = FAULTS[fault]
    with begin(disk):
        if "middle" in fault:  # the room left takes some
            with pytest.raises(ClientError):
                for _ in range(20):
                    put(world, unique("filler"))
        check_refusals(world, word)
        check_reading(world)
        assert metric(server, "ondol_disk_failing") == 1
        assert metric(server, "ondol_disk_failures") > number
        assert disk.get("failed") > 0
    check_recovery(world)
    said = server.log.read_text()[before:]
    assert said.count("the disk fails") == 1, said
    assert said.count("the disk is back") == 1, said
    assert server.control.describe_schema(schemaArn=world.spare_schema)["schema"]
    assert "new-item" not in world.items(userId="horror-fan-3", numResults=100)


@pytest.mark.parametrize("fault", ["full", "read-only", "failing syncs"])
def test_jobs_that_meet_a_bad_disk_end_when_it_is_back(disk, world, fault):
    """Their workers fail with the reason; and the failure, which cannot be stored yet, is when it can."""
    server = world.server
    location = put_object(server, f"{unique('rows')}.csv", interactions_csv(7))
    with held(server, lambda: start_import(server, world.datasets["INTERACTIONS"], location, "INCREMENTAL")) as job:
        disk_is_bad = FAULTS[fault][0](disk)
        disk_is_bad.__enter__()
    try:
        time.sleep(1.5)  # the worker meets the disk
        described = server.control.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]
        assert described["status"] == "CREATE IN_PROGRESS", described
        check_reading(world)
    finally:
        disk_is_bad.__exit__(None, None, None)
    ended = finish_import(server, job)
    assert ended["status"] == "CREATE FAILED", ended
    assert ended["failureReason"], ended
    print(ended["failureReason"])
    check_recovery(world)
    job = start_import(server, world.datasets["INTERACTIONS"], location, "INCREMENTAL")
    assert finish_import(server, job)["status"] == "ACTIVE"


def test_a_job_that_is_done_while_the_disk_is_bad_is_not_lost(disk, world):
    """The worker has written everything, and then the store takes nothing: the training ends when it does."""
    server = world.server
    version = server.control.create_solution_version(solutionArn=world.solution("aws-user-personalization"))
    version = version["solutionVersionArn"]
    wait_for(lambda: server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["status"],
             lambda status: status == "CREATE IN_PROGRESS", pause=0.001)
    folder = server.folder / "images"
    images = set(folder.iterdir())

    def new_images():
        return [p for p in set(folder.iterdir()) - images if p.suffix == ".image"]

    wait_for(new_images, bool, pause=0.0002)
    with disk.full():
        time.sleep(1.5)
        status = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["status"]
        check_reading(world)
    ended = finish_version(server, version)
    print(f"in the meantime {status}, then {ended['status']} {ended.get('failureReason', '')}")
    assert ended["status"] == "ACTIVE" or "space" in ended["failureReason"] or "full" in ended["failureReason"], ended
    check_recovery(world)


def test_objects_are_refused_by_a_full_disk_and_taken_again(disk, world):
    s3 = world.server.client("s3")
    s3.create_bucket(Bucket="full")
    with disk.full():
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket="full", Key="a/b", Body=b"x" * 100_000)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
        assert s3.list_objects_v2(Bucket="full")["KeyCount"] == 0
    s3.put_object(Bucket="full", Key="a/b", Body=b"x" * 100_000)
    assert s3.get_object(Bucket="full", Key="a/b")["Body"].read() == b"x" * 100_000


def test_a_slow_disk_slows_only_what_is_stored(disk, world):
    server, took = world.server, []
    other = server.client("personalize-events", read_timeout=61)  # a connection of its own

    def write():
        begin = time.monotonic()
        other.put_events(trackingId=world.tracking_id, userId="w", sessionId="s", eventList=[event("comedy-02")])
        took.append(time.monotonic() - begin)

    with disk.slow(2000):
        writer = threading.Thread(target=write)
        writer.start()
        answers = 0
        while writer.is_alive():
            assert len(world.items(userId="drama-fan-2", numResults=5)) == 5
            answers += 1
        writer.join()
    assert took and took[0] >= 1.9, took
    assert answers >= 10, f"{answers} answers in {took[0]:.1f} s"
    assert disk.get("slowed") > 0
    with disk.slow(500):
        for call in (lambda: put(world, unique("slow")), lambda: new_group(server), lambda: new_group(server)):
            call()
    check_recovery(world)


def write_while_faults_come_and_go(disk, world, seconds):
    """Eight writers; what was sent and what was acknowledged."""
    sent, acknowledged, other_errors = set(), set(), []
    stop = threading.Event()

    def write(number):
        client = world.server.client("personalize-events", read_timeout=60 + number)
        batch = 0
        while not stop.is_set():
            ids = [f"storm-{number}-{batch}-{i}" for i in range(4)]
            batch += 1
            sent.update(ids)
            try:
                client.put_events(trackingId=world.tracking_id, userId=f"w{number}", sessionId="s",
                                  eventList=[event("comedy-03", eventId=i) for i in ids])
                acknowledged.update(ids)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ServiceUnavailableException":
                    other_errors.append(error)
                time.sleep(0.01)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for writer in writers:
        writer.start()
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        begin = list(FAULTS.values())[turn % len(FAULTS)][0]
        turn += 1
        with begin(disk):
            time.sleep(0.15)
        time.sleep(0.15)
    stop.set()
    for writer in writers:
        writer.join(60)
    assert not other_errors, other_errors[:3]
    return sent, acknowledged


def test_nothing_acknowledged_is_lost_while_faults_come_and_go(disk, world):
    seconds = 60 if os.environ.get("ONDOL_TORTURE") else 6
    server = world.server
    sent, acknowledged = write_while_faults_come_and_go(disk, world, seconds)
    check_recovery(world)
    server.kill()
    stored = stored_ids(server)
    storm = {i for i in stored if i.startswith("storm-")}
    print(f"{len(sent)} events sent, {len(acknowledged)} acknowledged, {len(storm)} stored")
    assert len(acknowledged) > 100 and len(acknowledged) < len(sent)
    assert acknowledged <= storm, f"lost: {sorted(acknowledged - storm)[:5]}"
    assert storm <= sent
    assert len(stored) == len(set(stored)), "twice"
    server.start()
    for i in sorted(sent - acknowledged)[:200]:
        put(world, i)
    check_recovery(world)
    server.kill()
    stored = stored_ids(server)
    assert len(stored) == len(set(stored)), "a retry was stored twice"
    assert set(sorted(sent - acknowledged)[:200]) <= set(stored)
    server.start()
    check_recovery(world)


def test_a_file_system_that_is_really_full(tmp_path):
    place = tmp_path / "small"
    if not mounted(place, 48 << 20):
        pytest.skip("mounting a small file system needs root")
    server = None
    try:
        server = Server(place / "data")
        world = World(server)
        world.campaign()
        put(world, "before")
        filler = place / "filler"
        with open(filler, "wb", buffering=0) as file:
            with pytest.raises(OSError):
                while True:
                    file.write(bytes(65536))
            with pytest.raises(OSError):
                while True:
                    file.write(bytes(512))
        big = '{"genres": "' + "g" * 900 + '", "creationTimestamp": 1700000000}'
        acknowledged = ["before"]
        with pytest.raises(ClientError) as caught:  # pages that the database has already take some
            for number in range(20_000):
                server.events.put_items(
                    datasetArn=world.datasets["ITEMS"],
                    items=[{"itemId": f"filler-{number}-{i}", "properties": big} for i in range(10)],
                )
                put(world, f"full-{number}")
                acknowledged.append(f"full-{number}")
        assert caught.value.response["Error"]["Code"] == "ServiceUnavailableException", caught.value.response
        assert "full" in caught.value.response["Error"]["Message"], caught.value.response
        check_reading(world)
        filler.unlink()
        check_recovery(world)
        put(world, "after")
        acknowledged.append("after")
        server.kill()
        stored = stored_ids(server)
        assert set(acknowledged) <= set(stored)
        assert len(stored) == len(set(stored))
        server.start()
        check_recovery(world)
        server.stop()
    finally:
        if server and server.process:
            server.kill()
        subprocess.run(["umount", "-l", str(place)], check=True)
