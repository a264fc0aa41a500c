"""What the API tests share: a running server, clients of it, raw signed requests, schemas and small data.

The tests drive `ondol serve` from outside, as a program of a user would, and know nothing of its inside but the
documented files of the data folder.
"""
import contextlib
import csv
import datetime
import http.client
import io
import itertools
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest
from conformance import OPERATIONS, RECORDER, operation_of
from relay import Relay

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("ONDOL_BINARY", str(ROOT / "build" / "ondol"))
DATA = pathlib.Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data"))
# Every option of the server is an environment variable ONDOL_...: none of the caller's may reach a test's server.
for _name in [name for name in os.environ if name.startswith("ONDOL_")]:
    del os.environ[_name]
REGION = "us-east-1"
ACCOUNT = "000000000000"
START_LIMIT_S = 20
STOP_LIMIT_S = 15
JOB_LIMIT_S = 300
RECIPE = "arn:aws:personalize:::recipe/"
JSON_1_1 = "application/x-amz-json-1.1"
_counter = itertools.count(1)


def unique(prefix):
    return f"{prefix}-{next(_counter)}"


def arn(path):
    return f"arn:aws:personalize:{REGION}:{ACCOUNT}:{path}"


class Server:
    """One `ondol serve` on a free port; its output goes to a file that a failing test shows."""

    live = []
    # Environment variables of the server alone. The tests of cards know that little time was left for comparisons.
    extra = {"ONDOL_CARD_SECONDS": "1"}

    def __init__(self, folder, *options, start=True):
        self.folder = pathlib.Path(folder)
        self.options = options
        self.log = self.folder.parent / f"{self.folder.name}.log"
        self.process, self.url, self.keys = None, None, {}
        self._clients, self._relay = {}, None
        if start:
            self.start()

    def start(self):
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        begin = self.log.stat().st_size if self.log.exists() else 0
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--data", str(self.folder), *self.options]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **self.extra}
            )
        deadline = time.monotonic() + START_LIMIT_S
        self._clients = {}
        while time.monotonic() < deadline:
            text = self.log.read_bytes()[begin:].decode(errors="replace")
            self.keys.update(re.findall(r"^\s*export (\w+)=(\S+)", text, re.MULTILINE))
            ready = re.search(r"^ready (http://\S+)\n", text, re.MULTILINE)
            if ready:
                self.url = ready[1]
                Server.live.append(self)
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        if self.process.poll() is None:
            self.process.kill()
        raise AssertionError(f"the server did not get ready; status {self.process.wait()}\n{self.tail()}")

    def tail(self, size=6000):
        return self.log.read_bytes()[-size:].decode(errors="replace") if self.log.exists() else ""

    def stop(self):
        """SIGTERM must end it, with status 0, within a few seconds."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end the server in {STOP_LIMIT_S} s\n{self.tail()}") from None
        self._gone()
        assert status == 0, f"after SIGTERM the server exited with {status}\n{self.tail()}"

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._gone()

    def _gone(self):
        self.process = None
        if self._relay:
            self._relay.stop()
            self._relay = None
        if self in Server.live:
            Server.live.remove(self)

    @property
    def address(self):
        parts = urllib.parse.urlsplit(self.url)
        return parts.hostname, parts.port

    @property
    def objects(self):
        return self.folder / "objects"

    def client(self, service, key=None, secret=None, **config):
        cached = key is None and secret is None and not config
        if cached and service in self._clients:
            return self._clients[service]
        settings = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 60, **config}
        client = boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key or self.keys.get("AWS_ACCESS_KEY_ID", "none"),
            aws_secret_access_key=secret or self.keys.get("AWS_SECRET_ACCESS_KEY", "none"),
            config=botocore.config.Config(**settings),
        )
        RECORDER.watch(client)
        if cached:
            self._clients[service] = client
        return client

    @property
    def control(self):
        return self.client("personalize")

    @property
    def runtime(self):
        return self.client("personalize-runtime")

    @property
    def events(self):
        return self.client("personalize-events")

    def environment(self):
        """The environment that points any AWS tool here (through the relay), and at nothing of the user's own."""
        self._relay = self._relay or Relay(self.address)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return {
            **kept,
            "AWS_ACCESS_KEY_ID": self.keys["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": self.keys["AWS_SECRET_ACCESS_KEY"],
            "AWS_ENDPOINT_URL": self._relay.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "1",
        }

    # --- raw requests

    def sign(self, method, path, body, headers, key=None, secret=None, when=None, service="personalize", region=REGION):
        """The headers of a request signed by botocore's signer, at the time `when` (UTC, default now)."""
        credentials = botocore.credentials.Credentials(
            key or self.keys["AWS_ACCESS_KEY_ID"], secret or self.keys["AWS_SECRET_ACCESS_KEY"]
        )
        request = botocore.awsrequest.AWSRequest(method=method, url=self.url + path, data=body, headers=dict(headers))
        with signing_time(when):
            botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
        return dict(request.headers.items())

    def send(self, method, path, body=b"", headers=()):
        """One request over its own connection, nothing added. (status, headers with lower-case names, body)"""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.request(method, path, body=body or None, headers=dict(headers))
            response = connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
            RECORDER.note(operation_of(method, path.split("?")[0], dict(headers)), answer.status, answer.headers, answer.body)
            return answer
        finally:
            connection.close()

    def call(self, operation, body, content_type=JSON_1_1, path="/", headers=(), **signing):
        """A signed control-plane request with exactly this body (bytes, text, or something to make JSON of)."""
        data = encode(body)
        fields = {"X-Amz-Target": f"AmazonPersonalize.{operation}", **dict(headers)}
        if content_type is not None:
            fields["Content-Type"] = content_type
        return self.send("POST", path, data, self.sign("POST", path, data, fields, **signing))

    def ask(self, operation, body):
        """A signed request of any of the 79 operations, whichever its service."""
        service, model = OPERATIONS[operation]
        if service == "personalize":
            return self.call(operation, body)
        return self.rest(model.http["requestUri"], body)

    def rest(self, path, body, content_type="application/json", headers=(), **signing):
        data = encode(body)
        fields = dict(headers)
        if content_type is not None:
            fields["Content-Type"] = content_type
        return self.send("POST", path, data, self.sign("POST", path, data, fields, **signing))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The error's name by either protocol, as an SDK reads it; None for a success."""
        if self.status < 300:
            return None
        name = self.headers.get("x-amzn-errortype") or (self.json.get("__type", "") if self.body else "")
        return name.split(":")[0].split("#")[-1]

    def __repr__(self):
        return f"Answer({self.status}, {self.headers}, {self.body[:400]!r})"


def encode(body):
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@contextlib.contextmanager
def signing_time(when):
    """botocore's signers take the time from here; None leaves the real one."""
    if when is None:
        yield
        return
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: when.replace(tzinfo=None)
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = real


def minutes_from_now(minutes):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)


