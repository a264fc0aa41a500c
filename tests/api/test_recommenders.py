"""Recommenders of both domains: every use case on data whose answers are known, and the life of the resource."""
import json
import random
import sqlite3
import time

import pytest
from harness import (
    RECIPE,
    Server,
    arn,
    csv_text,
    field,
    held,
    load,
    new_filter,
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

II, RIU, RNF, RAE = (
    "InvalidInputException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "ResourceAlreadyExistsException",
)
VIEWS, SALES = "aws-ecomm-popular-items-by-views", "aws-ecomm-popular-items-by-purchases"
TOGETHER, ALSO = "aws-ecomm-frequently-bought-together", "aws-ecomm-customers-who-viewed-x-also-viewed"
FOR_YOU = "aws-ecomm-recommended-for-you"
BECAUSE, LIKE, POPULAR = "aws-vod-because-you-watched-x", "aws-vod-more-like-x", "aws-vod-most-popular"
TRENDING, PICKS = "aws-vod-trending-now", "aws-vod-top-picks"
SHOP, VIDEO = [VIEWS, SALES, TOGETHER, ALSO, FOR_YOU], [BECAUSE, LIKE, POPULAR, TRENDING, PICKS]

INTERACTIONS = schema(
    "Interactions",
    field("USER_ID", "string"),
    field("ITEM_ID", "string"),
    field("EVENT_TYPE", "string"),
    field("TIMESTAMP", "long"),
    field("DEVICE", ["null", "string"], categorical=True),
)
ITEMS = {
    "ECOMMERCE": schema(
        "Items",
        field("ITEM_ID", "string"),
        field("PRICE", "float"),
        field("CATEGORY_L1", "string", categorical=True),
        field("CREATION_TIMESTAMP", "long"),
    ),
    "VIDEO_ON_DEMAND": schema(
        "Items",
        field("ITEM_ID", "string"),
        field("CREATION_TIMESTAMP", "long"),
        field("GENRES", "string", categorical=True),
        field("PRODUCT_DESCRIPTION", ["null", "string"], textual=True),
    ),
}
KINDS = ["books", "games", "tools", "shoes", "lamps", "music"]
PER_KIND = 10
NOW = int(time.time())
PLAIN = {"itemExplorationConfig": {"explorationWeight": "0"}}
NAME = unique("told")
FULL = {
    "itemExplorationConfig": {"explorationWeight": "0.9", "explorationItemAgeCutOff": "12"},
    "minRecommendationRequestsPerSecond": 7,
    "trainingDataConfig": {"excludedDatasetColumns": {"ITEMS": ["PRICE"]}},
    "enableMetadataWithRecommendations": True,
}


def item(kind, number):
    return f"{kind}-{number}"


def kind_of(name):
    return name.rsplit("-", 1)[0]


def partner(kind, number):
    """What is always bought with it: the same number of the next kind over, so never what is viewed with it."""
    at = KINDS.index(kind)
    return item(KINDS[at + 1 if at % 2 == 0 else at - 1], number)


def spelt(rng, kind):
    return kind.lower() if rng.random() < 0.125 else kind


def shop_rows(rng):
    """Everybody views within a kind, and buys in pairs of it and the next; three people look at one thing all the time, and
    everybody buys the one bestseller. One type in eight is written in small letters."""
    rows = []
    for u in range(120):
        home, when = KINDS[u % len(KINDS)], NOW - 86400 * 9 + rng.randrange(86400)
        for visit in range(5):
            when += rng.randrange(3600, 86400)
            number = rng.randrange(PER_KIND)
            rows += [(f"u{u}", bought, spelt(rng, "Purchase"), when + at, "desk")
                     for at, bought in enumerate([item(home, number), partner(home, number)])]
            if visit == u % 5:
                rows.append((f"u{u}", "bestseller", "Purchase", when + 5, "desk"))
            for _ in range(4):
                when += rng.randrange(60, 3600)
                rows.append((f"u{u}", item(home, rng.randrange(PER_KIND)), spelt(rng, "View"), when, "phone"))
    for u in range(3):
        rows += [(f"u{u}", "stared-at", "View", NOW - 86400 * 9 + n, "phone") for n in range(30)]
    return rows


def video_rows(rng):
    """Everybody watches one kind, with clicks before; one film was watched most, one is clicked on since an hour."""
    rows = []
    for u in range(120):
        home, when = KINDS[u % len(KINDS)], NOW - 86400 * 9 + rng.randrange(86400)
        for _ in range(11):
            when += rng.randrange(600, 36000)
            film = item(home, min(rng.randrange(PER_KIND), rng.randrange(PER_KIND)))
            rows.append((f"u{u}", film, "Click", when, "tv"))
            rows.append((f"u{u}", film, spelt(rng, "Watch"), when + 60, "tv"))
        rows.append((f"u{u}", "blockbuster", "Watch", NOW - 86400 * 8 + u, "tv"))
    rows += [(f"u{n % 120}", "riser", "Click", NOW - 3000 + n * 10, "tv") for n in range(250)]
    return rows


def item_rows(domain):
    old, names = NOW - 86400 * 300, [item(k, n) for k in KINDS for n in range(PER_KIND)]
    names += ["bestseller", "stared-at"] if domain == "ECOMMERCE" else ["blockbuster", "riser"]
    young = [f"young-{n}" for n in range(20)]
    rows = []
    for name in names + young:
        born = NOW - 3600 if name in young else old
        kind = kind_of(name) if kind_of(name) in KINDS else "lamps"
        rows.append((name, 9.5, kind, born) if domain == "ECOMMERCE" else (name, born, kind, f"All about {kind}"))
    return rows


class Domain:
    """A domain group with data and a tracker."""

    def __init__(self, server, domain):
        self.server, self.domain = server, domain
        self.group = server.control.create_dataset_group(name=unique("group"), domain=domain)["datasetGroupArn"]
        self.datasets = {"INTERACTIONS": self.dataset("INTERACTIONS", INTERACTIONS), "ITEMS": self.dataset("ITEMS", ITEMS[domain])}
        rows = (shop_rows if domain == "ECOMMERCE" else video_rows)(random.Random(7))
        self.rows = rows
        load(server, self.datasets["INTERACTIONS"], csv_text([f["name"] for f in INTERACTIONS["fields"]], rows))
        load(server, self.datasets["ITEMS"], csv_text([f["name"] for f in ITEMS[domain]["fields"]], item_rows(domain)))
        self.tracking_id = server.control.create_event_tracker(name=unique("t"), datasetGroupArn=self.group)["trackingId"]
        self.arns = {}

    def dataset(self, kind, body):
        made = self.server.control.create_schema(name=unique("schema"), schema=json.dumps(body), domain=self.domain)
        return self.server.control.create_dataset(
            name=unique("ds"), schemaArn=made["schemaArn"], datasetGroupArn=self.group, datasetType=kind
        )["datasetArn"]

    def create(self, recipe, **config):
        more = {"recommenderConfig": config} if config else {}
        return self.server.control.create_recommender(
            name=unique("rec"), datasetGroupArn=self.group, recipeArn=RECIPE + recipe, **more
        )["recommenderArn"]

    def describe(self, recommender):
        return self.server.control.describe_recommender(recommenderArn=recommender)["recommender"]

    def finish(self, recommender):
        described = wait_for(lambda: self.describe(recommender), lambda r: r["status"] in ("ACTIVE", "CREATE FAILED"))
        assert described["status"] == "ACTIVE", described
        return recommender

    def get(self, recommender, **request):
        answer = self.server.runtime.get_recommendations(recommenderArn=recommender, **request)
        assert not any("score" in entry for entry in answer["itemList"]), "use cases have no scores"
        return [entry["itemId"] for entry in answer["itemList"]]

    def ask(self, recipe, **request):
        return self.get(self.finish(self.arns[recipe]), **request)

    def card(self, recommender):
        path = "/ondol/models/" + recommender
        return self.server.send("GET", path, headers=self.server.sign("GET", path, b"", {})).json

    def put(self, user, kind, *items):
        self.server.events.put_events(
            trackingId=self.tracking_id, userId=user, sessionId="s",
            eventList=[{"eventType": kind, "itemId": name, "sentAt": int(time.time())} for name in items],
        )

    def did(self, user, *kinds):
        return {row[1] for row in self.rows if row[0] == user and row[2].lower() in kinds}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("domains") / "data", "--auto-update", "0")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shop(home):
    made = Domain(home, "ECOMMERCE")
    made.arns = {recipe: made.create(recipe) for recipe in SHOP if recipe != FOR_YOU}
    made.arns[FOR_YOU] = home.control.create_recommender(
        name=NAME, datasetGroupArn=made.group, recipeArn=RECIPE + FOR_YOU, recommenderConfig=FULL,
        tags=[{"tagKey": "team", "tagValue": "web"}],
    )["recommenderArn"]
    return made


