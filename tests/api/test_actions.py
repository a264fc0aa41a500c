"""Actions end to end: datasets, Put*, training of aws-next-best-action, GetActionRecommendations, filters, restart.

One world for all tests: fans of six kinds of films, whom six offers are made, one of each kind; what a fan takes is
known beforehand. A seventh offer depends on the country of the user's record alone, and an eighth is taken by some
always and by others never, which only their past with it tells.
"""
import json
import math
import random
import time
import uuid

import pytest
from harness import (
    CLUSTERS,
    Server,
    arn,
    csv_text,
    field,
    finish_version,
    import_text,
    item_id,
    load,
    new_campaign,
    new_dataset,
    new_filter,
    new_group,
    new_solution,
    new_version,
    refused,
    schema,
    unique,
    users_csv,
    wait_for,
)

II = "InvalidInputException"
RNF = "ResourceNotFoundException"
NBA = "aws-next-best-action"
DAY = 86400
NOW = int(time.time())
INTERACTIONS = schema(
    "Interactions",
    field("USER_ID", "string"),
    field("ITEM_ID", "string"),
    field("TIMESTAMP", "long"),
    field("EVENT_TYPE", "string"),
)
ACTIONS = schema(
    "Actions",
    field("ACTION_ID", "string"),
    field("KIND", ["null", "string"], categorical=True),
    field("VALUE", ["null", "long"]),
    field("EXPIRATION_TIMESTAMP", ["null", "long"]),
    field("REPEAT_FREQUENCY", ["null", "long"]),
    field("PRICE_LEVEL", ["null", "int"]),
)
ACTION_INTERACTIONS = schema(
    "ActionInteractions",
    field("USER_ID", "string"),
    field("ACTION_ID", "string"),
    field("EVENT_TYPE", "string"),
    field("TIMESTAMP", "long"),
    field("CHANNEL", ["null", "string"], categorical=True),
    field("RECOMMENDATION_ID", ["null", "string"]),
)
OFFERS = [f"offer-{cluster}" for cluster in CLUSTERS]
FANS = 30


