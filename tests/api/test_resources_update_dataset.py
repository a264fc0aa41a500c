"""UpdateDataset: a grown schema for a dataset that has rows (data.md section 9)."""
import pytest
from harness import (
    INTERACTIONS,
    ITEMS,
    USERS,
    arn,
    csv_text,
    field,
    finish_import,
    interactions_csv,
    items_csv,
    load,
    new_dataset,
    new_filter,
    new_group,
    new_schema,
    new_solution,
    new_version,
    put_object,
    refused,
    schema,
    start_import,
    unique,
)

GROWN = schema("Items", *ITEMS["fields"], field("COUNTRY", ["null", "string"], categorical=True))


def test_a_dataset_gets_a_grown_schema(server):
    group = new_group(server)
    dataset = new_dataset(server, group, "ITEMS")
    load(server, dataset, items_csv())
    grown = new_schema(server, GROWN)
    assert server.control.update_dataset(datasetArn=dataset, schemaArn=grown)["datasetArn"] == dataset
    described = server.control.describe_dataset(datasetArn=dataset)["dataset"]
    assert described["schemaArn"] == grown and described["status"] == "ACTIVE"
    assert described["latestDatasetUpdate"]["schemaArn"] == grown
    assert described["latestDatasetUpdate"]["status"] == "ACTIVE"
    new_filter(server, group, 'INCLUDE ItemID WHERE Items.COUNTRY IN ("KR")')
    header = [f["name"] for f in GROWN["fields"]]
    row = ("new-1", "g", 1, 1.0, "o", "true", "text", 5, "KR")
    load(server, dataset, csv_text(header, [row]), "INCREMENTAL")


def test_a_solution_trains_on_the_columns_it_was_created_with(server):
    group = new_group(server)
    load(server, new_dataset(server, group), interactions_csv())
    dataset = new_dataset(server, group, "ITEMS")
    load(server, dataset, items_csv())
    before = new_solution(server, group)
    server.control.update_dataset(datasetArn=dataset, schemaArn=new_schema(server, GROWN))
    after = new_solution(server, group)
    for solution, has in ((before, False), (after, True)):
        path = "/ondol/models/" + new_version(server, solution)
        told = server.send("GET", path, headers=server.sign("GET", path, b"", {})).json["card"]["fields"]["ITEMS"]
        assert "GENRES" in told and ("COUNTRY" in told) == has


@pytest.mark.parametrize(
    "name,body",
    [
        ("a field gone", schema("Items", *ITEMS["fields"][:-1])),
        ("a type changed", schema("Items", *[dict(f, type="string") if f["name"] == "YEAR" else f for f in ITEMS["fields"]])),
        ("a new field not nullable", schema("Items", *ITEMS["fields"], field("X", "string"))),
        ("an attribute changed", schema("Items", *[{k: v for k, v in f.items() if k != "categorical"} for f in ITEMS["fields"]])),
        ("another kind", USERS),
    ],
)
def test_schemas_that_do_not_fit_an_update(server, name, body):
    dataset = new_dataset(server, new_group(server), "ITEMS")
    before = server.control.describe_dataset(datasetArn=dataset)["dataset"]
    with refused("InvalidInputException"):
        server.control.update_dataset(datasetArn=dataset, schemaArn=new_schema(server, body))
    assert server.control.describe_dataset(datasetArn=dataset)["dataset"] == before


def test_an_interactions_dataset_keeps_its_schema(server):
    dataset = new_dataset(server, new_group(server), "INTERACTIONS")
    grown = schema("Interactions", *INTERACTIONS["fields"], field("X", ["null", "string"]))
    with refused("InvalidInputException"):
        server.control.update_dataset(datasetArn=dataset, schemaArn=new_schema(server, grown))
    with refused("ResourceNotFoundException"):
        server.control.update_dataset(datasetArn=dataset, schemaArn=arn("schema/no"))


def test_not_while_an_import_runs(server):
    dataset = new_dataset(server, new_group(server), "ITEMS")
    rows = [(f"i{n}", "g", 1, 1.0, "o", "true", "t", 5) for n in range(300_000)]
    job = start_import(server, dataset, put_object(server, f"{unique('big')}.csv", csv_text([f["name"] for f in ITEMS["fields"]], rows)))
    with refused("ResourceInUseException"):
        server.control.update_dataset(datasetArn=dataset, schemaArn=new_schema(server, GROWN))
    assert finish_import(server, job)["status"] == "ACTIVE"