@pytest.fixture(scope="module")
def video(home):
    made = Domain(home, "VIDEO_ON_DEMAND")
    made.arns = {recipe: made.create(recipe, **(PLAIN if recipe == PICKS else {})) for recipe in VIDEO}
    return made


# --- the use cases


def test_most_viewed_counts_every_view(shop):
    top = shop.ask(VIEWS, userId="anyone")
    assert top[0] == "stared-at", "90 views of three people"
    assert top.index("stared-at") == 0 and "bestseller" not in top, "nobody viewed it"


def test_best_sellers_count_purchases(shop):
    top = shop.ask(SALES, userId="u1", numResults=5)
    assert top[0] == "bestseller", "though u1 has it: no automatic filter here"
    assert "stared-at" not in shop.ask(SALES, userId="u1", numResults=500)


def test_bought_together(shop):
    hits = sum(shop.ask(TOGETHER, itemId=item(kind, n), numResults=1) == [partner(kind, n)] for kind in KINDS for n in range(PER_KIND))
    assert hits >= 0.9 * len(KINDS) * PER_KIND, hits
    assert shop.ask(TOGETHER, itemId="never-seen", numResults=1) == ["bestseller"], "popular for an unknown item"


def test_also_viewed_stays_in_the_kind_and_leaves_out_what_was_bought(shop):
    lists = [shop.ask(ALSO, userId="stranger", itemId=item(kind, 3), numResults=5) for kind in KINDS]
    own = sum(kind_of(name) == kind for kind, names in zip(KINDS, lists) for name in names)
    assert own >= 0.9 * 5 * len(KINDS), lists
    bought = shop.did("u1", "purchase")
    assert bought and not bought & set(shop.ask(ALSO, userId="u1", itemId="games-1", numResults=500))
    first = shop.ask(ALSO, userId="buyer", itemId="games-1", numResults=1)[0]
    shop.put("buyer", "purchase", first)
    assert first not in shop.ask(ALSO, userId="buyer", itemId="games-1", numResults=500), "at once, in any case"


