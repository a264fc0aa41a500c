#!/usr/bin/env python3
"""The demo: ninety days of lodging data, imported, trained on and served through the public API alone.

Everything here is what a user of Amazon Personalize would write with boto3; only the endpoint differs.
ONESHOT=1 stops the server at the end, otherwise it keeps serving. The data are in build/demo.
"""
import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = pathlib.Path(os.environ.get("DEMO_DIR", ROOT / "build" / "demo"))
BINARY = os.environ.get("ONDOL_BINARY", str(ROOT / "build" / "ondol"))
LISTEN = os.environ.get("DEMO_LISTEN", "127.0.0.1:8080")
USERS, ITEMS = os.environ.get("DEMO_USERS", "50000"), os.environ.get("DEMO_ITEMS", "5000")
REGION = "ap-northeast-2"
RATING_FILTER = "INCLUDE ItemID WHERE Items.RATING >= 90"


def field(name, kind="string", **more):
    return {"name": name, "type": kind, **more}


SCHEMAS = {
    "Interactions": [field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"), field("EVENT_TYPE")],
    "Items": [
        field("ITEM_ID"),
        field("CREATION_TIMESTAMP", "long"),
        field("GRADE", categorical=True),
        field("LOCATION", categorical=True),
        field("RATING", "int"),
        field("FACILITY", ["null", "string"], categorical=True),
        field("FAVORITE", "int"),
    ],
    "Users": [field("USER_ID"), field("TIER", categorical=True)],
}


def say(text):
    print(text, flush=True)


class Server:
    """`ondol serve` on the demo's folder, and the keys it printed at its first start."""

    def __init__(self):
        keys_file = HOME / "keys.json"
        command = [BINARY, "serve", "--listen", LISTEN, "--data", str(HOME / "data"), "--objects", str(HOME / "objects")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        keys = {}
        for line in self.process.stdout:
            if "=" in line and line.strip().startswith("export"):
                name, value = line.split("export", 1)[1].strip().split("=", 1)
                keys[name] = value
            if line.startswith("ready "):
                self.url = line.split()[1]
                break
        else:
            sys.exit("the server did not start")
        if keys:
            keys_file.write_text(json.dumps(keys))
        self.keys = json.loads(keys_file.read_text())
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self):
        for _ in self.process.stdout:
            pass

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.keys["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1}),
        )

    def jobs(self):
        """What runs now: an extension of Ondol beside the AWS API, signed like everything else."""
        request = AWSRequest("GET", self.url + "/ondol/jobs")
        credentials = Credentials(self.keys["AWS_ACCESS_KEY_ID"], self.keys["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(credentials, "personalize", REGION).add_auth(request)
        with urllib.request.urlopen(urllib.request.Request(request.url, headers=dict(request.headers))) as answer:
            return {job["arn"]: job for job in json.load(answer)}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def wait(server, arn, describe, label):
    """Polls Describe until the resource is ACTIVE, drawing the job's progress meanwhile."""
    begun = time.monotonic()
    while True:
        resource = describe()
        job = server.jobs().get(arn, {})
        if resource["status"] not in ("CREATE PENDING", "CREATE IN_PROGRESS"):
            break
        done = int(30 * job.get("progress", 0))
        if sys.stdout.isatty():
            print(f"\r  {label:<24} [{'#' * done}{'.' * (30 - done)}] {job.get('stage', ''):<28}", end="", flush=True)
        time.sleep(0.2)
    seconds = time.monotonic() - begun
    if sys.stdout.isatty():
        print("\r", end="")
    if resource["status"] != "ACTIVE":
        sys.exit(f"{label}: {resource['status']}: {resource.get('failureReason')}")
    say(f"  {label:<24} [{'#' * 30}] {seconds:.1f} s{' ' * 24}")
    return resource


def generate():
    bucket = HOME / "objects" / "lodging"
    say(f"Generating {USERS} users, {ITEMS} lodgings and 90 days of their events")
    subprocess.run(
        [BINARY, "generate", "lodging", "--users", USERS, "--items", ITEMS, "--days", "90", "--seed", "7", "--out", str(bucket)],
        check=True,
    )
    return bucket


def build(server):
    """Schemas, import, solution, version, campaign, tracker, filter. Returns what serving needs."""
    personalize = server.client("personalize")
    group = personalize.create_dataset_group(name="lodging")["datasetGroupArn"]
    say("\nImporting")
    for kind, fields in SCHEMAS.items():
        schema = {"type": "record", "name": kind, "namespace": "com.amazonaws.personalize.schema", "fields": fields, "version": "1.0"}
        schema_arn = personalize.create_schema(name=f"lodging-{kind.lower()}", schema=json.dumps(schema))["schemaArn"]
        dataset = personalize.create_dataset(name=kind.lower(), schemaArn=schema_arn, datasetGroupArn=group, datasetType=kind)["datasetArn"]
        job = personalize.create_dataset_import_job(
            jobName=f"import-{kind.lower()}", datasetArn=dataset, dataSource={"dataLocation": f"s3://lodging/{kind.lower()}.csv"}
        )["datasetImportJobArn"]
        wait(server, job, lambda: personalize.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"], kind)

    say("\nTraining")
    solution = personalize.create_solution(
        name="lodging", datasetGroupArn=group, recipeArn="arn:aws:personalize:::recipe/aws-user-personalization", performAutoTraining=False
    )["solutionArn"]
    version = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    wait(server, version, lambda: personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"], "aws-user-personalization")
    metrics = personalize.get_solution_metrics(solutionVersionArn=version)["metrics"]
    shown = ("mean_reciprocal_rank_at_25", "normalized_discounted_cumulative_gain_at_10", "precision_at_10", "coverage")
    say("  " + ", ".join(f"{name} {metrics[name]:.4f}" for name in shown))

    campaign = personalize.create_campaign(name="home-screen", solutionVersionArn=version, minProvisionedTPS=15)["campaignArn"]
    tracker = personalize.create_event_tracker(name="app", datasetGroupArn=group)["trackingId"]
    rated = personalize.create_filter(name="rated-90", datasetGroupArn=group, filterExpression=RATING_FILTER)["filterArn"]
    return {"campaign": campaign, "tracker": tracker, "filter": rated}


def choose_user(bucket, items):
    """A user with a history of several trips, none of them to Jeju."""
    seen = {}
    with open(bucket / "interactions.csv", newline="") as file:
        for row in csv.DictReader(file):
            seen.setdefault(row["USER_ID"], []).append(items[row["ITEM_ID"]]["LOCATION"])
            if len(seen) > 2000:
                break
    fitting = [user for user, places in seen.items() if "Jeju" not in places and len(places) >= 15 and len(set(places)) >= 2]
    return sorted(fitting)[0]


def table(title, answer, items):
    say(f"\n{title}")
    say(f"  {'':>2}  {'lodging':<22} {'location':<12} {'grade':<10} {'rating':>6} {'score':>9}")
    for place, item in enumerate(answer, 1):
        facts = items[item["itemId"]]
        say(f"  {place:>2}  {item['itemId']:<22} {facts['LOCATION']:<12} {facts['GRADE']:<10} {facts['RATING']:>6} {item.get('score', 0):>9.6f}")


def in_jeju(answer, items):
    return sum(items[item["itemId"]]["LOCATION"] == "Jeju" for item in answer)


def show(server, made, bucket):
    with open(bucket / "items.csv", newline="") as file:
        items = {row["ITEM_ID"]: row for row in csv.DictReader(file)}
    runtime, events = server.client("personalize-runtime"), server.client("personalize-events")
    user = choose_user(bucket, items)

    def recommend(**more):
        return runtime.get_recommendations(campaignArn=made["campaign"], userId=user, numResults=10, **more)["itemList"]

    before = recommend()
    table(f"What {user} sees on the home screen", before, items)

    jeju = sorted((item for item, facts in items.items() if facts["LOCATION"] == "Jeju"), key=lambda i: -int(items[i]["FAVORITE"]))[:8]
    now = int(time.time())
    for place, item in enumerate(jeju):
        event = {"eventType": "view", "itemId": item, "sentAt": now - 60 * (len(jeju) - place), "eventId": f"demo-{now}-{place}"}
        events.put_events(trackingId=made["tracker"], userId=user, sessionId=f"demo-{now}", eventList=[event])
    say(f"\n{user} now looks at eight lodgings in Jeju: {', '.join(jeju)}")

    after = recommend()
    table(f"What {user} sees next", after, items)
    say(f"\nJeju lodgings among the ten: {in_jeju(before, items)} before, {in_jeju(after, items)} after.")
    rated = recommend(filterArn=made["filter"])
    table(f"The same, filtered: {RATING_FILTER}", rated, items)
    lowest = min(int(items[item["itemId"]]["RATING"]) for item in rated)
    say(f"\nLowest rating in the filtered list: {lowest}.")
    if in_jeju(after, items) < 7 or lowest < 90:
        sys.exit("the demo's promise is broken: at least 7 of 10 in Jeju, none rated under 90")
    return user


def main():
    begun = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    bucket = generate()
    server = Server()
    try:
        made = build(server)
        user = show(server, made, bucket)
        say(f"\nFrom nothing to these answers in {time.monotonic() - begun:.0f} s.")
        if os.environ.get("ONESHOT"):
            return
        say(f"\nThe server keeps serving at {server.url}; Ctrl-C ends it. In another terminal:\n")
        for name, value in server.keys.items():
            say(f"  export {name}={value}")
        say(f"  export AWS_DEFAULT_REGION={REGION}")
        say(f"  aws personalize-runtime get-recommendations --campaign-arn {made['campaign']} --user-id {user} --num-results 10\n")
        server.process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        if server.process.poll() is None:
            server.stop()


if __name__ == "__main__":
    main()
