"""Recommendations over clustered data: what an event, a record or a filter changes, and how soon: at once."""
import collections
import json
import random
import time
import uuid

import pytest
from harness import (
    CLUSTERS,
    ITEMS_PER_CLUSTER,
    TIME_0,
    Server,
    World,
    arn,
    cluster_of,
    csv_text,
    interactions_csv,
    item_id,
    load,
    new_campaign,
    new_dataset,
    new_filter,
    new_group,
    new_solution,
    new_version,
    refused,
    unique,
)

II = "InvalidInputException"
RNF = "ResourceNotFoundException"
ALL_ITEMS = {item_id(cluster, number) for cluster in CLUSTERS for number in range(ITEMS_PER_CLUSTER)}
POPULAR, SIMS, UP, RANKING = "aws-popularity-count", "aws-sims", "aws-user-personalization", "aws-personalized-ranking"


def count_of(items, cluster):
    return len([item for item in items if cluster_of(item) == cluster])


def watched(cluster, numbers=range(8)):
    return [item_id(cluster, number) for number in numbers]


# --- shape of an answer


def test_the_shape_of_recommendations(server, world):
    answer = server.runtime.get_recommendations(campaignArn=world.campaign(), userId="drama-fan-1")
    assert len(answer["itemList"]) == 25, "25 is the default"
    rid = answer["recommendationId"]
    assert rid.startswith("RID-") and len(rid) == 40, rid
    assert server.runtime.get_recommendations(campaignArn=world.campaign(), userId="drama-fan-1")["recommendationId"] != rid
    scores = [item["score"] for item in answer["itemList"]]
    assert scores == sorted(scores, reverse=True) and all(0 <= s <= 1 and round(s, 7) == s for s in scores)
    assert all(set(item) == {"itemId", "score"} for item in answer["itemList"])
    ids = [item["itemId"] for item in answer["itemList"]]
    assert len(set(ids)) == 25 and set(ids) <= ALL_ITEMS


@pytest.mark.parametrize("count", [0, 1, 7, 72, 500])
@pytest.mark.parametrize("recipe", [UP, POPULAR])
def test_num_results(world, recipe, count):
    assert len(world.items(world.campaign(recipe), userId="u", numResults=count)) == min(count, len(ALL_ITEMS))


def test_all_scores_sum_to_one(server, world):
    answer = server.runtime.get_recommendations(campaignArn=world.campaign(), userId="drama-fan-1", numResults=500)
    assert sum(item["score"] for item in answer["itemList"]) == pytest.approx(1, abs=1e-4)


def test_num_results_out_of_range(world):
    for count in (501, 10**9):
        with refused(II, "500"):
            world.items(userId="u", numResults=count)
    answer = world.server.rest("/recommendations", {"campaignArn": world.campaign(), "userId": "u", "numResults": -1})
    assert (answer.status, answer.code) == (400, II), answer


def test_popularity_is_unique_users_and_the_same_for_all(server):
    world = World(server)  # nobody else's events
    campaign = world.campaign(POPULAR)
    items = world.items(campaign, userId="drama-fan-1", numResults=72)
    assert items == world.items(campaign, userId="western-fan-1", numResults=72)
    pairs = {tuple(line.split(",")[:2]) for line in interactions_csv().splitlines()[1:]}
    users = collections.Counter(item for _, item in pairs)
    assert [users[item] for item in items] == sorted(users.values(), reverse=True)
    answer = server.runtime.get_recommendations(campaignArn=campaign, userId="x", numResults=3)
    assert all(set(item) == {"itemId"} for item in answer["itemList"]), "no scores"


def test_sims_finds_the_items_of_the_cluster(server, world):
    campaign = world.campaign(SIMS)
    for cluster in CLUSTERS:
        items = world.items(campaign, itemId=item_id(cluster, 5), numResults=8)
        assert count_of(items, cluster) >= 6 and item_id(cluster, 5) not in items, items
    answer = server.runtime.get_recommendations(campaignArn=campaign, itemId=item_id("drama", 2), numResults=3)
    assert all("score" not in item for item in answer["itemList"])
    unknown = world.items(campaign, itemId="nobody-knows", numResults=8)
    assert count_of(unknown, "horror") >= 4, "an unknown item: what is popular"


def test_personalization_knows_its_users(world):
    for cluster in CLUSTERS:
        items = world.items(userId=f"{cluster}-fan-2", numResults=10)
        assert count_of(items, cluster) >= 6, (cluster, items)


def test_an_unknown_user_gets_something_popular(world):
    assert count_of(world.items(userId="nobody-" + unique("x"), numResults=10), "horror") >= 3


# --- events