def test_recommended_for_you_listens_and_leaves_out_what_was_bought(shop):
    shop.put("reader", "View", "books-1", "books-2", "books-5")
    own = sum(kind_of(name) in ("books", "games") for name in shop.ask(FOR_YOU, userId="reader", numResults=10))
    assert own >= 6, "what readers view and buy; some places are for exploration"
    bought = shop.did("u4", "purchase")
    everything = shop.ask(FOR_YOU, userId="u4", numResults=500)
    assert bought and not bought & set(everything) and len(everything) >= 40
    assert shop.did("u4", "view") & set(everything), "what was only viewed may come again"


def test_because_you_watched(video):
    lists = [video.ask(BECAUSE, userId="stranger", itemId=item(kind, 2), numResults=4) for kind in KINDS]
    own = sum(kind_of(name) == kind for kind, names in zip(KINDS, lists) for name in names)
    assert own >= 0.8 * 4 * len(KINDS), lists
    seen = video.did("u3", "watch")
    assert not seen & set(video.ask(BECAUSE, userId="u3", itemId="shoes-0", numResults=500))


def test_more_like_x_reaches_items_that_nobody_watched(video):
    names = video.ask(LIKE, userId="stranger", itemId="lamps-1", numResults=12)
    assert sum(kind_of(name) in ("lamps", "young") for name in names) >= 9, names
    assert "young-3" in video.ask(LIKE, userId="stranger", itemId="lamps-1", numResults=500), "known by its record"
    seen = video.did("u4", "watch")
    assert seen and not seen & set(video.ask(LIKE, userId="u4", itemId="lamps-1", numResults=500))


def test_most_popular_counts_what_was_watched(video):
    assert video.ask(POPULAR, userId="u1", numResults=1) == ["blockbuster"], "clicks do not count"
    assert "riser" not in video.ask(POPULAR, userId="u1", numResults=500)


def test_trending_needs_no_user(video):
    assert video.ask(TRENDING, numResults=1) == ["riser"]
    assert video.ask(TRENDING, userId="u1", numResults=1) == ["riser"]


def test_top_picks(video):
    video.put("fan", "Click", "tools-1", "tools-2", "tools-4")
    assert [kind_of(name) for name in video.ask(PICKS, userId="fan", numResults=10)].count("tools") >= 5
    first = video.ask(PICKS, userId="fan", numResults=1)[0]
    video.put("fan", "WATCH", first)
    assert first not in video.ask(PICKS, userId="fan", numResults=500)
    told = video.server.rest("/ondol/explain", {"recommenderArn": video.arns[PICKS], "userId": "fan", "itemIds": [first]}).json
    assert told["recommenderArn"] == told["model"]["solutionVersionArn"] == video.arns[PICKS]
    assert told["items"][0]["stage"] == "AUTOMATIC_FILTER" and told["counts"]["droppedByAutomaticFilter"] == 1
    assert not video.did("u5", "watch") & set(video.ask(PICKS, userId="u5", numResults=500, context={"DEVICE": "tv"}))


def test_what_each_use_case_must_be_told(shop, video):
    for domain, recipe, request, word in [
        (shop, VIEWS, {}, "userId"),
        (shop, SALES, {}, "userId"),
        (shop, TOGETHER, {"userId": "u1"}, "itemId"),
        (shop, ALSO, {"itemId": "books-1"}, "userId"),
        (shop, ALSO, {"userId": "u1"}, "itemId"),
        (shop, FOR_YOU, {}, "userId"),
        (video, BECAUSE, {"itemId": "books-1"}, "userId"),
        (video, BECAUSE, {"userId": "u1"}, "itemId"),
        (video, LIKE, {"itemId": "books-1"}, "userId"),
        (video, LIKE, {"userId": "u1"}, "itemId"),
        (video, POPULAR, {}, "userId"),
        (video, PICKS, {}, "userId"),
    ]:
        domain.finish(domain.arns[recipe])
        with refused(II, word, status=400):
            domain.get(domain.arns[recipe], **request)


