"""What clients that never heard of Ondol take for granted, a test a line. Raw bodies, so that no SDK smooths anything over;
by four SDKs: test_lives.py."""
import json
import time

import pytest
from conformance import OPERATIONS
from harness import (
    INTERACTIONS,
    ITEMS,
    RECIPE,
    arn,
    finish_version,
    new_filter,
    new_group,
    new_schema,
    new_solution,
    refused,
    unique,
)

SIMS = "aws-sims"
CONFIGS = [
    {},
    {"eventValueThreshold": "0.5"},
    {"algorithmHyperParameters": {"popularity_discount_factor": "0.40", "min_cointeraction_count": "03"}},
    {"trainingDataConfig": {"excludedDatasetColumns": {"INTERACTIONS": ["DEVICE"]}}},
    {"autoTrainingConfig": {"schedulingExpression": "rate(30 days)"}},
]


@pytest.mark.parametrize("config", CONFIGS, ids=json.dumps)
def test_what_was_given_comes_back_exactly(server, world, config):
    body = {
        "name": unique("exact"),
        "datasetGroupArn": world.group,
        "recipeArn": RECIPE + SIMS,
        "performHPO": False,
        "performAutoML": False,
        "performAutoTraining": True,
        "eventType": "view",
        "solutionConfig": config,
    }
    made = server.call("CreateSolution", body).json["solutionArn"]
    described = server.call("DescribeSolution", {"solutionArn": made}).json["solution"]
    assert {key: described[key] for key in body} == body
    server.control.update_solution(solutionArn=made, performAutoTraining=False)


def test_a_schema_comes_back_to_the_byte(server):
    text = json.dumps(ITEMS, indent=3).replace("ITEM_ID", "ITEM\\u005fID", 1) + "\n "
    made = server.control.create_schema(name=unique("bytes"), schema=text)["schemaArn"]
    assert server.control.describe_schema(schemaArn=made)["schema"]["schema"] == text


def test_a_filter_comes_back_to_the_byte(server, world):
    text = ' include  ItemID\nWHERE Items.GENRES in ("even","지역") '
    assert server.control.describe_filter(filterArn=new_filter(server, world.group, text))["filter"]["filterExpression"] == text


def test_a_solution_is_active_at_its_first_describe(server, world):
    made = new_solution(server, world.group, SIMS)
    assert server.control.describe_solution(solutionArn=made)["solution"]["status"] == "ACTIVE"


def test_versions_are_listed_oldest_first(server, world):
    solution = new_solution(server, world.group, SIMS)
    made = [server.control.create_solution_version(solutionArn=solution)["solutionVersionArn"] for _ in range(3)]
    for version in made:
        finish_version(server, version)
    listed = server.control.list_solution_versions(solutionArn=solution)["solutionVersions"]
    assert [version["solutionVersionArn"] for version in listed] == made
    assert listed[-1]["solutionVersionArn"] == made[-1], "as notebooks take the newest"
    latest = server.control.describe_solution(solutionArn=solution)["solution"]["latestSolutionVersion"]
    assert latest["solutionVersionArn"] == made[-1]


def test_filters_has_a_capital_f(server, world):
    new_filter(server, world.group, 'INCLUDE ItemID WHERE Items.GENRES IN ("x")')
    assert set(server.call("ListFilters", {"datasetGroupArn": world.group, "maxResults": 100}).json) == {"Filters"}


def test_the_only_keys_of_a_page_are_the_list_and_the_token(server):
    new_group(server)
    new_group(server)
    for name, (_, model) in OPERATIONS.items():
        if name.startswith("List") and name != "ListTagsForResource":
            answer = server.call(name, {"maxResults": 1})
            if answer.status == 200:
                member = next(m for m, shape in model.output_shape.members.items() if shape.type_name == "list")
                assert set(answer.json) <= {member, "nextToken"} and member in answer.json, answer
                assert answer.json.get("nextToken") != "", "left out on the last page"


def test_arns_are_those_that_a_client_builds(server, world):
    name = unique("built")
    group = server.control.create_dataset_group(name=name)["datasetGroupArn"]
    assert group == arn(f"dataset-group/{name}")
    schema = new_schema(server, INTERACTIONS, name)
    assert schema == arn(f"schema/{name}")
    made = server.control.create_dataset(name="other", schemaArn=schema, datasetGroupArn=group, datasetType="interactions")
    assert made["datasetArn"] == arn(f"dataset/{name}/INTERACTIONS"), "of the group's name, and the type in capitals"
    version = world.version(SIMS)
    assert version.rsplit("/", 1)[0] == world.solution(SIMS) and len(version.rsplit("/", 1)[1]) == 8
    campaign = server.control.create_campaign(name=name, solutionVersionArn=version)["campaignArn"]
    assert campaign == arn(f"campaign/{name}")
    assert server.control.describe_campaign(campaignArn=campaign)["campaign"]["solutionVersionArn"] == version


def test_what_is_absent_is_not_found_rather_than_not_valid(server):
    """Clients build the ARN, ask for it, and create what is not there."""
    for kind in ("dataset_group", "schema", "solution", "campaign", "filter", "recommender"):
        member = "".join(w if i == 0 else w.title() for i, w in enumerate(kind.split("_"))) + "Arn"
        with refused("ResourceNotFoundException"):
            getattr(server.control, f"describe_{kind}")(**{member: arn(f"{kind.replace('_', '-')}/{unique('absent')}")})


def test_a_second_identical_create_names_what_exists(server):
    body = {"name": unique("same")}
    made = server.call("CreateDatasetGroup", body).json["datasetGroupArn"]
    before = server.call("DescribeDatasetGroup", {"datasetGroupArn": made}).body
    again = server.call("CreateDatasetGroup", body)
    assert (again.status, again.code) == (400, "ResourceAlreadyExistsException") and made in again.json["message"]
    assert server.call("DescribeDatasetGroup", {"datasetGroupArn": made}).body == before


def test_who_polls_without_pausing_is_served(server, world):
    version = server.control.create_solution_version(solutionArn=world.solution(SIMS))["solutionVersionArn"]
    for count in range(100_000):
        described = server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
        if described["status"] == "ACTIVE":
            break
    assert described["status"] == "ACTIVE" and count > 3, "never refused, and it came to its end meanwhile"


def test_timestamps_are_numbers_everywhere(server, world):
    def times(value, path=""):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from times(inner, f"{path}.{key}")
        elif isinstance(value, list):
            for inner in value:
                yield from times(inner, path)
        elif path.endswith("DateTime"):
            yield path, value

    bodies = [
        server.call("DescribeCampaign", {"campaignArn": world.campaign(SIMS)}).json,
        server.call("DescribeSolution", {"solutionArn": world.solution(SIMS)}).json,
        server.call("ListSolutionVersions", {}).json,
        server.call("DescribeRecipe", {"recipeArn": RECIPE + SIMS}).json,
    ]
    found = [entry for body in bodies for entry in times(body)]
    assert len(found) >= 8
    for path, value in found:
        assert isinstance(value, (int, float)) and 1.5e9 < value < time.time() + 60, (path, value)


def test_deletes_answer_an_empty_body(server, world):
    made = new_filter(server, world.group, 'INCLUDE ItemID WHERE Items.GENRES IN ("x")')
    answer = server.call("DeleteFilter", {"filterArn": made})
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    answer = server.call("UntagResource", {"resourceArn": world.group, "tagKeys": []})
    assert (answer.status, answer.body) == (200, b"{}"), "but this one has an output, if an empty one"
