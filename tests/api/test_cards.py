"""The model card of a version: beside the API, in a file, and in the image."""
import json
import subprocess
import urllib.parse

import pytest
from harness import BINARY, INTERACTIONS, arn, csv_text, finish_version, load, new_campaign, new_dataset, new_group, new_solution, new_version, unique

UP, SIMS = "aws-user-personalization", "aws-sims"


def page(server, version, encoded=False):
    path = "/ondol/models/" + (urllib.parse.quote(version, safe="") if encoded else version)
    return server.send("GET", path, headers=server.sign("GET", path, b"", {}))


def test_the_card_tells_what_a_version_is_made_of(server, world):
    version = world.version(UP)
    answer = page(server, version)
    assert answer.status == 200, answer
    told = answer.json
    assert told["solutionVersionArn"] == version and told["status"] == "ACTIVE" and "job" not in told
    card = told["card"]
    assert card["recipe"] == UP
    assert card["data"]["interactions"] > 1000 and card["data"]["from"] < card["data"]["to"]
    assert sum(card["data"]["eventTypes"].values()) == card["data"]["interactions"]
    assert "DEVICE" in card["fields"]["INTERACTIONS"]
    assert card["parameters"]["bptt"] == "32"
    metrics = server.control.get_solution_metrics(solutionVersionArn=version)["metrics"]
    assert card["metrics"] == pytest.approx(metrics)
    ndcg = "normalized_discounted_cumulative_gain_at_10"
    assert card["metrics"][ndcg] > card["popularity"][ndcg], "users of this data keep to themselves"
    assert card["trainingSeconds"] > 0
    measured = {f["field"] for f in card["ablation"]["fields"]} | set(card["ablation"]["notMeasured"])
    assert {"GENRES", "PRICE", "AGE", "DEVICE"} <= measured


def test_the_file_and_the_image_say_the_same(server, world):
    version = world.version(UP)
    card = page(server, version).json["card"]
    same = [p for p in (server.folder / "images").glob("*.card.json") if json.loads(p.read_text()) == card]
    assert len(same) == 1
    image = same[0].with_name(same[0].name.replace(".card.json", ".image"))
    shown = subprocess.run([BINARY, "show", str(image)], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0 and "card:" in shown.stdout, shown
    assert f"hash\":\"{card['data']['hash']}" in shown.stdout and "trainingSeconds" not in shown.stdout


def test_the_next_version_is_compared_with_the_one_serving(server):
    group = new_group(server)
    dataset = new_dataset(server, group)
    header = [f["name"] for f in INTERACTIONS["fields"]]

    def walk(first, last):
        return csv_text(header, [
            (f"u{u}", f"i{(u % 3) * 20 + (u + k) % 20}", 1_700_000_000 + k * 100 + u, "view", 1.0, "web") for u in range(400) for k in range(first, last)
        ])

    load(server, dataset, walk(0, 20))
    solution = new_solution(server, group, SIMS)
    first = new_version(server, solution)
    new_campaign(server, first)
    load(server, dataset, walk(20, 60), "INCREMENTAL")
    card = page(server, new_version(server, solution)).json["card"]
    assert card["serving"]["solutionVersionArn"] == first
    assert card["serving"]["usersWithLaterEvents"] == 40
    assert set(card["serving"]["onLaterEvents"]) == {"serving", "this"}
    assert card["serving"]["metricsThen"] == server.control.get_solution_metrics(solutionVersionArn=first)["metrics"]


def test_a_tuned_version_shows_its_trials(server, world):
    solution = server.control.create_solution(
        name=unique("tuned"), datasetGroupArn=world.group, performAutoTraining=False, performHPO=True,
        recipeArn="arn:aws:personalize:::recipe/aws-sims",
        solutionConfig={"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "3"}}},
    )["solutionArn"]
    version = new_version(server, solution)
    card = page(server, version, encoded=True).json["card"]
    tuned = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["tunedHPOParams"]
    assert card["tuned"] == tuned["algorithmHyperParameters"]
    trials = card["search"]["trials"]
    assert len(trials) == 3 and trials[card["search"]["best"]]["parameters"] == card["tuned"]
    assert max(t["value"] for t in trials) == trials[card["search"]["best"]]["value"]


def test_pages_of_nothing(server, world):
    assert page(server, arn("solution/none/12345678")).status == 404
    assert page(server, world.group).status == 400
    refused = server.send("GET", "/ondol/models/" + world.version(UP))
    assert refused.status in (400, 403) and refused.code == "MissingAuthenticationTokenException"


def test_a_version_without_a_model_has_no_card(server):
    group = new_group(server)
    new_dataset(server, group)
    version = server.control.create_solution_version(solutionArn=new_solution(server, group, SIMS))["solutionVersionArn"]
    finish_version(server, version)
    told = page(server, version).json
    assert told["status"] == "CREATE FAILED" and "1000" in told["failureReason"] and "card" not in told