def test_asking_by_the_wrong_name(shop):
    recommender, runtime = shop.finish(shop.arns[VIEWS]), shop.server.runtime
    with refused(II, "exactly one"):
        runtime.get_recommendations(userId="u")
    with refused(II, "exactly one"):
        runtime.get_recommendations(userId="u", campaignArn=recommender, recommenderArn=recommender)
    with refused(II, "campaign"):
        runtime.get_recommendations(userId="u", campaignArn=recommender)
    with refused(II, "recommender"):
        runtime.get_recommendations(userId="u", recommenderArn=arn("campaign/c"))
    with refused(RNF, status=404):
        runtime.get_recommendations(userId="u", recommenderArn=arn("recommender/none"))
    with refused(II, "500"):
        shop.get(recommender, userId="u", numResults=501)
    with refused(II, "enableMetadataWithRecommendations"):
        shop.get(recommender, userId="u", metadataColumns={"ITEMS": ["PRICE"]})
    with refused(II, "50"):
        shop.get(shop.finish(shop.arns[FOR_YOU]), userId="u", numResults=51, metadataColumns={"ITEMS": ["PRICE"]})


def test_filters_and_promotions(shop):
    recommender = shop.finish(shop.arns[FOR_YOU])
    tools = new_filter(shop.server, shop.group, 'INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($KIND)')
    values = {"KIND": '"tools"'}
    names = shop.get(recommender, userId="u2", numResults=50, filterArn=tools, filterValues=values)
    assert names and {kind_of(name) for name in names} == {"tools"}
    assert not shop.did("u2", "purchase") & set(names), "the automatic filter comes first"
    answer = shop.server.runtime.get_recommendations(
        recommenderArn=recommender, userId="u2", numResults=20,
        promotions=[{"name": "spring", "percentPromotedItems": 25, "filterArn": tools, "filterValues": values}],
    )["itemList"]
    promoted = [entry["itemId"] for entry in answer if entry.get("promotionName") == "spring"]
    assert len(promoted) == 5 and {kind_of(name) for name in promoted} == {"tools"}
    assert not shop.did("u2", "purchase") & {entry["itemId"] for entry in answer}, "not even promoted"


# --- describing


def test_described_as_created(shop):
    made = shop.finish(shop.arns[FOR_YOU])
    assert made == arn(f"recommender/{NAME}")
    told = shop.describe(made)
    assert told["recommenderConfig"] == FULL and told["recipeArn"] == RECIPE + FOR_YOU
    assert told["datasetGroupArn"] == shop.group and told["name"] == NAME and "latestRecommenderUpdate" not in told
    assert 0 < told["modelMetrics"]["coverage"] <= 1 and "precision_at_25" in told["modelMetrics"]
    control = shop.server.control
    listed = {r["recommenderArn"]: r for r in control.list_recommenders(datasetGroupArn=shop.group)["recommenders"]}
    assert listed[made]["recommenderConfig"] == FULL and listed[made]["status"] == "ACTIVE"
    assert set(listed) >= set(shop.arns.values()) and not set(listed) & {"latestRecommenderUpdate"}
    assert control.list_tags_for_resource(resourceArn=made)["tags"] == [{"tagKey": "team", "tagValue": "web"}]
    assert shop.describe(shop.arns[VIEWS])["recommenderConfig"] == {"minRecommendationRequestsPerSecond": 1}
    with refused(RAE, made):
        control.create_recommender(name=NAME, datasetGroupArn=shop.group, recipeArn=RECIPE + FOR_YOU)
    card = shop.card(made)
    assert card["recommenderArn"] == made and card["card"]["recipe"] == FOR_YOU
    assert "PRICE" not in card["card"]["fields"]["ITEMS"] and "CATEGORY_L1" in card["card"]["fields"]["ITEMS"]


def test_metadata_and_exploration_as_configured(shop, video):
    made = shop.finish(shop.arns[FOR_YOU])
    names = [entry for _ in range(8) for entry in shop.get(made, userId="u3", numResults=20)]
    assert any(kind_of(entry) == "young" for entry in names), "it explores"
    plain = [entry for _ in range(8) for entry in video.ask(PICKS, userId="u3", numResults=20)]
    assert not any(kind_of(entry) == "young" for entry in plain), "a weight of 0"
    answer = shop.server.runtime.get_recommendations(
        recommenderArn=made, userId="u3", numResults=3, metadataColumns={"ITEMS": ["CATEGORY_L1", "PRICE"]}
    )["itemList"]
    assert all(entry["metadata"]["price"] == "9.5" for entry in answer), answer


