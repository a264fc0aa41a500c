"""optimizationObjective: lists lean towards the attribute, and what it earns is measured."""
import pytest
from harness import (
    RECIPE,
    csv_text,
    field,
    finish_version,
    interactions_csv,
    load,
    new_campaign,
    new_dataset,
    new_group,
    new_version,
    refused,
    schema,
    unique,
)

II = "InvalidInputException"
UP, RANKING = "aws-user-personalization", "aws-personalized-ranking"
PLAIN = {"itemExplorationConfig": {"explorationWeight": "0"}}
SHOP = schema(
    "Items", field("ITEM_ID", "string"), field("MARGIN", "float"), field("DISCOUNT", ["null", "float"]), field("BRAND", "string")
)


def margin(item):
    return 1.0 + int(item.rsplit("-", 1)[1])


@pytest.fixture(scope="module")
def shop(server):
    group = new_group(server)
    load(server, new_dataset(server, group), interactions_csv())
    names = [f"{c}-{n:02d}" for c in ("horror", "comedy", "drama", "action", "family", "western") for n in range(12)]
    load(server, new_dataset(server, group, "ITEMS", SHOP), csv_text(["ITEM_ID", "MARGIN", "DISCOUNT", "BRAND"], [[n, margin(n), "", "b"] for n in names]))
    return group


def solution(server, group, recipe, objective):
    return server.control.create_solution(
        name=unique("objective"),
        datasetGroupArn=group,
        recipeArn=RECIPE + recipe,
        performAutoTraining=False,
        solutionConfig={"optimizationObjective": objective} if objective else {},
    )["solutionArn"]


def level(sensitivity, attribute="MARGIN"):
    return {"itemAttribute": attribute, "objectiveSensitivity": sensitivity}


def metrics(server, version):
    return server.control.get_solution_metrics(solutionVersionArn=version)["metrics"]


def listed_margin(server, campaign, users=40):
    got = []
    for user in range(users):
        answer = server.runtime.get_recommendations(campaignArn=campaign, userId=f"horror-user-{user}", numResults=10)
        got += [margin(item["itemId"]) for item in answer["itemList"]]
    return sum(got) / len(got)


def test_lists_lean_towards_the_attribute(server, shop):
    plain = new_version(server, solution(server, shop, UP, None))
    high = new_version(server, solution(server, shop, UP, level("HIGH")))
    off = new_version(server, solution(server, shop, UP, level("OFF")))
    assert 0 < metrics(server, high)["average_rewards_at_k"] <= 1
    assert "average_rewards_at_k" not in metrics(server, plain)
    assert "average_rewards_at_k" not in metrics(server, off)
    means = {}
    for name, version in (("plain", plain), ("high", high), ("off", off)):
        campaign = new_campaign(server, version, campaignConfig=PLAIN)
        means[name] = listed_margin(server, campaign, 3)
        told = server.rest("/ondol/explain", {"campaignArn": campaign, "userId": "horror-user-1"}).json
        for item in told["items"]:
            assert ("objective" in [term["name"] for term in item["terms"]]) == (name == "high")
            assert sum(term["contribution"] for term in item["terms"]) == pytest.approx(item["score"], abs=1e-3)
    assert means["high"] > means["plain"], "low numbers are the popular ones; margins pull the other way"
    assert means["off"] == pytest.approx(means["plain"])


def test_ranking_leans_too(server, shop):
    campaigns = [
        new_campaign(server, new_version(server, solution(server, shop, RANKING, objective))) for objective in (None, level("HIGH"))
    ]
    items = [f"comedy-{n:02d}" for n in range(12)]
    orders = [
        [i["itemId"] for i in server.runtime.get_personalized_ranking(campaignArn=c, userId="nobody", inputList=items)["personalizedRanking"]]
        for c in campaigns
    ]
    weighed = [sum(margin(item) / (place + 1) for place, item in enumerate(order)) for order in orders]
    assert weighed[1] > weighed[0] and sorted(orders[0]) == sorted(orders[1]) == items
    told = [server.rest("/ondol/explain", {"campaignArn": c, "userId": "nobody", "inputList": items}).json["items"] for c in campaigns]
    for listed, name in zip(told, ("plain", "high")):
        for item in listed:
            terms = {term["name"]: term["contribution"] for term in item["terms"]}
            assert ("objective" in terms) == (name == "high") and "list" not in terms
            assert sum(terms.values()) == pytest.approx(item["score"], abs=1e-3)


def test_an_objective_by_a_column_that_is_left_out_is_refused(server, shop):
    for config, fits in (
        ({"excludedDatasetColumns": {"ITEMS": ["MARGIN"]}}, False),
        ({"includedDatasetColumns": {"ITEMS": ["ITEM_ID", "BRAND"]}}, False),
        ({"excludedDatasetColumns": {"ITEMS": ["BRAND"]}}, True),
    ):
        make = lambda: server.control.create_solution(  # noqa: E731
            name=unique("objective"), datasetGroupArn=shop, recipeArn=RECIPE + UP, performAutoTraining=False,
            solutionConfig={"optimizationObjective": level("LOW"), "trainingDataConfig": config},
        )
        if fits:
            make()
        else:
            with refused(II, "MARGIN", "trainingDataConfig"):
                make()


@pytest.mark.parametrize(
    "recipe,objective,words",
    [
        ("aws-sims", level("LOW"), ["optimizationObjective", "aws-sims"]),
        ("aws-user-personalization-v2", level("LOW"), ["optimizationObjective"]),
        (UP, level("LOW", "DISCOUNT"), ["DISCOUNT", "null"]),
        (UP, level("LOW", "BRAND"), ["BRAND"]),
        (UP, level("LOW", "PRICE"), ["PRICE"]),
        (UP, {"objectiveSensitivity": "LOW"}, ["itemAttribute"]),
        (UP, level("EXTREME"), ["EXTREME"]),
    ],
)
def test_objectives_that_are_refused(server, shop, recipe, objective, words):
    with refused(II, *words):
        solution(server, shop, recipe, objective)


def test_the_card_of_an_updated_model_says_what_its_training_said(server):
    def card(version):
        path = "/ondol/models/" + version
        return server.send("GET", path, headers=server.sign("GET", path, b"", {})).json["card"]

    group = new_group(server)
    load(server, new_dataset(server, group), interactions_csv())
    items, header = new_dataset(server, group, "ITEMS", SHOP), ["ITEM_ID", "MARGIN", "DISCOUNT", "BRAND"]
    names = sorted({line.split(",")[1] for line in interactions_csv().splitlines()[1:]})
    load(server, items, csv_text(header, [[n, margin(n), "", "b"] for n in names]))
    made = solution(server, group, UP, level("LOW"))
    trained = card(new_version(server, made))
    load(server, items, csv_text(header, [["new-1", 2.0, "", "b"]]), "INCREMENTAL")
    updated = server.control.create_solution_version(solutionArn=made, trainingMode="UPDATE")["solutionVersionArn"]
    assert finish_version(server, updated)["status"] == "ACTIVE"
    told = card(updated)
    assert told["update"] == {"newItems": 1, "trainedToSeconds": trained["data"]["toSeconds"]}
    assert told["objective"] == trained["objective"] and told["objective"]["attribute"] == "MARGIN"
    assert told["learningCurve"] == trained["learningCurve"] and told["metrics"] == trained["metrics"]
