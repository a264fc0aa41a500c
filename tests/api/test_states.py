"""What may be done when, and the error otherwise: the table of api.md section 10, row by row, with the texts of errors.md.

A training is held in CREATE IN_PROGRESS by stopping its worker; a second version, and an import, wait behind it in CREATE
PENDING. So everything that can be in the way of something else is in the way for as long as a test looks at it.
"""
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
    ended,
    finish_version,
    held,
    items_csv,
    new_dataset,
    new_group,
    new_schema,
    new_solution,
    put_object,
    refused,
    start_import,
    unique,
    wait_for,
)

II, RNF = "InvalidInputException", "ResourceNotFoundException"
RAE, RIU = "ResourceAlreadyExistsException", "ResourceInUseException"
SIMS, UP = "aws-sims", "aws-user-personalization"
ABSENT = arn("dataset-group/absent")


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A server whose only place for a job is taken. Attributes are ARNs."""
    server = Server(tmp_path_factory.mktemp("states") / "data")
    control = server.control
    world = World(server)
    b = types.SimpleNamespace(server=server, control=control, world=world, group=world.group)
    b.done = world.version(SIMS)
    b.campaign = world.campaign(SIMS)
    b.filter = world.filter('INCLUDE ItemID WHERE Items.GENRES IN ("even")')
    b.solution = new_solution(server, b.group, UP)
    version = lambda: control.create_solution_version(solutionArn=b.solution)["solutionVersionArn"]  # noqa: E731
    never = new_solution(server, b.group, SIMS, eventType="never")
    b.failed = control.create_solution_version(solutionArn=never)["solutionVersionArn"]
    assert finish_version(server, b.failed)["status"] == "CREATE FAILED"
    b.other_group = new_group(server)
    b.other_dataset = new_dataset(server, b.other_group, "ITEMS")
    b.items = put_object(server, f"{unique('i')}.csv", items_csv())
    with held(server, version) as b.running:
        b.stopped = version()
        control.stop_solution_version_creation(solutionVersionArn=b.stopped)
        b.waiting = version()
        b.importing = start_import(server, b.other_dataset, b.items)
        yield b
    server.stop()


STATES = {"running": "CREATE IN_PROGRESS", "waiting": "CREATE PENDING", "failed": "CREATE FAILED", "stopped": "CREATE STOPPED"}


def test_the_states_are_what_the_tests_say(busy):
    for name, status in STATES.items():
        described = busy.control.describe_solution_version(solutionVersionArn=getattr(busy, name))["solutionVersion"]
        assert described["status"] == status
    described = busy.control.describe_dataset_import_job(datasetImportJobArn=busy.importing)["datasetImportJob"]
    assert described["status"] == "CREATE PENDING"


# --- what a dataset group must hold, and must not


def creations(b, group):
    """Create operations that name a group: (operation, arguments)."""
    schema = new_schema(b.server, INTERACTIONS)
    return [
        ("create_dataset", {"name": "d", "schemaArn": schema, "datasetGroupArn": group, "datasetType": "INTERACTIONS"}),
        ("create_event_tracker", {"name": "t", "datasetGroupArn": group}),
        ("create_filter", {"name": unique("f"), "datasetGroupArn": group, "filterExpression": "INCLUDE ItemID WHERE x"}),
        ("create_solution", {"name": unique("s"), "datasetGroupArn": group, "recipeArn": RECIPE + SIMS}),
    ]


@pytest.mark.parametrize("number", range(4))
def test_nothing_is_made_in_a_group_that_does_not_exist(busy, number):
    operation, given = creations(busy, ABSENT)[number]
    with refused(RNF, f"Resource Arn {ABSENT} does not exist."):
        getattr(busy.control, operation)(**given)


def test_one_dataset_of_a_type(busy):
    schema = new_schema(busy.server, ITEMS)
    with refused(RAE, "Another dataset with Arn", busy.world.datasets["ITEMS"]):
        busy.control.create_dataset(name=unique("d"), schemaArn=schema, datasetGroupArn=busy.group, datasetType="items")


def test_a_dataset_whose_schema_is_of_another_type(busy):
    schema = new_schema(busy.server, ITEMS)
    with refused(II, f"Schema {schema} does not match dataset type USERS."):
        busy.control.create_dataset(name="d", schemaArn=schema, datasetGroupArn=busy.other_group, datasetType="USERS")


def test_a_dataset_whose_schema_is_of_another_domain(busy):
    group = busy.control.create_dataset_group(name=unique("g"), domain="ECOMMERCE")["datasetGroupArn"]
    schema = new_schema(busy.server, ITEMS)
    with refused(II, "Schema domain does not match the dataset group domain."):
        busy.control.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="ITEMS")


@pytest.mark.parametrize("kind", ["ACTIONS", "ACTION_INTERACTIONS"])
def test_no_actions_in_a_domain_group(busy, kind):
    group = busy.control.create_dataset_group(name=unique("g"), domain="VIDEO_ON_DEMAND")["datasetGroupArn"]
    with refused(II, f"A dataset of type {kind} needs a dataset group without domain."):
        schema = new_schema(busy.server, ITEMS)
        busy.control.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType=kind)


def test_one_tracker_a_group(busy):
    with refused(RAE, f"{busy.group} already has an event tracker."):
        busy.control.create_event_tracker(name=unique("t"), datasetGroupArn=busy.group)


@pytest.mark.parametrize("operation", ["create_dataset", "update_dataset", "create_solution", "update_campaign"])
def test_the_second_arn_of_another_kind(busy, operation):
    """test_declared.py asks this of the first."""
    given = {
        "create_dataset": {"name": "d", "datasetGroupArn": busy.other_group, "datasetType": "USERS", "schemaArn": busy.filter},
        "update_dataset": {"datasetArn": busy.world.datasets["USERS"], "schemaArn": busy.filter},
        "create_solution": {"name": unique("s"), "datasetGroupArn": busy.group, "recipeArn": busy.filter},
        "update_campaign": {"campaignArn": busy.campaign, "solutionVersionArn": busy.filter},
    }[operation]
    with refused(II, f"{busy.filter} is not a valid"):
        getattr(busy.control, operation)(**given)


# --- creating again: nothing changes, and the answer names what is there


def test_a_second_identical_create(busy):
    """(api.md section 1: no idempotency tokens; a client that retries must learn the ARN that exists.)"""
    control, made = busy.control, unique("twice")
    version = {"name": made, "solutionVersionArn": busy.done}
    text = {"name": made, "datasetGroupArn": busy.group, "filterExpression": 'EXCLUDE ItemID WHERE Items.GENRES IN ("x")'}
    row = {"name": made, "datasetGroupArn": busy.group, "recipeArn": RECIPE + SIMS, "performAutoTraining": False}
    # The job waits; one whose file is not there fails at once.
    job = {"jobName": made, "datasetArn": busy.other_dataset, "dataSource": {"dataLocation": busy.items}}
    for operation, given, member, path, title in [
        ("schema", {"name": made, "schema": json.dumps(ITEMS)}, "schemaArn", "schema", "schema"),
        ("dataset_group", {"name": made}, "datasetGroupArn", "dataset-group", "dataset group"),
        ("filter", text, "filterArn", "filter", "filter"),
        ("solution", row, "solutionArn", "solution", "solution"),
        ("campaign", version, "campaignArn", "campaign", "campaign"),
        ("dataset_import_job", job, "datasetImportJobArn", "dataset-import-job", "dataset import job"),
    ]:
        create, describe = getattr(control, f"create_{operation}"), getattr(control, f"describe_{operation}")
        assert create(**given)[member] == arn(f"{path}/{made}"), "as a client builds it from the name"
        if operation == "campaign":
            wait_for(lambda: describe(**{member: arn(f"{path}/{made}")})["campaign"], ended)
        before = describe(**{member: arn(f"{path}/{made}")})
        with refused(RAE, f"Another {title} with Arn {arn(f'{path}/{made}')} already exists."):
            create(**given)
        after = describe(**{member: arn(f"{path}/{made}")})
        del before["ResponseMetadata"], after["ResponseMetadata"]
        assert before == after
    control.delete_campaign(campaignArn=arn(f"campaign/{made}"))


# --- jobs in the way


def test_a_dataset_is_not_updated_while_it_imports(busy):
    schema = new_schema(busy.server, {**ITEMS, "fields": [*ITEMS["fields"], {"name": "X", "type": ["null", "string"]}]})
    with refused(RIU, busy.importing):
        busy.control.update_dataset(datasetArn=busy.other_dataset, schemaArn=schema)


def test_a_dataset_is_not_deleted_while_it_imports(busy):
    with refused(RIU, f"Dataset {busy.other_dataset} is used by {busy.importing}."):
        busy.control.delete_dataset(datasetArn=busy.other_dataset)


@pytest.mark.parametrize("kind", ["INTERACTIONS", "ITEMS", "USERS"])
def test_a_dataset_is_not_deleted_while_its_group_trains(busy, kind):
    with refused(RIU, f"Dataset {busy.world.datasets[kind]} is used by"):
        busy.control.delete_dataset(datasetArn=busy.world.datasets[kind])


def test_a_solution_is_not_deleted_while_it_trains(busy):
    with refused(RIU, busy.solution):
        busy.control.delete_solution(solutionArn=busy.solution)


def test_a_solution_is_not_deleted_before_its_campaigns(busy):
    solution = busy.world.solution(SIMS)
    with refused(RIU, f"Solution {solution} is used by campaign {busy.campaign}."):
        busy.control.delete_solution(solutionArn=solution)


def test_a_solution_may_be_updated_and_trained_while_it_trains(busy):
    assert busy.control.update_solution(solutionArn=busy.solution, performAutoTraining=False)["solutionArn"] == busy.solution
    version = busy.control.create_solution_version(solutionArn=busy.solution)["solutionVersionArn"]
    busy.control.stop_solution_version_creation(solutionVersionArn=version)


# --- solution versions that are not ACTIVE


@pytest.mark.parametrize("name", STATES)
def test_no_campaign_on_a_version_that_is_not_active(busy, name):
    version = getattr(busy, name)
    with refused(RIU, f"{version} is in {STATES[name]} state."):
        busy.control.create_campaign(name=unique("c"), solutionVersionArn=version)
    with refused(RIU, f"{version} is in {STATES[name]} state."):
        busy.control.update_campaign(campaignArn=busy.campaign, solutionVersionArn=version)
    described = busy.control.describe_campaign(campaignArn=busy.campaign)["campaign"]
    assert described["solutionVersionArn"] == busy.done and "latestCampaignUpdate" not in described


@pytest.mark.parametrize("name", STATES)
def test_no_metrics_of_a_version_that_is_not_active(busy, name):
    with refused(RIU, f"{getattr(busy, name)} is in {STATES[name]} state."):
        busy.control.get_solution_metrics(solutionVersionArn=getattr(busy, name))


@pytest.mark.parametrize("name", ["failed", "stopped", "done"])
def test_only_a_version_that_trains_can_be_stopped(busy, name):
    state = {**STATES, "done": "ACTIVE"}[name]
    with refused(RIU, f"{getattr(busy, name)} is in {state} state."):
        busy.control.stop_solution_version_creation(solutionVersionArn=getattr(busy, name))


def test_no_campaign_on_a_bare_solution(busy):
    solution = busy.world.solution(SIMS)
    with refused(RNF, f"Resource Arn {solution} does not exist."):
        busy.control.create_campaign(name=unique("c"), solutionVersionArn=solution)


def test_no_campaign_on_the_latest_version_of_none(busy):
    with refused(RNF, f"{busy.solution}/$LATEST"):
        busy.control.create_campaign(name=unique("c"), solutionVersionArn=f"{busy.solution}/$LATEST")


def test_following_needs_the_latest(busy):
    with refused(II, "solutionVersionArn must end in /$LATEST when syncWithLatestSolutionVersion is true."):
        busy.control.create_campaign(
            name=unique("c"), solutionVersionArn=busy.done, campaignConfig={"syncWithLatestSolutionVersion": True}
        )


@pytest.mark.parametrize("solution", ["busy", SIMS])
def test_an_update_needs_a_full_training(busy, solution):
    which = busy.solution if solution == "busy" else busy.world.solution(solution)
    with refused(II, "UPDATE needs an active solution version trained with FULL and a recipe that supports it."):
        busy.control.create_solution_version(solutionArn=which, trainingMode="UPDATE")


# --- deleting


def test_a_schema_in_use(busy):
    used = busy.control.describe_dataset(datasetArn=busy.other_dataset)["dataset"]["schemaArn"]
    with refused(RIU, f"Schema {used} is used by dataset {busy.other_dataset}."):
        busy.control.delete_schema(schemaArn=used)


def test_a_group_that_is_not_empty_says_what_it_holds(busy):
    with refused(RIU, f"Dataset group {busy.group} still contains", "campaign", "solution", "tracker", "filter", "dataset"):
        busy.control.delete_dataset_group(datasetGroupArn=busy.group)


def test_deleting_in_the_order_of_aws(busy):
    """Campaigns, solutions, trackers, filters, datasets, schemas, the group; each is gone at once, and only once."""
    control, server = busy.control, busy.server
    group = new_group(server)
    schema = new_schema(server, INTERACTIONS)
    dataset = control.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="INTERACTIONS")["datasetArn"]
    tracker = control.create_event_tracker(name="t", datasetGroupArn=group)["eventTrackerArn"]
    text = 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("x")'
    made = control.create_filter(name=unique("f"), datasetGroupArn=group, filterExpression=text)["filterArn"]
    solution = new_solution(server, group, SIMS)
    left = [("solution", solution), ("event_tracker", tracker), ("filter", made), ("dataset", dataset), ("schema", schema)]
    for kind, resource in [*left, ("dataset_group", group)]:
        if kind not in ("schema", "dataset_group"):
            with refused(RIU, f"Dataset group {group} still contains"):
                control.delete_dataset_group(datasetGroupArn=group)
        member = "".join(w if i == 0 else w.title() for i, w in enumerate(kind.split("_"))) + "Arn"
        operation = "Delete" + kind.title().replace("_", "")
        answer = server.call(operation, {member: resource})
        assert (answer.status, answer.body) == (200, b""), answer
        for again in ("delete", "describe"):
            with refused(RNF, f"Resource Arn {resource} does not exist."):
                getattr(control, f"{again}_{kind}")(**{member: resource})


# --- runtime and events


def test_what_does_not_exist_is_not_asked(busy):
    runtime, events = busy.server.runtime, busy.server.events
    with refused(RNF, f"Resource Arn {arn('campaign/absent')} does not exist.", status=404):
        runtime.get_recommendations(campaignArn=arn("campaign/absent"), userId="u")
    with refused(RNF, status=404):
        runtime.get_recommendations(campaignArn=busy.campaign, itemId="horror-01", filterArn=arn("filter/absent"))
    with refused(RNF, status=404):
        events.put_items(datasetArn=arn("dataset/absent/ITEMS"), items=[{"itemId": "i"}])
    with refused(II, status=400):
        events.put_events(trackingId="none", sessionId="s", eventList=[{"eventType": "v", "itemId": "i", "sentAt": 1}])


def test_a_filter_of_another_group(busy):
    text = 'INCLUDE ItemID WHERE Items.GENRES IN ("x")'
    other = busy.control.create_filter(name=unique("f"), datasetGroupArn=busy.other_group, filterExpression=text)["filterArn"]
    with refused(II, other, status=400):
        busy.server.runtime.get_recommendations(campaignArn=busy.campaign, itemId="horror-01", filterArn=other)


def test_records_are_taken_while_a_training_and_an_import_run(busy):
    busy.server.events.put_items(datasetArn=busy.other_dataset, items=[{"itemId": "i", "properties": '{"creationTimestamp":1}'}])
    busy.world.put("someone", ["horror-01"])
