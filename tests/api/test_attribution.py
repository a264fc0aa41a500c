"""Metric attributions: their life, what they count, the reports they write, and that nothing is lost or counted twice.

Counts are compared with what this file counts itself of the events it sent.
"""
import collections
import csv
import random
import threading
import time

import botocore.exceptions
import pytest

from harness import (
    ITEMS,
    Server,
    World,
    arn,
    csv_text,
    field,
    finish_import,
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

ROLE = "arn:aws:iam::000000000000:role/attribution"
UNDEFINED, OTHER = "SOURCE_NAME_UNDEFINED", "SOURCE_NAME_OTHER"
INTERACTIONS = schema(
    "Interactions",
    field("USER_ID", "string"),
    field("ITEM_ID", "string"),
    field("TIMESTAMP", "long"),
    field("EVENT_TYPE", "string"),
    field("EVENT_VALUE", ["null", "float"]),
    field("WEIGHT", ["null", "double"]),
    field("RECOMMENDATION_ID", ["null", "string"]),
    field("EVENT_ATTRIBUTION_SOURCE", ["null", "string"]),
)
ITEM_IDS = [f"{cluster}-{n:02d}" for cluster in ("horror", "comedy") for n in range(12)]
PRICE = {item: 10.5 * (int(item[-2:]) + 1) for item in ITEM_IDS}
METRICS = [
    {"eventType": "view", "metricName": "views", "expression": "SAMPLECOUNT()"},
    {"eventType": "buy", "metricName": "buys", "expression": "samplecount( )"},
    {"eventType": "buy", "metricName": "revenue", "expression": "SUM(Items.price)"},
    {"eventType": "Buy", "metricName": "paid", "expression": "SUM(Interactions.EVENT_VALUE)"},
    {"eventType": "view", "metricName": "weight", "expression": "SUM(INTERACTIONS.WEIGHT)"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("attribution") / "data", "--attribution-report", "1")
    yield server
    server.stop()


class Shop:
    """A group with typed interactions, items with prices, a tracker, and an attribution when metrics are given."""

    def __init__(self, server, metrics=METRICS, folder=None, items=True):
        self.server = server
        self.group = new_group(server)
        self.interactions = new_dataset(server, self.group, "INTERACTIONS", INTERACTIONS)
        self.items = new_dataset(server, self.group, "ITEMS", ITEMS)
        if items:
            load(server, self.items, items_csv())
        self.tracking_id = server.control.create_event_tracker(name=unique("t"), datasetGroupArn=self.group)["trackingId"]
        self.folder = folder or unique("reports")
        self.attribution = self.attribute(metrics) if metrics is not None else None

    def output(self, folder=None):
        return {"s3DataDestination": {"path": f"s3://metrics/{folder or self.folder}/"}, "roleArn": ROLE}

    def attribute(self, metrics, output=None):
        return self.server.control.create_metric_attribution(
            name=unique("attribution"),
            datasetGroupArn=self.group,
            metrics=metrics,
            metricsOutputConfig=output or self.output(),
        )["metricAttributionArn"]

    def put(self, events, user="u"):
        for at in range(0, len(events), 10):
            self.server.events.put_events(
                trackingId=self.tracking_id, sessionId="s", userId=user, eventList=events[at : at + 10]
            )

    def files(self, folder=None):
        place = self.server.objects / "metrics" / (folder or self.folder)
        return sorted(p for p in place.glob("*.csv")) if place.exists() else []

    def reported(self, folder=None):
        """All reports added up: {(metric, source): sum}."""
        sums = collections.Counter()
        for path in self.files(folder):
            for row in read_report(path):
                sums[row["METRIC_NAME"], row["EVENT_ATTRIBUTION_SOURCE"]] += float(row["VALUE"])
        return dict(sums)

    def wait_reported(self, expect, folder=None):
        return wait_for(lambda: self.reported(folder), lambda sums: sums == expect, limit=30)

    def shown(self):
        """The same from /metrics."""
        sums = {}
        for line in self.server.send("GET", "/metrics").body.decode().splitlines():
            if line.startswith("ondol_attribution{") and f'dataset_group="{self.group}"' in line:
                labels, value = line[len("ondol_attribution{") :].rsplit("} ", 1)
                pairs = dict(pair.split("=", 1) for pair in labels.split(",") if "=" in pair)
                sums[pairs["metric"].strip('"'), pairs["source"].strip('"')] = float(value)
        return sums


def read_report(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0] if rows else {}) in (
        [],
        ["METRIC_NAME", "EVENT_TYPE", "VALUE", "MATH_FUNCTION", "EVENT_ATTRIBUTION_SOURCE", "TIMESTAMP"],
    )
    return rows


def event(kind, item, source=None, value=None, when=None, **more):
    e = {"eventType": kind, "itemId": item, "sentAt": int(time.time()) if when is None else when, **more}
    if source is not None:
        e["metricAttribution"] = {"eventAttributionSource": source}
    if value is not None:
        e["eventValue"] = value
    return e


def counted(events, metrics=METRICS):
    """What the metrics make of events, by the words of the documentation."""
    sums = collections.Counter()
    for e in events:
        source = e.get("metricAttribution", {}).get("eventAttributionSource", UNDEFINED)
        for metric in metrics:
            if metric["eventType"].lower() != e["eventType"].lower():
                continue
            name, text = metric["metricName"].upper(), metric["expression"].upper()
            if text.startswith("SAMPLECOUNT"):
                sums[name, source] += 1
            elif "PRICE" in text and e["itemId"] in PRICE:
                sums[name, source] += PRICE[e["itemId"]]
            elif "EVENT_VALUE" in text and "eventValue" in e:
                sums[name, source] += e["eventValue"]
            elif "WEIGHT" in text and "WEIGHT" in e.get("properties", ""):
                sums[name, source] += float(e["properties"].split(":")[1].strip("} "))
    return dict(sums)


def random_events(rng, count, sources, prefix=""):
    events = []
    for i in range(count):
        kind = rng.choice(["view", "buy", "other", "VIEW"])
        more = {"eventId": f"{prefix}{i}"} if prefix else {}
        if rng.random() < 0.5:
            more["properties"] = '{"weight": %s}' % (rng.randrange(-40, 40) / 8)
        value = rng.randrange(100) / 4 if rng.random() < 0.7 else None
        item = rng.choice([*ITEM_IDS, "unknown"])
        events.append(event(kind, item, rng.choice(sources), value, int(time.time()) - rng.randrange(7200), **more))
    return events


def weigh(events):
    """counted() reads WEIGHT; clients may write properties in any case."""
    return [{**e, "properties": e["properties"].replace("weight", "WEIGHT")} if "properties" in e else e for e in events]


# --- life


def test_attribution_lives_from_create_to_delete(server):
    shop = Shop(server)
    control, attribution = server.control, shop.attribution
    assert attribution.startswith(arn("metric-attribution/"))
    described = control.describe_metric_attribution(metricAttributionArn=attribution)["metricAttribution"]
    assert described["status"] == "ACTIVE"
    assert described["name"] == attribution.rsplit("/", 1)[1]
    assert described["datasetGroupArn"] == shop.group
    assert described["metricsOutputConfig"] == shop.output()
    assert "metrics" not in described
    summaries = control.list_metric_attributions(datasetGroupArn=shop.group)["metricAttributions"]
    assert [s["metricAttributionArn"] for s in summaries] == [attribution]
    assert control.list_metric_attribution_metrics(metricAttributionArn=attribution)["metrics"] == METRICS
    with refused("ResourceInUseException", shop.group, "metric attributions", status=400):
        control.delete_dataset_group(datasetGroupArn=shop.group)

    answer = control.update_metric_attribution(
        metricAttributionArn=attribution,
        addMetrics=[{"eventType": "rate", "metricName": "VIEWS", "expression": "SAMPLECOUNT()"}],
        removeMetrics=["Views", "weight"],
        metricsOutputConfig={"roleArn": ROLE},
    )
    assert answer["metricAttributionArn"] == attribution
    names = [m["metricName"] for m in control.list_metric_attribution_metrics(metricAttributionArn=attribution)["metrics"]]
    assert names == ["buys", "revenue", "paid", "VIEWS"]
    described = control.describe_metric_attribution(metricAttributionArn=attribution)["metricAttribution"]
    assert described["metricsOutputConfig"] == {"roleArn": ROLE}
    assert described["lastUpdatedDateTime"] > described["creationDateTime"]

    control.delete_metric_attribution(metricAttributionArn=attribution)
    with refused("ResourceNotFoundException", attribution):
        control.describe_metric_attribution(metricAttributionArn=attribution)
    with refused("ResourceNotFoundException", attribution):
        control.delete_metric_attribution(metricAttributionArn=attribution)
    assert control.list_metric_attributions(datasetGroupArn=shop.group)["metricAttributions"] == []
    assert shop.attribute(METRICS[:1]), "another one may follow"


def test_delete_answers_an_empty_body(server):
    shop = Shop(server, items=False, metrics=METRICS[:1])
    answer = server.call("DeleteMetricAttribution", {"metricAttributionArn": shop.attribution})
    assert (answer.status, answer.body) == (200, b"")


def test_pages_of_metrics_fit_together_across_an_update(server):
    shop = Shop(server)
    control, attribution = server.control, shop.attribution
    first = control.list_metric_attribution_metrics(metricAttributionArn=attribution, maxResults=2)
    assert [m["metricName"] for m in first["metrics"]] == ["views", "buys"]
    control.update_metric_attribution(metricAttributionArn=attribution, removeMetrics=["views"])
    control.update_metric_attribution(
        metricAttributionArn=attribution,
        addMetrics=[{"eventType": "view", "metricName": "last", "expression": "SAMPLECOUNT()"}],
    )
    pages = control.get_paginator("list_metric_attribution_metrics").paginate(
        metricAttributionArn=attribution, PaginationConfig={"PageSize": 2, "StartingToken": first["nextToken"]}
    )
    rest = [m["metricName"] for page in pages for m in page["metrics"]]
    assert rest == ["revenue", "paid", "weight", "last"]
    with refused("InvalidNextTokenException"):
        control.list_metric_attribution_metrics(metricAttributionArn=attribution, nextToken="x" * 32)


# --- refusals


def metric(name="m", kind="view", expression="SAMPLECOUNT()"):
    return {"eventType": kind, "metricName": name, "expression": expression}


@pytest.fixture(scope="module")
def shop(server):
    return Shop(server, metrics=None)


@pytest.mark.parametrize(
    "metrics, words",
    [
        ([metric(str(i)) for i in range(11)], ["10"]),
        ([metric("a"), metric("A")], ["A", "twice"]),
        ([metric(expression="COUNT()")], ["COUNT()", "SAMPLECOUNT"]),
        ([metric(expression="SUM(Users.AGE)")], ["SUM(Users.AGE)"]),
        ([metric(expression="SUM(Items.NOTHING)")], ["NOTHING"]),
        ([metric(expression="SUM(Items.OWNER)")], ["OWNER", "number"]),
        ([metric(expression="SUM(Items.IS_NEW)")], ["IS_NEW", "number"]),
        ([metric(expression="SUM(Interactions.EVENT_TYPE)")], ["EVENT_TYPE", "number"]),
        ([metric(name="")], ["metricName"]),
        ([metric(kind="")], ["eventType"]),
        ([metric(name="a\0b")], ["NUL"]),
        ([metric(kind="a\0b")], ["NUL"]),
        ([metric(expression="SUM(" + "A" * 300 + ")")], ["256"]),
    ],
)
def test_bad_metrics_are_refused(server, shop, metrics, words):
    with refused("InvalidInputException", *words, status=400):
        shop.attribute(metrics)
    assert server.control.list_metric_attributions(datasetGroupArn=shop.group)["metricAttributions"] == []


def test_bad_surroundings_are_refused(server, shop):
    control = server.control
    with refused("InvalidInputException", "Data location"):
        shop.attribute([metric()], {"s3DataDestination": {"path": "http://x/"}, "roleArn": ROLE})
    with refused("ResourceNotFoundException"):
        control.create_metric_attribution(
            name="x", datasetGroupArn=arn("dataset-group/none"), metrics=[metric()], metricsOutputConfig={"roleArn": ROLE}
        )
    empty = new_group(server)
    config = {"metrics": [metric()], "metricsOutputConfig": {"roleArn": ROLE}}
    with refused("InvalidInputException", "INTERACTIONS"):
        control.create_metric_attribution(name="x", datasetGroupArn=empty, **config)
    untyped = schema("Interactions", field("USER_ID", "string"), field("ITEM_ID", "string"), field("TIMESTAMP", "long"))
    new_dataset(server, empty, "INTERACTIONS", untyped)
    with refused("InvalidInputException", "EVENT_TYPE"):
        control.create_metric_attribution(name="x", datasetGroupArn=empty, **config)
    hollow = Shop(server, metrics=None, items=False)
    with refused("InvalidInputException", "no data"):
        hollow.attribute([metric(expression="SUM(Items.PRICE)")])


def test_second_one_and_taken_names_are_refused(server):
    shop, other = Shop(server, metrics=METRICS[:1], items=False), Shop(server, metrics=None, items=False)
    with refused("ResourceAlreadyExistsException", f"{shop.group} already has a metric attribution."):
        shop.attribute([metric()])
    with refused("ResourceAlreadyExistsException", shop.attribution):
        server.control.create_metric_attribution(
            name=shop.attribution.rsplit("/", 1)[1],
            datasetGroupArn=other.group,
            metrics=[metric()],
            metricsOutputConfig={"roleArn": ROLE},
        )
    assert server.control.list_metric_attribution_metrics(metricAttributionArn=shop.attribution)["metrics"] == METRICS[:1]


def test_bad_updates_are_refused_and_change_nothing(server):
    shop = Shop(server)
    update = server.control.update_metric_attribution
    with refused("InvalidInputException", "metricAttributionArn"):
        update(addMetrics=[metric()])
    with refused("ResourceNotFoundException"):
        update(metricAttributionArn=arn("metric-attribution/none"), addMetrics=[metric()])
    with refused("InvalidInputException", "metric attribution"):
        update(metricAttributionArn=shop.group, addMetrics=[metric()])
    with refused("InvalidInputException", "nobody"):
        update(metricAttributionArn=shop.attribution, removeMetrics=["views", "nobody"])
    with refused("ResourceAlreadyExistsException", "views"):
        update(metricAttributionArn=shop.attribution, addMetrics=[metric("Views")])
    with refused("InvalidInputException", "at most 10", "11"):
        update(metricAttributionArn=shop.attribution, addMetrics=[metric(str(i)) for i in range(6)])
    with refused("InvalidInputException", "NOTHING"):
        update(
            metricAttributionArn=shop.attribution,
            removeMetrics=["views"],
            addMetrics=[metric("x", expression="SUM(Items.NOTHING)")],
        )
    with refused("InvalidInputException", "Data location"):
        update(
            metricAttributionArn=shop.attribution,
            removeMetrics=["views"],
            metricsOutputConfig={"s3DataDestination": {"path": "s3://UP/x"}, "roleArn": ROLE},
        )
    assert server.control.list_metric_attribution_metrics(metricAttributionArn=shop.attribution)["metrics"] == METRICS
    with refused("InvalidInputException", "does not exist"):
        server.control.list_metric_attribution_metrics(metricAttributionArn=arn("metric-attribution/none"))
    with refused("InvalidInputException", "metricAttributionArn"):
        server.control.list_metric_attribution_metrics()


@pytest.mark.parametrize("source", ["", " ", "\t", "caf\u00e9", "a\nb", "x" * 1025])
def test_bad_sources_are_refused_whole(server, shop, source):
    with refused("InvalidInputException", "eventAttributionSource"):
        shop.put([event("view", "i"), event("view", "i", source)])


# --- counting


def test_events_are_counted_by_source_as_an_independent_count_says(server):
    shop = Shop(server)
    sources = [None, "home page", "Mail, \"weekly\"", "a" * 1024, arn("campaign/nobody")]
    events = random_events(random.Random(5), 400, sources)
    shop.put(events)
    expect = counted(weigh(events))
    assert len(expect) > 20
    shop.wait_reported(expect)
    shown = {key: value for key, value in shop.shown().items() if "Mail" not in key[1]}
    assert shown == {key: value for key, value in expect.items() if "Mail" not in key[1]}
    assert "eventType" not in shop.files()[0].read_text()


def test_report_is_spelled_as_on_aws(server):
    shop = Shop(server)
    now = int(time.time()) - 900
    shop.put([event("buy", "horror-01", "mail", 3.5, now), event("buy", "horror-02", "mail", 0.5, now + 1)])
    shop.wait_reported({("BUYS", "mail"): 2, ("REVENUE", "mail"): 52.5, ("PAID", "mail"): 4})
    lines = sorted(line for path in shop.files() for line in path.read_text().splitlines()[1:])
    bucket = now - now % 900
    if bucket == (now + 1) - (now + 1) % 900:
        assert f"BUYS,BUY,2.0,samplecount,mail,{bucket}" in lines
        assert f"PAID,BUY,4.0,sum,mail,{bucket}" in lines
        assert f"REVENUE,BUY,52.5,sum,mail,{bucket}" in lines
    method, stamp = shop.files()[0].name[:-4].split(" - ")[1:]
    assert shop.files()[0].name == f"AggregatedAttributionMetrics - {method} - {stamp}.csv"
    assert method == "PutEvents" and abs(int(stamp) - time.time()) < 120


def test_repeated_refused_and_earlier_events_do_not_count(server):
    shop = Shop(server, metrics=None)
    shop.put([event("view", "i", "early", eventId="early")])
    shop.attribution = shop.attribute(METRICS)
    shop.put([event("view", "i", "early", eventId="early")])
    same = event("view", "i", "s", eventId="one")
    shop.put([same, same])
    shop.put([same, event("view", "i", "s", eventId="two")])
    bare = event("view", "i", "bare")
    shop.put([bare, bare])
    with refused("InvalidInputException"):
        shop.put([event("view", "i", "s"), event("view", "i", "s", properties="[")])
    expect = {("VIEWS", "s"): 2, ("VIEWS", "bare"): 1}
    assert shop.shown() == expect
    shop.wait_reported(expect)


def test_old_events_do_not_count_and_those_of_the_future_count_now(server):
    shop = Shop(server, metrics=METRICS[:1], items=False)
    now = int(time.time())
    day = 86400
    whens = [0, now - 14 * day - 1, now - 14 * day + 300, now, now + 365 * day, 253402300799]
    shop.put([event("view", "i", when=when) for when in whens])
    shop.wait_reported({("VIEWS", UNDEFINED): 4})
    rows = [row for path in shop.files() for row in read_report(path)]
    assert all(int(row["TIMESTAMP"]) % 900 == 0 for row in rows)
    assert all(now - 14 * day - 900 <= int(row["TIMESTAMP"]) <= time.time() for row in rows)


def test_sources_beyond_a_hundred_are_one_row(server):
    shop = Shop(server, metrics=METRICS[:1], items=False)
    shop.put([event("view", "i", f"source-{i:03d}") for i in range(130)] + [event("view", "i")] * 1)
    shop.put([event("view", "i", "source-005", eventId="again"), event("view", "i", "source-129", eventId="late")])
    expect = {("VIEWS", f"source-{i:03d}"): 1 for i in range(100)}
    expect |= {("VIEWS", OTHER): 31, ("VIEWS", UNDEFINED): 1, ("VIEWS", "source-005"): 2}
    assert shop.shown() == expect
    shop.wait_reported(expect)


def test_sums_of_hostile_numbers_stay_numbers(server):
    shop = Shop(server)
    for i in range(3):
        shop.put([event("view", "i", "x", properties='{"weight": 1.7e308}', eventId=f"e{i}")])
    shop.put([event("view", "i", "y", properties='{"weight": 1e-7}')])
    values = wait_for(
        lambda: {(r["METRIC_NAME"], r["EVENT_ATTRIBUTION_SOURCE"]) for p in shop.files() for r in read_report(p)},
        lambda keys: ("WEIGHT", "y") in keys,
        limit=30,
    )
    assert ("WEIGHT", "x") in values
    texts = [r["VALUE"] for p in shop.files() for r in read_report(p) if r["METRIC_NAME"] == "WEIGHT"]
    assert all("e" not in text.lower() and "n" not in text.lower() and "." in text for text in texts), texts
    assert "0.0000001" in texts
    assert shop.shown()["WEIGHT", "x"] > 1.7e308


def test_updates_while_counting(server):
    shop = Shop(server, metrics=METRICS[:1], items=False)
    first, second = shop.folder, unique("second")
    update = server.control.update_metric_attribution
    shop.put([event("view", "i", "a"), event("buy", "i", "a", 2.5)])
    update(
        metricAttributionArn=shop.attribution,
        addMetrics=[metric("paid", "buy", "SUM(Interactions.EVENT_VALUE)")],
        metricsOutputConfig=shop.output(second),
    )
    shop.put([event("view", "i", "b"), event("buy", "i", "b", 4.25)])
    shop.wait_reported({("VIEWS", "a"): 1}, first)
    shop.wait_reported({("VIEWS", "b"): 1, ("PAID", "b"): 4.25}, second)
    assert shop.shown() == {("VIEWS", "a"): 1, ("VIEWS", "b"): 1, ("PAID", "b"): 4.25}
    # the same name with another meaning begins anew
    update(metricAttributionArn=shop.attribution, removeMetrics=["views"], addMetrics=[metric("views", "buy")])
    shop.put([event("view", "i", "c"), event("buy", "i", "c", 1)])
    shop.wait_reported({("VIEWS", "b"): 1, ("PAID", "b"): 4.25, ("VIEWS", "c"): 1, ("PAID", "c"): 1}, second)
    assert shop.shown() == {("PAID", "b"): 4.25, ("PAID", "c"): 1, ("VIEWS", "c"): 1}
    # without a destination nothing is written, and totals go on
    update(metricAttributionArn=shop.attribution, metricsOutputConfig={"roleArn": ROLE})
    files = shop.files(second)
    shop.put([event("buy", "i", "c", 1, eventId="more")])
    assert shop.shown()["PAID", "c"] == 2
    time.sleep(2.5)
    assert shop.files(second) == files


def test_deletion_writes_what_was_not_yet_reported(tmp_path):
    server = Server(tmp_path / "data", "--attribution-report", "86400")
    try:
        shop = Shop(server, metrics=METRICS[:1], items=False)
        shop.put([event("view", "i", "a")])
        shop.put([event("view", "j", "b")])
        server.control.delete_metric_attribution(metricAttributionArn=shop.attribution)
        shop.wait_reported({("VIEWS", "a"): 1, ("VIEWS", "b"): 1})
        assert shop.shown() == {}
        shop.put([event("view", "k", "c")])
        again = shop.attribute(METRICS[:1])
        shop.put([event("view", "l", "d")])
        assert shop.shown() == {("VIEWS", "d"): 1}
        server.stop()
        server.start()
        assert shop.shown() == {("VIEWS", "d"): 1}
        server.control.delete_metric_attribution(metricAttributionArn=again)
        shop.wait_reported({("VIEWS", "a"): 1, ("VIEWS", "b"): 1, ("VIEWS", "d"): 1})
    finally:
        server.kill()


def test_report_that_cannot_be_written_waits(server):
    folder = unique("blocked")
    shop = Shop(server, metrics=METRICS[:1], items=False, folder=folder)
    blocked = server.objects / "metrics" / folder
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("in the way")
    shop.put([event("view", "i", "a")])
    time.sleep(2)
    server.control.delete_metric_attribution(metricAttributionArn=shop.attribution)
    wait_for(lambda: server.tail(), lambda text: "waits to be written" in text, limit=30)
    blocked.unlink()
    shop.wait_reported({("VIEWS", "a"): 1})


# --- campaigns, restarts


def test_campaign_is_the_source_of_its_recommendations_also_after_a_restart(tmp_path):
    server = Server(tmp_path / "data", "--attribution-report", "1")
    try:
        world = World(server)
        solution = new_solution(server, world.group, "aws-popularity-count")
        version = new_version(server, solution)
        one, two = new_campaign(server, version), new_campaign(server, version)
        server.control.create_metric_attribution(
            name="a",
            datasetGroupArn=world.group,
            metrics=[metric("views"), metric("year", "view", "SUM(Items.YEAR)")],
            metricsOutputConfig={"s3DataDestination": {"path": "s3://metrics/out"}, "roleArn": ROLE},
        )
        shop = Shop.__new__(Shop)
        shop.server, shop.group, shop.tracking_id, shop.folder = server, world.group, world.tracking_id, "out"

        def recommended(campaign):
            return server.runtime.get_recommendations(campaignArn=campaign, userId="u")["recommendationId"]

        def view(n, **more):
            return event("view", "horror-03", when=None, eventId=f"v{n}", **more)

        ids = {campaign: recommended(campaign) for campaign in (one, two)}
        shop.put([view(1, recommendationId=ids[one]), view(2, recommendationId=ids[two])])
        shop.put([view(3, recommendationId=ids[one], source="explicit"), view(4, recommendationId="RID-unknown")])
        server.kill()
        server.start()
        shop.put([view(5, recommendationId=ids[one]), view(6, recommendationId=ids[one])])
        shop.put([view(7, recommendationId=recommended(two)), view(1, recommendationId=ids[one])])
        shop.put([view(8, recommendationId="RID-" + "0" * 36)])
        views = {one: 3, two: 2, "explicit": 1, UNDEFINED: 2}
        expect = {("VIEWS", source): n for source, n in views.items()}
        expect |= {("YEAR", source): 1983 * n for source, n in views.items()}
        assert shop.shown() == expect
        shop.wait_reported(expect)
    finally:
        server.kill()


def test_counts_are_exact_after_kill_9_in_mid_stream(tmp_path):
    """Clients send again what was not acknowledged, under the same ids, as the documentation tells them to."""
    server = Server(tmp_path / "data", "--attribution-report", "1")
    try:
        shop = Shop(server)
        rng = random.Random(11)
        batches = [random_events(rng, 10, [None, "a", "b"], f"batch-{n}-") for n in range(240)]
        for round_ in range(4):
            mine = batches[round_ * 60 : round_ * 60 + 60]
            left = collections.deque(mine)
            doubtful = []

            def send():
                client = server.events
                while True:
                    try:
                        batch = left.popleft()
                    except IndexError:
                        return
                    try:
                        client.put_events(trackingId=shop.tracking_id, sessionId="s", userId="u", eventList=batch)
                    except botocore.exceptions.BotoCoreError:
                        doubtful.append(batch)
                        return

            assert server.events  # made once: making clients is not for threads
            threads = [threading.Thread(target=send) for _ in range(3)]
            for thread in threads:
                thread.start()
            middle = rng.randrange(10, 50)
            wait_for(lambda: len(left), lambda n: n <= middle, limit=30, pause=0)
            server.kill()
            for thread in threads:
                thread.join()
            server.start()
            for batch in [*doubtful, *left, mine[0]]:
                shop.put(batch)
        expect = counted(weigh([e for batch in batches for e in batch]))
        assert shop.shown() == expect
        shop.wait_reported(expect)
        names = [path.name for path in shop.files()]
        assert len(names) == len(set(names)) and not list((server.objects / "metrics" / shop.folder).glob("*.tmp"))
    finally:
        server.kill()


# --- imports


def import_rows(rng, count, when):
    rows = []
    for i in range(count):
        kind = rng.choice(["view", "buy", "VIEW"])
        value = rng.randrange(100) / 4 if rng.random() < 0.7 else ""
        weight = rng.randrange(-40, 40) / 8 if rng.random() < 0.5 else ""
        source = rng.choice(["", "shelf", "Mail"])
        rows.append((f"u{i % 50}", rng.choice([*ITEM_IDS, "unknown"]), when + i, kind, value, weight, "", source))
    return rows


def counted_rows(rows):
    events = []
    for _, item, _, kind, value, weight, _, source in rows:
        e = event(kind, item, source or None, value if value != "" else None)
        if weight != "":
            e["properties"] = '{"WEIGHT": %s}' % weight
        events.append(e)
    return counted(events)


def test_imports_are_reported_and_incremental_ones_counted(server):
    shop = Shop(server)
    header = [f["name"] for f in INTERACTIONS["fields"]]
    rng = random.Random(3)
    now = int(time.time())

    def run(rows, mode, publish):
        location = put_object(server, f"{unique('rows')}.csv", csv_text(header, rows))
        more = {"publishAttributionMetricsToS3": True} if publish else {}
        job = finish_import(server, start_import(server, shop.interactions, location, mode, **more))
        assert job["status"] == "ACTIVE", job
        assert job.get("publishAttributionMetricsToS3", False) == publish
        return job

    old = import_rows(rng, 1500, 1_600_000_000)
    run(old, "FULL", True)
    assert shop.reported() == counted_rows(old)
    (path,) = shop.files()
    assert path.name.startswith("AggregatedAttributionMetrics - FULL - ")
    stamps = [int(row["TIMESTAMP"]) for row in read_report(path)]
    assert stamps == sorted(stamps) and set(stamps) == {w - w % 900 for _, _, w, *_ in old}
    assert shop.shown() == {}, "a FULL import is history"

    before, recent = import_rows(rng, 600, 1_600_000_000), import_rows(rng, 1000, now - 86400)
    run(before + recent, "INCREMENTAL", True)
    assert shop.shown() == counted_rows(recent), "what is older than 14 days is not counted live"
    path = next(p for p in shop.files() if " - INCREMENTAL - " in p.name)
    sums = collections.Counter()
    for row in read_report(path):
        sums[row["METRIC_NAME"], row["EVENT_ATTRIBUTION_SOURCE"]] += float(row["VALUE"])
    assert dict(sums) == counted_rows(before + recent)

    more = import_rows(rng, 1000, now - 7200)
    run(more, "INCREMENTAL", False)
    assert len(shop.files()) == 2
    assert shop.shown() == counted_rows(recent + more)


def test_publishing_needs_somewhere_to_publish(server):
    shop = Shop(server, metrics=None)
    rows = csv_text([f["name"] for f in INTERACTIONS["fields"]], import_rows(random.Random(1), 1000, 1_600_000_000))
    location = put_object(server, f"{unique('rows')}.csv", rows)
    with refused("InvalidInputException", "publishAttributionMetricsToS3"):
        start_import(server, shop.interactions, location, publishAttributionMetricsToS3=True)
    shop.attribution = shop.attribute(METRICS, {"roleArn": ROLE})
    with refused("InvalidInputException", "s3DataDestination"):
        start_import(server, shop.interactions, location, publishAttributionMetricsToS3=True)
    server.control.update_metric_attribution(metricAttributionArn=shop.attribution, metricsOutputConfig=shop.output())
    items = put_object(server, f"{unique('items')}.csv", items_csv())
    with refused("InvalidInputException", "interactions only"):
        start_import(server, shop.items, items, publishAttributionMetricsToS3=True)
    assert finish_import(server, start_import(server, shop.interactions, location))["status"] == "ACTIVE"
    assert shop.files() == []


def test_import_whose_report_cannot_be_written_fails_and_changes_nothing(server):
    folder = unique("blocked")
    shop = Shop(server, folder=folder)
    blocked = server.objects / "metrics" / folder
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("in the way")
    rows = csv_text([f["name"] for f in INTERACTIONS["fields"]], import_rows(random.Random(1), 1000, 1_600_000_000))
    location = put_object(server, f"{unique('rows')}.csv", rows)
    job = finish_import(server, start_import(server, shop.interactions, location, publishAttributionMetricsToS3=True))
    assert job["status"] == "CREATE FAILED" and f"s3://metrics/{folder}/" in job["failureReason"], job
    assert job["failureReason"].startswith("Failed to create a data import job for INTERACTIONS dataset."), job
    with refused("InvalidInputException", "FULL"):
        start_import(server, shop.interactions, location, "INCREMENTAL")
    blocked.unlink()
    job = finish_import(server, start_import(server, shop.interactions, location, publishAttributionMetricsToS3=True))
    assert job["status"] == "ACTIVE" and len(shop.files()) == 1


def test_import_interrupted_by_kill_9_counts_once_and_has_one_report(tmp_path):
    server = Server(tmp_path / "data", "--attribution-report", "1")
    try:
        shop = Shop(server)
        header = [f["name"] for f in INTERACTIONS["fields"]]
        rng = random.Random(4)
        load(server, shop.interactions, csv_text(header, import_rows(rng, 1000, 1_600_000_000)))
        everything = []
        for round_ in range(4):
            rows = import_rows(rng, 2000, int(time.time()) - 86400)
            location = put_object(server, f"{unique('rows')}.csv", csv_text(header, rows))
            job = start_import(server, shop.interactions, location, "INCREMENTAL", publishAttributionMetricsToS3=True)
            time.sleep(rng.random() * 0.1)
            server.kill()
            server.start()
            job = finish_import(server, job)
            assert job["status"] == "ACTIVE", job
            everything += rows
            assert shop.shown() == counted_rows(everything)
            assert shop.reported() == counted_rows(everything)
            assert len(shop.files()) == round_ + 1
    finally:
        server.kill()
