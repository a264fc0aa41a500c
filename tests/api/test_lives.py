"""The full life of every kind of resource, by each of four clients: create, create again, describe, list with paging, tag,
update, use, delete. A kind is one entry of KINDS; what its operations are called follows from its title.

Whatever was given comes back from Describe exactly; the ARN is the one a client builds from the name; a second identical
create changes nothing and names what exists; lists page, oldest first; a deleted resource is gone from both.
"""
import dataclasses
import json

import pytest
from clients import CLIENTS, Refused, seconds
from conformance import OPERATIONS
from harness import (
    ITEMS,
    RECIPE,
    TIME_0,
    arn,
    csv_text,
    field,
    items_csv,
    load,
    new_dataset,
    new_group,
    new_schema,
    new_solution,
    put_object,
    schema,
    unique,
    wait_for,
)
from hostile import right_body

SIMS = "aws-sims"
ROLE = "arn:aws:iam::000000000000:role/ondol"
TAGS = [{"tagKey": "team", "tagValue": "stay"}]
GROWN = {**ITEMS, "fields": [*ITEMS["fields"], field("COLOUR", ["null", "string"])]}
FILTER = 'INCLUDE ItemID WHERE Items.GENRES IN ("even")'


@dataclasses.dataclass
class Kind:
    title: str  # "Campaign": CreateCampaign, campaignArn, campaigns
    make: object  # (world, name) -> input of Create
    arn: object = None  # (input) -> the ARN as a client builds it; None: made by the server
    by: str = None  # the member of Create that List filters by
    update: object = None  # (world) -> (input of Update but for the ARN, members that Describe then has)
    use: object = None  # (client, world, ARN, output of Create): any calls
    lists: str = None  # List's member, where it is not the plural
    name: str = "name"
    done: str = "ACTIVE"
    taggable: bool = True
    unlike: tuple = ("tags",)  # members of Create that Describe does not give back

    @property
    def member(self):
        return self.title[0].lower() + self.title[1:]

    @property
    def listed(self):
        return self.lists or self.member + "s"

    def has(self, verb):
        return verb + self.title in OPERATIONS


def named(path, member="name"):
    return lambda given: arn(f"{path}/{given[member]}")


def recommended(client, campaign, **more):
    answer = client.ask("GetRecommendations", campaignArn=campaign, itemId="horror-01", numResults=5, **more)
    assert answer["recommendationId"].startswith("RID-") and len(answer["itemList"]) == 5, answer
    return [item["itemId"] for item in answer["itemList"]]


# --- what is made, and for what


def make_dataset(world, name):
    return {
        "name": name,
        "schemaArn": new_schema(world.server, ITEMS),
        "datasetGroupArn": new_group(world.server, name),
        "datasetType": "ITEMS",
    }


def use_dataset(client, _, dataset, __):
    properties = json.dumps({"genres": "horror", "creationTimestamp": TIME_0})
    assert client.ask("PutItems", datasetArn=dataset, items=[{"itemId": "i", "properties": properties}]) == {}


def make_import(world, name):
    dataset = new_dataset(world.server, new_group(world.server), "ITEMS")
    location = put_object(world.server, f"{name}.csv", items_csv())
    return {
        "jobName": name,
        "datasetArn": dataset,
        "dataSource": {"dataLocation": location},
        "roleArn": ROLE,
        "importMode": "FULL",
    }


def make_tracker(world, name):
    group = new_group(world.server)
    new_dataset(world.server, group)
    return {"name": name, "datasetGroupArn": group}


def use_tracker(client, _, __, created):
    event = {"eventType": "view", "itemId": "i", "sentAt": TIME_0, "properties": json.dumps({"device": "phone"})}
    assert client.ask("PutEvents", trackingId=created["trackingId"], userId="u", sessionId="s", eventList=[event]) == {}


def use_filter(client, world, made, _):
    items = recommended(client, world.campaign(SIMS), filterArn=made)
    assert all(int(item[-2:]) % 2 == 0 for item in items), items


def make_solution(world, name):
    return {
        "name": name,
        "datasetGroupArn": world.group,
        "recipeArn": RECIPE + SIMS,
        "performHPO": False,
        "performAutoML": False,
        "performAutoTraining": False,
        "eventType": "view",
        "solutionConfig": {"algorithmHyperParameters": {"popularity_discount_factor": "0.4"}, "eventValueThreshold": "0.5"},
    }