def test_an_event_changes_the_very_next_answer(world):
    user = unique("new-user")
    before = world.items(userId=user, numResults=10)
    for number in range(5):
        world.put(user, [item_id("western", number)], session=unique("s"))
        now = world.items(userId=user, numResults=10)
        assert now != before, "each event counts"
        before = now
    assert count_of(now, "western") >= 6, now


def test_events_move_a_known_user(world):
    user = "comedy-fan-5"
    assert count_of(world.items(userId=user, numResults=10), "family") <= 3
    world.put(user, watched("family"))
    assert count_of(world.items(userId=user, numResults=10), "family") >= 6


def test_an_anonymous_session(world):
    session = unique("session")
    world.put(None, watched("action"), session=session)
    assert count_of(world.items(userId=session, numResults=10), "action") >= 6


def test_a_session_joins_its_user(world):
    """Before login the events are the session's; one event with both makes them the user's."""
    session, user = unique("session"), unique("user")
    world.put(None, watched("drama"), session=session)
    assert count_of(world.items(userId=user, numResults=10), "drama") <= 4
    world.put(user, [item_id("drama", 9)], session=session)
    assert count_of(world.items(userId=user, numResults=10), "drama") >= 6


def test_events_of_one_user_leave_others_alone(world):
    user, other = unique("user"), unique("other")
    before = world.items(userId=other, numResults=20)
    world.put(user, watched("family"))
    assert world.items(userId=other, numResults=20) == before


def test_events_on_items_nobody_knows_are_taken(small):
    user = unique("user")
    small.put(user, ["brand-new-item"])
    assert len(small.items(userId=user, numResults=10)) == 10
    seen = small.filter("INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)")
    assert set(small.items(userId=user, filterArn=seen)) <= {"brand-new-item"}


def test_an_event_id_counts_once(server, world):
    """The second event with the id is dropped, though its content differs: the filter sees only the first."""
    user, event = unique("user"), str(uuid.uuid4())
    for item in (item_id("drama", 0), item_id("drama", 1)):
        server.events.put_events(
            trackingId=world.tracking_id,
            userId=user,
            sessionId="s",
            eventList=[{"eventId": event, "eventType": "view", "itemId": item, "sentAt": int(time.time())}],
        )
    seen = world.items(
        userId=user, numResults=72, filterArn=world.filter('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")')
    )
    assert seen == [item_id("drama", 0)]


def test_item_id_may_be_a_property(server, world):
    user = unique("user")
    for properties in ('{"itemId":"drama-00"}', json.dumps('{"itemId":"drama-01"}'), json.dumps({"ITEM_ID": "drama-02"})):
        server.events.put_events(
            trackingId=world.tracking_id,
            userId=user,
            sessionId="s",
            eventList=[{"eventType": "view", "properties": properties, "sentAt": int(time.time())}],
        )
    bare = {"eventType": "view", "properties": {"itemId": "drama-03"}, "sentAt": 1.7e9}
    body = {"trackingId": world.tracking_id, "userId": user, "sessionId": "s", "eventList": [bare]}
    assert server.rest("/events", body).status == 200, "a bare object"
    seen = world.items(
        userId=user, numResults=72, filterArn=world.filter('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")')
    )
    assert set(seen) == {"drama-00", "drama-01", "drama-02", "drama-03"}


@pytest.mark.parametrize("when", [1_700_000_000, 1.7e9, 1700000000.5, "2023-11-14T22:13:20Z", "1700000000"])
def test_forms_of_sent_at(server, world, when):
    event = {"eventType": "view", "itemId": "drama-00", "sentAt": when}
    body = {"trackingId": world.tracking_id, "userId": unique("u"), "sessionId": "s", "eventList": [event]}
    answer = server.rest("/events", body)
    assert (answer.status, answer.body) == (200, b""), answer


def event(**change):
    made = {"eventType": "view", "itemId": "drama-00", "sentAt": 1_700_000_000, **change}
    return {name: value for name, value in made.items() if value is not None}


