"""trainingMode UPDATE and automatic updates: new items without training anew."""
import sqlite3
import time

import pytest
from harness import (
    INTERACTIONS,
    ITEMS,
    Server,
    csv_text,
    finish_version,
    interactions_csv,
    item_row,
    items_csv,
    load,
    new_campaign,
    new_dataset,
    new_group,
    new_solution,
    new_version,
    refused,
    unique,
    wait_for,
)

II = "InvalidInputException"
UP, SIMS, TRENDING = "aws-user-personalization", "aws-sims", "aws-trending-now"


@pytest.fixture
def shop(tmp_path):
    """A server that updates every two seconds, with a group that has items."""
    server = Server(tmp_path / "data", "--auto-update", "2")
    server.group = new_group(server)
    server.interactions = new_dataset(server, server.group)
    server.items = new_dataset(server, server.group, "ITEMS", ITEMS)
    load(server, server.interactions, interactions_csv())
    load(server, server.items, items_csv())
    yield server
    server.stop()


def describe(server, version):
    return server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]


def card(server, version):
    path = "/ondol/models/" + version
    return server.send("GET", path, headers=server.sign("GET", path, b"", {})).json["card"]


def ranks(server, campaign, user):
    """The whole catalogue in the campaign's order for a user, without exploration."""
    answer = server.runtime.get_recommendations(campaignArn=campaign, userId=user, numResults=200)
    return [item["itemId"] for item in answer["itemList"]]


def add_items(server, names):
    header = [f["name"] for f in ITEMS["fields"]]
    rows = [[name, *item_row(cluster, 1)[1:]] for name, cluster in names.items()]
    load(server, server.items, csv_text(header, rows), "INCREMENTAL")


PLAIN = {"itemExplorationConfig": {"explorationWeight": "0"}}


def test_an_update_makes_new_items_recommendable(server):
    group = new_group(server)
    server.interactions, server.items = new_dataset(server, group), new_dataset(server, group, "ITEMS", ITEMS)
    load(server, server.interactions, interactions_csv())
    load(server, server.items, items_csv())
    solution = new_solution(server, group, UP)
    with refused(II, "UPDATE"):
        server.control.create_solution_version(solutionArn=solution, trainingMode="UPDATE")
    full = new_version(server, solution)
    fresh = {"brand-new-horror": "horror", "brand-new-western": "western"}
    add_items(server, fresh)
    before = new_campaign(server, full, campaignConfig=PLAIN)
    user = unique("u")
    tracker = server.control.create_event_tracker(name=unique("t"), datasetGroupArn=group)["trackingId"]
    for n in range(3):
        server.events.put_events(
            trackingId=tracker, userId=user, sessionId="s", eventList=[{"eventType": "view", "sentAt": 1_700_900_000 + n, "itemId": f"western-0{n}"}]
        )
    assert not set(fresh) & set(ranks(server, before, user)), "the trained model does not know them"
    made = server.control.create_solution_version(solutionArn=solution, trainingMode="UPDATE")["solutionVersionArn"]
    described = finish_version(server, made)
    assert described["status"] == "ACTIVE" and described["trainingMode"] == "UPDATE", described
    metrics = [server.control.get_solution_metrics(solutionVersionArn=v)["metrics"] for v in (full, made)]
    assert metrics[0] == metrics[1], "the same model"
    assert card(server, made)["update"]["newItems"] == 2
    after = ranks(server, new_campaign(server, made, campaignConfig=PLAIN), user)
    assert set(fresh) <= set(after)
    assert after.index("brand-new-western") < after.index("brand-new-horror"), "the user is one of westerns"
    old = [item for item in after if item not in fresh]
    assert old == ranks(server, before, user), "old items stand as they did"
    again = server.control.create_solution_version(solutionArn=solution, trainingMode="UPDATE")["solutionVersionArn"]
    assert finish_version(server, again)["status"] == "ACTIVE", "from the trained one, not from an update"


