"""performHPO and performAutoML: what is searched, what is found, and what is refused."""
import pytest
from harness import RECIPE, ended, finish_version, new_campaign, new_dataset, new_group, new_version, refused, unique, wait_for

II = "InvalidInputException"
RNF = "ResourceNotFoundException"
SIMS, UP, POPULAR = "aws-sims", "aws-user-personalization", "aws-popularity-count"


@pytest.fixture(scope="module")
def group(server):
    made = new_group(server)
    new_dataset(server, made)
    return made


def tuned_solution(server, group, recipe=None, **more):
    recipes = {"recipeArn": RECIPE + recipe} if recipe else {}
    return server.control.create_solution(
        name=unique("tuned"), datasetGroupArn=group, performAutoTraining=False, **recipes, **more
    )["solutionArn"]


def hpo(jobs=None, parallel=None, integers=(), continuous=(), categories=(), metric=None):
    config = {}
    if jobs or parallel:
        config["hpoResourceConfig"] = {
            **({"maxNumberOfTrainingJobs": str(jobs)} if jobs else {}),
            **({"maxParallelTrainingJobs": str(parallel)} if parallel else {}),
        }
    if metric:
        config["hpoObjective"] = {"type": "Maximize", "metricName": metric}
    config["algorithmHyperParameterRanges"] = {
        "integerHyperParameterRanges": [{"name": n, "minValue": low, "maxValue": high} for n, low, high in integers],
        "continuousHyperParameterRanges": [{"name": n, "minValue": low, "maxValue": high} for n, low, high in continuous],
        "categoricalHyperParameterRanges": [{"name": n, "values": values} for n, values in categories],
    }
    return {"hpoConfig": config}


def test_ranges_are_searched_and_the_best_is_told(server, world):
    solution = tuned_solution(
        server,
        world.group,
        SIMS,
        performHPO=True,
        solutionConfig={
            "algorithmHyperParameters": {"min_cointeraction_count": "9"},
            **hpo(6, 2, [("training.min_cointeraction_count", 1, 2)], [("popularity_discount_factor", 0.25, 0.75)]),
        },
    )
    versions = [new_version(server, solution) for _ in range(2)]
    found = []
    for version in versions:
        described = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
        assert described["performHPO"] is True
        found.append(described["tunedHPOParams"]["algorithmHyperParameters"])
        assert set(found[-1]) == {"min_cointeraction_count", "popularity_discount_factor"}
        assert found[-1]["min_cointeraction_count"] in ("1", "2"), "a range wins over a fixed value"
        assert 0.25 <= float(found[-1]["popularity_discount_factor"]) <= 0.75
    assert found[0] == found[1], "same data and settings, same choice"
    assert server.control.get_solution_metrics(solutionVersionArn=versions[0])["metrics"]["coverage"] > 0


def test_without_ranges_all_that_can_be_tuned_is(server, world):
    version = new_version(server, tuned_solution(server, world.group, SIMS, performHPO=True))
    described = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert set(described["tunedHPOParams"]["algorithmHyperParameters"]) == {
        "min_cointeraction_count",
        "popularity_discount_factor",
    }


def test_parameters_that_only_tuning_sets(server, world):
    config = hpo(2, None, [("item_id_hidden_dim", 40, 60)])
    version = new_version(server, tuned_solution(server, world.group, "aws-similar-items", performHPO=True, solutionConfig=config))
    described = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    found = described["tunedHPOParams"]["algorithmHyperParameters"]
    assert set(found) == {"item_id_hidden_dim"} and 40 <= int(found["item_id_hidden_dim"]) <= 60
    with refused(II, "item_id_hidden_dim"):
        tuned_solution(
            server, world.group, "aws-similar-items", solutionConfig={"algorithmHyperParameters": {"item_id_hidden_dim": "50"}}
        )


def test_untuned_versions_tell_nothing(server, world):
    version = new_version(server, tuned_solution(server, world.group, SIMS))
    described = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert "tunedHPOParams" not in described and described["performHPO"] is False