def update_solution(_):
    config = {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}
    return {"performAutoTraining": False, "solutionUpdateConfig": config}, {"performAutoTraining": False}


def use_version(client, _, version, __):
    metrics = client.ask("GetSolutionMetrics", solutionVersionArn=version)["metrics"]
    assert all(float(value) >= 0 for value in metrics.values()) and "coverage" in metrics, metrics


def make_campaign(world, name):
    config = {"enableMetadataWithRecommendations": True}
    return {"name": name, "solutionVersionArn": world.version(SIMS), "minProvisionedTPS": 2, "campaignConfig": config}


def update_campaign(world):
    changed = {"minProvisionedTPS": 3, "campaignConfig": {"enableMetadataWithRecommendations": False}}
    return changed, {**changed, "solutionVersionArn": world.version(SIMS)}


def make_recommender(world, name):
    server = world.server
    group = server.control.create_dataset_group(name=name, domain="ECOMMERCE")["datasetGroupArn"]
    text = schema("Interactions", *(field(n, k) for n, k in zip(["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"], ["string"] * 2 + ["long", "string"])))
    made = server.control.create_schema(name=name, schema=json.dumps(text), domain="ECOMMERCE")["schemaArn"]
    dataset = server.control.create_dataset(name=name, schemaArn=made, datasetGroupArn=group, datasetType="INTERACTIONS")
    rows = [(f"u{n % 60}", f"i{n * n % 40}", TIME_0 + n, "View") for n in range(1200)]
    load(server, dataset["datasetArn"], csv_text(["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"], rows))
    return {
        "name": name,
        "datasetGroupArn": group,
        "recipeArn": RECIPE + "aws-ecomm-popular-items-by-views",
        "recommenderConfig": {"minRecommendationRequestsPerSecond": 2},
    }


def update_recommender(_):
    changed = {"recommenderConfig": {"minRecommendationRequestsPerSecond": 3}}
    return changed, changed


def use_recommender(client, _, recommender, __):
    answer = client.ask("GetRecommendations", recommenderArn=recommender, userId="u1", numResults=5)
    assert len(answer["itemList"]) == 5, answer


def output_to(world, name):
    (world.server.objects / "bucket").mkdir(parents=True, exist_ok=True)
    return {"s3DataDestination": {"path": f"s3://bucket/{name}/"}}


def make_export(world, name):
    dataset = world.datasets["ITEMS"]
    return {"jobName": name, "datasetArn": dataset, "roleArn": ROLE, "ingestionMode": "ALL", "jobOutput": output_to(world, name)}


def make_deletion(world, name):
    location = put_object(world.server, f"{name}.csv", "USER_ID\nnobody\n")
    return {"jobName": name, "datasetGroupArn": world.group, "dataSource": {"dataLocation": location}, "roleArn": ROLE}


def make_batch(recipe, line):
    def make(world, name):
        location = put_object(world.server, f"{name}.json", json.dumps(line) + "\n")
        return {
            "jobName": name,
            "solutionVersionArn": world.version(recipe),
            "numResults": 5,
            "jobInput": {"s3DataSource": {"path": location}},
            "jobOutput": {"s3DataDestination": output_to(world, name)["s3DataDestination"]},
            "roleArn": ROLE,
        }

    return make


def make_attribution(world, name):
    group = new_group(world.server)
    new_dataset(world.server, group)
    metric = {"eventType": "view", "metricName": "views", "expression": "SAMPLECOUNT()"}
    target = {"roleArn": ROLE, **output_to(world, name)}
    return {"name": name, "datasetGroupArn": group, "metrics": [metric], "metricsOutputConfig": target}


def use_attribution(client, _, attribution, __):
    listed = client.ask("ListMetricAttributionMetrics", metricAttributionArn=attribution)["metrics"]
    assert {metric["metricName"] for metric in listed} == {"views", "sales"}, listed


def update_attribution(_):
    metric = {"eventType": "buy", "metricName": "sales", "expression": "SUM(Interactions.EVENT_VALUE)"}
    return {"addMetrics": [metric]}, {}