def test_who_cannot_be_updated(server, world):
    world.version(SIMS)
    with refused(II, "UPDATE"):
        server.control.create_solution_version(solutionArn=world.solution(SIMS), trainingMode="UPDATE")
    with refused(II, "AUTOTRAIN"):
        server.control.create_solution_version(solutionArn=world.solution(UP), trainingMode="AUTOTRAIN")


def images(server):
    return sorted(p.name for p in (server.folder / "images").iterdir())


def test_a_deployed_version_updates_itself_when_something_came(shop):
    solution = new_solution(shop, shop.group, UP)
    version = new_version(shop, solution)
    campaign = new_campaign(shop, version, campaignConfig=PLAIN)
    first = images(shop)
    seen = []

    def jobs():
        answer = shop.send("GET", "/ondol/jobs", headers=shop.sign("GET", "/ondol/jobs", b"", {}))
        seen.extend(job for job in answer.json if job["kind"] == "update")
        return "brand-new-drama" in ranks(shop, campaign, "someone")

    add_items(shop, {"brand-new-drama": "drama"})
    wait_for(jobs, bool, 30)
    assert all(job["arn"] == version for job in seen)
    described = describe(shop, version)
    assert described["status"] == "ACTIVE" and described["trainingMode"] == "FULL"
    assert len(shop.control.list_solution_versions(solutionArn=solution)["solutionVersions"]) == 1, "no new version"
    told = card(shop, version)
    assert told["update"]["newItems"] == 1 and told["popularity"], "what was compared stays said"
    wait_for(lambda: images(shop), lambda now: len(now) == 4, 10)  # trained and updated, a card each
    add_items(shop, {"newer-drama": "drama"})
    wait_for(lambda: ranks(shop, campaign, "someone"), lambda listed: "newer-drama" in listed, 30)
    told = card(shop, version)
    assert told["update"]["newItems"] == 2 and told["popularity"], "after another update too"
    wait_for(lambda: images(shop), lambda now: len(now) == 4, 10)
    settled = images(shop)
    assert first[-1] in settled, "the trained image stays: the next update starts from it"
    shop.stop()
    shop.start()
    assert "brand-new-drama" in ranks(shop, campaign, "someone"), "a restart serves the updated image"
    assert images(shop) == settled, "nothing came, nothing is done"


def test_similar_meanings_take_new_items_in_where_the_solution_says_so(shop):
    recipe = "aws-semantic-similarity"
    solution = new_solution(shop, shop.group, recipe, performIncrementalUpdate=True)
    version = new_version(shop, solution)
    assert describe(shop, version)["performIncrementalUpdate"] is True
    campaign = new_campaign(shop, version)
    add_items(shop, {"brand-new-drama": "drama"})

    def listed(item):
        answer = shop.runtime.get_recommendations(campaignArn=campaign, itemId=item, numResults=200)
        return [i["itemId"] for i in answer["itemList"]]

    wait_for(lambda: listed("drama-05"), lambda items: "brand-new-drama" in items, 30)
    asked = listed("brand-new-drama")
    assert asked[0].startswith("drama") and "brand-new-drama" not in asked, asked[:5]
    # item_row makes it a second drama-01
    assert asked[0] == "drama-01" and "brand-new-drama" in listed("drama-01")[:12]
    with refused(II, "performIncrementalUpdate", SIMS):
        new_solution(shop, shop.group, SIMS, performIncrementalUpdate=True)