@contextlib.contextmanager
def refused(code, *words, status=None):
    """The call inside must fail with this error; its message is never empty and holds the words."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        yield caught
    response = caught.value.response
    assert response["Error"]["Code"] == code, response
    assert response["Error"]["Message"], response
    for word in words:
        assert word in response["Error"]["Message"], response
    if status is not None:
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status, response


def wait_for(what, is_done, limit=JOB_LIMIT_S, pause=0.05):
    deadline = time.monotonic() + limit
    while True:
        value = what()
        if is_done(value):
            return value
        assert time.monotonic() < deadline, f"still not so after {limit} s: {value}"
        time.sleep(pause)


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


@contextlib.contextmanager
def held(server, start):
    """start() begins a job, whose worker is kept from going on: what is IN_PROGRESS stays so, what waits waits."""
    before = set(children(server.process.pid))
    begun = start()
    new = wait_for(lambda: [pid for pid in children(server.process.pid) if pid not in before], bool, 60, pause=0.0005)
    os.kill(new[0], signal.SIGSTOP)
    try:
        yield begun
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(new[0], signal.SIGCONT)


ENDED = {"ACTIVE", "CREATE FAILED", "CREATE STOPPED"}


def ended(value):
    return value["status"] in ENDED


# --- schemas


def field(name, kind, **attributes):
    return {"name": name, "type": kind, **attributes}


def schema(name, *fields):
    return {
        "type": "record",
        "name": name,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": list(fields),
        "version": "1.0",
    }


INTERACTIONS = schema(
    "Interactions",
    field("USER_ID", "string"),
    field("ITEM_ID", "string"),
    field("TIMESTAMP", "long"),
    field("EVENT_TYPE", "string"),
    field("EVENT_VALUE", ["null", "float"]),
    field("DEVICE", ["null", "string"], categorical=True),
)
ITEMS = schema(
    "Items",
    field("ITEM_ID", "string"),
    field("GENRES", ["null", "string"], categorical=True),
    field("YEAR", ["null", "int"]),
    field("PRICE", ["null", "float"]),
    field("OWNER", ["null", "string"]),
    field("IS_NEW", ["null", "boolean"]),
    field("DESCRIPTION", ["null", "string"], textual=True),
    field("CREATION_TIMESTAMP", "long"),
)
USERS = schema(
    "Users",
    field("USER_ID", "string"),
    field("AGE", ["null", "int"]),
    field("COUNTRY", ["null", "string"], categorical=True),
)
SCHEMAS = {"INTERACTIONS": INTERACTIONS, "ITEMS": ITEMS, "USERS": USERS}


def new_schema(server, body, name=None):
    text = body if isinstance(body, str) else json.dumps(body)
    return server.control.create_schema(name=name or unique("schema"), schema=text)["schemaArn"]


def new_group(server, name=None):
    return server.control.create_dataset_group(name=name or unique("group"))["datasetGroupArn"]


def new_dataset(server, group, kind="INTERACTIONS", body=None):
    schema_arn = new_schema(server, body or SCHEMAS[kind])
    return server.control.create_dataset(
        name=unique("dataset"), schemaArn=schema_arn, datasetGroupArn=group, datasetType=kind
    )["datasetArn"]


# --- CSV and imports


def csv_text(header, rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def put_object(server, key, text):
    """Makes s3://bucket/KEY; the location of it."""
    path = server.objects / "bucket" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return f"s3://bucket/{key}"


