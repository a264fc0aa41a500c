"""Ten thousand malformed requests, each of which breaks one rule of the API model (hostile.py): every one is refused with
a 4xx that names the member. Then requests that break several rules at once, all of which are told."""
import collections
import datetime
import hashlib
import hmac
import http.client
import json
import re

import pytest
from conformance import OPERATIONS, RECORDER, SERVICES, TARGET
from harness import JSON_1_1, REGION, Answer
from hostile import INVALID, alone, right_body, together

SEED = 20240131
COUNT = 10_000
AT = re.compile(r" at '([^']+)' failed to satisfy constraint: M")


class Line:
    """One connection that is kept, and a signer that signs no more than needed: most of the time goes to the server."""

    def __init__(self, server):
        self.key, secret = server.keys["AWS_ACCESS_KEY_ID"], server.keys["AWS_SECRET_ACCESS_KEY"]
        self.host = "%s:%d" % server.address
        self.when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.when[:8]}/{REGION}/personalize/aws4_request"
        self.secret = f"AWS4{secret}".encode()
        for part in self.scope.split("/"):
            self.secret = hmac.digest(self.secret, part.encode(), "sha256")
        self.connection = http.client.HTTPConnection(*server.address, timeout=60)

    def headers(self, path, kind, target, body):
        signed = {"content-type": kind, "host": self.host, "x-amz-date": self.when}
        if target:
            signed["x-amz-target"] = target
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        request = f"POST\n{path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self.when}\n{self.scope}\n{digest}"
        signature = hmac.digest(self.secret, text.encode(), "sha256").hex()
        authorization = f"AWS4-HMAC-SHA256 Credential={self.key}/{self.scope}, SignedHeaders={names}, Signature={signature}"
        return {**signed, "authorization": authorization}

    def ask(self, operation, body):
        service, model = OPERATIONS[operation]
        control = service == SERVICES[0]
        path = "/" if control else model.http["requestUri"]
        data = json.dumps(body).encode()
        head = self.headers(path, JSON_1_1 if control else "application/json", control and TARGET + operation, data)
        self.connection.request("POST", path, data, head)
        response = self.connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        RECORDER.note(operation, answer.status, answer.headers, answer.body)
        return answer


@pytest.fixture(scope="module")
def line(server):
    made = Line(server)
    yield made
    made.connection.close()


def told(failures):
    return f"{len(failures)} of the requests:\n  " + "\n  ".join(failures[:15])


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_request_that_the_faults_are_put_into_is_right(line, name):
    """Otherwise no fault would be alone. What it asks for need not exist."""
    answer = line.ask(name, right_body(name))
    assert "validation error" not in answer.body.decode() and answer.code != "SerializationException", answer


def test_each_constraint_alone(line):
    failures, seen = [], collections.Counter()
    for fault, body in alone(COUNT, SEED):
        answer = line.ask(fault.operation, body)
        message = answer.json.get("message", "") if answer.body else ""
        good = answer.status == 400 and answer.code == fault.code and f"'{fault.path}'" in message
        if good and fault.code == INVALID:  # of this member alone; too long may be off its pattern as well
            good = set(AT.findall(message)) == {fault.path}
        if not good:
            failures.append(f"{fault.operation}: {fault.path} {fault.what}: {answer.status} {answer.code} {message[:200]}")
        seen[fault.what] += 1
    assert not failures, told(failures)
    assert seen.total() == COUNT and len(seen) > 20, seen
    assert line.ask("ListSchemas", {}).status == 200, "and the server is well"


def test_several_constraints_together_are_all_told(line):
    failures = []
    for faults, body in together(1000, SEED):
        answer = line.ask(faults[0].operation, body)
        message = answer.json.get("message", "") if answer.body else ""
        paths = {fault.path for fault in faults}
        untold = sorted(path for path in paths if f"'{path}'" not in message)
        if answer.status != 400 or answer.code != INVALID or untold:
            failures.append(f"{faults[0].operation}: {untold} of {len(paths)} untold: {answer.code} {message}")
    assert not failures, told(failures)


@pytest.mark.parametrize("name", [n for n, (_, model) in OPERATIONS.items() if len(model.input_shape.required_members) > 1])
def test_all_missing_members_are_told(line, name):
    required = OPERATIONS[name][1].input_shape.required_members
    message = line.ask(name, {}).json["message"]
    assert message.startswith(f"{len(required)} validation errors detected: "), message
    for member in required:
        assert f" at '{member}' failed to satisfy constraint: Member must not be null" in message