BAD_EVENTS = {
    "no event type": event(eventType=None),
    "empty event type": event(eventType=""),
    "no time": event(sentAt=None),
    "no item": event(itemId=None),
    "an item of 257": event(itemId="x" * 257),
    "an event id of 257": event(eventId="x" * 257),
    "properties that are no object": event(properties="[1]"),
    "properties that are no JSON": event(properties="{itemId"),
    "properties of 1025": event(properties='{"a":"%s"}' % ("x" * 1018)),
    "a forbidden property": event(properties='{"userId":"u"}'),
    "a forbidden property in capitals": event(properties='{"TIMESTAMP":1}'),
    "a value that is no number": event(properties='{"eventValue":"high"}'),
    "an empty impression": event(impression=[]),
    "an impression of 26": event(impression=[f"i{n}" for n in range(26)]),
    "a recommendation id of 41": event(recommendationId="R" * 41),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_bad_events(server, world, name):
    """One bad event refuses the request as a whole."""
    user = unique("user")
    body = {"trackingId": world.tracking_id, "userId": user, "sessionId": "s", "eventList": [event(), BAD_EVENTS[name]]}
    answer = server.rest("/events", body)
    assert (answer.status, answer.code) == (400, II), answer
    seen = world.items(userId=user, filterArn=world.filter('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")'))
    assert seen == []


def test_bad_requests_of_events(server, world):
    good = {"trackingId": world.tracking_id, "userId": "u", "sessionId": "s", "eventList": [event()]}
    for change in (
        {"eventList": []},
        {"eventList": [event()] * 11},
        {"trackingId": str(uuid.uuid4())},
        {"trackingId": ""},
        {"sessionId": ""},
        {"userId": "x" * 257},
    ):
        answer = server.rest("/events", {**good, **change})
        assert (answer.status, answer.code) == (400, II), (change, answer)


def test_everything_an_event_may_carry(server, world):
    shown = server.runtime.get_recommendations(campaignArn=world.campaign(), userId="u")["recommendationId"]
    full = event(
        eventId=str(uuid.uuid4()),
        eventValue=4.5,
        properties='{"device":"phone|web","unknownToTheSchema":1}',
        recommendationId=shown,
        impression=["drama-00", "drama-01"],
        metricAttribution={"eventAttributionSource": "newsletter"},
    )
    body = {"trackingId": world.tracking_id, "userId": unique("u"), "sessionId": "s", "eventList": [full] * 10}
    assert server.rest("/events", body).status == 200


# --- records


@pytest.fixture
def small(server):
    """A group of its own, so that items and users can be changed freely."""
    return World(server)


def put_item(world, item, **properties):
    properties.setdefault("creationTimestamp", TIME_0)
    world.server.events.put_items(
        datasetArn=world.datasets["ITEMS"], items=[{"itemId": item, "properties": json.dumps(properties)}]
    )


def test_put_items_changes_filters_at_once(small):
    by_owner = small.filter("INCLUDE ItemID WHERE Items.OWNER IN ($O)")
    campaign = small.campaign(POPULAR)
    ask = lambda owner: set(small.items(campaign, userId="u", filterArn=by_owner, filterValues={"O": f'"{owner}"'}))  # noqa: E731
    assert ask("nobody") == set()
    put_item(small, "drama-05", owner="nobody", genres="drama")
    assert ask("nobody") == {"drama-05"}
    put_item(small, "drama-05", genres="drama")
    assert ask("nobody") == set(), "a record is replaced as a whole"
    put_item(small, "drama-06", OWNER="nobody")
    assert ask("nobody") == {"drama-06"}, "names match without regard to case and underscores"


def test_put_users_changes_current_user_at_once(small):
    adults = small.filter('EXCLUDE ItemID WHERE Items.GENRES IN ("horror") IF CurrentUser.AGE < 18')
    campaign = small.campaign(POPULAR)
    user = unique("user")
    ask = lambda: count_of(small.items(campaign, userId=user, filterArn=adults, numResults=72), "horror")  # noqa: E731
    assert ask() == ITEMS_PER_CLUSTER, "an unknown user: the condition does not hold"
    for age, left in ((12, 0), (18, ITEMS_PER_CLUSTER), (17, 0)):
        small.server.events.put_users(
            datasetArn=small.datasets["USERS"], users=[{"userId": user, "properties": json.dumps({"age": age})}]
        )
        assert ask() == left, age


def test_bad_records(server, world):
    items, users = world.datasets["ITEMS"], world.datasets["USERS"]
    good = {"itemId": "i", "properties": '{"creationTimestamp":5}'}
    cases = [
        ("/items", {"datasetArn": items, "items": []}),
        ("/items", {"datasetArn": items, "items": [good] * 11}),
        ("/items", {"datasetArn": items, "items": [{"itemId": ""}]}),
        ("/items", {"datasetArn": items, "items": [{"itemId": "x" * 257, "properties": good["properties"]}]}),
        ("/items", {"datasetArn": items, "items": [{"itemId": "i", "properties": "nonsense"}]}),
        ("/items", {"datasetArn": items, "items": [{"itemId": "i", "properties": '{"year":"old","creationTimestamp":5}'}]}),
        ("/items", {"datasetArn": items, "items": [{"itemId": "i", "properties": '{"year":1.5,"creationTimestamp":5}'}]}),
        ("/items", {"datasetArn": items, "items": [{"itemId": "i", "properties": '{"genres":["a"],"creationTimestamp":5}'}]}),
        ("/items", {"datasetArn": items, "items": [{"itemId": "i", "properties": '{"genres":"a"}'}]}),
        ("/items", {"datasetArn": users, "items": [good]}),
        ("/users", {"datasetArn": items, "users": [{"userId": "u"}]}),
        ("/users", {"datasetArn": users, "users": [{"userId": "u", "properties": '{"a":"%s"}' % ("x" * 24000)}]}),
    ]
    for path, body in cases:
        answer = server.rest(path, body)
        assert (answer.status, answer.code) == (400, II), (body, answer)


# --- filters

EVEN = {item_id(c, n) for c in CLUSTERS for n in range(0, ITEMS_PER_CLUSTER, 2)}


def where(predicate):
    return {item_id(c, n) for c in CLUSTERS for n in range(ITEMS_PER_CLUSTER) if predicate(c, n)}


FILTERS = [
    ('INCLUDE ItemID WHERE Items.GENRES IN ("drama")', {}, where(lambda c, n: c == "drama")),
    ("include itemid where items.genres in ('drama', 'comedy')", {}, where(lambda c, n: c in ("drama", "comedy"))),
    ('EXCLUDE ItemID WHERE Items.GENRES IN ("even")', {}, ALL_ITEMS - EVEN),
    ('INCLUDE ItemID WHERE Items.GENRES NOT IN ("even", "drama")', {}, where(lambda c, n: n % 2 and c != "drama")),
    ('INCLUDE ItemID WHERE Items.GENRES = "even"', {}, EVEN),
    ("INCLUDE ItemID WHERE Items.YEAR >= 1985 AND Items.YEAR < 1988", {}, where(lambda c, n: 5 <= n < 8)),
    ("INCLUDE ItemID WHERE Items.YEAR = 1980 OR Items.YEAR = 1991", {}, where(lambda c, n: n in (0, 11))),
    ('INCLUDE ItemID WHERE Items.YEAR = 1980 OR Items.YEAR = 1981 AND Items.GENRES IN ("drama")', {},
     where(lambda c, n: n == 0 or n == 1 and c == "drama")),
    ("INCLUDE ItemID WHERE Items.PRICE <= 21.0", {}, where(lambda c, n: n < 2)),
    ("EXCLUDE ItemID WHERE Items.YEAR != 1980", {}, where(lambda c, n: n == 0)),
    ('INCLUDE ItemID WHERE Items.OWNER = "in-house"', {}, where(lambda c, n: n < 3)),
    ('INCLUDE ItemID WHERE Items.OWNER = "In-House"', {}, set()),
    ('INCLUDE ItemID WHERE Items.GENRES IN ("drama") | INCLUDE ItemID WHERE Items.YEAR = 1980 | '
     'EXCLUDE ItemID WHERE Items.GENRES IN ("horror")', {}, where(lambda c, n: c == "drama" or n == 0 and c != "horror")),
    ("INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP < $T", {"T": str(TIME_0)}, ALL_ITEMS),
    ("INCLUDE ItemID WHERE Items.GENRES IN ($G)", {"G": '"drama","western"'}, where(lambda c, n: c in ("drama", "western"))),
    ("INCLUDE ItemID WHERE Items.GENRES IN ($G)", {"G": "drama, western"}, where(lambda c, n: c in ("drama", "western"))),
    ("INCLUDE ItemID WHERE Items.YEAR >= $Y AND Items.PRICE <= $P", {"Y": '"1983"', "P": "52.5"}, where(lambda c, n: 3 <= n < 5)),
    ("EXCLUDE ItemID WHERE Items.YEAR >= $Y", {"Y": "1981"}, where(lambda c, n: n == 0)),
    ("EXCLUDE ItemID WHERE Items.YEAR >= $Y", {}, ALL_ITEMS),
    ('INCLUDE ItemID WHERE Items.GENRES IN ("drama") IF CurrentUser.AGE >= 20', {}, where(lambda c, n: c == "drama")),
    ('INCLUDE ItemID WHERE Items.GENRES IN ("drama") IF CurrentUser.AGE > 99', {}, ALL_ITEMS),
    ('EXCLUDE ItemID WHERE Items.GENRES IN ("drama") IF CurrentUser.COUNTRY IN ($C) AND CurrentUser.AGE < 99', {"C": '"KR"'},
     ALL_ITEMS - where(lambda c, n: c == "drama")),
]  # fmt: skip


@pytest.mark.parametrize("expression,values,expected", FILTERS, ids=range(len(FILTERS)))
@pytest.mark.parametrize("recipe", [UP, POPULAR])
def test_filters(world, recipe, expression, values, expected):
    """drama-fan-9 is 24 and from KR."""
    got = world.items(
        world.campaign(recipe), userId="drama-fan-9", numResults=500, filterArn=world.filter(expression), filterValues=values
    )
    assert set(got) == expected and len(got) == len(expected)


def test_filters_go_before_the_cut(world):
    got = world.items(
        userId="drama-fan-3", numResults=5, filterArn=world.filter('INCLUDE ItemID WHERE Items.GENRES IN ("western")')
    )
    assert len(got) == 5 and count_of(got, "western") == 5


def test_filters_of_events(world):
    user = unique("user")
    world.put(user, ["drama-00", "drama-01"], "view")
    world.put(user, ["drama-01", "drama-02"], "BUY")
    ask = lambda text, **more: set(world.items(userId=user, numResults=72, filterArn=world.filter(text), **more))  # noqa: E731
    assert ask('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")') == {"drama-00", "drama-01", "drama-02"}
    assert ask("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)") == ALL_ITEMS - {"drama-00", "drama-01", "drama-02"}
    assert ask('INCLUDE ItemID WHERE Interactions.event_type IN ("buy")') == {"drama-01", "drama-02"}, "types ignore case"
    assert ask('INCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("buy","never")') == ALL_ITEMS - {"drama-01", "drama-02"}
    assert ask('INCLUDE ItemID WHERE Interactions.EVENT_TYPE = "view"') == {"drama-00", "drama-01"}
    assert ask("INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($E)", filterValues={"E": '"buy","view"'}) == {
        "drama-00", "drama-01", "drama-02",
    }  # fmt: skip
    assert ask('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("never")') == set()


def test_filters_know_imported_events(world):
    bought = set(
        world.items(
            userId="drama-fan-1", numResults=72, filterArn=world.filter('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')
        )
    )
    assert 3 <= len(bought) <= 14 and count_of(bought, "drama") >= 3


def test_current_item(world):
    ask = lambda text, item: set(  # noqa: E731
        world.items(world.campaign(SIMS), itemId=item, numResults=72, filterArn=world.filter(text))
    )
    assert ask("INCLUDE ItemID WHERE Items.GENRES IN CurrentItem.GENRES", "drama-01") <= where(lambda c, n: c == "drama")
    got = ask("INCLUDE ItemID WHERE Items.YEAR < CurrentItem.YEAR", "drama-03")
    assert got and got <= where(lambda c, n: n < 3)


BAD_EXPRESSIONS = [
    'INCLUDE ItemID WHERE Items.DESCRIPTION IN ("x")',
    'INCLUDE ItemID WHERE Interactions.DEVICE IN ("x")',
    'INCLUDE ItemID WHERE Items.NO_SUCH_FIELD IN ("x")',
    'INCLUDE ItemID WHERE Items.GENRES IN ("x"',
    'INCLUDE ItemID WHERE Items.GENRES IN ("x)',
    "INCLUDE ItemID WHERE Items.GENRES IN ()",
    "INCLUDE ItemID WHERE Items.GENRES IN ($A, $B)",
    'INCLUDE ItemID WHERE Items.GENRES IN ($A, "b")',
    "INCLUDE ItemID WHERE Items.GENRES IN (*)",
    "INCLUDE ItemID WHERE Items.YEAR > ",
    "INCLUDE ItemID WHERE Items.YEAR > abc",
    "INCLUDE ItemID Items.YEAR > 5",
    "KEEP ItemID WHERE Items.YEAR > 5",
    "INCLUDE Item WHERE Items.YEAR > 5",
    "INCLUDE ItemID WHERE Items.YEAR > 5 |",
    "INCLUDE ItemID WHERE Items.YEAR > 5 IF",
    'INCLUDE ItemID WHERE Items.YEAR > 5 IF CurrentUser.NO_SUCH = "x"',
    "INCLUDE ItemID WHERE Items.YEAR > 5 IF CurrentUser.AGE > 5 OR CurrentUser.AGE < 9",
    'INCLUDE ItemID WHERE Users.COUNTRY IN ("x")',
    "INCLUDE ItemID WHERE Items.YEAR > 5 garbage",
    "INCLUDE ItemID WHERE",
    "| INCLUDE ItemID WHERE Items.YEAR > 5",
    'INCLUDE UserID WHERE Items.GENRES IN ("x")',
]


@pytest.mark.parametrize("expression", BAD_EXPRESSIONS)
def test_expressions_that_are_refused(server, world, expression):
    with refused(II, "Could not create filter."):
        server.control.create_filter(name=unique("bad"), datasetGroupArn=world.group, filterExpression=expression)


def test_bad_filter_values(world):
    include = world.filter("INCLUDE ItemID WHERE Items.YEAR >= $Y AND Items.GENRES IN ($G)")
    for values, words in (
        ({}, ["Y"]),
        ({"Y": "1980"}, ["G"]),
        ({"y": "1980", "G": '"a"'}, []),
        ({"Y": "old", "G": '"a"'}, ["Y", "old"]),
        ({"Y": "1,2", "G": '"a"'}, ["Y"]),
        ({"Y": "1", "G": '"a'}, ["G"]),
    ):
        with refused(II, *words, status=400):
            world.items(userId="u", filterArn=include, filterValues=values)
    with refused(II):
        world.items(userId="u", filterArn=include, filterValues={"Y": "1", "G": "x" * 1001})


def test_filters_that_are_not_for_here(server, world):
    with refused(RNF, status=404):
        world.items(userId="u", filterArn=arn("filter/absent"))
    with refused(II, status=400):
        world.items(userId="u", filterArn=arn("campaign/absent"))
    users = world.filter('INCLUDE UserID WHERE Users.COUNTRY IN ("KR")')
    with refused(II):
        world.items(userId="u", filterArn=users)
    group = new_group(server)
    new_dataset(server, group, "ITEMS")
    foreign = new_filter(server, group, 'INCLUDE ItemID WHERE Items.GENRES IN ("x")')
    with refused(II):
        world.items(userId="u", filterArn=foreign)
    with refused(II):
        world.items(userId="u", filterValues={"X": "1"})


def test_a_short_answer_says_so(server, world):
    made = world.filter('INCLUDE ItemID WHERE Items.OWNER = "In-House"')
    body = {"campaignArn": world.campaign(), "userId": "u", "filterArn": made}
    answer = server.rest("/recommendations", body)
    assert answer.json["itemList"] == [] and answer.headers["x-ondol-short-of-results"] == "filter"
    del body["filterArn"]
    assert "x-ondol-short-of-results" not in server.rest("/recommendations", body).headers


# --- metadata, promotions


def test_metadata(server, world):
    campaign = world.campaign(UP, enableMetadataWithRecommendations=True)
    answer = server.runtime.get_recommendations(
        campaignArn=campaign, userId="u", numResults=50, metadataColumns={"ITEMS": ["GENRES", "YEAR", "OWNER", "PRICE"]}
    )
    for item in answer["itemList"]:
        cluster, number = item["itemId"].split("-")
        metadata = item["metadata"]
        assert metadata["genres"] == (f"{cluster}|even" if int(number) % 2 == 0 else cluster)
        assert metadata["year"] == str(1980 + int(number)) and float(metadata["price"]) == 10.5 * (int(number) + 1)
        assert metadata["owner"] == ("in-house" if int(number) < 3 else "studio") and len(metadata) == 4
    plain = server.runtime.get_recommendations(campaignArn=campaign, userId="u")
    assert all("metadata" not in item for item in plain["itemList"])


def test_metadata_that_is_refused(server, world):
    enabled = world.campaign(UP, enableMetadataWithRecommendations=True)
    ask = server.runtime.get_recommendations
    with refused(II):
        ask(campaignArn=world.campaign(), userId="u", metadataColumns={"ITEMS": ["GENRES"]})
    for columns in ({"ITEMS": ["NO_SUCH"]}, {"USERS": ["AGE"]}, {"ITEMS": [f"C{n}" for n in range(11)]}):
        with refused(II):
            ask(campaignArn=enabled, userId="u", metadataColumns=columns)
    with refused(II, "50"):
        ask(campaignArn=enabled, userId="u", numResults=51, metadataColumns={"ITEMS": ["GENRES"]})


@pytest.mark.parametrize("percent,expected", [(50, 10), (10, 2), (1, 1), (100, 20), (33, 6)])
def test_promotions(server, world, percent, expected):
    promoted = world.filter('INCLUDE ItemID WHERE Items.GENRES IN ("western") | INCLUDE ItemID WHERE Items.GENRES IN ("action")')
    answer = server.runtime.get_recommendations(
        campaignArn=world.campaign(),
        userId="drama-fan-3",
        numResults=20,
        promotions=[{"name": "summer", "percentPromotedItems": percent, "filterArn": promoted}],
    )["itemList"]
    assert len(answer) == 20 and len({item["itemId"] for item in answer}) == 20
    named = [item for item in answer if "promotionName" in item]
    assert len(named) == expected and {item["promotionName"] for item in named} == {"summer"}
    assert {cluster_of(item["itemId"]) for item in named} <= {"western", "action"}
    for part in (named, [item for item in answer if "promotionName" not in item]):
        scores = [item["score"] for item in part]
        assert scores == sorted(scores, reverse=True)


def test_promotion_and_filter_each_for_its_part(server, world):
    only = lambda genre: world.filter(f'INCLUDE ItemID WHERE Items.GENRES IN ("{genre}")')  # noqa: E731
    answer = server.runtime.get_recommendations(
        campaignArn=world.campaign(),
        userId="u",
        numResults=10,
        filterArn=only("drama"),
        promotions=[{"name": "p", "percentPromotedItems": 30, "filterArn": only("western")}],
    )["itemList"]
    assert sorted(cluster_of(item["itemId"]) for item in answer) == ["drama"] * 7 + ["western"] * 3
    assert all(("promotionName" in item) == (cluster_of(item["itemId"]) == "western") for item in answer)


def test_promotions_move_about(server, world):
    promoted = world.filter('INCLUDE ItemID WHERE Items.GENRES IN ("western")')
    places = set()
    for _ in range(12):
        answer = server.runtime.get_recommendations(
            campaignArn=world.campaign(),
            userId="drama-fan-3",
            numResults=20,
            promotions=[{"name": "p", "percentPromotedItems": 5, "filterArn": promoted}],
        )["itemList"]
        places.add([i for i, item in enumerate(answer) if "promotionName" in item][0])
    assert len(places) > 1, "promoted items sit at random positions"


def test_promotions_that_are_refused(server, world):
    good = {"name": "p", "percentPromotedItems": 10, "filterArn": world.filter('INCLUDE ItemID WHERE Items.GENRES IN ("drama")')}
    for promotions in (
        [good, good],
        [{**good, "percentPromotedItems": 0}],
        [{**good, "percentPromotedItems": 101}],
        [{k: v for k, v in good.items() if k != "filterArn"}],
        [{k: v for k, v in good.items() if k != "percentPromotedItems"}],
    ):
        body = {"campaignArn": world.campaign(), "userId": "u", "promotions": promotions}
        answer = server.rest("/recommendations", body)
        assert (answer.status, answer.code) == (400, II), (promotions, answer)


# --- ranking


def test_ranking(server):
    world = World(server)  # nobody else's events
    given = ["western-00", "unknown-b", "drama-03", "comedy-01", "unknown-a", "drama-00", "drama-03"]
    answer = server.runtime.get_personalized_ranking(
        campaignArn=world.campaign(RANKING), userId="drama-fan-4", inputList=given
    )
    ranked = answer["personalizedRanking"]
    assert [item["itemId"] for item in ranked[4:]] == ["unknown-b", "unknown-a"], "unknown items last, in their order"
    assert all("score" not in item for item in ranked[4:])
    assert {item["itemId"] for item in ranked[:4]} == {"western-00", "drama-03", "comedy-01", "drama-00"}
    assert {item["itemId"] for item in ranked[:2]} == {"drama-00", "drama-03"}
    scores = [item["score"] for item in ranked[:4]]
    assert scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1, abs=1e-6)
    assert answer["recommendationId"].startswith("RID-")


