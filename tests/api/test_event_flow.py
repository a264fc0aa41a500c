"""What becomes of events, counted for each tracker at /metrics. What a full queue does: tests/crash/test_queue.py."""
import re

import pytest
from harness import INTERACTIONS, Server, new_dataset, new_group, refused, unique


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("flow") / "data")
    yield server
    server.stop()


def new_tracker(server, group):
    made = server.control.create_event_tracker(name=unique("tracker"), datasetGroupArn=group)
    return made["eventTrackerArn"], made["trackingId"]


def counts(server, tracking):
    """name or (ignored, reason) -> value"""
    found = {}
    for line in server.send("GET", "/metrics").body.decode().splitlines():
        match = re.fullmatch(r'ondol_events_(\w+)_total\{tracker="([^"]*)",dataset_group="[^"]*"(?:,reason="(\w+)")?\} (\d+)', line)
        if match and match[2] == tracking:
            found[match[3] or match[1]] = int(match[4])
    return found


def event(item="i1", at=1, **more):
    return {"eventType": "view", "sentAt": at, "itemId": item, **more}


def put(server, tracking, *events, user=None, session="s"):
    who = {"userId": user} if user else {}
    server.events.put_events(trackingId=tracking, sessionId=session, eventList=list(events), **who)


def test_events_are_counted_by_what_became_of_them(server):
    group = new_group(server)
    new_dataset(server, group)
    arn, tracking = new_tracker(server, group)
    zero = {"accepted": 0, "joined": 0, "duplicate": 0, "invalid": 0, "throttled": 0, "failed": 0}
    assert counts(server, tracking) == zero
    put(server, tracking, event(at=1), event(at=2))  # anonymous
    put(server, tracking, event(at=3), user="u")  # joins
    put(server, tracking, event(at=4), event(at=4), user="u")  # joined before; the second is the first again
    put(server, tracking, event(at=3), user="u")  # sent again
    put(server, tracking, event(at=5), user="other")  # the session goes over to somebody else
    with refused("InvalidInputException"):
        put(server, tracking, event(at=6), event(at=7, properties='{"userId":"x"}'), user="u")
    assert counts(server, tracking) == {**zero, "accepted": 5, "joined": 2, "duplicate": 2, "invalid": 2}
    before = counts(server, "unknown")["unknown_tracker"]
    with refused("InvalidInputException"):
        put(server, "none-such", event(), event())
    assert counts(server, "unknown") == {"unknown_tracker": before + 2}
    server.control.delete_event_tracker(eventTrackerArn=arn)
    assert counts(server, tracking) == {}
    assert "none-such" not in server.send("GET", "/metrics").body.decode()


def test_action_interactions_are_counted_under_their_dataset(server):
    group = new_group(server)
    body = {**INTERACTIONS, "name": "ActionInteractions", "fields": [
        {"name": "USER_ID", "type": "string"}, {"name": "ACTION_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"}, {"name": "TIMESTAMP", "type": "long"}]}
    dataset = new_dataset(server, group, "ACTION_INTERACTIONS", body)
    tracking = server.control.describe_dataset(datasetArn=dataset)["dataset"]["trackingId"]
    one = {"actionId": "a", "userId": "u", "sessionId": "s", "timestamp": 1, "eventType": "Viewed"}
    server.events.put_action_interactions(trackingId=tracking, actionInteractions=[one, one])
    with refused("InvalidInputException"):
        server.events.put_action_interactions(trackingId=tracking, actionInteractions=[{**one, "eventType": "Seen"}])
    found = counts(server, tracking)
    assert (found["accepted"], found["joined"], found["duplicate"], found["invalid"]) == (1, 1, 1, 1)
