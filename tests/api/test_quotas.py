"""AWS's quotas under --strict (api.md section 15): what is one too many, with the texts of errors.md section 7. Without
--strict the same is allowed."""
import types

import pytest
from harness import (
    INTERACTIONS,
    ITEMS,
    RECIPE,
    Server,
    World,
    held,
    items_csv,
    new_campaign,
    new_filter,
    new_group,
    new_schema,
    new_solution,
    put_object,
    refused,
    start_import,
    unique,
)

LE = "LimitExceededException"
MANY = "More than {} resources in ACTIVE state. Please delete some and try again."
RUNNING = "More than {} resources with PENDING or IN_PROGRESS status."
FILTER = 'INCLUDE ItemID WHERE Items.GENRES IN ("x")'
SIMS = "aws-sims"


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("strict") / "data", "--strict")
    made = types.SimpleNamespace(server=server, control=server.control, world=World(server))
    yield made
    server.stop()


def fill(make, count, most):
    """Makes `count`, the last that fit; then one too many is refused with the text of that quota."""
    made = [make() for _ in range(count)]
    with refused(LE, most):
        make()
    with refused(LE, most):  # and a client that tries again is told the same
        make()
    return made


def test_groups(strict):
    made = fill(lambda: new_group(strict.server), 4, "Cannot create a dataset group. " + MANY.format(5))
    strict.control.delete_dataset_group(datasetGroupArn=made[0])
    again = new_group(strict.server)
    for group in [*made[1:], again]:
        strict.control.delete_dataset_group(datasetGroupArn=group)


def test_solutions_of_a_group(strict):
    strict.world.version(SIMS)
    fill(lambda: new_solution(strict.server, strict.world.group, SIMS), 9, "Cannot create a solution. " + MANY.format(10))


def test_campaigns_of_a_group(strict):
    version = strict.world.version(SIMS)
    made = fill(lambda: new_campaign(strict.server, version), 5, "Cannot create a campaign. " + MANY.format(5))
    for campaign in made:
        strict.control.delete_campaign(campaignArn=campaign)


def test_filters_of_a_group(strict):
    made = fill(lambda: new_filter(strict.server, strict.world.group, FILTER), 30, "Cannot create a filter. " + MANY.format(30))
    for each in made:
        strict.control.delete_filter(filterArn=each)


def test_versions_and_imports_that_are_not_finished(strict):
    control, solution = strict.control, strict.world.solution(SIMS)
    location = put_object(strict.server, "again.csv", items_csv())
    version = lambda: control.create_solution_version(solutionArn=solution)["solutionVersionArn"]  # noqa: E731
    with held(strict.server, version):
        waiting = fill(version, 19, RUNNING.format(20))
        fill(lambda: start_import(strict.server, strict.world.datasets["ITEMS"], location), 5, RUNNING.format(5))
        for each in waiting:
            control.stop_solution_version_creation(solutionVersionArn=each)
        control.stop_solution_version_creation(solutionVersionArn=version())


def test_schemas(strict):
    have = sum(len(page["schemas"]) for page in strict.control.get_paginator("list_schemas").paginate())
    made = fill(lambda: new_schema(strict.server, ITEMS), 500 - have, "Cannot create a schema. " + MANY.format(500))
    strict.control.delete_schema(schemaArn=made[0])
    new_schema(strict.server, INTERACTIONS)


def test_without_strict_there_may_be_more(server):
    groups = [new_group(server) for _ in range(6)]
    for _ in range(11):
        server.control.create_solution(
            name=unique("s"), datasetGroupArn=groups[0], recipeArn=RECIPE + SIMS, performAutoTraining=False
        )