def test_while_it_is_created(shop):
    control = shop.server.control
    with held(shop.server, lambda: shop.create(VIEWS)) as made:
        early = shop.describe(made)
        assert early["status"].startswith("CREATE ") and "modelMetrics" not in early
        with refused(RNF, status=404):
            shop.get(made, userId="u")
        for refuse in (control.delete_recommender, control.stop_recommender, control.start_recommender):
            with refused(RIU, "CREATE"):
                refuse(recommenderArn=made)
        with refused(RIU):
            control.delete_dataset(datasetArn=shop.datasets["ITEMS"])
    shop.finish(made)
    assert shop.get(made, userId="u", numResults=1) == ["stared-at"]
    control.delete_recommender(recommenderArn=made)
    with refused(RNF):
        shop.describe(made)
    with refused(RNF):
        shop.get(made, userId="u")


def test_creations_that_are_refused(shop, video):
    control, custom = shop.server.control, new_group(shop.server)

    def create(group, recipe, **config):
        more = {"recommenderConfig": config} if config else {}
        control.create_recommender(name=unique("no"), datasetGroupArn=group, recipeArn=RECIPE + recipe, **more)

    for group, recipe in [(shop.group, "aws-sims"), (shop.group, PICKS), (video.group, FOR_YOU), (custom, FOR_YOU)]:
        with refused(II, "cannot be used here"):
            create(group, recipe)
    with refused(RNF):
        create(shop.group, "aws-ecomm-nothing")
    with refused(RNF):
        create(arn("dataset-group/none"), FOR_YOU)
    with refused(II, "itemExplorationConfig is not supported"):
        create(shop.group, VIEWS, **PLAIN)
    with refused(II, "explorationWeight"):
        create(shop.group, FOR_YOU, itemExplorationConfig={"explorationWeight": "2"})
    with refused(II, "EVENT_TYPE", "cannot be excluded"):
        create(shop.group, VIEWS, trainingDataConfig={"excludedDatasetColumns": {"INTERACTIONS": ["EVENT_TYPE"]}})
    with refused(II, "NOWHERE"):
        create(shop.group, VIEWS, trainingDataConfig={"excludedDatasetColumns": {"ITEMS": ["NOWHERE"]}})
    for recipe in SHOP + VIDEO:
        with refused(II, "cannot be used here"):
            new_solution(shop.server, shop.group, recipe)
    assert new_solution(shop.server, shop.group, "aws-sims"), "custom solutions live in domain groups too"
    with refused(RIU, "recommenders"):
        control.delete_dataset_group(datasetGroupArn=shop.group)


def test_other_names_are_refused(home):
    control = home.control
    calls = [
        control.describe_recommender, control.start_recommender, control.stop_recommender, control.delete_recommender,
        lambda **who: control.update_recommender(recommenderConfig={}, **who),
    ]
    for call in calls:
        with refused(RNF, "does not exist", status=400):
            call(recommenderArn=arn("recommender/none"))
        with refused(II, "not a valid recommender ARN"):
            call(recommenderArn=arn("campaign/c"))
    group = control.create_dataset_group(name=unique("group"), domain="ECOMMERCE")["datasetGroupArn"]
    tags = [{"tagKey": f"k{n}", "tagValue": "v"} for n in range(51)]
    with refused("TooManyTagsException", "50"):
        control.create_recommender(name=unique("rec"), datasetGroupArn=group, recipeArn=RECIPE + VIEWS, tags=tags)
    assert control.list_recommenders(datasetGroupArn=group)["recommenders"] == [], "nor half of it"
    control.delete_dataset_group(datasetGroupArn=group)