KINDS = [
    Kind("Schema", lambda w, name: {"name": name, "schema": json.dumps(ITEMS)}, named("schema"), taggable=False),
    Kind("DatasetGroup", lambda w, name: {"name": name, "domain": "ECOMMERCE"}, named("dataset-group")),
    Kind(
        "Dataset", make_dataset, lambda given: arn(f"dataset/{given['name']}/ITEMS"), "datasetGroupArn",
        lambda w: ({"schemaArn": new_schema(w.server, GROWN)},) * 2, use_dataset,
    ),
    Kind("DatasetImportJob", make_import, named("dataset-import-job", "jobName"), "datasetArn", name="jobName"),
    Kind("EventTracker", make_tracker, None, "datasetGroupArn", use=use_tracker),
    Kind(
        "Filter", lambda w, name: {"name": name, "datasetGroupArn": w.group, "filterExpression": FILTER}, named("filter"),
        "datasetGroupArn", use=use_filter, lists="Filters",
    ),
    Kind("Solution", make_solution, named("solution"), "datasetGroupArn", update_solution),
    Kind(
        "SolutionVersion", lambda w, name: {"solutionArn": new_solution(w.server, w.group, SIMS), "trainingMode": "FULL"},
        None, "solutionArn", use=use_version,
    ),
    Kind(
        "Campaign", make_campaign, named("campaign"), None, update_campaign,
        lambda client, w, campaign, _: recommended(client, campaign),
    ),
    Kind("Recommender", make_recommender, named("recommender"), "datasetGroupArn", update_recommender, use_recommender),
    Kind("DatasetExportJob", make_export, named("dataset-export-job", "jobName"), "datasetArn", name="jobName"),
    Kind(
        "DataDeletionJob", make_deletion, named("data-deletion-job", "jobName"), "datasetGroupArn", name="jobName",
        done="COMPLETED",
    ),
    Kind(
        "BatchInferenceJob", make_batch(SIMS, {"itemId": "horror-01"}), named("batch-inference-job", "jobName"),
        "solutionVersionArn", name="jobName",
    ),
    Kind(
        "BatchSegmentJob", make_batch("aws-item-affinity", {"itemId": "horror-01"}), named("batch-segment-job", "jobName"),
        "solutionVersionArn", name="jobName",
    ),
    Kind(
        "MetricAttribution", make_attribution, named("metric-attribution"), "datasetGroupArn", update_attribution,
        use_attribution, taggable=False, unlike=("metrics",),
    ),
]  # fmt: skip


def test_every_kind_has_an_entry():
    created = {name.removeprefix("Create") for name in OPERATIONS if name.startswith("Create")}
    assert created == {kind.title for kind in KINDS}
    assert {kind.title for kind in KINDS if kind.update} == {n.removeprefix("Update") for n in OPERATIONS if n.startswith("Update")}


# --- the life


@pytest.fixture(scope="module", params=CLIENTS)
def client(request, world):
    made = CLIENTS[request.param](world.server)
    yield made
    made.close()


def refusal(call, *arguments, **given):
    with pytest.raises(Refused) as caught:
        call(*arguments, **given)
    return caught.value


def walk(client, kind, **by):
    """Every ARN that List gives, a page of two at a time."""
    seen, token = [], {}
    while True:
        page = client.ask(f"List{kind.title}s", maxResults=2, **by, **token)
        assert len(page[kind.listed]) <= 2
        seen += [entry[f"{kind.member}Arn"] for entry in page[kind.listed]]
        if not page.get("nextToken"):
            return seen
        token = {"nextToken": page["nextToken"]}


def describe(client, kind, resource):
    return client.ask(f"Describe{kind.title}", **{f"{kind.member}Arn": resource})[kind.member]


def settled(client, kind, resource):
    """Asks again and again without pausing, as an impatient client does, until the resource is what it shall be."""
    if kind.title == "Schema":
        return describe(client, kind, resource)
    described = wait_for(
        lambda: describe(client, kind, resource),
        lambda d: d["status"] == kind.done or "FAILED" in d["status"],
        pause=0,
    )
    assert described["status"] == kind.done, described
    return described


