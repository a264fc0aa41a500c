"""Capacity: floors, ceilings, throttling, and what /metrics and `ondol campaign` tell of them."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest
from harness import BINARY, Server, World, new_campaign, refused, wait_for

POPULARITY = "aws-popularity-count"


def metrics(server, campaign):
    """Of one campaign: name (with its reason) to value."""
    found = {}
    for line in server.send("GET", "/metrics").body.decode().splitlines():
        match = re.fullmatch(r"ondol_campaign_(\w+)\{campaign=\"([^\"]*)\"(?:,reason=\"(\w+)\")?\} (\S+)", line)
        if match and match[2] == campaign:
            found[match[1] + (":" + match[3] if match[3] else "")] = float(match[4])
    return found


def ondol_campaign(server, *arguments):
    return subprocess.run([BINARY, "campaign", arguments[0], "--data", str(server.folder), *arguments[1:]],
                          capture_output=True, text=True, timeout=60)


def set_ceiling(server, campaign, ceiling):
    done = ondol_campaign(server, "ceiling", campaign, str(ceiling))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One HTTP thread, and a patience that a flood exhausts at once."""
    started = Server(tmp_path_factory.mktemp("capacity") / "data", "--threads", "1", "--overload-wait", "1")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def world(home):
    return World(home)


def ask(server, campaign, **more):
    return server.runtime.get_recommendations(campaignArn=campaign, userId="horror-fan-1", **more)


# --- metrics


def test_metrics_follow_a_campaign_from_creation_to_deletion(home, world):
    campaign = new_campaign(home, world.version(POPULARITY), minProvisionedTPS=7)
    before = metrics(home, campaign)
    assert before["floor_tps"] == 7 and before["ceiling_tps"] == 0
    assert before["requests_total"] == before["answers_total"] == before["tps"] == before["utilisation"] == 0
    for _ in range(3):
        ask(home, campaign)
    with refused("InvalidInputException"):
        ask(home, campaign, filterValues={"A": '"b"'})
    after = metrics(home, campaign)
    assert after["requests_total"] == 4 and after["answers_total"] == 3 and after["failures_total"] == 1
    assert after["throttled_total:ceiling"] == after["throttled_total:overload"] == 0
    assert 0 < after["tps"] <= 3 and after["utilisation"] == pytest.approx(after["tps"] / 7)
    assert 0 < after["busy_seconds_total"] < 10 and after["busy_cores"] > 0
    later = wait_for(lambda: metrics(home, campaign), lambda m: m["tps_hours_total"] > before["tps_hours_total"])
    assert later["tps_hours_total"] < 7  # within the first hour
    home.control.update_campaign(campaignArn=campaign, minProvisionedTPS=9)
    assert metrics(home, campaign)["floor_tps"] == 9
    home.control.delete_campaign(campaignArn=campaign)
    assert metrics(home, campaign) == {}


def test_rankings_are_counted_too(home, world):
    campaign = new_campaign(home, world.version("aws-personalized-ranking"))
    home.runtime.get_personalized_ranking(campaignArn=campaign, userId="u", inputList=["horror-01", "comedy-01"])
    assert metrics(home, campaign)["answers_total"] == 1


def test_a_campaign_that_is_not_there_is_not_counted(home, world):
    gone = new_campaign(home, world.version(POPULARITY))
    home.control.delete_campaign(campaignArn=gone)
    with refused("ResourceNotFoundException", gone):
        ask(home, gone)
    assert metrics(home, gone) == {}


# --- ceilings


def until_throttled(server, campaign, most=5000):
    """Asks until refused: how many were answered."""
    for answered in range(most):
        try:
            ask(server, campaign, numResults=1)
        except server.runtime.exceptions.ClientError as error:
            return answered, error.response
    raise AssertionError(f"{most} requests were answered")


