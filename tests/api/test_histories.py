"""Histories beyond --history-memory are in a file: answers do not tell, nothing is lost, and deleted users are not in it."""
import concurrent.futures
import re

import pytest
from harness import (CLUSTERS, TIME_0, Server, World, csv_text, item_id, load, put_object, unique, wait_for)

RANKING = "aws-personalized-ranking"
CROWD = 12_000  # users of one event: more than the one MiB that the server may use
CANDIDATES = [item_id(cluster, number) for cluster in CLUSTERS for number in range(4)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("histories") / "data", "--history-memory", "1")
    yield World(server)
    server.stop()


def metric(server, name):
    return float(re.search(rf"^{name} (\S+)$", server.send("GET", "/metrics").body.decode(), re.MULTILINE)[1])


def files(server):
    return sorted((server.folder / "histories").iterdir())


def answers(world, users):
    """Every event of a user moves the scores, and so does time, a little."""
    def one(user):
        ranked = world.server.runtime.get_personalized_ranking(
            campaignArn=world.campaign(RANKING), userId=user, inputList=CANDIDATES)["personalizedRanking"]
        return {item["itemId"]: item["score"] for item in ranked}
    return {user: one(user) for user in users}


def same(a, b):
    return all(b[user] == pytest.approx(scores, rel=1e-3, abs=1e-5) for user, scores in a.items())


def crowd():
    return [(f"crowd-{i}", CANDIDATES[i % len(CANDIDATES)], TIME_0 + i, "view", "", "") for i in range(CROWD)]


def load_more(world, rows):
    columns = ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE", "DEVICE"]
    load(world.server, world.datasets["INTERACTIONS"], csv_text(columns, rows), mode="INCREMENTAL")


def grow(world, count):
    """Events of users never met."""
    name = unique("crowd")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: world.put(f"{name}-{i}", CANDIDATES[:10], session=f"{name}-visit-{i}"), range(count)))


def test_an_evicted_user_is_answered_as_before(world):
    server, users = world.server, [f"{CLUSTERS[0]}-fan-1", f"{CLUSTERS[1]}-fan-2", "newcomer", "visit-1", "visit-2", "other"]
    world.campaign(RANKING)
    world.put("newcomer", CANDIDATES[:3], session="visit-1")
    world.put(None, CANDIDATES[4:7], session="visit-2")
    before = answers(world, users)
    assert not same({"x": before[users[0]]}, {"x": before[users[1]]})
    assert metric(server, "ondol_histories_evicted") == 0 and not files(server)

    load_more(world, crowd())
    assert metric(server, "ondol_histories_evicted") >= CROWD
    assert metric(server, "ondol_history_bytes") < 1 << 20
    assert len(files(server)) == 1
    assert same(before, answers(world, users))

    # They come back: their own events, an anonymous session that joins them, one that goes to somebody else.
    world.put("newcomer", CANDIDATES[8:9], session="visit-2")
    world.put("other", CANDIDATES[12:14], session="visit-2")
    world.put(users[0], CANDIDATES[20:21], session="visit-3")
    came_back = answers(world, users)
    assert same({"x": came_back["newcomer"]}, {"x": came_back["visit-1"]})
    assert same({"x": came_back["other"]}, {"x": came_back["visit-2"]})
    changed = [user for user in users if not same({user: before[user]}, came_back)]
    assert changed == [user for user in users if user != users[1]]

    # And go again, while events come.
    evicted, written = metric(server, "ondol_histories_evicted"), files(server)[0].stat().st_ino
    wait_for(lambda: grow(world, 300) or files(server)[0].stat().st_ino, lambda inode: inode != written)
    wait_for(lambda: metric(server, "ondol_histories_evicted"), lambda now: now > evicted, 60)
    assert same(came_back, answers(world, users))
    events = metric(server, "ondol_history_events")

    server.kill()
    server.start()
    assert same(came_back, answers(world, users))
    assert metric(server, "ondol_history_events") == events

    # A damaged file is made again from the data.
    server.stop()
    bytes_ = bytearray(files(server)[0].read_bytes())
    bytes_[len(bytes_) // 2] ^= 1
    files(server)[0].write_bytes(bytes_)
    server.start()
    assert "damaged" in server.tail()
    assert same(came_back, answers(world, users))
    assert metric(server, "ondol_history_events") == events


def test_what_was_put_and_is_imported_too_is_there_once(world):
    server, when = world.server, TIME_0 + 77
    server.events.put_events(
        trackingId=world.tracking_id, sessionId="both", userId="both",
        eventList=[{"eventType": "view", "itemId": item, "sentAt": when, "eventValue": 9.9} for item in CANDIDATES[:3]])
    events = metric(server, "ondol_history_events")
    before = answers(world, ["both"])
    put_too = [("both", item, when, "view", "9.9", "") for item in CANDIDATES[:3]]
    load_more(world, crowd()[:CROWD // 2] + put_too)
    for again in range(2):
        assert metric(server, "ondol_history_events") == events
        assert same(before, answers(world, ["both"]))
        if not again:
            server.kill()
            server.start()
    load_more(world, crowd()[:CROWD // 2] + [("both", CANDIDATES[0], when, "view", "9.8", "")])
    assert metric(server, "ondol_history_events") == events + 1


def test_a_deleted_user_is_not_in_the_file(world):
    server = world.server
    assert b"newcomer" in files(server)[0].read_bytes()
    location = put_object(server, "delete/users.csv", "USER_ID\nnewcomer\n")
    job = server.control.create_data_deletion_job(
        jobName=unique("deletion"), datasetGroupArn=world.group, roleArn="arn:aws:iam::000000000000:role/any",
        dataSource={"dataLocation": location})["dataDeletionJobArn"]
    described = wait_for(lambda: server.control.describe_data_deletion_job(dataDeletionJobArn=job)["dataDeletionJob"],
                         lambda value: value["status"] in ("COMPLETED", "FAILED"))
    assert described["status"] == "COMPLETED", described
    assert all(b"newcomer" not in file.read_bytes() for file in files(server))
    found = answers(world, ["newcomer", "never met"])
    assert same({"x": found["newcomer"]}, {"x": found["never met"]})


def test_the_file_goes_with_its_dataset(world):
    server = world.server
    assert len(files(server)) == 1
    server.control.delete_event_tracker(eventTrackerArn=world.tracker)
    for campaign in server.control.list_campaigns()["campaigns"]:
        server.control.delete_campaign(campaignArn=campaign["campaignArn"])
    for solution in server.control.list_solutions()["solutions"]:
        server.control.delete_solution(solutionArn=solution["solutionArn"])
    server.control.delete_dataset(datasetArn=world.datasets["INTERACTIONS"])
    assert not files(server)
