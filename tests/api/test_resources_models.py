"""Recipes, solutions, solution versions and campaigns: the life of each, and what is refused."""
import math
import re
import time

import pytest
from harness import (
    INTERACTIONS,
    RECIPE,
    arn,
    csv_text,
    ended,
    finish_version,
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

RNF = "ResourceNotFoundException"
RAE = "ResourceAlreadyExistsException"
RIU = "ResourceInUseException"
II = "InvalidInputException"
LATER = "NotImplementedException"  # what AWS has and this version says it has not (docs/differences.md)
TRAINS = ["aws-user-personalization", "aws-personalized-ranking", "aws-sims", "aws-popularity-count"]
METRICS = {
    "coverage",
    "mean_reciprocal_rank_at_25",
    *(f"normalized_discounted_cumulative_gain_at_{k}" for k in (5, 10, 25)),
    *(f"precision_at_{k}" for k in (5, 10, 25)),
}


def create_solution(server, group, **more):
    return server.control.create_solution(name=unique("solution"), datasetGroupArn=group, **more)["solutionArn"]


def describe(server, solution):
    return server.control.describe_solution(solutionArn=solution)["solution"]


@pytest.fixture(scope="module")
def group(server):
    """A group that has an empty Interactions dataset: enough for solutions."""
    made = new_group(server)
    new_dataset(server, made)
    return made


# --- recipes, algorithms, feature transformations


def test_recipes(server):
    entries = [r for page in server.control.get_paginator("list_recipes").paginate(maxResults=3) for r in page["recipes"]]
    names = [entry["name"] for entry in entries]
    assert names == sorted(names) and len(names) == len(set(names)), "alphabetical"
    assert set(TRAINS) < set(names) and not any("hrnn" in name for name in names)
    for entry in entries:
        assert entry["recipeArn"] == RECIPE + entry["name"] and entry["status"] == "ACTIVE"
        described = server.control.describe_recipe(recipeArn=entry["recipeArn"])["recipe"]
        assert described["name"] == entry["name"] and described["recipeType"] and described["description"]
        assert described["algorithmArn"].startswith("arn:aws:personalize:::algorithm/")
        algorithm = server.control.describe_algorithm(algorithmArn=described["algorithmArn"])["algorithm"]
        assert algorithm["algorithmArn"] == described["algorithmArn"]
        if "featureTransformationArn" in described:
            transformation = server.control.describe_feature_transformation(
                featureTransformationArn=described["featureTransformationArn"]
            )["featureTransformation"]
            assert transformation["status"] == "ACTIVE"


def test_recipes_of_a_domain(server):
    shop = server.control.list_recipes(domain="ECOMMERCE")["recipes"]
    assert len(shop) == 5 and {recipe["domain"] for recipe in shop} == {"ECOMMERCE"}
    assert len(server.control.list_recipes(domain="VIDEO_ON_DEMAND")["recipes"]) == 5
    every = server.control.list_recipes(recipeProvider="SERVICE")["recipes"]
    assert len([recipe for recipe in every if "domain" not in recipe]) >= 11
    with refused(II):
        server.control.list_recipes(recipeProvider="MINE")
    with refused("InvalidNextTokenException"):
        server.control.list_recipes(nextToken="nonsense")


@pytest.mark.parametrize(
    "recipe,kind",
    [
        ("aws-user-personalization", "USER_PERSONALIZATION"),
        ("aws-personalized-ranking", "PERSONALIZED_RANKING"),
        ("aws-sims", "RELATED_ITEMS"),
        ("aws-popularity-count", "USER_PERSONALIZATION"),
        ("aws-trending-now", "POPULAR_ITEMS"),
        ("aws-item-affinity", "USER_SEGMENTATION"),
        ("aws-next-best-action", "PERSONALIZED_ACTIONS"),
    ],
)
def test_recipe_types(server, recipe, kind):
    assert server.control.describe_recipe(recipeArn=RECIPE + recipe)["recipe"]["recipeType"] == kind


def test_default_hyperparameters(server):
    path = "arn:aws:personalize:::algorithm/"
    algorithm = server.control.describe_algorithm(algorithmArn=path + "aws-user-personalization")["algorithm"]
    assert {k: algorithm["defaultHyperParameters"][k] for k in ("hidden_dimension", "bptt")} == {"hidden_dimension": "149", "bptt": "32"}
    ranges = algorithm["defaultHyperParameterRanges"]["integerHyperParameterRanges"]
    assert {"name": "hidden_dimension", "minValue": 32, "maxValue": 256, "isTunable": True} in ranges
    sims = server.control.describe_algorithm(algorithmArn=path + "aws-sims")["algorithm"]["defaultHyperParameters"]
    assert sims["popularity_discount_factor"] == "0.5" and sims["min_cointeraction_count"] == "3"
    transformation = server.control.describe_feature_transformation(
        featureTransformationArn="arn:aws:personalize:::feature-transformation/sims"
    )["featureTransformation"]
    assert transformation["defaultParameters"]["max_item_interaction_count_percentile"] == "0.9"


def test_unknown_recipes(server):
    for ask, member, kind in (
        (server.control.describe_recipe, "recipeArn", "recipe"),
        (server.control.describe_algorithm, "algorithmArn", "algorithm"),
        (server.control.describe_feature_transformation, "featureTransformationArn", "feature-transformation"),
    ):
        with refused(RNF):
            ask(**{member: f"arn:aws:personalize:::{kind}/absent"})
        with refused(II):
            ask(**{member: arn("dataset-group/x")})


# --- solutions


def test_a_solution(server, group):
    name = unique("solution")
    made = server.control.create_solution(name=name, datasetGroupArn=group, recipeArn=RECIPE + "aws-sims", performAutoTraining=False)[
        "solutionArn"
    ]
    assert made == arn(f"solution/{name}")
    described = describe(server, made)
    assert (described["name"], described["status"]) == (name, "ACTIVE")
    assert (described["recipeArn"], described["datasetGroupArn"]) == (RECIPE + "aws-sims", group)
    assert described["performHPO"] is False and described["performAutoML"] is False and described["performAutoTraining"] is False
    assert not {"eventType", "latestSolutionVersion", "latestSolutionUpdate", "autoMLResult"} & set(described)
    assert described.get("solutionConfig", {}) == {}
    with refused(RAE, made):
        server.control.create_solution(name=name, datasetGroupArn=group, recipeArn=RECIPE + "aws-sims")
    summary = server.control.list_solutions(datasetGroupArn=group)["solutions"]
    assert set(summary[-1]) == {"name", "solutionArn", "status", "creationDateTime", "lastUpdatedDateTime", "recipeArn"}
    server.control.delete_solution(solutionArn=made)
    with refused(RNF):
        describe(server, made)


CONFIGS = [
    ("aws-sims", {"algorithmHyperParameters": {"popularity_discount_factor": "0.25", "min_cointeraction_count": "1"}}),
    ("aws-sims", {"featureTransformationParameters": {"min_user_history_length_percentile": "0.01"}}),
    ("aws-user-personalization", {"algorithmHyperParameters": {"hidden_dimension": "64", "recency_mask": "true"}}),
    ("aws-user-personalization", {"trainingDataConfig": {"excludedDatasetColumns": {"INTERACTIONS": ["DEVICE"]}}}),
    ("aws-sims", {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}),
    ("aws-sims", {"eventValueThreshold": "0.5"}),
    ("aws-sims", {}),
]


@pytest.mark.parametrize("recipe,config", CONFIGS)
def test_solution_config_comes_back_as_given(server, group, recipe, config):
    event = {"eventType": "buy"} if "eventValueThreshold" in config else {}
    made = create_solution(server, group, recipeArn=RECIPE + recipe, solutionConfig=config, **event)
    assert describe(server, made).get("solutionConfig", {}) == config
    assert describe(server, made).get("eventType") == event.get("eventType")


def test_automatic_training_is_the_default(server, group):
    assert describe(server, create_solution(server, group, recipeArn=RECIPE + "aws-sims"))["performAutoTraining"] is True


REFUSED = [
    ({}, II, "recipeArn"),
    ({"performAutoML": True, "recipeArn": RECIPE + "aws-sims"}, II, None),
    ({"performHPO": True, "recipeArn": RECIPE + "aws-popularity-count"}, II, None),
    ({"performIncrementalUpdate": True, "recipeArn": RECIPE + "aws-sims"}, II, "performIncrementalUpdate"),
    ({"recipeArn": RECIPE + "aws-absent"}, RNF, "aws-absent"),
    ({"recipeArn": arn("recipe/aws-sims")}, RNF, None),
    ({"recipeArn": arn("solution/x")}, II, None),
    ({"recipeArn": RECIPE + "aws-ecomm-recommended-for-you"}, II, None),
    ({"recipeArn": RECIPE + "aws-vod-top-picks"}, II, None),
    ({"recipeArn": RECIPE + "aws-next-best-action"}, LATER, None),
]


@pytest.mark.parametrize("more,code,word", REFUSED)
def test_solutions_that_are_refused(server, group, more, code, word):
    with refused(code, *([word] if word else [])):
        create_solution(server, group, **more)


UP, SIMS = "aws-user-personalization", "aws-sims"
BAD_CONFIGS = [
    (UP, {"algorithmHyperParameters": {"hidden_dimension": "31"}}, ["hidden_dimension", "31", "32"]),
    (UP, {"algorithmHyperParameters": {"hidden_dimension": "257"}}, ["hidden_dimension", "256"]),
    (UP, {"algorithmHyperParameters": {"hidden_dimension": "64.5"}}, ["hidden_dimension"]),
    (UP, {"algorithmHyperParameters": {"hidden_dimension": "many"}}, ["hidden_dimension", "many"]),
    (UP, {"algorithmHyperParameters": {"bptt": "33"}}, ["bptt"]),
    (UP, {"algorithmHyperParameters": {"recency_mask": "maybe"}}, ["recency_mask"]),
    (UP, {"algorithmHyperParameters": {"learning_rate": "0.1"}}, ["learning_rate"]),
    (UP, {"featureTransformationParameters": {"max_user_history_length_percentile": "1.1"}}, ["max_user_history_length_percentile"]),
    (UP, {"featureTransformationParameters": {"hidden_dimension": "64"}}, ["hidden_dimension"]),
    (SIMS, {"algorithmHyperParameters": {"popularity_discount_factor": "-0.1"}}, ["popularity_discount_factor"]),
    (SIMS, {"algorithmHyperParameters": {"popularity_discount_factor": "nan"}}, ["popularity_discount_factor"]),
    (SIMS, {"algorithmHyperParameters": {"min_cointeraction_count": "11"}}, ["min_cointeraction_count"]),
    (SIMS, {"algorithmHyperParameters": {"hidden_dimension": "64"}}, ["hidden_dimension"]),
    ("aws-popularity-count", {"algorithmHyperParameters": {"x": "1"}}, ["x"]),
    (UP, {"eventsConfig": {"eventParametersList": [{"eventType": "buy", "weight": 0.5}]}}, ["eventsConfig"]),
    (SIMS, {"optimizationObjective": {"itemAttribute": "PRICE", "objectiveSensitivity": "LOW"}}, ["optimizationObjective"]),
    (SIMS, {"autoTrainingConfig": {"schedulingExpression": "rate(31 days)"}}, ["schedulingExpression"]),
    (SIMS, {"autoTrainingConfig": {"schedulingExpression": "rate(0 days)"}}, ["schedulingExpression"]),
    (SIMS, {"autoTrainingConfig": {"schedulingExpression": "daily"}}, ["schedulingExpression"]),
    (SIMS, {"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "41"}}}, []),
    (SIMS, {"eventValueThreshold": "high"}, ["eventValueThreshold"]),
    (UP, {"trainingDataConfig": {"excludedDatasetColumns": {"INTERACTIONS": ["USER_ID"]}}}, ["USER_ID"]),
    (UP, {"trainingDataConfig": {"excludedDatasetColumns": {"INTERACTIONS": ["NO_SUCH"]}}}, ["NO_SUCH"]),
    (
        UP,
        {"trainingDataConfig": {"excludedDatasetColumns": {"INTERACTIONS": ["DEVICE"]}, "includedDatasetColumns": {"ITEMS": ["X"]}}},
        [],
    ),
]


@pytest.mark.parametrize("recipe,config,words", BAD_CONFIGS)
def test_solution_configs_that_are_refused(server, group, recipe, config, words):
    name = unique("refused")
    with refused(II, *words):
        server.control.create_solution(name=name, datasetGroupArn=group, recipeArn=RECIPE + recipe, solutionConfig=config)
    with refused(RNF):
        describe(server, arn(f"solution/{name}"))


def test_a_solution_needs_its_group(server):
    with refused(RNF):
        create_solution(server, arn("dataset-group/absent"), recipeArn=RECIPE + SIMS)
    with refused(II):
        create_solution(server, arn("schema/absent"), recipeArn=RECIPE + SIMS)


def test_update_solution(server, group):
    made = new_solution(server, group, SIMS)
    answer = server.control.update_solution(
        solutionArn=made,
        performAutoTraining=True,
        solutionUpdateConfig={"autoTrainingConfig": {"schedulingExpression": "rate(2 days)"}},
    )
    assert answer["solutionArn"] == made
    described = describe(server, made)
    assert described["performAutoTraining"] is True and described["status"] == "ACTIVE"
    update = described["latestSolutionUpdate"]
    assert update["status"] == "ACTIVE" and update["performAutoTraining"] is True
    assert update["solutionUpdateConfig"] == {"autoTrainingConfig": {"schedulingExpression": "rate(2 days)"}}
    assert described["solutionConfig"]["autoTrainingConfig"] == {"schedulingExpression": "rate(2 days)"}
    server.control.update_solution(solutionArn=made, solutionUpdateConfig={})
    assert describe(server, made)["performAutoTraining"] is True, "absent means: leave as it is"
    server.control.update_solution(solutionArn=made, performAutoTraining=False)
    assert describe(server, made)["performAutoTraining"] is False
    with refused(II):
        server.control.update_solution(solutionArn=made, performIncrementalUpdate=True)
    with refused(II):
        server.control.update_solution(
            solutionArn=made, solutionUpdateConfig={"autoTrainingConfig": {"schedulingExpression": "rate(99 days)"}}
        )
    with refused(RNF):
        server.control.update_solution(solutionArn=arn("solution/absent"), performAutoTraining=False)


# --- solution versions


@pytest.mark.parametrize("recipe", TRAINS)
def test_a_version_of_each_recipe(server, world, recipe):
    solution = world.solution(recipe)
    version = world.version(recipe)
    assert re.fullmatch(re.escape(solution) + "/[0-9a-f]{8}", version), version
    described = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert described["status"] == "ACTIVE" and described["solutionArn"] == solution
    assert described["name"] == version.split("solution/")[1]
    assert (described["recipeArn"], described["datasetGroupArn"]) == (RECIPE + recipe, world.group)
    assert (described["trainingMode"], described["trainingType"]) == ("FULL", "MANUAL")
    assert described["performHPO"] is False and described["performAutoML"] is False
    assert 0 < described["trainingHours"] < 1 and "failureReason" not in described
    latest = describe(server, solution)["latestSolutionVersion"]
    assert latest["solutionVersionArn"] == version and latest["status"] == "ACTIVE"
    listed = server.control.list_solution_versions(solutionArn=solution)["solutionVersions"]
    entry = [v for v in listed if v["solutionVersionArn"] == version][0]
    assert set(entry) == {
        "solutionVersionArn", "status", "trainingMode", "trainingType", "creationDateTime", "lastUpdatedDateTime",
    }  # fmt: skip
    answer = server.control.get_solution_metrics(solutionVersionArn=version)
    assert answer["solutionVersionArn"] == version and set(answer["metrics"]) == METRICS
    for name, value in answer["metrics"].items():
        assert 0 <= value <= 1 and math.isfinite(value), name


def test_personal_is_better_than_popular(server, world):
    """The clusters can be learned from the histories and not from the popularity."""
    key = "normalized_discounted_cumulative_gain_at_10"
    measured = {r: server.control.get_solution_metrics(solutionVersionArn=world.version(r))["metrics"][key] for r in TRAINS}
    assert measured["aws-user-personalization"] > 1.5 * measured["aws-popularity-count"], measured


def test_the_config_of_a_version_is_that_of_its_start(server, world):
    config = {"algorithmHyperParameters": {"popularity_discount_factor": "0.75"}}
    solution = new_solution(server, world.group, SIMS, solutionConfig=config, eventType="view")
    version = new_version(server, solution)
    server.control.update_solution(
        solutionArn=solution, solutionUpdateConfig={"autoTrainingConfig": {"schedulingExpression": "rate(2 days)"}}
    )
    described = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert described["solutionConfig"] == config and described["eventType"] == "view"


def test_versions_can_be_named(server, world):
    solution, name = world.solution(SIMS), unique("named")
    version = server.control.create_solution_version(solutionArn=solution, name=name)["solutionVersionArn"]
    assert finish_version(server, version)["name"] in (name, f"{solution.split('/')[1]}/{name}")
    with refused(RAE):
        server.control.create_solution_version(solutionArn=solution, name=name)


def test_versions_are_listed_oldest_first_and_page(server, world):
    solution = new_solution(server, world.group, "aws-popularity-count")
    made = [new_version(server, solution) for _ in range(3)]
    pages = server.control.get_paginator("list_solution_versions").paginate(
        solutionArn=solution, PaginationConfig={"PageSize": 1}
    )
    assert [v["solutionVersionArn"] for page in pages for v in page["solutionVersions"]] == made
    with refused(RNF):
        server.control.list_solution_versions(solutionArn=arn("solution/absent"))


@pytest.mark.parametrize("recipe", TRAINS)
def test_too_little_data(server, recipe):
    group = new_group(server)
    dataset = new_dataset(server, group)
    version = server.control.create_solution_version(solutionArn=new_solution(server, group, recipe))["solutionVersionArn"]
    described = finish_version(server, version)
    assert described["status"] == "CREATE FAILED" and "1000" in described["failureReason"], described
    rows = [(f"u{n}", f"i{n % 50}", 1_700_000_000 + n, "view", 1.0, "web") for n in range(1100)]  # one each
    load(server, dataset, csv_text([f["name"] for f in INTERACTIONS["fields"]], rows))
    version = server.control.create_solution_version(solutionArn=new_solution(server, group, recipe))["solutionVersionArn"]
    described = finish_version(server, version)
    assert described["status"] == "CREATE FAILED", described
    assert "fewer than 25 users with at least 2 interactions" in described["failureReason"], described
    with refused(RIU):
        server.control.create_campaign(name=unique("c"), solutionVersionArn=version)
    with refused(RIU):
        server.control.get_solution_metrics(solutionVersionArn=version)
    listed = server.control.list_solution_versions(solutionArn=described["solutionArn"])["solutionVersions"]
    assert listed[0]["failureReason"] == described["failureReason"]


def test_event_types_and_thresholds_choose_the_events(server, world):
    solution = new_solution(server, world.group, SIMS, eventType="never")
    version = server.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    described = finish_version(server, version)
    assert described["status"] == "CREATE FAILED"
    assert "fewer than 1000 interactions after filtering by event type: never" in described["failureReason"], described
    solution = new_solution(
        server, world.group, SIMS, eventType="view", solutionConfig={"eventValueThreshold": "2.0"}
    )  # all have 1.5
    version = server.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    assert finish_version(server, version)["status"] == "CREATE FAILED"
    solution = new_solution(server, world.group, SIMS, eventType="view", solutionConfig={"eventValueThreshold": "1.5"})
    new_version(server, solution)


def test_versions_that_are_refused(server, world):
    control = server.control
    with refused(RNF):
        control.create_solution_version(solutionArn=arn("solution/absent"))
    with refused(II):
        control.create_solution_version(solutionArn=world.solution(SIMS), trainingMode="UPDATE")
    with refused(II):
        control.create_solution_version(solutionArn=world.solution(UP), trainingMode="PARTIAL")
    with refused(II):
        control.create_solution_version(solutionArn=world.group)


@pytest.fixture(scope="module")
def slow(server):
    """A group whose training takes a while: many users on many items."""
    group = new_group(server)
    dataset = new_dataset(server, group)
    rows = [(f"u{n % 9000}", f"i{(n * 7919 + n // 9000 * 31) % 4000}", 1_700_000_000 + n, "view", 1.0, "web") for n in range(270_000)]
    load(server, dataset, csv_text([f["name"] for f in INTERACTIONS["fields"]], rows))
    return group


def test_stop_a_version(server, slow):
    solution = new_solution(server, slow, UP)
    control = server.control
    first = control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    second = control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    status = lambda v: control.describe_solution_version(solutionVersionArn=v)["solutionVersion"]["status"]  # noqa: E731
    wait_for(lambda: status(first), lambda value: value == "CREATE IN_PROGRESS")
    assert status(second) == "CREATE PENDING", "one job at a time"
    with refused(RIU, "CREATE"):
        control.get_solution_metrics(solutionVersionArn=first)
    with refused(RIU):
        control.create_campaign(name=unique("c"), solutionVersionArn=first)
    with refused(RIU):
        control.delete_solution(solutionArn=solution)
    answer = server.call("StopSolutionVersionCreation", {"solutionVersionArn": second})
    assert (answer.status, answer.body) == (200, b"")
    assert status(second) == "CREATE STOPPED", "from PENDING at once"
    control.stop_solution_version_creation(solutionVersionArn=first)
    assert status(first) in ("CREATE STOPPING", "CREATE STOPPED")
    assert wait_for(lambda: status(first), lambda value: value != "CREATE STOPPING", 10) == "CREATE STOPPED"
    for version in (first, second):
        with refused(RIU):
            control.stop_solution_version_creation(solutionVersionArn=version)
    with refused(RNF):
        control.stop_solution_version_creation(solutionVersionArn=f"{solution}/00000000")
    control.delete_solution(solutionArn=solution)
    with refused(RNF):
        control.describe_solution_version(solutionVersionArn=first)


def test_a_finished_version_cannot_be_stopped(server, world):
    with refused(RIU):
        server.control.stop_solution_version_creation(solutionVersionArn=world.version(SIMS))


# --- campaigns


def describe_campaign(server, campaign):
    return server.control.describe_campaign(campaignArn=campaign)["campaign"]


def test_a_campaign(server, world):
    version, name = world.version("aws-popularity-count"), unique("campaign")
    made = server.control.create_campaign(name=name, solutionVersionArn=version)["campaignArn"]
    assert made == arn(f"campaign/{name}")
    described = wait_for(lambda: describe_campaign(server, made), ended)
    assert (described["name"], described["status"], described["solutionVersionArn"]) == (name, "ACTIVE", version)
    assert described["minProvisionedTPS"] == 1 and "latestCampaignUpdate" not in described
    with refused(RAE, made):
        server.control.create_campaign(name=name, solutionVersionArn=version)
    solution = world.solution("aws-popularity-count")
    listed = server.control.list_campaigns(solutionArn=solution)["campaigns"]
    entry = [c for c in listed if c["campaignArn"] == made][0]
    assert set(entry) == {"name", "campaignArn", "status", "creationDateTime", "lastUpdatedDateTime"}
    with refused(RIU, solution):
        server.control.delete_solution(solutionArn=solution)
    assert len(world.items(made, userId="nobody")) == 25
    server.control.delete_campaign(campaignArn=made)
    with refused(RNF):
        describe_campaign(server, made)
    with refused(RNF, status=404):
        world.items(made, userId="nobody")


def test_campaigns_page(server, world):
    solution = new_solution(server, world.group, "aws-popularity-count")
    version = new_version(server, solution)
    made = [new_campaign(server, version) for _ in range(3)]
    pages = server.control.get_paginator("list_campaigns").paginate(solutionArn=solution, PaginationConfig={"PageSize": 1})
    assert [c["campaignArn"] for page in pages for c in page["campaigns"]] == made
    with refused("InvalidNextTokenException"):
        server.control.list_campaigns(nextToken="x")


def test_campaign_config_comes_back_as_given(server, world):
    config = {
        "itemExplorationConfig": {"explorationWeight": "0.1", "explorationItemAgeCutOff": "12"},
        "enableMetadataWithRecommendations": True,
    }
    made = server.control.create_campaign(
        name=unique("c"), solutionVersionArn=world.version(UP), minProvisionedTPS=15, campaignConfig=config
    )["campaignArn"]
    described = wait_for(lambda: describe_campaign(server, made), ended)
    assert described["campaignConfig"] == config and described["minProvisionedTPS"] == 15


def test_update_campaign(server, world):
    solution = new_solution(server, world.group, "aws-popularity-count")
    first, second = new_version(server, solution), new_version(server, solution)
    made = new_campaign(server, first)
    assert server.control.update_campaign(campaignArn=made, minProvisionedTPS=7)["campaignArn"] == made
    described = wait_for(lambda: describe_campaign(server, made), lambda c: c["latestCampaignUpdate"]["status"] == "ACTIVE")
    assert (described["status"], described["minProvisionedTPS"], described["solutionVersionArn"]) == ("ACTIVE", 7, first)
    server.control.update_campaign(campaignArn=made, solutionVersionArn=second)
    described = wait_for(lambda: describe_campaign(server, made), lambda c: c["latestCampaignUpdate"]["status"] == "ACTIVE")
    assert (described["minProvisionedTPS"], described["solutionVersionArn"]) == (7, second)
    assert described["latestCampaignUpdate"]["solutionVersionArn"] == second
    with refused(RNF):
        server.control.update_campaign(campaignArn=arn("campaign/absent"), minProvisionedTPS=2)
    with refused(RNF):
        server.control.update_campaign(campaignArn=made, solutionVersionArn=f"{solution}/00000000")
    with refused(II):
        server.control.update_campaign(campaignArn=made, campaignConfig={"itemExplorationConfig": {"explorationWeight": "0.1"}})


def test_a_campaign_of_another_recipe_changes_what_is_served(server, world):
    """An update to a version of another solution of the group serves that version's answers."""
    made = new_campaign(server, world.version("aws-popularity-count"))
    before = world.items(made, userId="drama-fan-3", numResults=10)
    server.control.update_campaign(campaignArn=made, solutionVersionArn=world.version(UP))
    wait_for(lambda: describe_campaign(server, made), lambda c: c["latestCampaignUpdate"]["status"] == "ACTIVE")
    after = world.items(made, userId="drama-fan-3", numResults=10)
    assert after != before and len([i for i in after if i.startswith("drama")]) >= 6, after


def test_latest(server, world):
    solution = new_solution(server, world.group, "aws-popularity-count")
    latest = f"{solution}/$LATEST"
    with refused(RNF):
        server.control.create_campaign(name=unique("c"), solutionVersionArn=latest)
    first = new_version(server, solution)
    with refused(RNF):
        server.control.create_campaign(name=unique("c"), solutionVersionArn=solution)
    once, following = new_campaign(server, latest), new_campaign(server, latest, campaignConfig={"syncWithLatestSolutionVersion": True})
    assert describe_campaign(server, once)["solutionVersionArn"] == first
    second = new_version(server, solution)
    described = wait_for(lambda: describe_campaign(server, following), lambda c: c["solutionVersionArn"] == second, 10)
    assert described["latestCampaignUpdate"]["status"] == "ACTIVE" and described["status"] == "ACTIVE"
    assert describe_campaign(server, once)["solutionVersionArn"] == first
    server.control.describe_solution_version(solutionVersionArn=described["solutionVersionArn"])
    with refused(II, "$LATEST"):
        server.control.create_campaign(
            name=unique("c"), solutionVersionArn=first, campaignConfig={"syncWithLatestSolutionVersion": True}
        )


BAD_CAMPAIGNS = [
    (UP, {"itemExplorationConfig": {"explorationWeight": "1.5"}}, "explorationWeight"),
    (UP, {"itemExplorationConfig": {"explorationWeight": "much"}}, "explorationWeight"),
    (UP, {"itemExplorationConfig": {"explorationItemAgeCutOff": "0"}}, "explorationItemAgeCutOff"),
    (UP, {"itemExplorationConfig": {"unknown": "1"}}, "unknown"),
    (UP, {"rankingInfluence": {"POPULARITY": 0.5}}, "rankingInfluence"),
    (SIMS, {"itemExplorationConfig": {"explorationWeight": "0.1"}}, "itemExplorationConfig"),
    ("aws-personalized-ranking", {"itemExplorationConfig": {"explorationWeight": "0.1"}}, "itemExplorationConfig"),
]


@pytest.mark.parametrize("recipe,config,word", BAD_CAMPAIGNS)
def test_campaigns_that_are_refused(server, world, recipe, config, word):
    with refused(II, word):
        server.control.create_campaign(name=unique("c"), solutionVersionArn=world.version(recipe), campaignConfig=config)


def test_campaigns_of_nothing(server):
    for path in ("solution/absent/0123abcd", "solution/absent/$LATEST", "solution/absent"):
        with refused(RNF):
            server.control.create_campaign(name=unique("c"), solutionVersionArn=arn(path))
    with refused(II):
        server.control.create_campaign(name=unique("c"), solutionVersionArn=arn("filter/f"))


# --- automatic training


def test_no_automatic_version_when_switched_off(server, world):
    solution = new_solution(server, world.group, "aws-popularity-count")
    time.sleep(2)
    assert server.control.list_solution_versions(solutionArn=solution)["solutionVersions"] == []
