"""Tags: api.md section 12."""
import pytest
from harness import (
    ITEMS,
    RECIPE,
    arn,
    items_csv,
    new_dataset,
    new_filter,
    new_group,
    new_schema,
    put_object,
    refused,
    unique,
)


def tag(key, value="v"):
    return {"tagKey": key, "tagValue": value}


def tags_of(server, resource):
    return {t["tagKey"]: t["tagValue"] for t in server.control.list_tags_for_resource(resourceArn=resource)["tags"]}


def test_tags_come_and_go(server):
    group = server.control.create_dataset_group(name=unique("tagged"), tags=[tag("a", "1"), tag("A", "2")])["datasetGroupArn"]
    assert tags_of(server, group) == {"a": "1", "A": "2"}, "keys are case-sensitive"
    server.control.tag_resource(resourceArn=group, tags=[tag("a", "changed"), tag("empty", "")])
    assert tags_of(server, group) == {"a": "changed", "A": "2", "empty": ""}
    server.control.untag_resource(resourceArn=group, tagKeys=["a", "not there"])
    assert tags_of(server, group) == {"A": "2", "empty": ""}
    assert "tags" not in server.control.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]


def test_an_untagged_resource_has_an_empty_list(server):
    assert server.call("ListTagsForResource", {"resourceArn": new_group(server)}).json == {"tags": []}


def taggable(server):
    group, tags, control = new_group(server), [tag("k")], server.control
    made = new_schema(server, ITEMS)
    dataset = control.create_dataset(name="d", schemaArn=made, datasetGroupArn=group, datasetType="ITEMS", tags=tags)["datasetArn"]
    yield dataset
    location = put_object(server, f"{unique('i')}.csv", items_csv())
    yield control.create_dataset_import_job(
        jobName=unique("j"), datasetArn=dataset, dataSource={"dataLocation": location}, tags=tags
    )["datasetImportJobArn"]
    new_dataset(server, group)
    yield control.create_event_tracker(name=unique("t"), datasetGroupArn=group, tags=tags)["eventTrackerArn"]
    yield control.create_filter(
        name=unique("f"), datasetGroupArn=group, filterExpression='INCLUDE ItemID WHERE Items.GENRES IN ("x")', tags=tags
    )["filterArn"]
    yield control.create_solution(
        name=unique("s"), datasetGroupArn=group, recipeArn=RECIPE + "aws-sims", performAutoTraining=False, tags=tags
    )["solutionArn"]


def test_every_taggable_kind(server):
    for resource in taggable(server):
        assert tags_of(server, resource) == {"k": "v"}, resource
        server.control.tag_resource(resourceArn=resource, tags=[tag("l")])
        assert tags_of(server, resource) == {"k": "v", "l": "v"}


def test_versions_and_campaigns(server, world):
    version = server.control.create_solution_version(solutionArn=world.solution("aws-popularity-count"), tags=[tag("k")])
    assert tags_of(server, version["solutionVersionArn"]) == {"k": "v"}
    server.control.tag_resource(resourceArn=world.campaign("aws-popularity-count"), tags=[tag("k")])
    assert tags_of(server, world.campaign("aws-popularity-count")) == {"k": "v"}


def test_untaggable_kinds(server):
    for resource in (new_schema(server, ITEMS), RECIPE + "aws-sims"):
        with refused("InvalidInputException"):
            server.control.tag_resource(resourceArn=resource, tags=[tag("k")])


@pytest.mark.parametrize("path", ["dataset-group/absent", "filter/absent", "campaign/absent", "solution/absent"])
def test_unknown_resources(server, path):
    control = server.control
    for ask in (
        lambda: control.tag_resource(resourceArn=arn(path), tags=[tag("k")]),
        lambda: control.untag_resource(resourceArn=arn(path), tagKeys=["k"]),
        lambda: control.list_tags_for_resource(resourceArn=arn(path)),
    ):
        with refused("ResourceNotFoundException"):
            ask()


@pytest.mark.parametrize(
    "tags",
    [
        [tag("aws:mine")],
        [tag("k"), tag("k", "other")],
        [tag("k" * 129)],
        [tag("k", "v" * 257)],
        [tag("k;")],
        [tag("k", "<v>")],
        [tag("tab\there")],
    ],
)
def test_bad_tags(server, tags):
    group, name = new_group(server), unique("bad")
    with refused("InvalidInputException"):
        server.control.tag_resource(resourceArn=group, tags=tags)
    assert tags_of(server, group) == {}
    with refused("InvalidInputException"):
        server.control.create_dataset_group(name=name, tags=tags)
    new_group(server, name)  # nothing was made


def test_fifty_tags_and_no_more(server):
    group = new_group(server)
    server.control.tag_resource(resourceArn=group, tags=[tag(f"k{n}") for n in range(50)])
    with refused("TooManyTagsException"):
        server.control.tag_resource(resourceArn=group, tags=[tag("one more")])
    server.control.tag_resource(resourceArn=group, tags=[tag("k1", "changed")])
    assert len(tags_of(server, group)) == 50 and tags_of(server, group)["k1"] == "changed"
    with refused("TooManyTagsException"):
        server.control.create_dataset_group(name=unique("g"), tags=[tag(f"k{n}") for n in range(51)])
    with refused("TooManyTagKeysException"):
        server.control.untag_resource(resourceArn=group, tagKeys=[f"k{n}" for n in range(51)])
    assert len(tags_of(server, group)) == 50


def test_tags_of_every_script(server):
    group = new_group(server)
    for key, value in (("지역", "제주 도"), ("a.b:c/d=e+f-g@h_i", "x y"), ("Ünïcode", "ß")):
        server.control.tag_resource(resourceArn=group, tags=[tag(key, value)])
        assert tags_of(server, group)[key] == value


def test_tags_die_with_their_resource(server):
    name = unique("again")
    group = server.control.create_dataset_group(name=name, tags=[tag("k")])["datasetGroupArn"]
    server.control.delete_dataset_group(datasetGroupArn=group)
    with refused("ResourceNotFoundException"):
        server.control.list_tags_for_resource(resourceArn=group)
    assert tags_of(server, new_group(server, name)) == {}


def test_a_filter_is_found_by_its_tag_after_use(server):
    group = new_group(server)
    new_dataset(server, group, "ITEMS")
    made = new_filter(server, group, 'INCLUDE ItemID WHERE Items.GENRES IN ("x")')
    server.control.tag_resource(resourceArn=made, tags=[tag("team", "stay")])
    assert tags_of(server, made) == {"team": "stay"}
