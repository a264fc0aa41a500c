"""Dataset groups, schemas, datasets, import jobs, event trackers, filters: the life of each, and what is refused."""
import json
import re
import time
import uuid

import pytest
from harness import (
    INTERACTIONS,
    ITEMS,
    Server,
    arn,
    csv_text,
    field,
    finish_import,
    held,
    import_text,
    interactions_csv,
    items_csv,
    load,
    new_dataset,
    new_filter,
    new_group,
    new_schema,
    put_object,
    refused,
    schema,
    start_import,
    unique,
)

RNF = "ResourceNotFoundException"
RAE = "ResourceAlreadyExistsException"
RIU = "ResourceInUseException"
II = "InvalidInputException"


def in_order(described):
    assert isinstance(described["creationDateTime"].timestamp(), float)
    assert described["creationDateTime"] <= described["lastUpdatedDateTime"]


# --- dataset groups


def test_a_dataset_group(server):
    name = unique("Group_a")
    created = server.control.create_dataset_group(name=name)
    assert created["datasetGroupArn"] == arn(f"dataset-group/{name}") and "domain" not in created
    described = server.control.describe_dataset_group(datasetGroupArn=created["datasetGroupArn"])["datasetGroup"]
    in_order(described)
    assert described["name"] == name and described["status"] == "ACTIVE" and "domain" not in described
    with refused(RAE, created["datasetGroupArn"]):
        server.control.create_dataset_group(name=name)
    server.control.create_dataset_group(name=name.lower())  # names are case-sensitive
    server.control.delete_dataset_group(datasetGroupArn=created["datasetGroupArn"])
    with refused(RNF, "does not exist"):
        server.control.describe_dataset_group(datasetGroupArn=created["datasetGroupArn"])
    with refused(RNF):
        server.control.delete_dataset_group(datasetGroupArn=created["datasetGroupArn"])
    assert new_group(server, name) == created["datasetGroupArn"], "the name was free again"


@pytest.mark.parametrize("domain", ["ECOMMERCE", "VIDEO_ON_DEMAND"])
def test_a_domain_group_echoes_its_domain(server, domain):
    created = server.control.create_dataset_group(name=unique("domain"), domain=domain)
    assert created["domain"] == domain
    described = server.control.describe_dataset_group(datasetGroupArn=created["datasetGroupArn"])["datasetGroup"]
    assert described["domain"] == domain
    pages = server.control.get_paginator("list_dataset_groups").paginate()
    listed = [group for page in pages for group in page["datasetGroups"]]
    assert [g["domain"] for g in listed if g["datasetGroupArn"] == created["datasetGroupArn"]] == [domain]


def test_a_role_goes_with_a_key(server):
    role, key = "arn:aws:iam::000000000000:role/r", "arn:aws:kms:us-east-1:000000000000:key/k"
    with refused(II):
        server.control.create_dataset_group(name=unique("role"), roleArn=role)
    with refused(II, "kmsKeyArn", "--encrypted-disk"):
        server.control.create_dataset_group(name=unique("role"), roleArn=role, kmsKeyArn=key)


def test_with_an_encrypted_disk_keys_are_taken_and_returned(tmp_path):
    server = Server(tmp_path / "data", "--encrypted-disk")
    role, key = "arn:aws:iam::000000000000:role/r", "arn:aws:kms:us-east-1:000000000000:key/k"
    made = server.control.create_dataset_group(name=unique("role"), roleArn=role, kmsKeyArn=key)["datasetGroupArn"]
    described = server.control.describe_dataset_group(datasetGroupArn=made)["datasetGroup"]
    assert (described["roleArn"], described["kmsKeyArn"]) == (role, key)
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="x", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    head = s3.head_object(Bucket="kept", Key="x")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    server.stop()


def test_a_group_with_contents_cannot_be_deleted(server):
    group = new_group(server)
    dataset = new_dataset(server, group)
    with refused(RIU, group):
        server.control.delete_dataset_group(datasetGroupArn=group)
    server.control.delete_dataset(datasetArn=dataset)
    server.control.delete_dataset_group(datasetGroupArn=group)
    with refused(RNF):
        server.control.describe_dataset_group(datasetGroupArn=group)


