"""Filters beyond AWS (docs/filters.md): what the extended language keeps, that --strict refuses it with AWS's words, and
trying a filter before it serves."""
import json
import subprocess
import time

import pytest
from harness import (
    BINARY,
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


# --- trying a filter


def attempt(server, *options):
    return subprocess.run(
        [BINARY, "filter", "try", "--data", str(server.folder), *options], capture_output=True, text=True, timeout=100
    )


def report(server, *options):
    done = attempt(server, "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_trying_an_expression(server, world):
    text = 'INCLUDE ItemID WHERE Items.GENRES IN ($G) AND Items.YEAR < 1990 | EXCLUDE ItemID WHERE Items.YEAR = 1980'
    got = report(server, "--group", world.group, "--expression", text, 'G="drama","western"')
    assert got["of"] == "items" and got["known"] >= len(ALL_ITEMS), "other tests may have added some"
    assert got["kept"] == 18 and got["inNoInclude"] == got["known"] - 20
    include, exclude = got["expressions"]
    assert include["include"] and include["matches"] == 20
    assert [c["text"] for c in include["conditions"]] == ["Items.GENRES IN ($G)", "Items.YEAR < 1990"]
    assert [c["holds"] for c in include["conditions"]] == [2 * ITEMS_PER_CLUSTER, 10 * len(CLUSTERS)]
    assert not exclude["include"] and exclude["matches"] == len(CLUSTERS) and exclude["drops"] == 2
    assert exclude["text"] == "EXCLUDE ItemID WHERE Items.YEAR = 1980"
    shown = attempt(server, "--group", world.group, "--expression", text, 'G="drama","western"').stdout
    assert "20 included" in shown and "2 dropped" in shown and "18 kept" in shown, shown


def test_trying_a_filter_for_a_user(server, world):
    user = unique("user")
    world.put(user, ["drama-00", "drama-01"], "book")
    arn = world.filter(
        'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("book") | EXCLUDE ItemID WHERE Items.GENRES IN ("drama") IF '
        "CurrentUser.AGE > 20 | EXCLUDE ItemID WHERE Items.YEAR > $Y"
    )
    got = report(server, "--filter", arn, "--user", user)
    assert got["events"] == 2 and got["userHasRecord"] is False and got["kept"] == got["known"] - 2
    assert [e["effect"] for e in got["expressions"]] == ["counts", "its IF does not hold", "a parameter has no value"]
    got = report(server, "--filter", arn, "--user", "drama-fan-9", "Y=1990")
    assert got["userHasRecord"] is True and [e["effect"] for e in got["expressions"]] == ["counts"] * 3
    assert sum(e["drops"] for e in got["expressions"]) == got["known"] - got["kept"]


def test_trying_what_cannot_be_tried(server, world, tmp_path):
    for options, words in (
        ((), "--filter"),
        (("--filter", "x", "--group", "y", "--expression", "z"), "--filter"),
        (("--filter", world.group + "x"), "does not exist"),
        (("--group", world.group, "--expression", "INCLUDE ItemID WHERE Items.NOPE = 1"), "^^^"),
        (("--group", world.group, "--expression", "INCLUDE UserID WHERE Users.AGE = 1"), "UserID"),
        (("--group", world.group, "--expression", "INCLUDE ItemID WHERE CurrentUser.AGE = 1"), "A user is required"),
        (("--group", world.group, "--expression", "INCLUDE ItemID WHERE Items.YEAR = CurrentItem.YEAR"), "An item is required"),
        (("--group", world.group, "--expression", "INCLUDE ItemID WHERE Items.YEAR = $Y"), "Missing value"),
        (("--group", world.group, "--expression", "INCLUDE ItemID WHERE Items.YEAR = 1", "Y"), "PARAMETER=VALUES"),
        (("--group", world.group, "--expression", "INCLUDE ItemID WHERE Items.YEAR = 1", "Y=1"), "no parameter Y"),
    ):
        done = attempt(server, *options)
        assert done.returncode != 0 and words in done.stderr, (options, done)
    nobody = subprocess.run(
        [BINARY, "filter", "try", "--data", str(tmp_path), "--filter", "x"], capture_output=True, text=True, timeout=20
    )
    assert nobody.returncode == 1 and "No server listens" in nobody.stderr


def test_creating_tells_how_many_pass(server, world):
    def header(expression):
        body = {"name": unique("f"), "datasetGroupArn": world.group, "filterExpression": expression}
        return server.call("CreateFilter", body).headers.get("x-ondol-filter-keeps")

    kept, of, known = header('INCLUDE ItemID WHERE Items.GENRES IN ("drama")').split()
    assert int(kept) == ITEMS_PER_CLUSTER and of == "of" and int(known) >= len(ALL_ITEMS)
    assert header("INCLUDE ItemID WHERE Items.YEAR > 3000").startswith("0 of ")
    assert header("INCLUDE ItemID WHERE Items.YEAR > $Y") is None
    assert header("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)") is None


def test_a_filter_beyond_aws_outlives_a_restart_with_strict(tmp_path):
    server = Server(tmp_path / "data")
    group = new_group(server)
    for kind in SCHEMAS:
        new_dataset(server, group, kind)
    arn = create(server, group, "INCLUDE ItemID WHERE NOT (Items.IS_NEW = true)")
    server.stop()
    server.options = ["--strict"]
    server.start()
    try:
        assert server.control.describe_filter(filterArn=arn)["filter"]["status"] == "ACTIVE"
        assert report(server, "--filter", arn)["kept"] == 0
    finally:
        server.stop()
