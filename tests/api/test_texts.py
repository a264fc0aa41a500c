"""What refusals say: the documented messages of errors.md section 4 and 5, and the house's own of section 6. A message may
go on after these words, to tell the place or the rule. Texts about states and quotas: test_states.py, test_quotas.py; about filters under --strict: test_filters.py."""
import json
import types

import pytest
from harness import (
    INTERACTIONS,
    ITEMS,
    RECIPE,
    Server,
    World,
    arn,
    csv_text,
    field,
    finish_import,
    finish_version,
    interactions_csv,
    load,
    new_dataset,
    new_group,
    new_schema,
    new_solution,
    put_object,
    refused,
    schema,
    start_import,
    unique,
)

II, RNF, INT = "InvalidInputException", "ResourceNotFoundException", "InvalidNextTokenException"
SIMS, UP, POPULAR = "aws-sims", "aws-user-personalization", "aws-popularity-count"
DOMAIN = RECIPE + "aws-ecomm-popular-items-by-views"


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("texts") / "data")
    world = World(server)
    empty = new_dataset(server, new_group(server), "ITEMS")
    yield types.SimpleNamespace(
        server=server, control=server.control, world=world, group=world.group, datasets=world.datasets, empty=empty
    )
    server.stop()


def said(call, code, text, **given):
    with refused(code) as caught:
        call(**given)
    assert caught.value.response["Error"]["Message"].startswith(text)


# --- control plane


def solution(w, recipe=SIMS, **more):
    return w.control.create_solution, {
        "name": unique("s"),
        "datasetGroupArn": w.group,
        **({"recipeArn": RECIPE + recipe} if recipe else {}),
        **more,
    }


def hpo(name, value):
    ranges = {"integerHyperParameterRanges": [{"name": "rank", "minValue": 8, "maxValue": 32}]}
    return {"hpoConfig": {"hpoResourceConfig": {name: value}, "algorithmHyperParameterRanges": ranges}}


def filter_of(w, text):
    return w.control.create_filter, {"name": unique("f"), "datasetGroupArn": w.group, "filterExpression": text}


def schema_of(w, text):
    return w.control.create_schema, {"name": unique("s"), "schema": text if isinstance(text, str) else json.dumps(text)}


def import_of(w, location, **more):
    given = {"jobName": unique("j"), "datasetArn": w.datasets["ITEMS"], "dataSource": {"dataLocation": location}, **more}
    return w.control.create_dataset_import_job, given


CONTROL = {
    "no recipe": (lambda w: solution(w, None), II, "recipeArn is required."),
    "a recipe and AutoML": (
        lambda w: solution(w, performAutoML=True), II, "recipeArn must be omitted when performAutoML is true.",
    ),
    "an unknown recipe": (lambda w: solution(w, "aws-none"), RNF, f"Resource Arn {RECIPE}aws-none does not exist."),
    "a domain's recipe": (
        lambda w: solution(w, "aws-ecomm-popular-items-by-views"), II, f"Recipe {DOMAIN} cannot be used here.",
    ),
    "HPO of a recipe without": (
        lambda w: solution(w, POPULAR, performHPO=True), II, f"HPO is not supported by recipe {POPULAR}.",
    ),
    "a schedule of 31 days": (
        lambda w: solution(w, solutionConfig={"autoTrainingConfig": {"schedulingExpression": "rate(31 days)"}}),
        II, "Invalid schedulingExpression.",
    ),
    "a schedule of no days": (
        lambda w: solution(w, solutionConfig={"autoTrainingConfig": {"schedulingExpression": "rate(0 days)"}}),
        II, "Invalid schedulingExpression.",
    ),
    "41 trainings": (
        lambda w: solution(w, UP, performHPO=True, solutionConfig=hpo("maxNumberOfTrainingJobs", "41")),
        II, "hpoResourceConfig.maxNumberOfTrainingJobs must be at most 40",
    ),
    "11 trainings at once": (
        lambda w: solution(w, UP, performHPO=True, solutionConfig=hpo("maxParallelTrainingJobs", "11")),
        II, "hpoResourceConfig.maxParallelTrainingJobs must be at most 10",
    ),
    "a location of another kind": (lambda w: import_of(w, "https://bucket/x.csv"), II, "Invalid Data location."),
    "no location": (lambda w: import_of(w, None, dataSource={}), II, "Invalid Data location."),
    "a first import that adds": (
        lambda w: import_of(w, "s3://bucket/x.csv", importMode="INCREMENTAL", datasetArn=w.empty),
        II, "The first bulk import of a dataset must use FULL import mode.",
    ),
    "a dataset type of nobody's": (
        lambda w: (
            w.control.create_dataset,
            {"name": "d", "datasetGroupArn": w.group, "datasetType": "HOTELS", "schemaArn": new_schema(w.server, ITEMS)},
        ),
        II, "HOTELS is not a supported dataset type.",
    ),
    "a token of nobody's": (lambda w: (w.control.list_filters, {"nextToken": "x"}), INT, "The token is not valid."),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTROL)
