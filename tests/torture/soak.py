#!/usr/bin/env python3
"""A soak: one server, hours of everything at once, and nothing may change but what was asked for.

    SOAK_SECONDS=3600 build/venv/bin/python tests/torture/soak.py

Recommendations of several campaigns and recipes, rankings, filters with values, Put* of all kinds, imports, exports,
deletions, explanations, metric reports; and every 10 seconds UpdateCampaign moves each campaign to its other version. Of a
campaign's two versions one was trained on items called red-..., the other on items called blue-..., so an answer tells
which version it came from. For a tenth of the time, in the middle, the disk is full, read-only, failing or slow by turns
(tests/faults/bad_disk.c).

It fails when
  * a call fails, but for calls that store something while the disk is bad (ServiceUnavailableException);
  * an answer has items of both colours, or comes from the old version although the update had ended when it was asked for;
  * a job does not end, or fails, but for those that met the bad disk;
  * the server's memory grows. Some of it may, up to a limit, and is counted at /metrics: pages of the database (72 MiB),
    lists shown by recommendation id (64 MiB), live histories. The slope of the resident set besides that, fitted by least
    squares after the warm-up (a fifth of the time), over the time that is left may not exceed 5 % of the median or 16 MiB,
    whichever is more, and half of what the counted part grew: malloc's headers, and the holes between small lists, were
    measured at 44 % of it. The whole may grow by 160 MiB. Likewise 12 file descriptors and 4 threads. Before it begins,
    the fit is shown a rising series and has to refuse it.

What there is stays bounded, so that the memory has no reason to grow: 400 users, 60 items, imports in mode FULL. Closes
with `soak: N passed, N failed, N skipped`."""
import collections
import os
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = int(os.environ.get("SOAK_SECONDS") or 3600)
sys.path[:0] = [str(ROOT / "tests" / "api"), str(ROOT / "tests" / "crash")]

from botocore.exceptions import ClientError  # noqa: E402
from disk import BadDisk, metric  # noqa: E402
from harness import (  # noqa: E402
    ACCOUNT,
    csv_text,
    field,
    finish_import,
    new_campaign,
    new_dataset,
    new_filter,
    new_group,
    new_solution,
    new_version,
    put_object,
    schema,
    start_import,
    unique,
)

COLOURS = ["red", "blue"]
ITEMS_OF_A_COLOUR, USERS, EVENTS = 30, 400, 3000
SWITCH_S, SAMPLE_S = 10, 2
ROLE = f"arn:aws:iam::{ACCOUNT}:role/anything"
INTERACTIONS = schema("Interactions", field("USER_ID", "string"), field("ITEM_ID", "string"), field("TIMESTAMP", "long"),
                      field("EVENT_TYPE", "string"))
ITEMS = schema("Items", field("ITEM_ID", "string"), field("KIND", ["null", "string"], categorical=True),
               field("PRICE", ["null", "float"]))
PEOPLE = schema("Users", field("USER_ID", "string"), field("AGE", ["null", "int"]))
RECIPES = {
    "popularity": "aws-popularity-count",
    "personal": "aws-user-personalization",
    "ranking": "aws-personalized-ranking",
    "similar": "aws-sims",
}


def item(colour, number):
    return f"{colour}-{number:02d}"


def rows(colour, seed=1):
    rng = random.Random(f"{colour}{seed}")
    lines = []
    for n in range(EVENTS):
        user = rng.randrange(USERS)
        number = (user % 5) * 6 + min(rng.randrange(6), rng.randrange(8)) if rng.random() < 0.8 else rng.randrange(30)
        lines.append((f"user-{user}", item(colour, number % ITEMS_OF_A_COLOUR), 1_700_000_000 + n * 60, "view"))
    return csv_text(["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"], lines)


def slope(samples):
    """Of (seconds, value), by least squares: change of the value a second."""
    times, values = [t for t, _ in samples], [v for _, v in samples]
    mean_t, mean_v = statistics.fmean(times), statistics.fmean(values)
    return (sum((t - mean_t) * (v - mean_v) for t, v in samples) / sum((t - mean_t) ** 2 for t in times)) if len(samples) > 1 else 0.0


def growth(samples):
    return slope(samples) * (samples[-1][0] - samples[0][0])


def allowance(samples, share, least, more=0.0):
    return max(share * statistics.median(v for _, v in samples), least) + more