BAD = [
    (SIMS, hpo(41), ["40"]),
    (SIMS, hpo(4, 11), ["10"]),
    (SIMS, hpo(4, 0) | {"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "none"}}}, ["maxNumberOfTrainingJobs"]),
    (SIMS, hpo(integers=[("bptt", 2, 10)]), ["bptt"]),
    (SIMS, hpo(integers=[("min_cointeraction_count", 5, 2)]), ["min_cointeraction_count"]),
    (SIMS, hpo(integers=[("min_cointeraction_count", 0, 11)]), ["min_cointeraction_count", "10"]),
    (SIMS, hpo(integers=[("popularity_discount_factor", 0, 1)]), ["popularity_discount_factor"]),
    (SIMS, hpo(continuous=[("popularity_discount_factor", -0.5, 1)]), ["popularity_discount_factor"]),
    (SIMS, hpo(metric="hits_at_1_percent"), ["hpoObjective", "hits_at_1_percent"]),
    (UP, hpo(categories=[("recency_mask", ["maybe"])]), ["recency_mask", "maybe"]),
    (UP, hpo(categories=[("recency_mask", [])]), ["recency_mask"]),
    (UP, hpo(integers=[("recency_mask", 0, 1)]), ["recency_mask"]),
    (UP, hpo(integers=[("max_user_history_length_percentile", 0, 1)]), ["max_user_history_length_percentile"]),
]


@pytest.mark.parametrize("recipe,config,words", BAD)
def test_ranges_that_are_refused(server, group, recipe, config, words):
    with refused(II, *words):
        tuned_solution(server, group, recipe, performHPO=True, solutionConfig=config)


def test_recipes_that_cannot_be_tuned(server, group):
    with refused(II, "HPO", POPULAR):
        tuned_solution(server, group, POPULAR, performHPO=True)


def test_data_that_a_recipe_cannot_have_are_told_before_the_search(server, world):
    solution = tuned_solution(server, world.group, "aws-hrnn-coldstart", performHPO=True)
    version = server.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    stages = set()

    def look():
        jobs = server.send("GET", "/ondol/jobs", headers=server.sign("GET", "/ondol/jobs", b"", {})).json
        stages.update(job["stage"] for job in jobs if job["arn"] == version)
        return server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]

    described = wait_for(look, ended)
    assert described["status"] == "CREATE FAILED" and "cold items" in described["failureReason"], described
    assert not [stage for stage in stages if "trials" in stage], stages


def test_auto_ml_takes_the_better_recipe(server, world):
    config = {"autoMLConfig": {"metricName": "precision_at_5", "recipeList": [RECIPE + POPULAR, RECIPE + UP]}}
    solution = tuned_solution(server, world.group, performAutoML=True, solutionConfig=config)
    described = server.control.describe_solution(solutionArn=solution)["solution"]
    assert described["performAutoML"] is True and "autoMLResult" not in described and "recipeArn" not in described
    version = new_version(server, solution)
    described = server.control.describe_solution(solutionArn=solution)["solution"]
    assert described["autoMLResult"]["bestRecipeArn"] == RECIPE + UP, "users of this data keep to themselves"
    told = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert told["performAutoML"] is True and told["recipeArn"] == RECIPE + UP
    campaign = new_campaign(server, version)
    assert server.runtime.get_recommendations(campaignArn=campaign, userId="someone")["itemList"]
    server.control.update_solution(solutionArn=solution, performAutoTraining=False)


def test_auto_ml_of_every_recipe(server, world):
    solution = tuned_solution(server, world.group, performAutoML=True)
    new_version(server, solution)
    best = server.control.describe_solution(solutionArn=solution)["solution"]["autoMLResult"]["bestRecipeArn"]
    recipe = server.control.describe_recipe(recipeArn=best)["recipe"]
    assert recipe["recipeType"] == "USER_PERSONALIZATION"


def test_auto_ml_that_is_refused(server, group):
    with refused(II, "recipeArn"):
        tuned_solution(server, group, SIMS, performAutoML=True)
    for config, code, word in [
        ({"recipeList": [RECIPE + SIMS]}, II, SIMS),
        ({"recipeList": [RECIPE + "aws-absent"]}, RNF, "aws-absent"),
        ({"metricName": "beauty"}, II, "beauty"),
    ]:
        with refused(code, word):
            tuned_solution(server, group, performAutoML=True, solutionConfig={"autoMLConfig": config})


def test_auto_ml_of_too_little_data(server, group):
    solution = tuned_solution(server, group, performAutoML=True)
    version = server.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    described = finish_version(server, version)
    assert described["status"] == "CREATE FAILED" and "1000" in described["failureReason"], described
    assert "autoMLResult" not in server.control.describe_solution(solutionArn=solution)["solution"]
