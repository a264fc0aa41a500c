"""Filters beyond AWS's language (docs/filters.md): what they keep, and that --strict refuses them with AWS's words."""
import time

import pytest
from harness import (
    CLUSTERS,
    ITEMS_PER_CLUSTER,
    SCHEMAS,
    Server,
    item_id,
    new_dataset,
    new_group,
    refused,
    unique,
)

II = "InvalidInputException"
DAY = 86400


def where(predicate):
    return {item_id(c, n) for c in CLUSTERS for n in range(ITEMS_PER_CLUSTER) if predicate(c, n)}


ALL_ITEMS = where(lambda c, n: True)
DRAMA = where(lambda c, n: c == "drama")

# expression, its values, the items kept for drama-fan-9 (24, KR), what --strict says
BEYOND = [
    ("EXCLUDE ItemID WHERE Items.GENRES NOT IN ($G)", {"G": '"drama","western"'}, where(lambda c, n: c in ("drama", "western")),
     "Invalid input symbol: $G. Placeholders are not allowed with NOT_IN operator."),
    ("INCLUDE ItemID WHERE Items.IS_NEW = true", {}, where(lambda c, n: n == 0), "Invalid Expression"),
    ('INCLUDE ItemID WHERE Items.IS_NEW IN ("true")', {}, where(lambda c, n: n == 0), "Invalid Expression"),
    ("EXCLUDE ItemID WHERE Items.IS_NEW != $NEW", {"NEW": "TRUE"}, where(lambda c, n: n == 0), "Invalid Expression"),
    ('INCLUDE ItemID WHERE (Items.YEAR = 1980 OR Items.YEAR = 1981) AND Items.GENRES IN ("drama")', {},
     where(lambda c, n: c == "drama" and n < 2), "Invalid Expression"),
    ('INCLUDE ItemID WHERE NOT (Items.YEAR > 1980 OR Items.GENRES IN ("drama"))', {},
     where(lambda c, n: c != "drama" and n == 0), "Invalid Expression"),
    ('INCLUDE ItemID WHERE Items.GENRES IN ("drama") AND CurrentUser.COUNTRY = "KR"', {}, DRAMA, "Invalid Expression"),
    ('INCLUDE ItemID WHERE Items.GENRES IN ("drama") AND CurrentUser.AGE > 99', {}, set(), "Invalid Expression"),
    ('EXCLUDE ItemID WHERE Items.YEAR > 1980 AND NOT Interactions.EVENT_TYPE IN ("never")', {}, where(lambda c, n: n == 0),
     "Invalid Expression"),
    ("INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP > $NOW - 30 DAYS", {}, set(), "Invalid Expression"),
    ("INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP < $NOW - 30 DAYS AND Items.CREATION_TIMESTAMP > $NOW-2000 WEEKS", {},
     ALL_ITEMS, "Invalid Expression"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("never") WITHIN ALL', {}, set(), "Invalid Expression"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("never") WITHIN 3 HOURS', {}, set(), "Invalid Expression"),
]  # fmt: skip


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("strict") / "data", "--strict")
    group = new_group(server)
    for kind in SCHEMAS:
        new_dataset(server, group, kind)
    yield server, group
    server.stop()


def create(server, group, expression):
    made = server.control.create_filter(name=unique("f"), datasetGroupArn=group, filterExpression=expression)
    return made["filterArn"]


@pytest.mark.parametrize("expression,values,expected,words", BEYOND, ids=range(len(BEYOND)))
def test_beyond_aws(world, strict, expression, values, expected, words):
    got = world.items(userId="drama-fan-9", numResults=500, filterArn=world.filter(expression), filterValues=values)
    assert set(got) == expected
    with refused(II, "Could not create filter. " + words):
        create(*strict, expression)


def test_what_aws_accepts_is_accepted_under_strict(strict):
    create(*strict, "INCLUDE ItemID WHERE Items.YEAR > $NOW | EXCLUDE ItemID WHERE Items.GENRES IN ($G) IF CurrentUser.AGE > 3")


def test_events_within_a_time(world):
    user, now = unique("user"), int(time.time())
    world.put(user, ["drama-00"], "book", session=unique("s"), when=now - 40 * DAY)
    world.put(user, ["drama-01"], "book", session=unique("s"), when=now - 20 * DAY)
    world.put(user, ["drama-02"], "view", session=unique("s"), when=now - 60)
    ask = lambda text: set(world.items(userId=user, numResults=72, filterArn=world.filter(text)))  # noqa: E731
    book = 'ItemID WHERE Interactions.EVENT_TYPE IN ("book")'
    assert ask(f"INCLUDE {book} WITHIN 30 DAYS") == {"drama-01"}
    assert ask(f"EXCLUDE {book} WITHIN 30 DAYS") == ALL_ITEMS - {"drama-01"}
    assert ask(f"INCLUDE {book} WITHIN 1000 HOURS") == {"drama-00", "drama-01"}
    assert ask(f"INCLUDE {book} WITHIN 1 DAY OR Items.YEAR = 1980") == where(lambda c, n: n == 0)
    assert ask("INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*) WITHIN 2 MINUTES") == {"drama-02"}


def test_the_whole_history_beyond_the_newest_hundred(world):
    user, now = unique("user"), int(time.time())
    items = ["drama-00"] + [item_id("western", n % ITEMS_PER_CLUSTER) for n in range(110)]
    world.put(user, items, "view", when=now - 1000)
    ask = lambda text: set(world.items(userId=user, numResults=72, filterArn=world.filter(text)))  # noqa: E731
    seen = 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")'
    western = where(lambda c, n: c == "western")
    assert ask(seen) == western
    assert ask(seen + " WITHIN ALL") == western | {"drama-00"}
    assert ask(seen + " WITHIN 1 DAY") == western | {"drama-00"}