def test_control_plane(texts, name):
    make, code, text = CONTROL[name]
    call, given = make(texts)
    said(call, code, text, **given)


STARTS = {
    "no JSON": (lambda w: schema_of(w, "nothing"), "Invalid schema: "),
    "no record": (lambda w: schema_of(w, '"string"'), "Invalid schema: "),
    "a field twice": (lambda w: schema_of(w, {**ITEMS, "fields": [*ITEMS["fields"], ITEMS["fields"][0]]}), "Invalid schema: "),
    "a required field missing": (lambda w: schema_of(w, {**ITEMS, "fields": ITEMS["fields"][1:]}), "Invalid schema: "),
    "a filter on a textual field": (
        lambda w: filter_of(w, "INCLUDE ItemID WHERE Items.DESCRIPTION IN (\"x\")"),
        "Could not create filter. Invalid Expression",
    ),
    "a hyperparameter too large": (
        lambda w: solution(w, solutionConfig={"algorithmHyperParameters": {"popularity_discount_factor": "2"}}),
        "Invalid value 2 for hyperparameter popularity_discount_factor; expected ",
    ),
    "a hyperparameter of nobody's": (
        lambda w: solution(w, solutionConfig={"algorithmHyperParameters": {"speed": "2"}}),
        "Invalid value 2 for hyperparameter speed; expected ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STARTS)
def test_control_plane_with_a_reason(texts, name):
    make, start = STARTS[name]
    call, given = make(texts)
    with refused(II) as caught:
        call(**given)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith(start) and len(message) > len(start) + 3, message


# --- runtime and events


def recommend(w, recipe, **more):
    return w.server.runtime.get_recommendations, {"campaignArn": w.world.campaign(recipe), **more}


def put(w, properties="{}", **more):
    event = {"eventType": "v", "itemId": "i", "sentAt": 1_700_000_000, "properties": properties, **more}
    return w.server.events.put_events, {"trackingId": w.world.tracking_id, "sessionId": "s", "eventList": [event]}


LIVE = {
    "no user": (lambda w: recommend(w, POPULAR), "userId is required for this recipe."),
    "no item": (lambda w: recommend(w, SIMS, userId="u"), "itemId is required for this recipe."),
    "501 results": (lambda w: recommend(w, SIMS, itemId="i", numResults=501), "numResults must be at most 500."),
    "a filter parameter without value": (
        lambda w: recommend(w, SIMS, itemId="i", filterArn=w.world.filter("INCLUDE ItemID WHERE Items.GENRES IN ($G)")),
        "Missing value for filter parameter G.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIVE)
def test_runtime(texts, name):
    make, text = LIVE[name]
    call, given = make(texts)
    said(call, II, text, **given)


@pytest.mark.parametrize("properties", ["nothing", "[]", "7"])
def test_properties_that_are_no_object(texts, properties):
    call, given = put(texts, properties)
    with refused(II, "Invalid properties JSON."):
        call(**given)


# --- what jobs fail with


def failure(w, kind, text, body=None):
    dataset = new_dataset(w.server, new_group(w.server), kind, body)
    location = put_object(w.server, f"{unique('bad')}.csv", text) if text is not None else "s3://bucket/none.csv"
    job = finish_import(w.server, start_import(w.server, dataset, location))
    assert job["status"] == "CREATE FAILED", job
    return job["failureReason"]


HEADER = [f["name"] for f in ITEMS["fields"]]
ROW = ["i", "horror", 1980, 1.5, "o", "true", "d", 1]
DG = "https://docs.aws.amazon.com/personalize/latest/dg/data-prep-formatting.html"


@pytest.mark.parametrize(
    "kind,text,words",
    [
        ("INTERACTIONS", csv_text(["USER_ID", "EVENT_TYPE"], [("u", "v")]), [
            "Failed to create a data import job for INTERACTIONS dataset", "Input CSV is missing the following columns: [ITEM_ID, TIMESTAMP",
        ]),
        ("INTERACTIONS", csv_text([f["name"] for f in INTERACTIONS["fields"]], [("u", "i", 1, "v", 1, "d")]), [
            "INTERACTIONS dataset", "Input CSV has fewer than 1000 records.",
        ]),
        ("ITEMS", csv_text(HEADER, [["i" * 257, *ROW[1:]]]), [
            f"Length cannot be more than 256 characters for ITEM_ID. If no values exceed the character limit, make sure your data follows the formatting guidelines listed in {DG}.",
        ]),
        ("ITEMS", csv_text(HEADER, [ROW, ["j", *ROW[1:7], "noon"]]), [
            "Failed to create a data import job for ITEMS dataset.", "Invalid value 'noon' for column CREATION_TIMESTAMP at line 3",
        ]),
        ("ITEMS", None, [
            "Failed to create a data import job for ITEMS dataset.", "Insufficient privileges for accessing data in Amazon S3.",
        ]),
    ],
)  # fmt: skip
def test_imports(texts, kind, text, words):
    reason = failure(texts, kind, text)
    for word in words:
        assert word in reason, reason


def version_failure(w, group, recipe, **more):
    made = new_solution(w.server, group, recipe, **more)
    version = w.control.create_solution_version(solutionArn=made)["solutionVersionArn"]
    described = finish_version(w.server, version)
    assert described["status"] == "CREATE FAILED", described
    return described["failureReason"]


def test_trainings(texts):
    plain = schema("Interactions", field("USER_ID", "string"), field("ITEM_ID", "string"), field("TIMESTAMP", "long"))
    group = new_group(texts.server)
    dataset = new_dataset(texts.server, group, "INTERACTIONS", plain)
    rows = [(f"u{n}", f"i{n % 50}", 1_700_000_000 + n) for n in range(1100)]
    load(texts.server, dataset, csv_text(["USER_ID", "ITEM_ID", "TIMESTAMP"], rows))
    few = "Create failed. Dataset has fewer than 25 users with at least 2 interactions each."
    assert version_failure(texts, group, UP) == few
    never = "Dataset has fewer than 1000 interactions after filtering by event type: never"
    assert never in version_failure(texts, texts.group, UP, eventType="never")


def test_an_attribute_recipe_without_attributes(texts):
    group = new_group(texts.server)
    items = schema("Items", field("ITEM_ID", "string"), field("GENRES", ["null", "string"], categorical=True))
    load(texts.server, new_dataset(texts.server, group, "INTERACTIONS"), interactions_csv())
    load(texts.server, new_dataset(texts.server, group, "ITEMS", items), csv_text(["ITEM_ID", "GENRES"], [("horror-01", "x")]))
    assert version_failure(texts, group, "aws-item-attribute-affinity") == (
        "Did not find any attribute to train on. There may not be any attribute in the items dataset, or all attribute values "
        "either have same or all distinct values."
    )


def test_an_unknown_arn(texts):
    text = f"Resource Arn {arn('filter/absent')} does not exist."
    said(texts.control.describe_filter, RNF, text, filterArn=arn("filter/absent"))
    said(texts.control.delete_filter, RNF, text, filterArn=arn("filter/absent"))