@pytest.mark.parametrize("kind", ["tracker", "filter", "solution"])
def test_whatever_a_group_holds_keeps_it(server, kind):
    group = new_group(server)
    dataset = new_dataset(server, group)
    control = server.control
    if kind == "tracker":
        made = control.create_event_tracker(name=unique("t"), datasetGroupArn=group)["eventTrackerArn"]
    elif kind == "filter":
        made = new_filter(server, group, 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("x")')
    else:
        recipe = "arn:aws:personalize:::recipe/aws-popularity-count"
        made = control.create_solution(name=unique("s"), datasetGroupArn=group, recipeArn=recipe)["solutionArn"]
    control.delete_dataset(datasetArn=dataset)
    with refused(RIU, group):
        control.delete_dataset_group(datasetGroupArn=group)
    {
        "tracker": lambda: control.delete_event_tracker(eventTrackerArn=made),
        "filter": lambda: control.delete_filter(filterArn=made),
        "solution": lambda: control.delete_solution(solutionArn=made),
    }[kind]()
    control.delete_dataset_group(datasetGroupArn=group)


# --- schemas


def test_a_schema(server):
    name, text = unique("schema"), json.dumps(INTERACTIONS, indent=2) + "\n"
    created = server.control.create_schema(name=name, schema=text)["schemaArn"]
    assert created == arn(f"schema/{name}")
    described = server.control.describe_schema(schemaArn=created)["schema"]
    in_order(described)
    assert described["schema"] == text, "it comes back exactly as it was given"
    assert set(described) == {"name", "schemaArn", "schema", "creationDateTime", "lastUpdatedDateTime"}
    with refused(RAE, created):
        server.control.create_schema(name=name, schema=text)
    dataset = server.control.create_dataset(
        name="d", schemaArn=created, datasetGroupArn=new_group(server), datasetType="Interactions"
    )["datasetArn"]
    with refused(RIU, created):
        server.control.delete_schema(schemaArn=created)
    server.control.delete_dataset(datasetArn=dataset)
    server.control.delete_schema(schemaArn=created)
    with refused(RNF):
        server.control.describe_schema(schemaArn=created)


def test_one_schema_serves_many_datasets(server):
    made = new_schema(server, INTERACTIONS)
    for _ in range(2):
        server.control.create_dataset(name="d", schemaArn=made, datasetGroupArn=new_group(server), datasetType="INTERACTIONS")


# --- datasets


def test_a_dataset(server):
    group_name = unique("grouped")
    group, schema_arn, name = new_group(server, group_name), new_schema(server, ITEMS), unique("dataset")
    created = server.control.create_dataset(name=name, schemaArn=schema_arn, datasetGroupArn=group, datasetType="Items")
    made = created["datasetArn"]
    assert made == arn(f"dataset/{group_name}/ITEMS"), "the ARN holds the group's name and the type in capitals"
    described = server.control.describe_dataset(datasetArn=made)["dataset"]
    in_order(described)
    assert (described["name"], described["datasetType"], described["status"]) == (name, "ITEMS", "ACTIVE")
    assert (described["schemaArn"], described["datasetGroupArn"]) == (schema_arn, group)
    assert "latestDatasetUpdate" not in described and "trackingId" not in described
    with refused(RAE, made):
        server.control.create_dataset(name="another", schemaArn=schema_arn, datasetGroupArn=group, datasetType="ITEMS")
    summary = server.control.list_datasets(datasetGroupArn=group)["datasets"]
    assert [set(s) for s in summary] == [{"name", "datasetArn", "datasetType", "status", "creationDateTime", "lastUpdatedDateTime"}]
    server.control.delete_dataset(datasetArn=made)
    with refused(RNF):
        server.control.describe_dataset(datasetArn=made)
    assert server.control.list_datasets(datasetGroupArn=group)["datasets"] == []
    server.control.create_dataset(name=name, schemaArn=schema_arn, datasetGroupArn=group, datasetType="ITEMS")


def test_a_new_dataset_of_an_old_name_is_empty(server):
    """Deleting a dataset deletes its data: the first import of the next one must be FULL again."""
    group = new_group(server)
    load(server, new_dataset(server, group, "ITEMS"), items_csv())
    server.control.delete_dataset(datasetArn=arn("dataset/") + group.rsplit("/", 1)[1] + "/ITEMS")
    dataset = new_dataset(server, group, "ITEMS")
    with refused(II, "FULL"):
        start_import(server, dataset, put_object(server, f"{unique('f')}.csv", items_csv()), "INCREMENTAL")


@pytest.mark.parametrize("kind,body", [("ITEMS", INTERACTIONS), ("INTERACTIONS", ITEMS), ("USERS", ITEMS), ("ACTIONS", ITEMS)])
def test_the_schema_must_fit_the_type(server, kind, body):
    made = new_schema(server, body)
    with refused(II, made):
        server.control.create_dataset(name="d", schemaArn=made, datasetGroupArn=new_group(server), datasetType=kind)


@pytest.mark.parametrize("kind", ["Movies", "INTERACTION", "Item"])
def test_unknown_dataset_types(server, kind):
    with refused(II):
        server.control.create_dataset(
            name="d", schemaArn=new_schema(server, ITEMS), datasetGroupArn=new_group(server), datasetType=kind
        )


def test_a_dataset_needs_its_group_and_schema(server):
    made = new_schema(server, ITEMS)
    with refused(RNF):
        server.control.create_dataset(name="d", schemaArn=made, datasetGroupArn=arn("dataset-group/no"), datasetType="ITEMS")
    with refused(RNF):
        server.control.create_dataset(
            name="d", schemaArn=arn("schema/no"), datasetGroupArn=new_group(server), datasetType="ITEMS"
        )
    with refused(II, "not a valid"):
        server.control.create_dataset(name="d", schemaArn=made, datasetGroupArn=made, datasetType="ITEMS")


def test_the_domain_of_schema_and_group_must_agree(server):
    body = schema(
        "Interactions",
        field("USER_ID", "string"),
        field("ITEM_ID", "string"),
        field("TIMESTAMP", "long"),
        field("EVENT_TYPE", "string"),
    )
    plain = new_schema(server, body)
    shop = server.control.create_schema(name=unique("shop"), schema=json.dumps(body), domain="ECOMMERCE")["schemaArn"]
    assert server.control.describe_schema(schemaArn=shop)["schema"]["domain"] == "ECOMMERCE"
    shop_group = server.control.create_dataset_group(name=unique("shop"), domain="ECOMMERCE")["datasetGroupArn"]
    for schema_arn, group in ((plain, shop_group), (shop, new_group(server))):
        with refused(II, "domain"):
            server.control.create_dataset(name="d", schemaArn=schema_arn, datasetGroupArn=group, datasetType="INTERACTIONS")
    server.control.create_dataset(name="d", schemaArn=shop, datasetGroupArn=shop_group, datasetType="INTERACTIONS")


# --- import jobs


def test_an_import_job(server):
    dataset = new_dataset(server, new_group(server), "ITEMS")
    location, name, role = put_object(server, f"{unique('i')}.csv", items_csv()), unique("job"), "arn:aws:iam::123456789012:role/p/r"
    made = server.control.create_dataset_import_job(
        jobName=name, datasetArn=dataset, dataSource={"dataLocation": location}, roleArn=role, publishAttributionMetricsToS3=False
    )["datasetImportJobArn"]
    assert made == arn(f"dataset-import-job/{name}")
    described = finish_import(server, made)
    in_order(described)
    assert described["status"] == "ACTIVE" and "failureReason" not in described
    assert (described["jobName"], described["datasetArn"], described["roleArn"]) == (name, dataset, role)
    assert described["dataSource"] == {"dataLocation": location} and described["importMode"] == "FULL"
    with refused(RAE, made):
        server.control.create_dataset_import_job(jobName=name, datasetArn=dataset, dataSource={"dataLocation": location})
    summary = server.control.list_dataset_import_jobs(datasetArn=dataset)["datasetImportJobs"]
    assert [set(s) for s in summary] == [
        {"datasetImportJobArn", "jobName", "status", "creationDateTime", "lastUpdatedDateTime", "importMode"}
    ]
    bad = import_text(server, dataset, "nothing\n")
    listed = server.control.list_dataset_import_jobs(datasetArn=dataset)["datasetImportJobs"]
    assert [s.get("failureReason") for s in listed] == [None, bad["failureReason"]], "failed ones stay listed"


def test_a_dataset_cannot_go_while_it_imports(server):
    dataset = new_dataset(server, new_group(server), "ITEMS")
    rows = [(f"i{n}", "g", 1, 1.0, "o", "true", "t", 5) for n in range(1000)]
    source = put_object(server, f"{unique('long')}.csv", csv_text([f["name"] for f in ITEMS["fields"]], rows))
    with held(server, lambda: start_import(server, dataset, source)) as job:
        told = server.control.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]
        assert told["status"] == "CREATE IN_PROGRESS"
        with refused(RIU):
            server.control.delete_dataset(datasetArn=dataset)
    assert finish_import(server, job)["status"] == "ACTIVE"
    server.control.delete_dataset(datasetArn=dataset)