def check_tags(client, resource):
    read = lambda: client.ask("ListTagsForResource", resourceArn=resource)["tags"]  # noqa: E731
    assert read() == TAGS
    client.ask("TagResource", resourceArn=resource, tags=[{"tagKey": "more", "tagValue": ""}])
    client.ask("UntagResource", resourceArn=resource, tagKeys=["team"])
    assert read() == [{"tagKey": "more", "tagValue": ""}]


def check_second_create(client, kind, given, resource):
    before = describe(client, kind, resource)
    again = refusal(client.ask, f"Create{kind.title}", **given)
    assert again.code == "ResourceAlreadyExistsException" and again.status in (None, 400), again
    # A second dataset or tracker is one too many for its group, whatever it is called.
    assert resource in again.message or given.get("datasetGroupArn", "-") in again.message, again
    assert describe(client, kind, resource) == before


def check_deleted(client, kind, resource, by):
    member = {f"{kind.member}Arn": resource}
    assert client.ask(f"Delete{kind.title}", **member) == {}, "an empty body"
    for verb in ("Describe", "Delete"):
        gone = refusal(client.ask, verb + kind.title, **member)
        assert gone.code == "ResourceNotFoundException" and resource in gone.message, gone
    assert resource not in walk(client, kind, **by)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.title for kind in KINDS])
def test_life(world, client, kind):
    if world.server.ask(f"Create{kind.title}", right_body(f"Create{kind.title}")).status == 501:
        pytest.skip(f"Create{kind.title} is not implemented")
    given = {**kind.make(world, unique("life")), **({"tags": TAGS} if kind.taggable else {})}
    created = client.ask(f"Create{kind.title}", **given)
    resource = created[f"{kind.member}Arn"]
    if kind.arn:
        assert resource == kind.arn(given), "as a client builds it from the name"
    described = settled(client, kind, resource)
    assert {k: described.get(k) for k in given if k not in kind.unlike} == {
        k: v for k, v in given.items() if k not in kind.unlike
    }, "what was given comes back exactly"
    assert abs(seconds(described["creationDateTime"]) - seconds(described["lastUpdatedDateTime"])) < 600
    if kind.name in given and kind.title != "SolutionVersion":
        check_second_create(client, kind, given, resource)
    by = {kind.by: given[kind.by]} if kind.by else {}
    assert walk(client, kind, **by).count(resource) == 1
    if kind.taggable:
        check_tags(client, resource)
    if kind.update:
        change, expected = kind.update(world)
        assert client.ask(f"Update{kind.title}", **{f"{kind.member}Arn": resource}, **change) == {f"{kind.member}Arn": resource}
        after = settled(client, kind, resource)
        assert {k: after.get(k) for k in expected} == expected
    if kind.use:
        kind.use(client, world, resource, created)
    if kind.has("Delete"):
        check_deleted(client, kind, resource, by)


def test_what_the_service_brings_along(client):
    """Recipes, algorithms and feature transformations: listed and described, and nobody's to change."""
    recipes, token = [], {}
    while not recipes or token:
        page = client.ask("ListRecipes", maxResults=5, recipeProvider="SERVICE", **token)
        recipes += [recipe["name"] for recipe in page["recipes"]]
        token = {"nextToken": page["nextToken"]} if page.get("nextToken") else {}
    assert recipes == sorted(recipes) and SIMS in recipes
    recipe = client.ask("DescribeRecipe", recipeArn=RECIPE + SIMS)["recipe"]
    algorithm = client.ask("DescribeAlgorithm", algorithmArn=recipe["algorithmArn"])["algorithm"]
    assert "popularity_discount_factor" in algorithm["defaultHyperParameters"], algorithm
    shape = client.ask("DescribeFeatureTransformation", featureTransformationArn=recipe["featureTransformationArn"])
    assert shape["featureTransformation"]["status"] == recipe["status"] == "ACTIVE"


def test_refusals_have_their_status(client):
    absent = refusal(client.ask, "GetRecommendations", campaignArn=arn("campaign/absent"), userId="u")
    assert absent.code == "ResourceNotFoundException" and absent.status in (None, 404), absent
    absent = refusal(client.ask, "DescribeCampaign", campaignArn=arn("campaign/absent"))
    assert absent.code == "ResourceNotFoundException" and absent.status in (None, 400), absent
    bad = refusal(client.ask, "CreateSchema", name="-", schema="{}")
    assert bad.code == "InvalidInputException" and "'name'" in bad.message, bad
