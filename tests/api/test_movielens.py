"""The whole path on every eighth user of MovieLens-1M by boto3, the AWS CLI and the JavaScript SDK v3.

Each client makes its own group, imports three files, trains its own version, and sees an event and a filter change
its recommendations; then the three ways to be refused. Skipped, visibly, without the data or without the client.
"""
import csv
import datetime
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
from harness import (
    RECIPE,
    Server,
    ended,
    field,
    minutes_from_now,
    refused,
    schema,
    signing_time,
    unique,
    wait_for,
)

HERE = pathlib.Path(__file__).parent
TRAINING_LIMIT_S = 600
COMMAND_LIMIT_S = 60
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
        field("TITLE", ["null", "string"]),
        field("GENRES", ["null", "string"], **CATEGORY),
        field("YEAR", ["null", "int"]),
    ),
    "USERS": schema(
        "Users",
        field("USER_ID", "string"),
        field("GENDER", ["null", "string"], **CATEGORY),
        field("AGE", ["null", "int"]),
        field("OCCUPATION", ["null", "string"], **CATEGORY),
    ),
}
FILES = {"INTERACTIONS": "eighth.csv", "ITEMS": "items.csv", "USERS": "users.csv"}
FILTER = "INCLUDE ItemID WHERE Items.GENRES IN ($GENRE) AND Items.YEAR >= $YEAR"
GENRE, YEAR = "Animation", 1990


