"""The judge of all other tests (conformance.py): that it sees what is wrong, and what a whole run must have exercised."""
import json
import sys

import pytest
from conformance import OPERATIONS, RECORDER, SERVICES, UNREACHABLE, Recorder, declared, operation_of
from harness import ROOT, arn, new_group

GROUP = {"name": "g", "datasetGroupArn": arn("dataset-group/g"), "status": "ACTIVE", "creationDateTime": 1.5e9}


def faults(name, status, body, **headers):
    recorder = Recorder()
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    recorder.note(name, status, {k.replace("_", "-"): v for k, v in headers.items()}, text)
    return recorder.take_faults()


@pytest.mark.parametrize(
    "name,body",
    [
        ("DescribeDatasetGroup", {"datasetGroup": GROUP}),
        ("ListFilters", {"Filters": []}),
        ("DeleteFilter", b""),
        ("TagResource", {}),
        ("GetSolutionMetrics", {"metrics": {"coverage": 1}}),
    ],
)
def test_good_answers(name, body):
    assert faults(name, 200, body) == []


@pytest.mark.parametrize(
    "name,body,words",
    [
        ("DescribeDatasetGroup", {"datasetGroup": {**GROUP, "colour": "red"}}, "datasetGroup.colour is not in the model"),
        ("DescribeDatasetGroup", {"datasetGroup": {**GROUP, "name": 7}}, "datasetGroup.name is 7, not a string"),
        ("DescribeDatasetGroup", {"datasetGroup": {**GROUP, "name": None}}, "datasetGroup.name is null"),
        ("DescribeDatasetGroup", {"datasetGroup": {**GROUP, "creationDateTime": "2024-01-01"}}, "not a number of seconds"),
        ("DescribeDatasetGroup", {"datasetGroup": {**GROUP, "creationDateTime": True}}, "not a number of seconds"),
        ("DescribeDatasetGroup", {"datasetGroup": {**GROUP, "domain": "TRAVEL"}}, "datasetGroup.domain is TRAVEL, none of"),
        ("DescribeDatasetGroup", b"", "no JSON object"),
        ("ListFilters", {"Filters": [], "filters": []}, "filters is not in the model"),
        ("ListFilters", {}, "Filters is missing"),
        ("ListFilters", {"Filters": {}}, "Filters is {}, not an array"),
        ("ListTagsForResource", {"tags": [{"tagKey": "k"}]}, "tags[0].tagValue is required and missing"),
        ("GetSolutionMetrics", {"metrics": {"coverage": "0.5"}}, "metrics[coverage] is"),
        ("DeleteFilter", {}, "a body where the model has none"),
        ("PutEvents", {}, "a body where the model has none"),
    ],
)
def test_answers_that_are_not_as_modelled(name, body, words):
    found = faults(name, 200, body)
    assert len(found) == 1 and found[0].startswith(f"{name}: ") and words in found[0], found


def error(code, message="m"):
    return {"__type": code, "message": message}


@pytest.mark.parametrize(
    "name,status,body,header,words",
    [
        ("ListSchemas", 400, error("InvalidNextTokenException"), None, None),
        ("ListSchemas", 400, error("com.amazonaws#InvalidNextTokenException"), None, None),
        ("ListSchemas", 400, error("SerializationException"), None, None),
        ("ListSchemas", 400, error("InvalidInputException"), None, "not declared"),
        ("ListSchemas", 400, error("InvalidInputException", "1 validation error detected: ..."), None, None),
        ("ListSchemas", 404, error("InvalidNextTokenException"), None, "HTTP status 404, not 400"),
        ("ListSchemas", 400, error("InvalidNextTokenException", ""), None, "without a message"),
        ("ListSchemas", 400, {"message": "m"}, None, "without the name of an error"),
        ("ListSchemas", 500, error("InternalServerException"), None, "not declared"),
        ("PutItems", 409, error("x"), "ResourceInUseException:http://internal/", None),
        ("PutItems", 400, error("x"), "ResourceInUseException", "HTTP status 400, not 409"),
        ("PutItems", 404, error("ResourceNotFoundException"), None, "without the name of an error"),
    ],
)
def test_errors(name, status, body, header, words):
    found = faults(name, status, body, **({"x_amzn_ErrorType": header} if header else {}))
    assert (found == []) if words is None else (len(found) == 1 and words in found[0]), found


def test_which_operation_a_request_asks_for():
    target = {"x-amz-TARGET": "AmazonPersonalize.ListSchemas"}
    assert operation_of("POST", "/", target) == "ListSchemas"
    assert operation_of("GET", "/", target) is None
    assert operation_of("POST", "/", {"X-Amz-Target": "AmazonPersonalize.MakeUnicorn"}) is None
    assert operation_of("POST", "/events/", {}) == "PutEvents"
    assert operation_of("POST", "/unknown", {}) is None


def test_the_clients_are_watched(server):
    """A boto3 client, a raw request: each is counted once."""
    before = RECORDER.successes["ListDatasetGroups"], RECORDER.errors["DescribeDatasetGroup", "ResourceNotFoundException"]
    server.control.list_dataset_groups()
    server.call("DescribeDatasetGroup", {"datasetGroupArn": arn("dataset-group/absent")})
    after = RECORDER.successes["ListDatasetGroups"], RECORDER.errors["DescribeDatasetGroup", "ResourceNotFoundException"]
    assert after == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("service", SERVICES)
def test_the_server_is_made_from_the_model_of_these_clients(service):
    """Otherwise tools/gen/api_spec.py and `make gen` are due: the clients know more, or less, than the server."""
    sys.path.insert(0, str(ROOT / "tools" / "gen"))
    import api_spec

    made = json.loads((ROOT / "spec" / "api" / f"{service}.json").read_text(encoding="utf-8"))
    assert api_spec.facts_of(api_spec.read_model(service)) == made


def test_excuses_are_of_declared_errors():
    for row in UNREACHABLE:
        name, code = row if isinstance(row, tuple) else (row, None)
        assert name in OPERATIONS and (code is None or code in declared(name)), row


def test_a_run_that_exercised_nothing_is_told_so(server):
    new_group(server)
    empty = list(Recorder().lacks())
    assert "CreateCampaign never succeeded" in empty
    assert "CreateCampaign never gave InvalidInputException" in empty



def test_counts_come_together_from_several_processes():
    one, two = Recorder(), Recorder()
    for recorder in (one, two):
        recorder.successes["ListSchemas"] += 2
        recorder.errors["ListSchemas", "InvalidNextTokenException"] += 1
    one.add(json.loads(json.dumps(two.counts())))
    one.add(None)
    assert one.successes == {"ListSchemas": 4} and one.errors == {("ListSchemas", "InvalidNextTokenException"): 2}