def test_events_change_a_ranking_at_once(server):
    world = World(server)  # nobody else's events
    user = unique("user")
    given = ["western-05", "drama-05", "family-05"]
    for cluster in ("family", "western"):
        world.put(user, watched(cluster), session=unique("s"), when=int(time.time()) + (10 if cluster == "western" else 0))
        ranked = server.runtime.get_personalized_ranking(
            campaignArn=world.campaign(RANKING), userId=user, inputList=given
        )["personalizedRanking"]
        assert ranked[0]["itemId"] == f"{cluster}-05", ranked


def test_ranking_with_a_filter(server, world):
    ranked = server.runtime.get_personalized_ranking(
        campaignArn=world.campaign(RANKING),
        userId="u",
        inputList=["western-00", "drama-00", "drama-01"],
        filterArn=world.filter("INCLUDE ItemID WHERE Items.GENRES IN ($G)"),
        filterValues={"G": '"drama"'},
    )["personalizedRanking"]
    assert {item["itemId"] for item in ranked} == {"drama-00", "drama-01"}


def test_rankings_that_are_refused(server, world):
    campaign = world.campaign(RANKING)
    for body in (
        {"inputList": []},
        {"inputList": [f"i{n}" for n in range(501)]},
        {"inputList": ["x" * 257]},
        {"inputList": ["drama-00"], "userId": None},
        {"inputList": ["drama-00"], "campaignArn": world.campaign(UP)},
    ):
        answer = server.rest("/personalize-ranking", {"campaignArn": campaign, "userId": "u", **body})
        assert (answer.status, answer.code) == (400, II), (body, answer)
    assert len(
        server.runtime.get_personalized_ranking(campaignArn=campaign, userId="u", inputList=[f"i{n}" for n in range(500)])[
            "personalizedRanking"
        ]
    ) == 500