def is_flat(samples, share, least, more=0.0):
    return growth(samples) <= allowance(samples, share, least, more)


class Switched:
    """A campaign that goes to and fro between a red and a blue version."""

    def __init__(self, arn, versions):
        self.arn, self.versions = arn, versions
        self.lock = threading.Lock()
        self.settled, self.epoch = "red", 0  # settled None: an update is on its way

    def look(self):
        with self.lock:
            return self.settled, self.epoch

    def switch(self, control):
        with self.lock:
            old, self.settled = self.settled, None
            self.epoch += 1
        new = COLOURS[1 - COLOURS.index(old)]
        reached = old
        try:
            control.update_campaign(campaignArn=self.arn, solutionVersionArn=self.versions[new])
            deadline = time.monotonic() + 60
            while True:
                campaign = control.describe_campaign(campaignArn=self.arn)["campaign"]
                update = campaign.get("latestCampaignUpdate", {})
                if campaign["solutionVersionArn"] == self.versions[new] and update.get("status", "ACTIVE") == "ACTIVE":
                    break
                assert time.monotonic() < deadline, f"the update does not end: {campaign}"
                time.sleep(0.02)
            reached = new
        finally:
            with self.lock:
                self.settled = reached
                self.epoch += 1


class Soak:
    def __init__(self, folder):
        self.disk = BadDisk(folder)
        self.server = self.disk.server
        self.end = None
        self.counts, self.failures, self.injected = collections.Counter(), [], collections.Counter()
        self.disk_was_bad = 0.0  # until when, with a margin, what is refused is the injected
        self.stop = threading.Event()

    # --- preparing

    def prepare(self):
        server = self.server
        self.group = new_group(server)
        self.interactions = new_dataset(server, self.group, "INTERACTIONS", INTERACTIONS)
        self.items = new_dataset(server, self.group, "ITEMS", ITEMS)
        self.users = new_dataset(server, self.group, "USERS", PEOPLE)
        self.load(self.items, csv_text(["ITEM_ID", "KIND", "PRICE"], [
            (item(c, n), f"kind-{n % 3}", n + 0.5) for c in COLOURS for n in range(ITEMS_OF_A_COLOUR)]))
        self.load(self.users, csv_text(["USER_ID", "AGE"], [(f"user-{n}", 18 + n % 60) for n in range(USERS)]))
        versions = {name: {} for name in RECIPES}
        solutions = {}
        for colour in COLOURS:
            self.load(self.interactions, rows(colour))
            for name, recipe in RECIPES.items():
                if name not in solutions:
                    solutions[name] = new_solution(server, self.group, recipe)
                versions[name][colour] = new_version(server, solutions[name])
        self.solution = solutions["popularity"]
        no_exploring = {"campaignConfig": {"itemExplorationConfig": {"explorationWeight": "0"}}}
        self.campaigns = {
            name: Switched(new_campaign(server, versions[name]["red"], **(no_exploring if name == "personal" else {})),
                           versions[name])
            for name in RECIPES
        }
        self.tracking_id = server.control.create_event_tracker(name="soak", datasetGroupArn=self.group)["trackingId"]
        self.kind = new_filter(server, self.group, "INCLUDE ItemID WHERE Items.KIND IN ($KIND)")
        self.seen = new_filter(server, self.group, "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($TYPE)")
        self.server.control.create_metric_attribution(
            name="soak", datasetGroupArn=self.group,
            metrics=[{"metricName": "views", "eventType": "view", "expression": "SAMPLECOUNT()"}],
            metricsOutputConfig={"s3DataDestination": {"path": "s3://bucket/reports/"}, "roleArn": ROLE})
        self.other = new_dataset(server, new_group(server), "INTERACTIONS", INTERACTIONS)
        self.other_rows = put_object(server, "other.csv", rows("red", 2))

    def load(self, dataset, text):
        job = finish_import(self.server, start_import(
            self.server, dataset, put_object(self.server, f"{unique('file')}.csv", text), "FULL"))
        assert job["status"] == "ACTIVE", job

    # --- what goes on. Each of these is a thread's work, again and again

    def one_colour(self, name, ids, before):
        """Wholly from one version, and from the new one once its update had ended."""
        campaign = self.campaigns[name]
        colours = {i.split("-")[0] for i in ids}
        if len(colours) != 1:
            self.fail(f"{name}: an answer of {sorted(colours) or 'nothing'}: {ids}")
            return
        settled, epoch = before
        if settled and campaign.look() == before and colours != {settled}:
            self.fail(f"{name}: {colours.pop()} although the version is {settled} (epoch {epoch})")
        self.counts[f"answers of {name}"] += 1

    def recommend(self, name, client, rng):
        campaign = self.campaigns[name]
        more = {}
        if name == "similar":
            more["itemId"] = item(rng.choice(COLOURS), rng.randrange(ITEMS_OF_A_COLOUR))
        else:
            more["userId"] = f"user-{rng.randrange(USERS)}"
            kind = rng.randrange(3)
            if kind == 0:
                more.update(filterArn=self.kind, filterValues={"KIND": f'"kind-{rng.randrange(3)}"'})
            elif kind == 1 and name == "personal":
                more.update(filterArn=self.seen, filterValues={"TYPE": '"buy"'})
        before = campaign.look()
        answer = client.get_recommendations(campaignArn=campaign.arn, numResults=8, **more)
        ids = [i["itemId"] for i in answer["itemList"]]
        if name == "similar" and not ids:
            self.counts["similar: item of the other version"] += 1
            return
        if not ids and more.get("filterArn") == self.seen:
            self.counts["personal: bought everything of the colour"] += 1  # some do, half an hour on
            return
        self.one_colour(name, ids, before)

    def rank(self, client, rng):
        campaign = self.campaigns["ranking"]
        asked = [item(c, n) for c in COLOURS for n in rng.sample(range(ITEMS_OF_A_COLOUR), 5)]
        rng.shuffle(asked)
        before = campaign.look()
        answer = client.get_personalized_ranking(
            campaignArn=campaign.arn, userId=f"user-{rng.randrange(USERS)}", inputList=asked)
        ranked = [i["itemId"] for i in answer["personalizedRanking"]]
        if sorted(ranked) != sorted(asked):
            self.fail(f"ranking: {asked} became {ranked}")
        known = [i["itemId"] for i in answer["personalizedRanking"] if i.get("score", 0) > 0]
        self.one_colour("ranking", known, before)

    def look_around(self, client, rng):
        control = self.server.client("personalize", read_timeout=71)
        control.list_campaigns()
        control.describe_dataset_group(datasetGroupArn=self.group)
        control.list_dataset_import_jobs(maxResults=5)
        answer = self.server.rest("/ondol/explain", {
            "campaignArn": self.campaigns["personal"].arn, "userId": f"user-{rng.randrange(USERS)}",
            "itemId": item("red", rng.randrange(ITEMS_OF_A_COLOUR))})
        if answer.status != 200:
            self.fail(f"explain: {answer}")
        metric(self.server, "ondol_campaigns")
        self.counts["looks around"] += 1

    def put_events(self, client, rng):
        user = rng.randrange(USERS)
        events = [{"eventId": unique("soak"), "eventType": rng.choice(["view", "buy"]), "sentAt": int(time.time()),
                   "itemId": item(rng.choice(COLOURS), rng.randrange(ITEMS_OF_A_COLOUR))} for _ in range(rng.randrange(1, 6))]
        client.put_events(trackingId=self.tracking_id, userId=f"user-{user}", sessionId=f"s{user}", eventList=events)
        self.counts["events"] += len(events)

    def put_records(self, client, rng):
        number = rng.randrange(ITEMS_OF_A_COLOUR)
        client.put_items(datasetArn=self.items, items=[{"itemId": item(rng.choice(COLOURS), number), "properties":
                         f'{{"kind": "kind-{number % 3}", "price": {rng.random():.3f}}}'}])
        client.put_users(datasetArn=self.users, users=[{"userId": f"user-{rng.randrange(USERS)}", "properties":
                         f'{{"age": {rng.randrange(90)}}}'}])
        self.counts["records"] += 2

    def run_jobs(self, client, rng):
        control, server = self.server.client("personalize", read_timeout=72), self.server
        began, kind = time.monotonic(), rng.randrange(4)
        if kind == 0:
            job = start_import(server, self.other, self.other_rows, "FULL")
            ended = finish_import(server, job)
        elif kind == 1:
            name = unique("export")
            job = control.create_dataset_export_job(
                jobName=name, datasetArn=self.interactions, roleArn=ROLE, ingestionMode="ALL",
                jobOutput={"s3DataDestination": {"path": f"s3://bucket/{name}/"}})["datasetExportJobArn"]
            ended = self.wait(lambda: control.describe_dataset_export_job(datasetExportJobArn=job)["datasetExportJob"])
            shutil.rmtree(server.objects / "bucket" / name, ignore_errors=True)
        elif kind == 2:
            job = control.create_solution_version(solutionArn=self.solution)["solutionVersionArn"]
            ended = self.wait(lambda: control.describe_solution_version(solutionVersionArn=job)["solutionVersion"])
        else:
            location = put_object(server, "gone.csv", "USER_ID\nnobody\n")
            job = control.create_data_deletion_job(
                jobName=unique("deletion"), datasetGroupArn=self.group, roleArn=ROLE,
                dataSource={"dataLocation": location})["dataDeletionJobArn"]
            ended = self.wait(lambda: control.describe_data_deletion_job(dataDeletionJobArn=job)["dataDeletionJob"])
        if ended["status"] not in ("ACTIVE", "COMPLETED"):
            if began > self.disk_was_bad:
                self.fail(f"job: {ended}")
            self.injected["jobs"] += 1
        self.counts["jobs"] += 1
        self.stop.wait(2)

    def wait(self, describe, limit=300):
        deadline = time.monotonic() + limit
        while True:
            described = describe()
            if described["status"] in ("ACTIVE", "COMPLETED", "FAILED", "CREATE FAILED", "CREATE STOPPED"):
                return described
            assert time.monotonic() < deadline, f"does not end: {described}"
            time.sleep(0.1)

    def switch(self, client, rng):
        control = self.server.client("personalize", read_timeout=73)
        for campaign in self.campaigns.values():
            try:
                campaign.switch(control)
                self.counts["switches"] += 1
            except ClientError as error:
                self.note(error, "switch")
        self.stop.wait(SWITCH_S)

    # --- threads, errors

    def fail(self, text):
        self.failures.append(f"{time.monotonic() - self.begin:.0f} s: {text}")
        print("FAILED " + self.failures[-1], flush=True)

    def note(self, error, name):
        code = error.response["Error"]["Code"]
        if code == "ServiceUnavailableException" and time.monotonic() < self.disk_was_bad and "disk" in str(error):
            self.injected[name] += 1
        else:
            self.fail(f"{name}: {error}")

    def work(self, name, step, service, number, pause):
        client = self.server.client(service, read_timeout=60 + number / 100) if service else None
        rng = random.Random(number)
        while not self.stop.is_set():
            try:
                step(client, rng)
            except ClientError as error:
                self.note(error, name)
            except Exception:
                self.fail(f"{name}: {traceback.format_exc(limit=3)}")
            self.stop.wait(pause)

    def make_disk_bad(self):
        """For a tenth of the time, in the middle: four kinds of fault, with good times between."""
        part = SECONDS / 10 / 8
        self.stop.wait(SECONDS * 0.45)
        for begin in (lambda: self.disk.full(), lambda: self.disk.read_only(), lambda: self.disk.failing_syncs(),
                      lambda: self.disk.slow(300)):
            if self.stop.is_set():
                return
            self.disk_was_bad = time.monotonic() + part + 5
            with begin():
                self.stop.wait(part)
            self.stop.wait(part)
        print(f"the disk was bad; refused meanwhile: {dict(self.injected)}", flush=True)

    def counted(self):
        """What fills up to a known limit and is told at /metrics, in MiB."""
        return sum(metric(self.server, f"ondol_{name}_bytes") for name in ("store", "shown", "history")) / (1 << 20)

    def sample(self):
        process = pathlib.Path(f"/proc/{self.server.process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        resident = int(status["VmRSS"].split()[0]) / 1024
        return (resident, resident - self.counted(), len(list((process / "fd").iterdir())), int(status["Threads"]))

    def run(self):
        self.begin = time.monotonic()
        works = [("popularity", lambda c, r: self.recommend("popularity", c, r), "personalize-runtime", 0.03),
                 ("personal", lambda c, r: self.recommend("personal", c, r), "personalize-runtime", 0.02),
                 ("personal", lambda c, r: self.recommend("personal", c, r), "personalize-runtime", 0.02),
                 ("similar", lambda c, r: self.recommend("similar", c, r), "personalize-runtime", 0.03),
                 ("ranking", self.rank, "personalize-runtime", 0.03),
                 ("look around", self.look_around, None, 0.5),
                 ("events", self.put_events, "personalize-events", 0.05),
                 ("records", self.put_records, "personalize-events", 0.1),
                 ("jobs", self.run_jobs, None, 0.5),
                 ("switch", self.switch, None, 0)]
        threads = [threading.Thread(target=self.work, args=(name, step, service, n, pause), daemon=True)
                   for n, (name, step, service, pause) in enumerate(works)]
        threads.append(threading.Thread(target=self.make_disk_bad, daemon=True))
        for thread in threads:
            thread.start()
        samples, shown = [], -1
        while time.monotonic() - self.begin < SECONDS:
            time.sleep(SAMPLE_S)
            at = time.monotonic() - self.begin
            samples.append((at, *self.sample()))
            if int(at / (SECONDS / 20)) > shown:
                shown = int(at / (SECONDS / 20))
                print(f"{at:6.0f} s: {samples[-1][1]:7.1f} MiB ({samples[-1][2]:.1f} besides), {samples[-1][3]} descriptors, "
                      f"{samples[-1][4]} threads, "
                      f"{sum(v for k, v in self.counts.items() if k.startswith('answers'))} answers, "
                      f"{self.counts['switches']} switches, {self.counts['jobs']} jobs, {len(self.failures)} failures", flush=True)
        self.stop.set()
        for thread in threads:
            thread.join(320)
            if thread.is_alive():
                self.fail("a thread hangs")
        return samples


def verdicts(soak, samples):
    """(name, whether it is so, figures)"""
    late = [s for s in samples if s[0] > SECONDS / 5] or samples
    counted = max(growth([(s[0], s[1] - s[2]) for s in late]), 0.0)
    for name, column, share, least, more, unit in (
            ("memory besides what is counted", 2, 0.05, 16, counted / 2, " MiB"), ("memory", 1, 0.05, 160, 0, " MiB"),
            ("descriptors", 3, 0, 12, 0, ""), ("threads", 4, 0, 4, 0, "")):
        series = [(s[0], s[column]) for s in late]
        values = [v for _, v in series]
        yield (f"{name} flat", is_flat(series, share, least, more),
               f"median {statistics.median(values):.1f}{unit}, from {min(values):.1f} to {max(values):.1f}, slope "
               f"{slope(series) * 3600:+.2f}{unit} an hour, {growth(series):+.2f}{unit} over {series[-1][0] - series[0][0]:.0f} s, "
               f"allowed {allowance(series, share, least, more):.1f}{unit}")
    yield "no failure", not soak.failures, "; ".join(soak.failures[:5])
    yield "every campaign switched", soak.counts["switches"] >= 2 * len(RECIPES), f"{soak.counts['switches']} switches"
    yield "every kind of work was done", all(
        soak.counts[k] for k in [*(f"answers of {n}" for n in RECIPES), "events", "records", "jobs", "looks around"]), dict(soak.counts)
    yield "the bad disk was met", soak.injected["events"] > 0, dict(soak.injected)


def main():
    rising = [(t, 300 + t * 0.03) for t in range(0, 3600, 2)]  # 108 MiB an hour
    assert not is_flat(rising, 0.05, 16) and is_flat([(t, 300 + t % 7) for t in range(0, 3600, 2)], 0.05, 16)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ondol-soak-"))
    passed = failed = 0
    soak = None
    try:
        soak = Soak(folder)
        soak.server.stop()
        soak.server.options = ("--attribution-report", "20", "--jobs", "2")
        soak.server.start()
        soak.prepare()
        samples = soak.run()
        for name, good, figures in verdicts(soak, samples):
            print(f"{'ok  ' if good else 'FAIL'} {name}: {figures}", flush=True)
            passed, failed = passed + bool(good), failed + (not good)
        soak.server.stop()
        print("ok   the server stopped when it was asked to")
        passed += 1
    except Exception:
        traceback.print_exc()
        failed += 1
        if soak:
            print(soak.server.tail())
    finally:
        if soak and soak.server.process:
            soak.server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"soak: {passed} passed, {failed} failed, 0 skipped", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