# --- event trackers


def test_an_event_tracker(server):
    group, name = new_group(server), unique("tracker")
    new_dataset(server, group)
    created = server.control.create_event_tracker(name=name, datasetGroupArn=group)
    made = created["eventTrackerArn"]
    assert re.fullmatch(re.escape(arn("event-tracker/")) + "[0-9a-f]{8}", made), made
    assert str(uuid.UUID(created["trackingId"])) == created["trackingId"]
    described = server.control.describe_event_tracker(eventTrackerArn=made)["eventTracker"]
    in_order(described)
    assert (described["name"], described["datasetGroupArn"], described["status"]) == (name, group, "ACTIVE")
    assert (described["trackingId"], described["accountId"]) == (created["trackingId"], "000000000000")
    with refused(RAE, group):
        server.control.create_event_tracker(name=unique("second"), datasetGroupArn=group)
    summary = server.control.list_event_trackers(datasetGroupArn=group)["eventTrackers"]
    assert [set(s) for s in summary] == [{"name", "eventTrackerArn", "status", "creationDateTime", "lastUpdatedDateTime"}]
    server.control.delete_event_tracker(eventTrackerArn=made)
    with refused(RNF):
        server.control.describe_event_tracker(eventTrackerArn=made)
    with refused(II, status=400):
        server.events.put_events(
            trackingId=created["trackingId"], sessionId="s", eventList=[{"eventType": "v", "itemId": "i", "sentAt": 1}]
        )
    again = server.control.create_event_tracker(name=name, datasetGroupArn=group)
    assert again["trackingId"] != created["trackingId"]


