"""The errors that operations of many kinds have in common, asked of every operation that declares them: something not
valid, something that does not exist, a token of nobody's, too many tags. The others are tested with their resources."""
import random

import pytest
from conformance import II, INT, OPERATIONS, RNF, TMT, TMTK, declared
from harness import RECIPE, arn
from hostile import INVALID, all_faults, right_body

# Well-formed and of the right kind, but of nothing that exists.
NOWHERE = {
    "datasetGroupArn": arn("dataset-group/absent"),
    "datasetArn": arn("dataset/absent/ITEMS"),
    "schemaArn": arn("schema/absent"),
    "datasetImportJobArn": arn("dataset-import-job/absent"),
    "datasetExportJobArn": arn("dataset-export-job/absent"),
    "dataDeletionJobArn": arn("data-deletion-job/absent"),
    "eventTrackerArn": arn("event-tracker/00000000"),
    "filterArn": arn("filter/absent"),
    "solutionArn": arn("solution/absent"),
    "solutionVersionArn": arn("solution/absent/00000000"),
    "campaignArn": arn("campaign/absent"),
    "recommenderArn": arn("recommender/absent"),
    "batchInferenceJobArn": arn("batch-inference-job/absent"),
    "batchSegmentJobArn": arn("batch-segment-job/absent"),
    "metricAttributionArn": arn("metric-attribution/absent"),
    "resourceArn": arn("campaign/absent"),
    "recipeArn": f"{RECIPE}absent",
    "algorithmArn": "arn:aws:personalize:::algorithm/absent",
    "featureTransformationArn": "arn:aws:personalize:::feature-transformation/absent",
    "trackingId": "00000000-0000-4000-8000-000000000000",
}
# What an operation needs although the model does not say so (api.md section 7).
NEEDED = {
    "CreateRecommender": {"recipeArn": f"{RECIPE}aws-ecomm-popular-items-by-views"},
    "CreateSolution": {"recipeArn": f"{RECIPE}aws-sims"},
    "GetRecommendations": {"campaignArn": NOWHERE["campaignArn"], "userId": "u"},
    "GetActionRecommendations": {"campaignArn": NOWHERE["campaignArn"], "userId": "u"},
    "ListSolutionVersions": {"solutionArn": NOWHERE["solutionArn"]},
    "UpdateMetricAttribution": {"metricAttributionArn": NOWHERE["metricAttributionArn"]},
    "PutActions": {"datasetArn": arn("dataset/absent/ACTIONS")},
    "PutUsers": {"datasetArn": arn("dataset/absent/USERS")},
}


def of_nothing(name):
    body = right_body(name, whole=False)
    return {**body, **{k: v for k, v in NOWHERE.items() if k in body}, **NEEDED.get(name, {})}


def those_declaring(code):
    return pytest.mark.parametrize("name", [name for name in OPERATIONS if code in declared(name)])


def must_be(answer, code):
    assert answer.code == code, answer
    return answer


@those_declaring(II)
def test_invalid_input(server, name):
    fault = next(fault for fault in all_faults() if fault.operation == name and fault.code == INVALID)
    body = right_body(name)
    fault.put_into(body, random.Random(1))
    must_be(server.ask(name, body), II)


@those_declaring(RNF)
def test_of_something_that_does_not_exist(server, name):
    message = must_be(server.ask(name, of_nothing(name)), RNF).json["message"]
    assert "absent" in message or "00000000" in message, message


# (operation, member) of the ARNs that operations take of one kind of resource; lists of an unknown parent are empty.
OF_ONE_KIND = [
    (name, member)
    for name in OPERATIONS
    for member in {**right_body(name), **NEEDED.get(name, {})}
    if member in NOWHERE and member not in ("resourceArn", "trackingId") and not name.startswith("List")
]


@pytest.mark.parametrize("name,member", OF_ONE_KIND)
def test_an_arn_of_another_kind(server, name, member):
    """Not valid, rather than not there; where another resource is looked for first, that one is not there."""
    wrong = NOWHERE["filterArn" if member != "filterArn" else "campaignArn"]
    body = {**of_nothing(name), member: wrong}
    if member == "recommenderArn":
        body.pop("campaignArn", None)
    answer = server.ask(name, body)
    if answer.code == RNF:
        assert wrong not in answer.json["message"] and len([k for k in body if k in NOWHERE]) > 1, answer
        return
    must_be(answer, II)
    assert wrong in answer.json["message"] and "is not a valid" in answer.json["message"], answer


@those_declaring(INT)
def test_a_token_of_nobodys(server, name):
    for token in ("nonsense", "0" * 32, "A" * 1500):
        must_be(server.ask(name, {"nextToken": token, **NEEDED.get(name, {})}), INT)


@those_declaring(TMT)
def test_more_than_fifty_tags(server, name):
    """Told before anything else is looked at (errors.md section 3), so that nothing need exist."""
    tags = [{"tagKey": f"k{n}", "tagValue": "v"} for n in range(51)]
    must_be(server.ask(name, {**of_nothing(name), "tags": tags}), TMT)


@those_declaring(TMTK)
def test_more_than_fifty_tag_keys(server, name):
    must_be(server.ask(name, {**of_nothing(name), "tagKeys": [f"k{n}" for n in range(51)]}), TMTK)


@pytest.mark.parametrize("tags,word", [([("aws:mine", "v")], "aws:"), ([("k", "1"), ("k", "2")], "twice")])
@those_declaring(TMT)
def test_tags_that_may_not_be(server, name, tags, word):
    listed = [{"tagKey": k, "tagValue": v} for k, v in tags]
    answer = must_be(server.ask(name, {**of_nothing(name), "tags": listed}), II)
    assert word in answer.json["message"], answer