def test_updates_and_failures_do_not_swallow_the_news(shop):
    """Automatic trainings after three days: the interval counts from the last training, the news from the last that
    went well. Times are moved in the store, with the server stopped."""
    day = 86400 * 1000

    def move(*changes):
        shop.stop()
        database = sqlite3.connect(shop.folder / "ondol.db")
        for change in changes:
            database.execute(*change)
        database.commit()
        database.close()
        shop.start()

    def earlier(version, days):
        return "UPDATE resource SET created_ms = created_ms - ? WHERE arn = ?", (days * day, version)

    solution = new_solution(shop, shop.group, UP, solutionConfig={"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}})
    trained = new_version(shop, solution)
    add_items(shop, {"new-drama": "drama"})
    updated = shop.control.create_solution_version(solutionArn=solution, trainingMode="UPDATE")["solutionVersionArn"]
    assert finish_version(shop, updated)["status"] == "ACTIVE"
    shop.control.update_solution(solutionArn=solution, performAutoTraining=True)
    versions = lambda: shop.control.list_solution_versions(solutionArn=solution)["solutionVersions"]  # noqa: E731
    move(earlier(trained, 4))  # the version of trainingMode UPDATE is of now
    wait_for(versions, lambda made: len(made) == 3, 20)
    automatic = versions()[-1]["solutionVersionArn"]
    assert describe(shop, automatic)["trainingMode"] == "FULL" and describe(shop, automatic)["trainingType"] == "AUTOMATIC"
    assert finish_version(shop, automatic)["status"] == "ACTIVE"
    time.sleep(3)
    assert len(versions()) == 3, "three days have not passed"
    # what came lies between the training that went well and the one that failed
    failed = "UPDATE resource SET status = 'CREATE FAILED' WHERE arn = ?", (automatic,)
    move(failed, earlier(automatic, 4), earlier(trained, 4), ("UPDATE bulk SET arrived_ms = arrived_ms - ?", (6 * day,)))
    wait_for(versions, lambda made: len(made) == 4, 20)
    assert finish_version(shop, versions()[-1]["solutionVersionArn"])["status"] == "ACTIVE"


def test_another_training_rate_begins_with_a_training(shop):
    rate = lambda days: {"autoTrainingConfig": {"schedulingExpression": f"rate({days} days)"}}  # noqa: E731
    solution = new_solution(shop, shop.group, "aws-popularity-count")
    shop.control.update_solution(solutionArn=solution, performAutoTraining=True, solutionUpdateConfig=rate(7))
    new_version(shop, solution)
    time.sleep(3)
    versions = lambda: shop.control.list_solution_versions(solutionArn=solution)["solutionVersions"]  # noqa: E731
    assert len(versions()) == 1, "seven days are the rate of a solution anyway"
    shop.control.update_solution(solutionArn=solution, solutionUpdateConfig=rate(20))
    wait_for(versions, lambda made: len(made) == 2, 20)
    wait_for(versions, lambda made: {v["status"] for v in made} == {"ACTIVE"}, 20)
    time.sleep(3)
    assert sorted(v["trainingType"] for v in versions()) == ["AUTOMATIC", "MANUAL"], "once"


def test_trends_are_counted_anew(shop):
    version = new_version(shop, new_solution(shop, shop.group, TRENDING))
    campaign = new_campaign(shop, version)
    last = max(int(line.split(",")[2]) for line in interactions_csv().splitlines()[1:])
    rows = [(f"fan{n}", "family-11", last + 3600 + n, "view", 1.0, "web") for n in range(1500)]
    load(shop, shop.interactions, csv_text([f["name"] for f in INTERACTIONS["fields"]], rows), "INCREMENTAL")
    top = lambda: shop.runtime.get_recommendations(campaignArn=campaign, userId="u", numResults=1)["itemList"][0]["itemId"]  # noqa: E731
    wait_for(top, lambda item: item == "family-11", 30)
    assert describe(shop, version)["status"] == "ACTIVE"


def test_what_is_not_deployed_is_left_alone(shop):
    solution = new_solution(shop, shop.group, UP)
    old = new_version(shop, solution)
    new_campaign(shop, old)
    new_version(shop, solution)  # newer, and not deployed
    before = images(shop)
    add_items(shop, {"brand-new-drama": "drama"})
    time.sleep(5)
    assert images(shop) == before, "only the newest version, and only where it is deployed"


def test_off_is_off(tmp_path):
    server = Server(tmp_path / "data", "--auto-update", "0")
    server.group = new_group(server)
    server.interactions = new_dataset(server, server.group)
    server.items = new_dataset(server, server.group, "ITEMS", ITEMS)
    load(server, server.interactions, interactions_csv())
    load(server, server.items, items_csv())
    new_campaign(server, new_version(server, new_solution(server, server.group, UP)))
    before = images(server)
    add_items(server, {"brand-new-drama": "drama"})
    time.sleep(3)
    assert images(server) == before
    server.stop()