def test_recommendations_that_are_refused(server, world):
    ask = server.runtime.get_recommendations
    recommender = arn("recommender/r")
    for request in (
        {"userId": "u"},
        {"campaignArn": world.campaign(), "recommenderArn": recommender, "userId": "u"},
        {"campaignArn": world.campaign()},
        {"campaignArn": world.campaign(SIMS)},
        {"campaignArn": world.campaign(RANKING), "userId": "u"},
        {"campaignArn": arn("filter/x"), "userId": "u"},
        {"campaignArn": world.campaign(), "userId": "x" * 257},
    ):
        with refused(II, status=400):
            ask(**request)
    with refused(RNF, arn("campaign/absent"), status=404):
        ask(campaignArn=arn("campaign/absent"), userId="u")


def test_context_is_taken(world):
    got = world.items(userId="drama-fan-3", numResults=5, context={"DEVICE": "phone", "WEATHER": "rain"})
    assert len(got) == 5


def test_context_and_records_speak_of_newcomers(server):
    """Westerns are watched on televisions and in Korea, dramas on telephones and in Germany."""
    group, rng = new_group(server), random.Random(7)
    events, people = [], []
    for u in range(400):
        home, device, country = (("western", "tv", "KR"), ("drama", "phone", "DE"))[u % 2]
        people.append((f"u{u}", 30, country))
        for k in range(5):
            item = item_id(home if rng.random() < 0.8 else rng.choice(CLUSTERS), rng.randrange(ITEMS_PER_CLUSTER))
            events.append((f"u{u}", item, TIME_0 + 600 * u + 60 * k, "view", 1.0, device))
    columns = ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE", "DEVICE"]
    users = new_dataset(server, group, "USERS")
    load(server, new_dataset(server, group), csv_text(columns, events))
    load(server, users, csv_text(["USER_ID", "AGE", "COUNTRY"], people))
    campaign = new_campaign(server, new_version(server, new_solution(server, group)))

    def told(user, **more):
        return server.runtime.get_recommendations(campaignArn=campaign, userId=user, numResults=10, **more)["itemList"]

    for device, country, cluster in (("tv", "KR", "western"), ("phone", "DE", "drama")):
        user = unique("newcomer")
        assert 2 <= count_of([item["itemId"] for item in told(user)], cluster) <= 7
        by_context = told(user, context={"DEVICE": device})
        server.events.put_users(
            datasetArn=users, users=[{"userId": user, "properties": json.dumps({"age": 30, "country": country})}]
        )
        for answer in by_context, told(user):
            assert count_of([item["itemId"] for item in answer], cluster) >= 9, (cluster, answer)