@pytest.fixture(scope="module")
def films(ml_1m, tmp_path_factory):
    """A server with the files in its bucket `movielens`, and what the items are: id -> (genres, year)."""
    server = Server(tmp_path_factory.mktemp("movielens") / "data")
    bucket = server.objects / "movielens"
    bucket.mkdir(parents=True)
    for name in ("interactions.csv", "items.csv", "users.csv"):
        with gzip.open(ml_1m / f"{name}.gz", "rb") as packed, open(bucket / name, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    with open(bucket / "interactions.csv", encoding="utf-8") as whole, open(bucket / FILES["INTERACTIONS"], "w", encoding="utf-8") as part:
        header = next(whole)
        part.write(header)
        user = header.strip().split(",").index("USER_ID")
        part.writelines(line for line in whole if int(line.split(",")[user]) % 8 == 0)
    header, *rows = (bucket / "items.csv").read_text(encoding="utf-8").splitlines()
    columns = header.split(",")
    assert set(columns) >= {"ITEM_ID", "GENRES", "YEAR"}, header
    items = {row["ITEM_ID"]: row for row in csv.DictReader([header, *rows])}
    server.items = {i: (set(row["GENRES"].split("|")), int(row["YEAR"] or 0)) for i, row in items.items()}
    yield server
    server.stop()


def animations(films, ids):
    return len([i for i in ids if GENRE in films.items.get(i, (set(), 0))[0]])


def check_answers(films, before, after, filtered):
    """Eight animations seen: more of them are recommended; the filter lets nothing else through."""
    assert len(before) == len(after) == 10 and len(filtered) == 10
    assert after != before
    assert animations(films, after) > animations(films, before), (before, after)
    assert animations(films, after) >= 4, after
    for item in filtered:
        genres, year = films.items[item]
        assert GENRE in genres and year >= YEAR, item


def to_watch(films):
    return sorted(i for i, (genres, year) in films.items.items() if {"Animation", "Children's"} <= genres and year >= 1990)[:8]


def path(films, ask):
    """The path of a client. ask(service, operation, **input) makes one call; values as JSON has them."""
    name = unique("ml")
    group = ask("personalize", "create-dataset-group", name=name)["datasetGroupArn"]
    wait_for(lambda: ask("personalize", "describe-dataset-group", datasetGroupArn=group)["datasetGroup"], ended)
    jobs = []
    for kind, body in SCHEMAS.items():
        made = ask("personalize", "create-schema", name=f"{name}-{kind}", schema=json.dumps(body))["schemaArn"]
        dataset = ask(
            "personalize", "create-dataset", name=f"{name}-{kind}", schemaArn=made, datasetGroupArn=group, datasetType=kind
        )["datasetArn"]
        jobs.append(
            ask(
                "personalize",
                "create-dataset-import-job",
                jobName=f"{name}-{kind}",
                datasetArn=dataset,
                dataSource={"dataLocation": f"s3://movielens/{FILES[kind]}"},
                roleArn="arn:aws:iam::000000000000:role/import",
            )["datasetImportJobArn"]
        )
    for job in jobs:
        described = wait_for(
            lambda: ask("personalize", "describe-dataset-import-job", datasetImportJobArn=job)["datasetImportJob"], ended
        )
        assert described["status"] == "ACTIVE", described
    solution = ask(
        "personalize",
        "create-solution",
        name=name,
        datasetGroupArn=group,
        recipeArn=RECIPE + "aws-user-personalization",
        performAutoTraining=False,
    )["solutionArn"]
    version = ask("personalize", "create-solution-version", solutionArn=solution)["solutionVersionArn"]
    described = wait_for(
        lambda: ask("personalize", "describe-solution-version", solutionVersionArn=version)["solutionVersion"],
        ended,
        TRAINING_LIMIT_S,
        pause=1,
    )
    assert described["status"] == "ACTIVE", described
    metrics = ask("personalize", "get-solution-metrics", solutionVersionArn=version)["metrics"]
    assert metrics["normalized_discounted_cumulative_gain_at_10"] > 0.02 and metrics["coverage"] > 0.1, metrics
    campaign = ask("personalize", "create-campaign", name=name, solutionVersionArn=version, minProvisionedTPS=15)["campaignArn"]
    described = wait_for(lambda: ask("personalize", "describe-campaign", campaignArn=campaign)["campaign"], ended)
    assert described["status"] == "ACTIVE" and described["minProvisionedTPS"] == 15
    tracking = ask("personalize", "create-event-tracker", name=name, datasetGroupArn=group)["trackingId"]
    made = ask("personalize", "create-filter", name=name, datasetGroupArn=group, filterExpression=FILTER)["filterArn"]
    wait_for(lambda: ask("personalize", "describe-filter", filterArn=made)["filter"], ended)

    def recommend(**more):
        answer = ask("personalize-runtime", "get-recommendations", campaignArn=campaign, userId="1000", numResults=10, **more)
        return [item["itemId"] for item in answer["itemList"]]

    before = recommend()
    now = int(time.time())
    watched = [{"eventType": "watch", "itemId": i, "sentAt": now + n} for n, i in enumerate(to_watch(films))]
    ask("personalize-events", "put-events", trackingId=tracking, userId="1000", sessionId="evening", eventList=watched)
    after = recommend()
    filtered = recommend(filterArn=made, filterValues={"GENRE": f'"{GENRE}"', "YEAR": str(YEAR)})
    check_answers(films, before, after, filtered)


# --- boto3


def test_boto3(films):
    def ask(service, operation, **given):
        return getattr(films.client(service), operation.replace("-", "_"))(**given)

    path(films, ask)


@pytest.mark.parametrize(
    "name,change",
    [
        ("InvalidSignatureException", {"secret": "x" * 40}),
        ("UnrecognizedClientException", {"key": "ODNOSUCHKEY000000000", "secret": "x" * 40}),
    ],
)
def test_boto3_is_refused(films, name, change):
    with refused(name):
        films.client("personalize", **change).list_dataset_groups()


@pytest.mark.parametrize("minutes", [-16, 16])
def test_boto3_with_a_wrong_clock(films, minutes):
    client = films.client("personalize", user_agent_extra="clock")
    with signing_time(minutes_from_now(minutes)), refused("InvalidSignatureException", "Signature"):
        client.list_dataset_groups()


# --- the AWS CLI


@pytest.fixture(scope="module")
def aws():
    found = pathlib.Path(sys.executable).parent / "aws"
    command = str(found) if found.exists() else shutil.which("aws")
    if not command or subprocess.run([command, "--version"], capture_output=True).returncode:
        pytest.skip("there is no aws command beside this Python or on the PATH")
    return [sys.executable, command] if found.exists() else [command]


def run(command, environment):
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=COMMAND_LIMIT_S, stdin=subprocess.DEVNULL
    )


def test_aws_cli(films, aws):
    environment = films.environment()

    def ask(service, operation, **given):
        command = [*aws, service, operation, "--output", "json", "--cli-input-json", json.dumps(given)]
        if given.get("performAutoTraining") is False:
            command.append("--no-perform-auto-training")
        done = run(command, environment)
        assert done.returncode == 0, (command, done.stderr)
        return json.loads(done.stdout or "{}")

    path(films, ask)