def test_too_few_of_the_events_that_count(home):
    small = home.control.create_dataset_group(name=unique("few"), domain="ECOMMERCE")["datasetGroupArn"]
    few = Domain.__new__(Domain)
    few.server, few.domain, few.group = home, "ECOMMERCE", small
    dataset = few.dataset("INTERACTIONS", INTERACTIONS)
    rows = [(f"u{n % 50}", f"i{n % 40}", "View" if n % 30 else "Purchase", NOW - n, "tv") for n in range(1050)]
    load(home, dataset, csv_text([f["name"] for f in INTERACTIONS["fields"]], rows))
    sales, views = few.create(SALES), few.create(VIEWS)
    failed = wait_for(lambda: few.describe(sales), lambda r: r["status"] in ("ACTIVE", "CREATE FAILED"))
    assert failed["status"] == "CREATE FAILED" and "modelMetrics" not in failed
    assert failed["failureReason"] == "Dataset has fewer than 1000 interactions after filtering by event type: Purchase"
    few.finish(views)
    with refused(RNF):
        few.get(sales, userId="u")
    for refuse in (home.control.start_recommender, home.control.stop_recommender):
        with refused(RIU, "CREATE FAILED"):
            refuse(recommenderArn=sales)
    home.control.update_recommender(recommenderArn=sales, recommenderConfig={"minRecommendationRequestsPerSecond": 2})
    again = wait_for(lambda: few.describe(sales), lambda r: r["latestRecommenderUpdate"]["status"] == "CREATE FAILED")
    assert "Purchase" in again["latestRecommenderUpdate"]["failureReason"] and again["status"] == "CREATE FAILED"
    bought = [(f"u{n % 50}", f"i{n % 30}", "Purchase", NOW - 9000 - n, "tv") for n in range(1100)]
    location = put_object(home, "more.csv", csv_text([f["name"] for f in INTERACTIONS["fields"]], bought))
    job = start_import(home, dataset, location, "INCREMENTAL")
    wait_for(lambda: home.control.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"], lambda j: j["status"] == "ACTIVE")
    home.control.update_recommender(recommenderArn=sales, recommenderConfig={"minRecommendationRequestsPerSecond": 3})
    now = wait_for(lambda: few.describe(sales), lambda r: r["latestRecommenderUpdate"]["status"] == "ACTIVE")
    assert now["status"] == "ACTIVE" and "failureReason" not in now and now["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 3
    assert few.get(sales, userId="u", numResults=5)
    for made in (sales, views):
        home.control.delete_recommender(recommenderArn=made)


# --- updates, stopping, restarts


@pytest.fixture
def alone(tmp_path):
    """A group of videos on a server of its own that looks for work every second."""
    server = Server(tmp_path / "data", "--auto-update", "2")
    made = Domain(server, "VIDEO_ON_DEMAND")
    yield made
    if server.process is not None:
        server.stop()


def images(server):
    return sorted(path.name for path in (server.folder / "images").iterdir())


def test_updates(alone):
    control, made = alone.server.control, alone.finish(alone.create(LIKE))
    before = images(alone.server)
    control.update_recommender(recommenderArn=made, recommenderConfig={"enableMetadataWithRecommendations": True})
    told = alone.describe(made)
    assert told["latestRecommenderUpdate"]["status"] == "ACTIVE", "nothing to train: served when answered"
    assert told["recommenderConfig"] == {"enableMetadataWithRecommendations": True}
    entry = alone.server.runtime.get_recommendations(
        recommenderArn=made, userId="u", itemId="books-1", numResults=1, metadataColumns={"ITEMS": ["GENRES"]}
    )["itemList"][0]
    assert entry["metadata"]["genres"] and images(alone.server) == before
    config = {"trainingDataConfig": {"excludedDatasetColumns": {"ITEMS": ["GENRES", "PRODUCT_DESCRIPTION"]}}}
    with held(alone.server, lambda: control.update_recommender(recommenderArn=made, recommenderConfig=config)):
        told = alone.describe(made)
        assert told["status"] == "ACTIVE" and told["latestRecommenderUpdate"]["status"] in ("CREATE PENDING", "CREATE IN_PROGRESS")
        assert told["latestRecommenderUpdate"]["recommenderConfig"] == config
        assert told["recommenderConfig"] == {"enableMetadataWithRecommendations": True}, "the old one serves meanwhile"
        alone.get(made, userId="u", itemId="books-1", metadataColumns={"ITEMS": ["GENRES"]})
        with refused(RIU, "update in progress"):
            control.update_recommender(recommenderArn=made, recommenderConfig=config)
        with refused(RIU, "update in progress"):
            control.stop_recommender(recommenderArn=made)
        with refused(RIU, made):
            control.delete_dataset(datasetArn=alone.datasets["ITEMS"])
    told = wait_for(lambda: alone.describe(made), lambda r: r["latestRecommenderUpdate"]["status"] == "ACTIVE")
    assert told["recommenderConfig"] == config
    after = wait_for(lambda: images(alone.server), lambda now: len(now) == 2)
    assert not set(after) & set(before), "the old model is gone from the disk"
    with refused(II, "enableMetadataWithRecommendations"):
        alone.get(made, userId="u", itemId="books-1", metadataColumns={"ITEMS": ["GENRES"]})
    assert "young-3" not in alone.get(made, userId="stranger", itemId="lamps-1", numResults=30), "its record is unknown now"
    grown = schema("Items", *ITEMS["VIDEO_ON_DEMAND"]["fields"], field("MOOD", ["null", "string"], categorical=True))
    told = control.create_schema(name=unique("grown"), schema=json.dumps(grown), domain="VIDEO_ON_DEMAND")
    control.update_dataset(datasetArn=alone.datasets["ITEMS"], schemaArn=told["schemaArn"])
    same = {"trainingDataConfig": {"includedDatasetColumns": {"ITEMS": ["ITEM_ID", "CREATION_TIMESTAMP"]}}}
    control.update_recommender(recommenderArn=made, recommenderConfig=same)
    assert alone.describe(made)["latestRecommenderUpdate"]["status"] == "ACTIVE", "the same columns, said otherwise"
    other = {"trainingDataConfig": {"includedDatasetColumns": {"ITEMS": ["ITEM_ID", "CREATION_TIMESTAMP", "MOOD"]}}}
    control.update_recommender(recommenderArn=made, recommenderConfig=other)
    assert alone.describe(made)["latestRecommenderUpdate"]["status"] in ("CREATE PENDING", "CREATE IN_PROGRESS")
    alone.server.kill()
    alone.server.start()
    told = wait_for(lambda: alone.describe(made), lambda r: r["latestRecommenderUpdate"]["status"] == "ACTIVE")
    assert told["recommenderConfig"] == other, "a killed update goes on"
    assert alone.card(made)["card"]["fields"]["ITEMS"] == ["ITEM_ID", "CREATION_TIMESTAMP", "MOOD"]


def tps_hours(server, recommender):
    """None: it is not served."""
    line = f'ondol_campaign_tps_hours_total{{campaign="{recommender}"}} '
    found = [row[len(line):] for row in server.send("GET", "/metrics").body.decode().splitlines() if row.startswith(line)]
    return float(found[0]) if found else None


def test_a_life_with_stops_and_restarts(alone):
    server = alone.server
    control, made = server.control, alone.create(POPULAR)
    server.kill()  # while it is pending or in progress
    server.start()
    control = server.control
    alone.finish(made)
    assert alone.get(made, userId="u", numResults=1) == ["blockbuster"]
    with refused(RIU, "ACTIVE"):
        control.start_recommender(recommenderArn=made)
    used = tps_hours(server, made)
    assert control.stop_recommender(recommenderArn=made)["recommenderArn"] == made
    assert wait_for(lambda: alone.describe(made), lambda r: r["status"] == "INACTIVE")["modelMetrics"]
    assert tps_hours(server, made) is None
    with refused(RNF, status=404):
        alone.get(made, userId="u")
    for refuse in (control.stop_recommender, lambda **who: control.update_recommender(recommenderConfig={}, **who)):
        with refused(RIU, "INACTIVE"):
            refuse(recommenderArn=made)
    server.stop()
    server.start()
    assert alone.describe(made)["status"] == "INACTIVE"
    with refused(RNF):
        alone.get(made, userId="u")
    server.control.start_recommender(recommenderArn=made)
    wait_for(lambda: alone.describe(made), lambda r: r["status"] == "ACTIVE")
    assert tps_hours(server, made) >= used > 0, "they go on where they were"
    assert alone.get(made, userId="u", numResults=1) == ["blockbuster"]
    server.kill()
    server.start()
    assert alone.describe(made)["status"] == "ACTIVE"
    assert alone.get(made, userId="u", numResults=1) == ["blockbuster"], "served again after a restart"
    server.stop()
    image = next(path for path in (server.folder / "images").iterdir() if path.suffix == ".image")
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    server.start()
    told = alone.describe(made)
    assert told["status"] == "CREATE FAILED" and told["failureReason"]
    with refused(RNF):
        alone.get(made, userId="u")
    server.stop()
    image.write_bytes(whole)
    server.start()
    assert alone.describe(made)["status"] == "ACTIVE", "put back"
    assert alone.get(made, userId="u", numResults=1) == ["blockbuster"]
    server.control.delete_recommender(recommenderArn=made)
    assert wait_for(lambda: images(server), lambda now: not now) == []
    with refused(RNF):
        server.control.delete_recommender(recommenderArn=made)


def test_trends_are_evaluated_anew(alone):
    made = alone.finish(alone.create(TRENDING))
    assert alone.get(made, numResults=1) == ["riser"]
    rows = [(f"u{n % 120}", "tools-9", "Click", int(time.time()) - n % 600, "tv") for n in range(4000)]
    header = [f["name"] for f in INTERACTIONS["fields"]]
    load(alone.server, alone.datasets["INTERACTIONS"], csv_text(header, rows), "INCREMENTAL")
    wait_for(lambda: alone.get(made, numResults=1), lambda top: top == ["tools-9"], 60)
    assert alone.describe(made)["status"] == "ACTIVE"


def week_passes(server):
    """As if all trainings had begun eight days before they did: in the store, with the server stopped."""
    server.stop()
    database = sqlite3.connect(server.folder / "ondol.db")
    for seq, extra in database.execute("SELECT seq, extra FROM resource WHERE kind = 'recommender'").fetchall():
        told = json.loads(extra)
        for key in ("begun_ms", "tried_ms"):
            told[key] = told.get(key, 0) - 8 * 86400 * 1000
        database.execute("UPDATE resource SET extra = ? WHERE seq = ?", (json.dumps(told, separators=(",", ":")), seq))
    database.commit()
    database.close()
    server.start()


def test_trained_anew_each_week_when_something_came(alone):
    server, made = alone.server, alone.finish(alone.create(POPULAR))
    before = images(server)
    week_passes(server)
    rows = [(f"u{n % 120}", "tools-9", "Watch", NOW - 86400 + n, "tv") for n in range(1200)]
    header = [f["name"] for f in INTERACTIONS["fields"]]
    # what was imported after the moment of the training is new
    settled = wait_for(lambda: images(server), lambda now: len(now) == 2 and not set(now) & set(before))
    load(server, alone.datasets["INTERACTIONS"], csv_text(header, rows), "INCREMENTAL")
    time.sleep(3)
    assert images(server) == settled and alone.get(made, userId="u", numResults=1) == ["blockbuster"], "not before a week has passed"
    grown = schema("Items", *ITEMS["VIDEO_ON_DEMAND"]["fields"], field("MOOD", ["null", "string"], categorical=True))
    told = server.control.create_schema(name=unique("grown"), schema=json.dumps(grown), domain="VIDEO_ON_DEMAND")
    server.control.update_dataset(datasetArn=alone.datasets["ITEMS"], schemaArn=told["schemaArn"])
    week_passes(server)
    assert alone.describe(made)["status"] == "ACTIVE"
    wait_for(lambda: alone.get(made, userId="u", numResults=1), lambda top: top == ["tools-9"], 60)
    told = alone.describe(made)
    assert told["status"] == "ACTIVE" and "latestRecommenderUpdate" not in told and told["modelMetrics"]
    assert "MOOD" not in alone.card(made)["card"]["fields"]["ITEMS"], "the columns it was created with"
    server.control.stop_recommender(recommenderArn=made)
    settled = images(server)
    week_passes(server)
    time.sleep(3)
    assert images(server) == settled, "a stopped one is left alone"


def test_an_update_that_a_stop_gives_up_is_made_up_for(tmp_path):
    """While something long has the only worker, an automatic update waits for it, and is stopped there."""
    server = Server(tmp_path / "data", "--auto-update", "2", "--jobs", "1", "--job-threads", "1")
    alone = Domain(server, "VIDEO_ON_DEMAND")
    made, control = alone.finish(alone.create(PICKS)), server.control
    version = new_version(server, new_solution(server, alone.group, "aws-popularity-count"))
    source = put_object(server, "asked.json", '{"userId":"u1"}\n')

    def begin():
        return control.create_batch_inference_job(
            jobName=unique("long"), solutionVersionArn=version, roleArn="arn:aws:iam::000000000000:role/r",
            jobInput={"s3DataSource": {"path": source}}, jobOutput={"s3DataDestination": {"path": "s3://bucket/out/"}},
        )["batchInferenceJobArn"]

    def update():
        answer = server.send("GET", "/ondol/jobs", headers=server.sign("GET", "/ondol/jobs", b"", {}))
        return [job for job in answer.json if job["kind"] == "update"]

    with held(server, begin) as long:
        properties = {"creationTimestamp": NOW - 86400 * 300, "genres": "tools", "productDescription": "All about tools"}
        server.events.put_items(datasetArn=alone.datasets["ITEMS"], items=[{"itemId": "late-tools", "properties": json.dumps(properties)}])
        wait_for(update, bool, 30)
        control.stop_recommender(recommenderArn=made)
        state = control.describe_batch_inference_job(batchInferenceJobArn=long)["batchInferenceJob"]["status"]
        assert state == "CREATE IN_PROGRESS", "the update never began"
    wait_for(update, lambda jobs: not jobs)
    control.start_recommender(recommenderArn=made)
    assert "late-tools" not in alone.get(made, userId="u2", numResults=500)
    wait_for(lambda: alone.get(made, userId="u2", numResults=500), lambda names: "late-tools" in names, 120)
    server.stop()


def test_new_items_become_part_of_the_model(home, video):
    """The shared server, now with automatic updates: the last test to use it."""
    made = video.finish(video.arns[PICKS])
    row = ("late-tools", NOW - 86400 * 300, "tools", "All about tools")
    load(home, video.datasets["ITEMS"], csv_text([f["name"] for f in ITEMS["VIDEO_ON_DEMAND"]["fields"]], [row]), "INCREMENTAL")
    assert "late-tools" not in video.get(made, userId="u2", numResults=500)
    home.stop()
    home.options = ("--auto-update", "2")
    home.start()
    wait_for(lambda: video.get(made, userId="u2", numResults=500), lambda names: "late-tools" in names, 60)
    assert video.describe(made)["status"] == "ACTIVE"
    assert not video.did("u2", "watch") & set(video.get(made, userId="u2", numResults=500)), "filtered as before"


def test_five_a_group_under_strict_quotas(tmp_path):
    server = Server(tmp_path / "data", "--strict")
    group = server.control.create_dataset_group(name=unique("group"), domain="ECOMMERCE")["datasetGroupArn"]
    for _ in range(5):
        server.control.create_recommender(name=unique("rec"), datasetGroupArn=group, recipeArn=RECIPE + VIEWS)
    with refused("LimitExceededException", "More than 5"):
        server.control.create_recommender(name=unique("rec"), datasetGroupArn=group, recipeArn=RECIPE + VIEWS)
    last = wait_for(
        lambda: server.control.list_recommenders(datasetGroupArn=group)["recommenders"],
        lambda all_of_them: all(r["status"] == "CREATE FAILED" for r in all_of_them),
    )[-1]
    failed = server.control.describe_recommender(recommenderArn=last["recommenderArn"])["recommender"]
    assert "no Interactions dataset" in failed["failureReason"]
    server.stop()