# --- a restart


def test_a_restart_changes_nothing(tmp_path):
    server = Server(tmp_path / "data")
    world = World(server)
    user, session = "the-user", "the-session"
    # Scores know how long ago it was: long enough for a restart to be nothing beside it.
    long_ago = int(time.time()) - 30 * 86400
    world.put(user, watched("western"), session=unique("s"), when=long_ago)
    world.put(None, watched("family"), session=session, when=long_ago)
    put_item(world, "drama-05", owner="nobody", genres="drama")
    seen = world.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")')
    mine = world.filter('INCLUDE ItemID WHERE Items.OWNER = "nobody"')
    campaigns = {recipe: world.campaign(recipe, **config) for recipe, config in (
        (UP, {"itemExplorationConfig": {"explorationWeight": "0"}}), (POPULAR, {}), (SIMS, {}), (RANKING, {}),
    )}  # fmt: skip

    def answers():
        ask = server.runtime.get_recommendations
        rank = server.runtime.get_personalized_ranking
        lists = [
            ask(campaignArn=campaigns[UP], userId=user, numResults=72)["itemList"],
            ask(campaignArn=campaigns[UP], userId=user, numResults=72, filterArn=seen)["itemList"],
            ask(campaignArn=campaigns[UP], userId=session, numResults=72)["itemList"],
            ask(campaignArn=campaigns[UP], userId="drama-fan-1", numResults=72)["itemList"],
            ask(campaignArn=campaigns[POPULAR], userId=user, filterArn=mine)["itemList"],
            ask(campaignArn=campaigns[SIMS], itemId="drama-01")["itemList"],
            rank(campaignArn=campaigns[RANKING], userId=user, inputList=["drama-00", "western-09"])["personalizedRanking"],
        ]
        assert all(lists)
        return [{item["itemId"]: item.get("score", 0) for item in items} for items in lists]

    def same(some, others):
        return [list(answer) for answer in some] == [list(answer) for answer in others] and all(
            a == pytest.approx(b, rel=1e-4, abs=2e-6) for a, b in zip(some, others)
        )

    before = answers()
    server.stop()
    server.start()
    assert same(answers(), before)
    world.put(user, watched("comedy"), session=unique("s"), when=long_ago + 3600)
    after = answers()
    assert not same(after[:1], before[:1]) and same(after[2:3], before[2:3]), "the tracker still works, and only for its user"
    server.kill()
    server.start()
    assert same(answers(), after)
    server.stop()


def test_the_same_campaign_made_twice_answers_the_same(server, world):
    """Nothing of an answer depends on which campaign of a version gives it (exploration apart)."""
    config = {"itemExplorationConfig": {"explorationWeight": "0"}}
    first, second = (new_campaign(server, world.version(UP), campaignConfig=config) for _ in range(2))
    ask = server.runtime.get_recommendations
    assert ask(campaignArn=first, userId="drama-fan-8")["itemList"] == ask(campaignArn=second, userId="drama-fan-8")["itemList"]