def start_import(server, dataset, location, mode=None, **more):
    options = {"importMode": mode} if mode else {}
    return server.control.create_dataset_import_job(
        jobName=unique("import"), datasetArn=dataset, dataSource={"dataLocation": location}, **options, **more
    )["datasetImportJobArn"]


def finish_import(server, job):
    return wait_for(
        lambda: server.control.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"], ended
    )


def import_text(server, dataset, text, mode=None):
    """Imports one file of this text and waits; the job's description."""
    return finish_import(server, start_import(server, dataset, put_object(server, f"{unique('file')}.csv", text), mode))


def load(server, dataset, text, mode=None):
    job = import_text(server, dataset, text, mode)
    assert job["status"] == "ACTIVE", job
    return job


# --- clustered data: small, quick to train, with an answer known beforehand

CLUSTERS = ["horror", "comedy", "drama", "action", "family", "western"]
ITEMS_PER_CLUSTER = 12
USERS_PER_CLUSTER = 30
EVENTS_PER_USER = 14
TIME_0 = 1_700_000_000


def item_id(cluster, number):
    return f"{cluster}-{number:02d}"


def cluster_of(item):
    return item.rsplit("-", 1)[0]


def interactions_csv(seed=1):
    """Each user stays in a cluster but for one event in eight; low numbers are the popular ones; horror is the
    most popular cluster."""
    rng = random.Random(seed)
    rows = []
    for c, cluster in enumerate(CLUSTERS):
        for u in range(USERS_PER_CLUSTER + (20 if c == 0 else 0)):
            when = TIME_0 + rng.randrange(86400)
            for _ in range(EVENTS_PER_USER):
                home = cluster if rng.random() < 0.875 else rng.choice(CLUSTERS)
                number = min(rng.randrange(ITEMS_PER_CLUSTER), rng.randrange(ITEMS_PER_CLUSTER + 2))
                when += rng.randrange(60, 3600)
                kind = "buy" if rng.random() < 0.2 else "view"
                rows.append((f"{cluster}-fan-{u}", item_id(home, number), when, kind, 1.5, "phone|web"))
    assert len(rows) >= 1000
    return csv_text(["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE", "DEVICE"], rows)