def watched_csv():
    rng, rows = random.Random(3), []
    for cluster in CLUSTERS:
        for u in range(FANS):
            when = NOW - 40 * DAY
            for _ in range(12):
                when += rng.randrange(DAY, 5 * DAY // 2)
                home = cluster if rng.random() < 0.9 else rng.choice(CLUSTERS)
                rows.append((f"{cluster}-fan-{u}", item_id(home, rng.randrange(8)), when, "view"))
    return csv_text(["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"], rows)


def takes(rng, cluster, number, offer):
    """P(taken): .85 of a fan's own offer, .08 of another's; of the national one by country (users_csv)."""
    if offer == "habit":
        return (number // 2) % 2 == 0
    if offer == "national":
        return rng.random() < (0.85 if number % 2 else 0.08)
    return rng.random() < (0.85 if offer == f"offer-{cluster}" else 0.08)


def offers_csv():
    rng, rows = random.Random(4), []
    for cluster in CLUSTERS:
        for u in range(FANS):
            for offer in [*OFFERS, "national", "habit"]:
                for k in range(3 if offer in (f"offer-{cluster}", "national", "habit") else 1):
                    when = NOW - (30 - 9 * k) * DAY + rng.randrange(DAY)
                    user = f"{cluster}-fan-{u}"
                    rows.append((user, offer, "Viewed", when, "mail", ""))
                    kind = "Taken" if takes(rng, cluster, u, offer) else rng.choice(["Not Taken", "NOT_TAKEN"])
                    rows.append((user, offer, kind, when + 60, "", ""))
    return csv_text([f["name"] for f in ACTION_INTERACTIONS["fields"]], rows)


def actions_csv():
    rows = [(offer, "film|" + offer[6:], 5, "", "", n) for n, offer in enumerate(OFFERS)]
    rows += [("national", "travel", 5, "", "", 9), ("cold", "travel", 1, "", "", ""), ("habit", "film", 5, "", "", "")]
    rows += [("over", "", 9, NOW - DAY, "", "")]
    return csv_text([f["name"] for f in ACTIONS["fields"]], rows)


class Shop:
    def __init__(self, folder):
        self.server = Server(folder, "--auto-update", "1000000")
        self.group = new_group(self.server)
        self.interactions = new_dataset(self.server, self.group, "INTERACTIONS", INTERACTIONS)
        self.users = new_dataset(self.server, self.group, "USERS")
        self.actions = new_dataset(self.server, self.group, "ACTIONS", ACTIONS)
        self.offers = new_dataset(self.server, self.group, "ACTION_INTERACTIONS", ACTION_INTERACTIONS)
        load(self.server, self.interactions, watched_csv())
        load(self.server, self.users, users_csv())
        load(self.server, self.actions, actions_csv())
        load(self.server, self.offers, offers_csv())
        self.tracking_id = self.server.control.describe_dataset(datasetArn=self.offers)["dataset"]["trackingId"]
        tracker = self.server.control.create_event_tracker(name=unique("tracker"), datasetGroupArn=self.group)
        self.tracker = tracker["trackingId"]
        self.put_before_training()
        self.solution = new_solution(self.server, self.group, NBA)
        self.version = new_version(self.server, self.solution)
        self.campaign = new_campaign(self.server, self.version)
        self._filters = {}

    def put_before_training(self):
        """What reaches the model by Put* alone: an action with enough events, and one whose events are repeated."""
        self.put_action("put-only", KIND="film", VALUE=5)
        self.put_action("repeated", KIND="film", VALUE=5)
        for u in range(60):
            user = f"western-fan-{u % FANS}"
            self.act(user, "put-only", "Viewed", when=NOW - 10 * DAY + u)
            self.act(user, "put-only", "Taken" if u % 10 else "Not Taken", when=NOW - 9 * DAY + u)
            for kind in ("Viewed", "Taken"):
                self.act(user, "repeated", kind, when=NOW - 9 * DAY + u % 2, eventId=f"{kind}-of-{u % 2}")

    def put_action(self, action, **fields):
        self.server.events.put_actions(
            datasetArn=self.actions, actions=[{"actionId": action, "properties": json.dumps(fields)}]
        )

    def act(self, user, action, kind="Taken", when=None, session=None, **more):
        event = {
            "actionId": action,
            "sessionId": session or unique("session"),
            "timestamp": when or int(time.time()),
            "eventType": kind,
            **({"userId": user} if user else {}),
            **more,
        }
        self.server.events.put_action_interactions(trackingId=self.tracking_id, actionInteractions=[event])

    def watch(self, user, items, session="s"):
        events = [{"eventType": "view", "itemId": item, "sentAt": int(time.time()) - 100 + i} for i, item in enumerate(items)]
        who = {"userId": user} if user else {}
        self.server.events.put_events(trackingId=self.tracker, sessionId=session, eventList=events, **who)

    def filter(self, expression):
        if expression not in self._filters:
            self._filters[expression] = new_filter(self.server, self.group, expression)
        return self._filters[expression]

    def ask(self, user, **more):
        return self.server.runtime.get_action_recommendations(campaignArn=self.campaign, userId=user, **more)

    def scores(self, user, **more):
        answer = self.ask(user, **{"numResults": 100, **more})
        return {action["actionId"]: action["score"] for action in answer["actionList"]}

    def kept(self, user, expression, **values):
        return set(self.scores(user, filterArn=self.filter(expression), filterValues=values))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    made = Shop(tmp_path_factory.mktemp("actions") / "data")
    yield made
    made.server.stop()


RECOMMENDED = {*OFFERS, "national", "cold", "habit", "put-only", "repeated"}

# --- answers


def test_the_shape_of_an_answer(shop):
    answer = shop.ask("drama-fan-1")
    assert len(answer["actionList"]) == 5, "5 is the default"
    assert answer["recommendationId"].startswith("RID-") and len(answer["recommendationId"]) == 40
    assert all(set(action) == {"actionId", "score"} for action in answer["actionList"])
    assert shop.ask("drama-fan-1")["recommendationId"] != answer["recommendationId"]


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_num_results(shop, count):
    assert len(shop.ask("drama-fan-1", numResults=count)["actionList"]) == min(count, len(RECOMMENDED))


def test_scores_are_probabilities_in_falling_order(shop):
    for user in ("drama-fan-1", "nobody-knows"):
        actions = shop.ask(user, numResults=100)["actionList"]
        assert {a["actionId"] for a in actions} == RECOMMENDED, "all but what is over"
        known = [a["score"] for a in actions if a["actionId"] not in ("cold", "repeated")]
        assert known == sorted(known, reverse=True) and all(0 < s < 1 and round(s, 7) == s for s in known)
        assert {a["score"] for a in actions if a["actionId"] in ("cold", "repeated")} == {0}


def test_what_a_fan_takes_is_found(shop):
    for cluster in CLUSTERS:
        fans = [shop.scores(f"{cluster}-fan-{u}") for u in range(8)]
        first = [max(OFFERS, key=scores.get) for scores in fans]
        assert first.count(f"offer-{cluster}") >= 6, first
        own = sum(scores[f"offer-{cluster}"] for scores in fans) / 8
        others = sum(scores[offer] for scores in fans for offer in OFFERS if offer != f"offer-{cluster}") / 40
        assert own > 0.6 and others < 0.3, (cluster, own, others)


def test_the_record_of_a_user_counts(shop):
    """users_csv gives odd numbers the country that takes the national offer."""
    odd = [shop.scores(f"{cluster}-fan-{u}")["national"] for cluster in CLUSTERS for u in (3, 7)]
    even = [shop.scores(f"{cluster}-fan-{u}")["national"] for cluster in CLUSTERS for u in (4, 8)]
    assert min(odd) > 0.5 > 0.4 > max(even), (odd, even)
    new = unique("user")
    for country, low, high in (("KR", 0.4, 1), ("DE", 0, 0.4)):
        record = {"userId": new, "properties": json.dumps({"country": country, "age": 20})}
        shop.server.events.put_users(datasetArn=shop.users, users=[record])
        assert low < shop.scores(new)["national"] < high, country


def test_actions_that_came_by_put_are_learnt(shop):
    scores = shop.scores("western-fan-5")
    assert scores["put-only"] > 0.5, "54 of 60 were taken"
    assert scores["repeated"] == 0, "an event told again is one event, so there are too few"


def test_new_actions_are_explored(shop):
    places = [[a["actionId"] for a in shop.ask("drama-fan-1", numResults=3)["actionList"]] for _ in range(60)]
    cold = sum("cold" in place for place in places)
    assert 0 < cold < 60, cold


# --- live events


def test_events_on_items_change_the_next_answer(shop):
    user = unique("new")
    before = shop.scores(user)
    shop.watch(user, [item_id("family", n) for n in range(6)])
    after = shop.scores(user)
    assert after["offer-family"] > before["offer-family"] + 0.1, (before, after)
    assert max(OFFERS, key=after.get) == "offer-family"


def test_events_on_actions_change_the_next_answer(shop):
    habit = {}
    for kind in ("Taken", "Not Taken"):
        user = unique("user")
        before = shop.scores(user)["habit"]
        for n in range(3):
            shop.act(user, "habit", kind, when=int(time.time()) - 50 + n)
            habit[kind] = shop.scores(user)["habit"]
            assert habit[kind] != before, "each event counts"
            before = habit[kind]
    assert habit["Taken"] > 0.8 and habit["Not Taken"] < 0.45, habit
    assert shop.scores("drama-fan-5")["habit"] > 0.7 and shop.scores("drama-fan-7")["habit"] < 0.3, "imported ones too"


def test_sessions_and_users_are_one(shop):
    session, user = unique("session"), unique("user")
    seen = 'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("*")'
    shop.act(None, "cold", "Viewed", session=session)
    assert shop.kept(session, seen) == {"cold"}
    assert shop.kept(user, seen) == set()
    shop.act(user, "national", "Viewed", session=session)
    assert shop.kept(user, seen) == {"cold", "national"}
    assert shop.kept(session, seen) == {"cold", "national"}
    other, login = unique("user"), unique("session")
    shop.act(other, "offer-drama", "Viewed")
    shop.watch(other, [item_id("drama", 1)], session=login)
    assert shop.kept(login, seen) == {"offer-drama"}, "joined by an event on an item"


def test_a_recommendation_id_is_taken(shop):
    rid = shop.ask("drama-fan-2")["recommendationId"]
    shop.act("drama-fan-2", "offer-drama", "Viewed", recommendationId=rid, impression=["offer-drama", "national"])
    shop.act("drama-fan-2", "offer-drama", "Viewed", recommendationId="RID-of-nothing", properties='{"channel": "app"}')


# --- the Actions table, live


def test_actions_are_explained(shop):
    user = "drama-fan-2"
    shop.act(user, OFFERS[0], "Viewed")

    def explain(**request):
        answer = shop.server.rest("/ondol/explain", {"campaignArn": shop.campaign, "userId": user, **request})
        assert answer.status == 200, answer
        return answer.json

    live = shop.ask(user, numResults=20)
    told = explain(numResults=20, recommendationId=live["recommendationId"])
    assert [a["actionId"] for a in told["actions"]] == [a["actionId"] for a in live["actionList"]][:10]
    assert [a["normalizedScore"] for a in told["actions"]] == [a["score"] for a in live["actionList"]][:10]
    newest = told["user"]["history"][0]
    assert newest["actionId"] == OFFERS[0] and newest["eventType"] == "VIEWED"
    assert any("itemId" in event for event in told["user"]["history"]), "what was done with items counts too"
    one = explain(itemIds=[OFFERS[0], "no such action"])["actions"]
    assert [a["stage"] for a in one] in (["IN_ANSWER", "NOT_IN_CATALOGUE"], ["RANKED_BELOW", "NOT_IN_CATALOGUE"])
    assert any(effect["contribution"] for effect in one[0]["events"])
    for member in ({"itemId": "x"}, {"context": {"DEVICE": "phone"}}):
        answer = shop.server.rest("/ondol/explain", {"campaignArn": shop.campaign, "userId": user, **member})
        assert answer.code == "InvalidInputException" and list(member)[0] in answer.json["message"], answer


def test_an_expired_action_is_gone_and_may_come_back(shop):
    user = "action-fan-1"
    try:
        shop.put_action("offer-western", kind="film|western", value=5, expirationTimestamp=int(time.time()) - 1)
        assert "offer-western" not in shop.scores(user)
        shop.put_action("over", expirationTimestamp=int(time.time()) + 1000)
        assert shop.scores(user)["over"] == 0, "expired when the model was trained, but no more"
    finally:
        shop.put_action("offer-western", kind="film|western", value=5)
        shop.put_action("over", expirationTimestamp=int(time.time()) - 1)
    scores = shop.scores(user)
    assert scores["offer-western"] > 0 and "over" not in scores


def test_repeat_frequency(shop):
    user = unique("user")
    shop.act(user, "offer-horror", "Viewed", when=int(time.time()) - 2 * DAY)
    assert "offer-horror" in shop.scores(user)
    try:
        shop.put_action("offer-horror", kind="film|horror", value=5, repeatFrequency=3)
        assert "offer-horror" not in shop.scores(user) and "offer-horror" in shop.scores(unique("other"))
        shop.put_action("offer-horror", kind="film|horror", value=5, repeatFrequency=1)
        assert "offer-horror" in shop.scores(user)
    finally:
        shop.put_action("offer-horror", kind="film|horror", value=5)


def test_put_actions_replaces_the_whole_record(shop):
    cheap = "INCLUDE ActionID WHERE Actions.PRICE_LEVEL < 3"
    assert shop.kept("u", cheap) >= {"offer-comedy", "offer-drama"}
    shop.put_action("cold", PRICE_LEVEL="1", KIND="travel|far")
    assert "cold" in shop.kept("u", cheap)
    shop.put_action("cold", KIND="travel", VALUE=1)
    assert "cold" not in shop.kept("u", cheap)


# --- filters


def test_filters_on_fields(shop):
    assert shop.kept("u", 'INCLUDE ActionID WHERE Actions.KIND IN ("travel")') == {"national", "cold"}
    assert shop.kept("u", 'EXCLUDE ActionID WHERE Actions.KIND IN ("film")') == {"national", "cold"}
    assert shop.kept("u", "INCLUDE ActionID WHERE Actions.VALUE >= 5 AND Actions.KIND NOT IN ('film')") == {"national"}
    assert shop.kept("u", "INCLUDE ActionID WHERE Actions.KIND IN ($K)", K='"drama","comedy"') == {
        "offer-drama",
        "offer-comedy",
    }
    assert shop.kept("u", "INCLUDE ActionID WHERE actions.action_id = $A", A='"national"') == {"national"}


def test_filters_on_the_users_record(shop):
    expression = 'EXCLUDE ActionID WHERE Actions.KIND IN ("film") IF CurrentUser.COUNTRY = "KR"'
    assert shop.kept("drama-fan-3", expression) == {"national", "cold"}
    assert shop.kept("drama-fan-4", expression) == RECOMMENDED


def test_filters_on_action_interactions(shop):
    user = unique("user")
    taken = 'EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("Taken")'
    assert shop.kept(user, taken) == RECOMMENDED
    shop.act(user, "offer-drama", "TAKEN")
    assert shop.kept(user, taken) == RECOMMENDED - {"offer-drama"}
    shop.act(user, "offer-family", "NOT_TAKEN")
    shop.act(user, "national", "Not taken")
    declined = "INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ($T)"
    assert shop.kept(user, declined, T='"Not Taken"') == {"offer-family", "national"}
    assert shop.kept(user, declined, T='"nottaken","taken"') == {"offer-family", "national", "offer-drama"}
    both = declined.replace("$T", '"*"') + ' | EXCLUDE ActionID WHERE Actions.KIND IN ("film")'
    assert shop.kept(user, both) == {"national"}
    imported = shop.kept("drama-fan-3", 'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("viewed")')
    assert imported == {*OFFERS, "national", "habit"}


def test_a_filter_that_leaves_few_is_told(shop):
    body = {
        "campaignArn": shop.campaign,
        "userId": "u",
        "filterArn": shop.filter('INCLUDE ActionID WHERE Actions.KIND IN ("travel")'),
    }
    answer = shop.server.rest("/action-recommendations", body)
    assert answer.headers["x-ondol-short-of-results"] == "filter" and len(answer.json["actionList"]) == 2


def test_filters_that_are_refused(shop):
    control = shop.server.control
    for expression, words in [
        ("INCLUDE ActionID WHERE Actions.EXPIRATION_TIMESTAMP > 1", "cannot be filtered by"),
        ("INCLUDE ActionID WHERE Actions.REPEAT_FREQUENCY > 1", "cannot be filtered by"),
        ('INCLUDE ActionID WHERE Action_Interactions.CHANNEL IN ("x")', "EVENT_TYPE"),
        ("INCLUDE ActionID WHERE Actions.NONE > 1", "no field NONE"),
        ('INCLUDE ActionID WHERE Interactions.EVENT_TYPE IN ("x")', "Interactions"),
    ]:
        with refused(II, words):
            control.create_filter(name=unique("f"), datasetGroupArn=shop.group, filterExpression=expression)
    with refused(II, "ActionID"):
        shop.ask("u", filterArn=shop.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")'))
    include = shop.filter("INCLUDE ActionID WHERE Actions.KIND IN ($K)")
    with refused(II, "Missing value for filter parameter K"):
        shop.ask("u", filterArn=include)
    with refused(II, "no parameter Z"):
        shop.ask("u", filterArn=include, filterValues={"K": '"a"', "Z": "1"})
    with refused(RNF):
        shop.ask("u", filterArn=arn("filter/none"))
    other = new_group(shop.server)
    new_dataset(shop.server, other, "ACTIONS", ACTIONS)
    foreign = new_filter(shop.server, other, "INCLUDE ActionID WHERE Actions.VALUE > 1")
    with refused(II, "another dataset group"):
        shop.ask("u", filterArn=foreign)


# --- requests that are refused


def test_requests_that_are_refused(shop):
    runtime = shop.server.runtime
    with refused(II, "userId is required"):
        runtime.get_action_recommendations(campaignArn=shop.campaign)
    with refused(II, "campaignArn is required"):
        runtime.get_action_recommendations(userId="u")
    with refused(II, "userId"):
        shop.ask("")
    with refused(II, "numResults must be at most 100."):
        shop.ask("u", numResults=101)
    with refused(RNF, status=404):
        runtime.get_action_recommendations(campaignArn=arn("campaign/none"), userId="u")
    with refused(II):
        runtime.get_action_recommendations(campaignArn="no arn", userId="u")
    assert shop.server.rest("/action-recommendations", {"campaignArn": shop.campaign, "userId": "u", "numResults": -1}).code == II


def test_other_operations_refuse_the_campaign_and_the_other_way_round(shop):
    runtime, server = shop.server.runtime, shop.server
    with refused(II, "PERSONALIZED_ACTIONS"):
        runtime.get_recommendations(campaignArn=shop.campaign, userId="u")
    with refused(II, "PERSONALIZED_RANKING"):
        runtime.get_personalized_ranking(campaignArn=shop.campaign, userId="u", inputList=["a"])
    popular = new_campaign(server, new_version(server, new_solution(server, shop.group, "aws-popularity-count")))
    with refused(II, "PERSONALIZED_ACTIONS"):
        runtime.get_action_recommendations(campaignArn=popular, userId="u")
    items = runtime.get_recommendations(campaignArn=popular, userId="u", numResults=500)["itemList"]
    assert not {item["itemId"] for item in items} & RECOMMENDED, "actions are no items"
    with refused(II, "ItemID"):
        expression = shop.filter("INCLUDE ActionID WHERE Actions.VALUE > 1")
        runtime.get_recommendations(campaignArn=popular, userId="u", filterArn=expression)


def test_put_actions_is_refused(shop):
    events = shop.server.events

    def put(count=1, action="x", **more):
        events.put_actions(datasetArn=shop.actions, actions=[{"actionId": action, **more}] * count)

    put(10, properties="{}")
    with refused(II):
        put(11)
    assert shop.server.rest("/actions", {"datasetArn": shop.actions, "actions": []}).code == II
    with refused(II):
        put(action="x" * 257)
    with refused(II, "NUL"):
        put(action="a\0b")
    with refused(II, "VALUE"):
        put(properties='{"value": "much"}')
    with refused(II):
        put(properties="[1]")
    with refused(II):
        put(properties=json.dumps({"kind": "x" * 32001}))
    with refused(II, "not a dataset of type ACTIONS"):
        events.put_actions(datasetArn=shop.users, actions=[{"actionId": "x"}])
    with refused(II, "not a dataset of type ACTIONS"):
        events.put_actions(datasetArn=shop.offers, actions=[{"actionId": "x"}])
    with refused(RNF, status=404):
        events.put_actions(datasetArn=arn("dataset/none/ACTIONS"), actions=[{"actionId": "x"}])
    with refused(II, "not a dataset of type ITEMS"):
        events.put_items(datasetArn=shop.actions, items=[{"itemId": "x"}])


def test_put_action_interactions_is_refused(shop):
    events, user = shop.server.events, unique("user")
    good = {"actionId": "cold", "userId": user, "sessionId": "s", "timestamp": NOW, "eventType": "Viewed"}

    def put(*list_, tracking_id=shop.tracking_id, **more):
        events.put_action_interactions(trackingId=tracking_id, actionInteractions=list_ or [{**good, **more}])

    for missing in (str(uuid.uuid4()), shop.tracker, shop.offers):
        with refused(RNF, status=404):
            put(tracking_id=missing)
    for more in [
        {"eventType": "Click"},
        {"eventType": "Taken!"},
        {"actionId": "a\0"},
        {"userId": "u" * 257},
        {"properties": '{"userId": "x"}'},
        {"properties": '{"EVENTTYPE": "x"}'},
        {"properties": "3"},
        {"properties": json.dumps({"channel": "x" * 1020})},
        {"impression": ["x"] * 26},
        {"recommendationId": "r" * 41},
        {"eventId": "e\0"},
    ]:
        with refused(II):
            put(**more)
    with refused(II):
        put(*[good] * 11)
    with refused(II, "Click"):
        put(good, {**good, "eventType": "Click"})
    assert shop.kept(user, 'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("*")') == set(), "all or nothing"
    put(*[{**good, "eventId": f"e{n}"} for n in range(10)])
    assert shop.kept(user, 'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("*")') == {"cold"}
    with refused(II):
        events.put_events(
            trackingId=shop.tracking_id, sessionId="s", eventList=[{"eventType": "x", "itemId": "i", "sentAt": NOW}]
        )


# --- resources


def test_the_datasets_of_a_group(shop):
    control = shop.server.control
    described = control.describe_dataset(datasetArn=shop.offers)["dataset"]
    assert described["datasetType"] == "ACTION_INTERACTIONS" and described["status"] == "ACTIVE"
    assert described["datasetArn"].endswith("/ACTION_INTERACTIONS") and uuid.UUID(described["trackingId"])
    assert "trackingId" not in control.describe_dataset(datasetArn=shop.actions)["dataset"]
    domain = control.create_dataset_group(name=unique("group"), domain="ECOMMERCE")["datasetGroupArn"]
    for kind, body in (("ACTIONS", ACTIONS), ("ACTION_INTERACTIONS", ACTION_INTERACTIONS)):
        with refused(II):
            new_dataset(shop.server, domain, kind, body)
        with refused("ResourceAlreadyExistsException"):
            new_dataset(shop.server, shop.group, kind, body)
    with refused(II, "does not match"):
        new_dataset(shop.server, new_group(shop.server), "ACTIONS", ACTION_INTERACTIONS)


def test_an_import_that_fails_says_why(shop):
    bad = csv_text(["ACTION_ID", "VALUE"], [("x", "much")])
    assert import_text(shop.server, shop.actions, bad)["status"] == "CREATE FAILED"
    bad = csv_text([f["name"] for f in ACTION_INTERACTIONS["fields"]], [("u", "x", "Taken", "soon", "", "")])
    job = import_text(shop.server, shop.offers, bad)
    assert job["status"] == "CREATE FAILED" and job["failureReason"]
    assert shop.scores("drama-fan-3"), "what was there stays"


def test_incremental_imports_count_at_once(shop):
    user = unique("user")
    rows = csv_text([f["name"] for f in ACTION_INTERACTIONS["fields"]], [(user, "cold", "Viewed", NOW, "", "")])
    load(shop.server, shop.offers, rows, "INCREMENTAL")
    seen = 'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("*")'
    assert shop.kept(user, seen) == {"cold"}
    row = csv_text([f["name"] for f in ACTIONS["fields"]], [("cold", "travel", 1, NOW - DAY, "", "")])
    load(shop.server, shop.actions, row, "INCREMENTAL")
    assert "cold" not in shop.scores(user)
    shop.put_action("cold", kind="travel", value=1)
    assert "cold" in shop.scores(user), "the newest arrival wins"


def test_metrics(shop):
    metrics = shop.server.control.get_solution_metrics(solutionVersionArn=shop.version)["metrics"]
    assert set(metrics) == {
        "coverage",
        "precision",
        "recall",
        "auc",
        "normalized_discounted_cumulative_gain_at_5",
        "normalized_discounted_cumulative_gain_at_10",
        "normalized_discounted_cumulative_gain_at_25",
    }
    assert all(0 <= value <= 1 and not math.isnan(value) for value in metrics.values())
    assert metrics["auc"] > 0.7, metrics


def test_campaign_config(shop):
    control = shop.server.control
    for config in (
        {"itemExplorationConfig": {"explorationWeight": "0.3"}},
        {"enableMetadataWithRecommendations": True},
        {"rankingInfluence": {"POPULARITY": 0.5}},
    ):
        with refused(II, "is not supported by recipe"):
            control.create_campaign(name=unique("c"), solutionVersionArn=shop.version, campaignConfig=config)
        with refused(II, "is not supported by recipe"):
            control.update_campaign(campaignArn=shop.campaign, campaignConfig=config)
    latest = {"syncWithLatestSolutionVersion": True}
    created = new_campaign(shop.server, shop.solution + "/$LATEST", campaignConfig=latest)
    assert control.describe_campaign(campaignArn=created)["campaign"]["campaignConfig"] == latest
    control.update_campaign(campaignArn=created, minProvisionedTPS=2)
    control.delete_campaign(campaignArn=created)
    with refused(RNF, status=404):
        shop.server.runtime.get_action_recommendations(campaignArn=created, userId="u")


def test_solution_config(shop):
    def create(**config):
        return new_solution(shop.server, shop.group, NBA, solutionConfig=config)

    create(featureTransformationParameters={"action_optimization_period": "7"})
    for period in ("6", "29", "1.5", "x"):
        with refused(II, "action_optimization_period"):
            create(featureTransformationParameters={"action_optimization_period": period})
    create(trainingDataConfig={"excludedDatasetColumns": {"ACTIONS": ["PRICE_LEVEL"], "ACTION_INTERACTIONS": ["CHANNEL"]}})
    for kind, column in (("ACTIONS", "ACTION_ID"), ("ACTION_INTERACTIONS", "EVENT_TYPE")):
        with refused(II, column):
            create(trainingDataConfig={"excludedDatasetColumns": {kind: [column]}})
    for option in ({"optimizationObjective": {"itemAttribute": "X"}}, {"hpoConfig": {}}):
        with refused(II, "is not supported by recipe"):
            create(**option)


def test_a_group_without_actions_cannot_train(shop):
    group = new_group(shop.server)
    load(shop.server, new_dataset(shop.server, group, "INTERACTIONS", INTERACTIONS), watched_csv())
    solution = new_solution(shop.server, group, NBA)
    version = shop.server.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    described = finish_version(shop.server, version)
    assert described["status"] == "CREATE FAILED" and "Actions dataset" in described["failureReason"]


def test_without_action_interactions_all_scores_are_zero(shop):
    group = new_group(shop.server)
    load(shop.server, new_dataset(shop.server, group, "INTERACTIONS", INTERACTIONS), watched_csv())
    actions = new_dataset(shop.server, group, "ACTIONS", ACTIONS)
    records = [{"actionId": f"a{v}", "properties": json.dumps({"value": v})} for v in (3, 9, 1)]
    shop.server.events.put_actions(datasetArn=actions, actions=records)
    campaign = new_campaign(shop.server, new_version(shop.server, new_solution(shop.server, group, NBA)))
    answers = [
        shop.server.runtime.get_action_recommendations(campaignArn=campaign, userId=user)["actionList"]
        for user in ("drama-fan-1", "nobody")
    ]
    assert answers[0] == answers[1] == [{"actionId": f"a{v}", "score": 0.0} for v in (9, 3, 1)]


def test_a_deleted_dataset_takes_its_data_and_targets_along(shop):
    control, events = shop.server.control, shop.server.events
    group = new_group(shop.server)
    actions = new_dataset(shop.server, group, "ACTIONS", ACTIONS)
    offers = new_dataset(shop.server, group, "ACTION_INTERACTIONS", ACTION_INTERACTIONS)
    tracking_id = control.describe_dataset(datasetArn=offers)["dataset"]["trackingId"]
    event = {"actionId": "a", "sessionId": "s", "timestamp": NOW, "eventType": "Taken", "userId": "u"}
    events.put_action_interactions(trackingId=tracking_id, actionInteractions=[event])
    events.put_actions(datasetArn=actions, actions=[{"actionId": "a", "properties": '{"value": 3}'}])
    control.delete_dataset(datasetArn=offers)
    control.delete_dataset(datasetArn=actions)
    with refused(RNF, status=404):
        events.put_action_interactions(trackingId=tracking_id, actionInteractions=[event])
    with refused(RNF, status=404):
        events.put_actions(datasetArn=actions, actions=[{"actionId": "a"}])
    again = new_dataset(shop.server, group, "ACTION_INTERACTIONS", ACTION_INTERACTIONS)
    assert control.describe_dataset(datasetArn=again)["dataset"]["trackingId"] != tracking_id
    control.delete_dataset(datasetArn=again)
    control.delete_dataset_group(datasetGroupArn=group)


# --- time


def test_automatic_updates_take_new_actions_in(tmp_path_factory, shop):
    """A new action can be recommended after the next update, without a new version."""
    new = unique("fresh")
    shop.put_action(new, kind="film", value=2)
    assert new not in shop.scores("drama-fan-1")
    server = shop.server
    before = server.control.get_solution_metrics(solutionVersionArn=shop.version)["metrics"]
    server.stop()
    server.options = ("--auto-update", "1")
    server.start()
    try:
        wait_for(lambda: shop.scores("drama-fan-1"), lambda scores: new in scores, limit=120, pause=0.2)
    finally:
        server.stop()
        server.options = ("--auto-update", "1000000")
        server.start()
    assert shop.scores("drama-fan-1")[new] == 0
    versions = server.control.list_solution_versions(solutionArn=shop.solution)["solutionVersions"]
    assert len(versions) == 1 and server.control.get_solution_metrics(solutionVersionArn=shop.version)["metrics"] == before
    shop.put_action(new, expirationTimestamp=1)


def test_a_crash_loses_nothing(shop):
    user = unique("user")
    seen = 'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("*")'
    shop.act(user, "offer-drama", "Viewed")
    shop.put_action("cold", kind="travel|kept", value=1)
    before = {u: shop.scores(u) for u in (user, "drama-fan-3", "comedy-fan-9")}
    shop.server.kill()
    shop.server.start()
    after = {u: shop.scores(u) for u in before}
    for u in before:
        assert after[u].keys() == before[u].keys()
        assert all(math.isclose(after[u][a], before[u][a], abs_tol=1e-3) for a in before[u]), u
    assert shop.kept(user, seen) == {"offer-drama"}
    assert shop.kept(user, 'INCLUDE ActionID WHERE Actions.KIND IN ("kept")') == {"cold"}
    shop.act(user, "national", "Viewed")
    assert shop.kept(user, seen) == {"offer-drama", "national"}