# --- filters


def test_a_filter(server):
    group, name = new_group(server), unique("filter")
    new_dataset(server, group, "ITEMS")
    text = ' INCLUDE  ItemID\nWHERE Items.GENRES IN ("공포", "x") '
    made = server.control.create_filter(name=name, datasetGroupArn=group, filterExpression=text)["filterArn"]
    assert made == arn(f"filter/{name}")
    described = server.control.describe_filter(filterArn=made)["filter"]
    in_order(described)
    assert (described["name"], described["datasetGroupArn"], described["status"]) == (name, group, "ACTIVE")
    assert described["filterExpression"] == text
    with refused(RAE, made):
        server.control.create_filter(name=name, datasetGroupArn=group, filterExpression=text)
    answer = server.call("ListFilters", {"datasetGroupArn": group}).json
    assert set(answer) == {"Filters"}, "with a capital F"
    assert set(answer["Filters"][0]) == {
        "name", "filterArn", "datasetGroupArn", "status", "creationDateTime", "lastUpdatedDateTime",
    }  # fmt: skip
    server.control.delete_filter(filterArn=made)
    with refused(RNF):
        server.control.describe_filter(filterArn=made)
    assert server.control.list_filters(datasetGroupArn=group)["Filters"] == []


def test_names_are_unique_over_groups(server):
    """The ARN holds only the name, so another group's filter has taken it."""
    first, second, name = new_group(server), new_group(server), unique("filter")
    for group in (first, second):
        new_dataset(server, group, "ITEMS")
    text = 'INCLUDE ItemID WHERE Items.GENRES IN ("x")'
    server.control.create_filter(name=name, datasetGroupArn=first, filterExpression=text)
    with refused(RAE):
        server.control.create_filter(name=name, datasetGroupArn=second, filterExpression=text)


# --- ARNs of the wrong kind, account, region

DESCRIBES = [
    ("describe_dataset_group", "datasetGroupArn", "dataset-group/x"),
    ("describe_schema", "schemaArn", "schema/x"),
    ("describe_dataset", "datasetArn", "dataset/x/ITEMS"),
    ("describe_dataset_import_job", "datasetImportJobArn", "dataset-import-job/x"),
    ("describe_event_tracker", "eventTrackerArn", "event-tracker/0123abcd"),
    ("describe_filter", "filterArn", "filter/x"),
    ("describe_solution", "solutionArn", "solution/x"),
    ("describe_solution_version", "solutionVersionArn", "solution/x/0123abcd"),
    ("describe_campaign", "campaignArn", "campaign/x"),
]
DELETES = [
    ("delete_dataset_group", "datasetGroupArn", "dataset-group/x"),
    ("delete_schema", "schemaArn", "schema/x"),
    ("delete_dataset", "datasetArn", "dataset/x/ITEMS"),
    ("delete_event_tracker", "eventTrackerArn", "event-tracker/0123abcd"),
    ("delete_filter", "filterArn", "filter/x"),
    ("delete_solution", "solutionArn", "solution/x"),
    ("delete_campaign", "campaignArn", "campaign/x"),
]