def item_row(cluster, number):
    """Genres are the cluster and, for even numbers, `even`; the year runs from 1980, the price is 10.5 a number."""
    return (
        item_id(cluster, number),
        f"{cluster}|even" if number % 2 == 0 else cluster,
        1980 + number,
        10.5 * (number + 1),
        "in-house" if number < 3 else "studio",
        "true" if number == 0 else "false",
        f"A {cluster} film, number {number}",
        TIME_0 - 86400 * 400,
    )


def items_csv():
    rows = [item_row(cluster, number) for cluster in CLUSTERS for number in range(ITEMS_PER_CLUSTER)]
    return csv_text([f["name"] for f in ITEMS["fields"]], rows)


def users_csv():
    rows = []
    for cluster in CLUSTERS:
        rows += [(f"{cluster}-fan-{u}", 15 + u, "KR" if u % 2 else "DE") for u in range(USERS_PER_CLUSTER)]
    return csv_text(["USER_ID", "AGE", "COUNTRY"], rows)


# --- solutions and campaigns


def new_solution(server, group, recipe="aws-user-personalization", **more):
    return server.control.create_solution(
        name=unique("solution"), datasetGroupArn=group, recipeArn=RECIPE + recipe, performAutoTraining=False, **more
    )["solutionArn"]


def finish_version(server, version):
    return wait_for(
        lambda: server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"], ended
    )


def new_version(server, solution):
    version = server.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    described = finish_version(server, version)
    assert described["status"] == "ACTIVE", described
    return version


def new_campaign(server, version, **more):
    campaign = server.control.create_campaign(name=unique("campaign"), solutionVersionArn=version, **more)["campaignArn"]
    wait_for(lambda: server.control.describe_campaign(campaignArn=campaign)["campaign"], ended)
    return campaign


def new_filter(server, group, expression):
    created = server.control.create_filter(name=unique("filter"), datasetGroupArn=group, filterExpression=expression)
    wait_for(lambda: server.control.describe_filter(filterArn=created["filterArn"])["filter"], ended)
    return created["filterArn"]


class World:
    """A dataset group with clustered data, a tracker, and a campaign of each recipe that is asked for."""

    def __init__(self, server):
        self.server = server
        self.group = new_group(server)
        self.datasets = {kind: new_dataset(server, self.group, kind) for kind in SCHEMAS}
        load(server, self.datasets["INTERACTIONS"], interactions_csv())
        load(server, self.datasets["ITEMS"], items_csv())
        load(server, self.datasets["USERS"], users_csv())
        tracker = server.control.create_event_tracker(name=unique("tracker"), datasetGroupArn=self.group)
        self.tracking_id, self.tracker = tracker["trackingId"], tracker["eventTrackerArn"]
        self._solutions, self._versions, self._campaigns, self._filters = {}, {}, {}, {}

    def solution(self, recipe):
        if recipe not in self._solutions:
            self._solutions[recipe] = new_solution(self.server, self.group, recipe)
        return self._solutions[recipe]

    def version(self, recipe):
        if recipe not in self._versions:
            self._versions[recipe] = new_version(self.server, self.solution(recipe))
        return self._versions[recipe]

    def campaign(self, recipe="aws-user-personalization", **config):
        key = recipe, json.dumps(config, sort_keys=True)
        if key not in self._campaigns:
            more = {"campaignConfig": config} if config else {}
            self._campaigns[key] = new_campaign(self.server, self.version(recipe), **more)
        return self._campaigns[key]

    def filter(self, expression):
        if expression not in self._filters:
            self._filters[expression] = new_filter(self.server, self.group, expression)
        return self._filters[expression]

    def items(self, campaign=None, **request):
        """The item ids recommended."""
        answer = self.server.runtime.get_recommendations(campaignArn=campaign or self.campaign(), **request)
        return [item["itemId"] for item in answer["itemList"]]

    def put(self, user, items, kind="view", session="s", when=None):
        """Events of a user (None: anonymous), a second apart, one request each ten. Unless told when the first was,
        the last was a second ago: what is of a question's own second is not before it, and would count as popular
        from the next second on."""
        when = when or int(time.time()) - len(items)
        who = {"userId": user} if user else {}
        batch = [{"eventType": kind, "itemId": item, "sentAt": when + i} for i, item in enumerate(items)]
        for at in range(0, len(batch), 10):
            self.server.events.put_events(
                trackingId=self.tracking_id, sessionId=session, eventList=batch[at : at + 10], **who
            )