def test_aws_cli_as_one_types_it(films, aws):
    """Options rather than JSON, and the list operations page by themselves."""
    environment, name = films.environment(), unique("typed")
    done = run([*aws, "personalize", "create-dataset-group", "--name", name, "--tags", "tagKey=a,tagValue=b"], environment)
    assert done.returncode == 0, done.stderr
    done = run([*aws, "personalize", "list-dataset-groups", "--page-size", "1", "--query", "datasetGroups[].name"], environment)
    assert name in json.loads(done.stdout), done.stderr
    done = run([*aws, "personalize", "describe-dataset-group", "--dataset-group-arn", "arn:aws:personalize:::x/y"], environment)
    assert done.returncode != 0 and "InvalidInputException" in done.stderr, done.stderr


@pytest.mark.parametrize(
    "name,change",
    [
        ("InvalidSignatureException", {"AWS_SECRET_ACCESS_KEY": "x" * 40}),
        ("UnrecognizedClientException", {"AWS_ACCESS_KEY_ID": "ODNOSUCHKEY000000000"}),
    ],
)
def test_aws_cli_is_refused(films, aws, name, change):
    done = run([*aws, "personalize", "list-schemas"], {**films.environment(), **change})
    assert done.returncode != 0 and f"({name})" in done.stderr, done.stderr


def test_aws_cli_unsigned(films, aws):
    done = run([*aws, "personalize", "list-schemas", "--no-sign-request"], films.environment())
    assert done.returncode != 0 and "(MissingAuthenticationTokenException)" in done.stderr, done.stderr


def test_aws_cli_with_a_wrong_clock(films, aws, tmp_path):
    """The command's own signer, its clock 16 minutes slow by a sitecustomize of this test."""
    if len(aws) == 1:
        pytest.skip("the aws command is not a Python program of this Python")
    (tmp_path / "sitecustomize.py").write_text(
        "import datetime, botocore.auth\n"
        "slow = datetime.timedelta(minutes=16)\n"
        "real = botocore.auth.get_current_datetime\n"
        "botocore.auth.get_current_datetime = lambda *a, **k: real(*a, **k) - slow\n"
    )
    environment = {**films.environment(), "PYTHONPATH": str(tmp_path)}
    done = run([*aws, "personalize", "list-schemas"], environment)
    assert done.returncode != 0 and "(InvalidSignatureException)" in done.stderr and "expired" in done.stderr, done.stderr


# --- the JavaScript SDK v3


@pytest.fixture(scope="module")
def node():
    command = shutil.which("node")
    if not command:
        pytest.skip("there is no node on the PATH")
    if not (HERE / "js" / "node_modules" / "@aws-sdk" / "client-personalize").is_dir():
        pytest.skip("tests/api/js/node_modules is not there: npm install --no-audit --no-fund --no-package-lock in tests/api/js")
    return command


def test_javascript(films, node):
    """path.mjs goes the path and prints what it was recommended, and how it was refused, as one JSON object."""
    given = {
        "name": unique("js"),
        "schemas": {kind: json.dumps(body) for kind, body in SCHEMAS.items()},
        "files": {kind: f"s3://movielens/{name}" for kind, name in FILES.items()},
        "filter": FILTER,
        "filterValues": {"GENRE": f'"{GENRE}"', "YEAR": str(YEAR)},
        "watched": to_watch(films),
        "user": "1000",
    }
    done = subprocess.run(
        [node, str(HERE / "js" / "path.mjs")],
        input=json.dumps(given), env=films.environment(), capture_output=True, text=True, timeout=TRAINING_LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout)
    check_answers(films, result["before"], result["after"], result["filtered"])
    assert result["metrics"]["normalized_discounted_cumulative_gain_at_10"] > 0.02
    assert result["minProvisionedTPS"] == 15
    made = datetime.datetime.fromisoformat(result["createdAt"].replace("Z", "+00:00"))
    assert abs(made.timestamp() - time.time()) < 600, "the SDK read the timestamp as a date"
    assert result["refused"] == {
        "wrong secret": "InvalidSignatureException",
        "unknown key": "UnrecognizedClientException",
        "slow clock": "InvalidSignatureException",
        "fast clock": "InvalidSignatureException",
        "absent group": "ResourceNotFoundException",
        "absent campaign": "ResourceNotFoundException 404",
        "unknown tracker": "InvalidInputException 400",
    }


def test_the_environment_has_what_the_makefile_promises():
    """Under `make test` none of the skips above may hide a client that was installed for it."""
    if not os.environ.get("VENV"):
        pytest.skip("not under make test")
    assert (pathlib.Path(sys.executable).parent / "aws").exists()
