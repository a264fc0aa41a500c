"""eventsConfig of the second recipes: only listed types train, weights are measured, mistakes are refused."""
import pytest
from harness import (
    RECIPE,
    field,
    finish_version,
    new_campaign,
    new_dataset,
    new_group,
    new_version,
    refused,
    schema,
    unique,
)

II = "InvalidInputException"
V2, RANKING_V2, UP = "aws-user-personalization-v2", "aws-personalized-ranking-v2", "aws-user-personalization"
WEIGHTED = {f"normalized_discounted_cumulative_gain_with_event_weights_at_{k}" for k in (5, 10, 25)}


def events(*entries, **more):
    return {"eventsConfig": {"eventParametersList": [dict(zip(("eventType", "weight", "eventValueThreshold"), e)) for e in entries]}, **more}


def solution(server, group, config, recipe=V2, **more):
    return server.control.create_solution(
        name=unique("events"), datasetGroupArn=group, recipeArn=RECIPE + recipe, performAutoTraining=False, solutionConfig=config, **more
    )["solutionArn"]


def metrics(server, version):
    return server.control.get_solution_metrics(solutionVersionArn=version)["metrics"]


@pytest.mark.parametrize("recipe", [V2, RANKING_V2])
def test_weights_are_measured(server, world, recipe):
    config = events(("view", 0.1), ("buy", 0.3, 1.0))
    made = solution(server, world.group, config, recipe)
    assert server.control.describe_solution(solutionArn=made)["solution"]["solutionConfig"] == config
    version = new_version(server, made)
    assert server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]["solutionConfig"] == config
    found = metrics(server, version)
    assert WEIGHTED <= set(found) and all(0 < found[name] <= 1 for name in WEIGHTED)
    assert not WEIGHTED & set(metrics(server, new_version(server, solution(server, world.group, {}, recipe))))


def test_only_ratios_of_weights_count(server, world):
    one = metrics(server, new_version(server, solution(server, world.group, events(("view", 0.1), ("buy", 0.3)))))
    same = metrics(server, new_version(server, solution(server, world.group, events(("view", 0.25), ("buy", 0.75)))))
    assert one == pytest.approx(same, rel=1e-3)


def test_only_listed_types_train(server, world):
    version = server.control.create_solution_version(solutionArn=solution(server, world.group, events(("never", 1.0), ("none", 0.5))))
    described = finish_version(server, version["solutionVersionArn"])
    assert described["status"] == "CREATE FAILED"
    assert "after filtering by event type: never, none" in described["failureReason"], described


def test_events_of_other_types_do_not_speak(server, world):
    campaign = new_campaign(server, new_version(server, solution(server, world.group, events(("view", 1.0)))))
    user = unique("buyer")
    ask = lambda: [i["itemId"] for i in server.runtime.get_recommendations(campaignArn=campaign, userId=user, numResults=8)["itemList"]]  # noqa: E731
    popular = ask()
    world.put(user, ["western-01", "western-02"], "buy")
    assert ask() == popular, "buying was not trained on"
    world.put(user, ["western-01", "western-02"], "view")
    heard = ask()
    assert heard != popular and sum(item.startswith("western") for item in heard) > 4


def test_update_solution_changes_the_events(server, world):
    made = solution(server, world.group, events(("view", 1.0)))
    server.control.update_solution(solutionArn=made, solutionUpdateConfig=events(("buy", 0.5), ("view", 0.1)))
    described = server.control.describe_solution(solutionArn=made)["solution"]
    assert described["solutionConfig"] == events(("buy", 0.5), ("view", 0.1))
    with refused(II, "twice"):
        server.control.update_solution(solutionArn=made, solutionUpdateConfig=events(("buy", 0.5), ("buy", 0.1)))
    with refused(II, "eventsConfig"):
        server.control.update_solution(
            solutionArn=solution(server, world.group, {}, UP), solutionUpdateConfig=events(("buy", 0.5))
        )


BAD = [
    (UP, events(("buy", 0.5)), {}, ["eventsConfig", UP]),
    (V2, events(), {}, ["eventParametersList"]),
    (V2, events(("buy", 0.5), ("buy", 0.1)), {}, ["buy", "twice"]),
    (V2, events(("buy", 0.0), ("view", 0.0)), {}, ["weight"]),
    (V2, events(("buy", 1.5)), {}, ["weight"]),
    (V2, events(*[(f"t{n}", 0.5) for n in range(11)]), {}, ["eventParametersList"]),
    (V2, {"eventsConfig": {"eventParametersList": [{"weight": 0.5}]}}, {}, ["eventType"]),
    (V2, events(("buy", 0.5)), {"eventType": "buy"}, ["eventType"]),
    (V2, events(("buy", 0.5), eventValueThreshold="1"), {}, ["eventValueThreshold"]),
    (V2, events(("buy", 0.5), trainingDataConfig={"excludedDatasetColumns": {"INTERACTIONS": ["EVENT_TYPE"]}}), {}, ["EVENT_TYPE"]),
]


@pytest.mark.parametrize("recipe,config,more,words", BAD)
def test_mistakes_are_refused(server, world, recipe, config, more, words):
    with refused(II, *words):
        solution(server, world.group, config, recipe, **more)


def test_what_the_schema_cannot_tell_is_refused(server):
    group = new_group(server)
    bare = schema("Interactions", field("USER_ID", "string"), field("ITEM_ID", "string"), field("TIMESTAMP", "long"))
    new_dataset(server, group, "INTERACTIONS", bare)
    with refused(II, "EVENT_TYPE"):
        solution(server, group, events(("buy", 0.5)))
    typed = new_group(server)
    new_dataset(server, typed, "INTERACTIONS", schema("Interactions", *bare["fields"], field("EVENT_TYPE", "string")))
    solution(server, typed, events(("buy", 0.5)))
    with refused(II, "EVENT_VALUE"):
        solution(server, typed, events(("buy", 0.5, 3.0)))