def test_beyond_its_ceiling_a_campaign_is_throttled(home, world):
    campaign = new_campaign(home, world.version(POPULARITY))
    set_ceiling(home, campaign, 2)
    assert metrics(home, campaign)["ceiling_tps"] == 2
    answered, error = until_throttled(home, campaign)
    assert answered >= 2  # a second's worth at once
    assert error["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    told = metrics(home, campaign)
    assert told["throttled_total:ceiling"] == 1 and told["requests_total"] == answered + 1
    other = new_campaign(home, world.version(POPULARITY))
    for _ in range(50):
        ask(home, other)
    set_ceiling(home, campaign, "none")
    assert metrics(home, campaign)["ceiling_tps"] == 0
    for _ in range(50):
        ask(home, campaign)


def test_a_ceiling_is_refused_when_it_makes_no_sense(home, world):
    campaign = new_campaign(home, world.version(POPULARITY))
    for wrong in ["0", "-1", "1.5", "many", "1000000001", ""]:
        done = ondol_campaign(home, "ceiling", campaign, wrong)
        assert done.returncode == 2 and "1 to 1000000000" in done.stderr, wrong
    missing = campaign + "-missing"
    done = ondol_campaign(home, "ceiling", missing, "5")
    assert done.returncode == 1 and missing in done.stderr
    assert ondol_campaign(home, "ceiling", campaign).returncode == 2
    assert ondol_campaign(home, "floor").returncode == 2


def test_the_list_shows_what_metrics_show(home, world):
    campaign = new_campaign(home, world.version(POPULARITY), minProvisionedTPS=3)
    set_ceiling(home, campaign, 40)
    listed = json.loads(ondol_campaign(home, "list", "--json").stdout)["campaigns"]
    mine = next(one for one in listed if one["arn"] == campaign)
    assert mine["floor"] == 3 and mine["ceiling"] == 40 and mine["throttled"] == 0
    line = next(line for line in ondol_campaign(home, "list").stdout.splitlines() if line.endswith(campaign))
    assert line.split()[:2] == ["3", "40"]


# --- restart


@pytest.fixture
def own(tmp_path):
    """A server to be stopped and started, with a popularity campaign."""
    started = Server(tmp_path / "data", "--threads", "1")
    yield started, World(started)
    started.stop()


def test_ceiling_and_tps_hours_outlive_the_server(own):
    server, made = own
    campaign = new_campaign(server, made.version(POPULARITY), minProvisionedTPS=5)
    set_ceiling(server, campaign, 1)
    asked = until_throttled(server, campaign)[0]
    assert asked >= 1
    set_ceiling(server, campaign, 100000)
    for _ in range(200):
        ask(server, campaign)
    before = metrics(server, campaign)["tps_hours_total"]
    assert before > 150 / 3600  # of the window begun: more than the floor gives in so short a time
    server.stop()
    server.start()
    after = metrics(server, campaign)
    assert after["ceiling_tps"] == 100000
    assert before <= after["tps_hours_total"] < before + 5 * 300 / 3600
    server.kill()
    server.start()
    again = metrics(server, campaign)
    assert again["ceiling_tps"] == 100000 and again["tps_hours_total"] >= after["tps_hours_total"]
    name = campaign.rsplit("/", 1)[1]
    server.control.delete_campaign(campaignArn=campaign)
    recreated = server.control.create_campaign(name=name, solutionVersionArn=made.version(POPULARITY))["campaignArn"]
    assert recreated == campaign
    fresh = metrics(server, campaign)
    assert fresh["ceiling_tps"] == 0 and fresh["tps_hours_total"] < before
    server.stop()
    server.start()
    assert metrics(server, campaign)["ceiling_tps"] == 0


# --- sleep


def gauge(server, name):
    text = server.send("GET", "/metrics").body.decode()
    return float(re.search(rf"^ondol_{name} (\S+)$", text, re.MULTILINE)[1])


def test_idle_campaigns_sleep_and_answer_as_before(tmp_path):
    server = Server(tmp_path / "data", "--rest-after", "1")
    made = World(server)
    campaigns = [made.campaign(recipe) for recipe in (POPULARITY, "aws-personalized-ranking")]
    before = made.items(campaigns[0], userId="comedy-fan-3")
    ranking = {"campaignArn": campaigns[1], "userId": "comedy-fan-3", "inputList": before[:10]}
    ranked = [item["itemId"] for item in server.runtime.get_personalized_ranking(**ranking)["personalizedRanking"]]
    wait_for(lambda: gauge(server, "campaigns_asleep"), lambda asleep: asleep == 2, 60)
    assert gauge(server, "campaigns") == 2
    assert made.items(campaigns[0], userId="comedy-fan-3") == before
    again = [item["itemId"] for item in server.runtime.get_personalized_ranking(**ranking)["personalizedRanking"]]
    assert again == ranked
    assert metrics(server, campaigns[0])["answers_total"] == 2
    server.stop()


# --- overload. The server is held while many requests come, so that they all wait at once.


class Flood:
    """Requests over raw connections, one each."""

    def __init__(self, server):
        self.server, self.waiting = server, []

    def connect(self, count):
        self.waiting += [(socket.create_connection(self.server.address), None) for _ in range(count)]
        # accepted, not just in the kernel's queue: what is there when a server stops is nobody's
        wait_for(lambda: gauge(self.server, "http_connections"), lambda n: n >= len(self.waiting), 60)

    def send(self, campaigns):
        """One request a connection, of the campaigns in turn."""
        ready = []
        for number, (connection, _) in enumerate(self.waiting):
            campaign = campaigns[number % len(campaigns)]
            body = json.dumps({"campaignArn": campaign, "userId": f"u{number}", "numResults": 25})
            headers = self.server.sign("POST", "/recommendations", body.encode(), {"Content-Type": "application/json"})
            head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
            host = "Host: {}:{}\r\n".format(*self.server.address)
            request = f"POST /recommendations HTTP/1.1\r\n{host}{head}Content-Length: {len(body)}\r\n\r\n{body}"
            ready.append((connection, campaign, request.encode()))
        for connection, _, request in ready:
            connection.sendall(request)
        self.waiting = [(connection, campaign) for connection, campaign, _ in ready]

    def answers(self):
        """(campaign, status, body) of each; exactly one answer came."""
        for connection, campaign in self.waiting:
            connection.settimeout(60)
            data = b""
            while b"\r\n\r\n" not in data or len(data) < self.length(data):
                piece = connection.recv(65536)
                assert piece, f"no answer but {data!r}"
                data += piece
            assert len(data) == self.length(data)
            connection.settimeout(0.001)
            with contextlib.suppress(TimeoutError):
                assert connection.recv(1) == b"", "more than one answer"
            connection.close()
            yield campaign, int(data.split()[1]), data.split(b"\r\n\r\n", 1)[1]

    @staticmethod
    def length(data):
        head, _, _ = data.partition(b"\r\n\r\n")
        return len(head) + 4 + int(re.search(rb"(?i)content-length: (\d+)", head)[1])


@contextlib.contextmanager
def held(server):
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def test_under_overload_a_floor_is_kept_and_the_rest_throttled(home, world):
    version = world.version("aws-user-personalization")
    kept = new_campaign(home, version, minProvisionedTPS=100)
    flooded = new_campaign(home, version)
    flood = Flood(home)
    flood.connect(360)
    with held(home):
        flood.send([kept] + 5 * [flooded])  # 60 and 300
    answers = list(flood.answers())
    assert len(answers) == 360
    assert [status for campaign, status, _ in answers if campaign == kept] == 60 * [200]
    statuses = [status for campaign, status, _ in answers if campaign == flooded]
    assert statuses.count(200) >= 1 and statuses.count(400) >= 1
    assert statuses.count(200) + statuses.count(400) == 300
    for _, status, body in answers:
        if status == 400:
            assert json.loads(body)["message"] == "Rate exceeded"
    told = metrics(home, flooded)
    assert told["throttled_total:overload"] == statuses.count(400) and told["answers_total"] == statuses.count(200)
    assert metrics(home, kept)["throttled_total:overload"] == 0


def test_a_server_that_stops_with_a_full_line_answers_everybody(own):
    server, made = own
    campaign = new_campaign(server, made.version(POPULARITY))
    flood = Flood(server)
    flood.connect(200)
    with held(server):
        flood.send([campaign])
        server.process.send_signal(signal.SIGTERM)
    statuses = [status for _, status, _ in flood.answers()]
    assert len(statuses) == 200 and set(statuses) <= {200, 400, 503}
    assert server.process.wait(60) == 0
    server._gone()
    server.start()
    ask(server, campaign)