@pytest.mark.parametrize("operation,member,path", DESCRIBES + DELETES)
def test_arns(server, operation, member, path):
    ask = getattr(server.control, operation)
    with refused(RNF, f"Resource Arn {arn(path)} does not exist."):
        ask(**{member: arn(path)})
    other = "campaign/x" if member != "campaignArn" else "filter/x"
    with refused(II, arn(other), "is not a valid"):
        ask(**{member: arn(other)})
    with refused(RNF):
        ask(**{member: f"arn:aws:personalize:us-east-1:999999999999:{path}"})
    with refused(RNF):
        ask(**{member: f"arn:aws:personalize:eu-west-1:000000000000:{path}"})
    with refused(II):
        ask(**{member: "not an arn"})


def test_an_arn_of_another_account_does_not_reach_mine(server):
    group = new_group(server)
    for wrong in (group.replace("000000000000", "111111111111"), group.replace("us-east-1", "us-west-2")):
        with refused(RNF):
            server.control.describe_dataset_group(datasetGroupArn=wrong)


# --- lists


def make_trackers(server, count):
    made = []
    for _ in range(count):
        group = new_group(server)
        new_dataset(server, group)
        made.append(server.control.create_event_tracker(name=unique("t"), datasetGroupArn=group)["eventTrackerArn"])
    return made


def make_filters(server, count):
    group = new_group(server)
    new_dataset(server, group, "ITEMS")
    return [new_filter(server, group, 'INCLUDE ItemID WHERE Items.GENRES IN ("x")') for _ in range(count)]


def make_jobs(server, count):
    dataset = new_dataset(server, new_group(server), "ITEMS")
    location = put_object(server, f"{unique('i')}.csv", items_csv())
    return [start_import(server, dataset, location) for _ in range(count)]


LISTS = [
    ("list_dataset_groups", "datasetGroups", "datasetGroupArn", lambda s, n: [new_group(s) for _ in range(n)]),
    ("list_schemas", "schemas", "schemaArn", lambda s, n: [new_schema(s, ITEMS) for _ in range(n)]),
    ("list_datasets", "datasets", "datasetArn", lambda s, n: [new_dataset(s, new_group(s)) for _ in range(n)]),
    ("list_dataset_import_jobs", "datasetImportJobs", "datasetImportJobArn", make_jobs),
    ("list_event_trackers", "eventTrackers", "eventTrackerArn", make_trackers),
    ("list_filters", "Filters", "filterArn", make_filters),
]


@pytest.mark.parametrize("operation,member,key,make", LISTS, ids=[entry[0] for entry in LISTS])
def test_lists_page(server, operation, member, key, make):
    made = make(server, 4)
    ask = getattr(server.control, operation)
    seen, token, pages = [], {}, 0
    while True:
        page = ask(maxResults=1, **token)
        assert len(page[member]) <= 1
        assert set(page) - {"ResponseMetadata"} <= {member, "nextToken"}
        seen += [entry[key] for entry in page[member]]
        pages += 1
        if pages == 2:
            made += make(server, 1)  # one made between pages appears once, or not at all; nothing else is lost or doubled
        if "nextToken" not in page:
            break
        assert len(page["nextToken"]) <= 1500 and page["nextToken"].isascii() and token.get("nextToken") != page["nextToken"]
        token = {"nextToken": page["nextToken"]}
    assert len(seen) == len(set(seen))
    assert [a for a in seen if a in made] == made[: len([a for a in seen if a in made])], "in order of creation"
    assert set(made[:4]) <= set(seen)
    whole = [entry[key] for page in server.control.get_paginator(operation).paginate() for entry in page[member]]
    assert set(seen) <= set(whole) and len(whole) == len(set(whole))


@pytest.mark.parametrize("operation,member,key,make", LISTS, ids=[entry[0] for entry in LISTS])
def test_bad_tokens(server, operation, member, key, make):
    ask = getattr(server.control, operation)
    make(server, 2)
    token = ask(maxResults=1)["nextToken"]
    for bad in ("nonsense", token[:-1], token + "x", "A" * 1500, token[::-1], ""):
        with refused("InvalidNextTokenException"):
            ask(maxResults=1, nextToken=bad)
    other = server.control.list_schemas if operation != "list_schemas" else server.control.list_dataset_groups
    new_schema(server, ITEMS)
    with refused("InvalidNextTokenException"):
        other(maxResults=1, nextToken=token)


def test_a_token_of_another_parent_is_refused(server):
    groups = []
    for _ in range(2):
        group = new_group(server)
        new_dataset(server, group, "ITEMS")
        for _ in range(2):
            new_filter(server, group, 'INCLUDE ItemID WHERE Items.GENRES IN ("x")')
        groups.append(group)
    token = server.control.list_filters(datasetGroupArn=groups[0], maxResults=1)["nextToken"]
    with refused("InvalidNextTokenException"):
        server.control.list_filters(datasetGroupArn=groups[1], maxResults=1, nextToken=token)


def test_lists_of_an_unknown_parent_are_empty(server):
    control = server.control
    assert control.list_datasets(datasetGroupArn=arn("dataset-group/no"))["datasets"] == []
    assert control.list_filters(datasetGroupArn=arn("dataset-group/no"))["Filters"] == []
    assert control.list_event_trackers(datasetGroupArn=arn("dataset-group/no"))["eventTrackers"] == []
    assert control.list_dataset_import_jobs(datasetArn=arn("dataset/no/ITEMS"))["datasetImportJobs"] == []
    assert control.list_solutions(datasetGroupArn=arn("dataset-group/no"))["solutions"] == []
    assert control.list_campaigns(solutionArn=arn("solution/no"))["campaigns"] == []


def test_an_entry_deleted_between_pages(own_server):
    made = [new_group(own_server) for _ in range(4)]
    first = own_server.control.list_dataset_groups(maxResults=2)
    own_server.control.delete_dataset_group(datasetGroupArn=made[1])
    rest = own_server.control.list_dataset_groups(maxResults=2, nextToken=first["nextToken"])
    assert [g["datasetGroupArn"] for g in rest["datasetGroups"]] == made[2:]


def test_a_list_of_more_than_a_page(own_server):
    made = [new_group(own_server) for _ in range(105)]
    first = own_server.control.list_dataset_groups()
    assert len(first["datasetGroups"]) == 100 and "nextToken" in first
    second = own_server.control.list_dataset_groups(nextToken=first["nextToken"])
    assert [g["datasetGroupArn"] for g in first["datasetGroups"] + second["datasetGroups"]] == made
    assert "nextToken" not in second


def test_empty_lists_are_lists(own_server):
    assert own_server.call("ListDatasetGroups", {}).body == b'{"datasetGroups":[]}'
    assert own_server.call("ListFilters", {}).body == b'{"Filters":[]}'


def test_timestamps_are_numbers(server):
    group = new_group(server)
    body = server.call("DescribeDatasetGroup", {"datasetGroupArn": group}).json["datasetGroup"]
    for member in ("creationDateTime", "lastUpdatedDateTime"):
        assert isinstance(body[member], (int, float)) and abs(body[member] - time.time()) < 60


# --- everything survives a restart


def test_resources_survive_a_restart(own_server):
    server = own_server
    group = new_group(server)
    dataset = new_dataset(server, group)
    job = load(server, dataset, interactions_csv())
    server.control.create_event_tracker(name="t", datasetGroupArn=group)
    new_filter(server, group, 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("x")')
    server.control.tag_resource(resourceArn=group, tags=[{"tagKey": "k", "tagValue": "v"}])

    def everything():
        control = server.control
        return {
            "groups": control.list_dataset_groups()["datasetGroups"],
            "schemas": control.list_schemas()["schemas"],
            "dataset": control.describe_dataset(datasetArn=dataset)["dataset"],
            "job": control.describe_dataset_import_job(datasetImportJobArn=job["datasetImportJobArn"])["datasetImportJob"],
            "trackers": control.list_event_trackers()["eventTrackers"],
            "filters": control.list_filters()["Filters"],
            "tags": control.list_tags_for_resource(resourceArn=group)["tags"],
        }

    before = everything()
    server.stop()
    server.start()
    assert everything() == before
