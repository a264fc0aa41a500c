"""POST /ondol/explain and `ondol explain`: why an answer is what it is, told from the code that answers."""
import json
import subprocess
import time

import pytest
from harness import ACCOUNT, BINARY, REGION, ITEMS_PER_CLUSTER, TIME_0, cluster_of, item_id, unique, wait_for

UP, SIMS, RANKING, POPULAR = "aws-user-personalization", "aws-sims", "aws-personalized-ranking", "aws-popularity-count"
QUIET = {"itemExplorationConfig": {"explorationWeight": "0"}}


def explain(server, **request):
    answer = server.rest("/ondol/explain", request)
    assert answer.status == 200, answer
    return answer.json


def refused(server, code, *words, **request):
    answer = server.rest("/ondol/explain", request)
    assert answer.code == code, answer
    for word in words:
        assert word in answer.json["message"], answer


def by_id(told):
    return {item["itemId"]: item for item in told["items"]}


@pytest.fixture(scope="module")
def fan(world):
    """A user of one cluster with a few events, one of them elsewhere; (id, items oldest first)."""
    user = unique("explained")
    seen = [item_id("western", n) for n in (1, 2, 3)] + [item_id("comedy", 5)] + [item_id("western", 4)]
    world.put(user, seen, session=user, when=int(time.time()) - 600)
    campaign = world.campaign(**QUIET)
    wait_for(lambda: explain(world.server, campaignArn=campaign, userId=user)["user"]["events"], lambda n: n == len(seen))
    return user, seen


def test_the_explanation_is_of_the_answer(server, world, fan):
    user, seen = fan
    campaign = world.campaign(**QUIET)
    answer = server.runtime.get_recommendations(campaignArn=campaign, userId=user, numResults=30)
    live = [(item["itemId"], item["score"]) for item in answer["itemList"]]
    told = explain(server, campaignArn=campaign, userId=user, numResults=30, itemIds=[item for item, _ in live])
    assert [(item["itemId"], item["normalizedScore"]) for item in told["items"]] == live
    assert [item["place"] for item in told["items"]] == list(range(1, 31))
    assert [item["rank"] for item in told["items"]] == list(range(1, 31))
    assert {item["stage"] for item in told["items"]} == {"IN_ANSWER"}
    scores = [item["score"] for item in told["items"]]
    assert scores == sorted(scores, reverse=True)
    for item in told["items"]:
        assert sum(term["contribution"] for term in item["terms"]) == pytest.approx(item["score"], abs=1e-3)
    assert told["user"]["known"] and told["user"]["personal"] and told["user"]["eventsUsed"] == len(seen)
    assert [event["itemId"] for event in told["user"]["history"]] == seen[::-1]
    first = explain(server, campaignArn=campaign, userId=user)
    assert [item["itemId"] for item in first["items"]] == [item for item, _ in live[:10]]
    assert first["numResults"] == 25 and first["counts"]["answer"] == 25


def test_the_whole_is_told(server, world, fan):
    campaign = world.campaign(**QUIET)
    told = explain(server, campaignArn=campaign, userId=fan[0])
    model = told["model"]
    assert told["campaignArn"] == campaign and model["recipe"] == UP
    assert model["solutionVersionArn"] == world.version(UP)
    assert (server.folder / "images" / model["image"]).exists()
    assert abs(model["trainedAt"] - time.time()) < 3600
    assert model["data"]["interactions"] > 1000 and model["data"]["fromSeconds"] >= TIME_0
    counts = told["counts"]
    assert counts["model"] == counts["eligible"] == 6 * ITEMS_PER_CLUSTER <= counts["catalogue"]
    assert counts["droppedByFilter"] == counts["droppedByAutomaticFilter"] == 0


def test_the_events_of_a_cluster_speak_for_it(server, world, fan):
    user, seen = fan
    campaign = world.campaign(**QUIET)
    told = explain(server, campaignArn=campaign, userId=user, itemIds=[item_id("western", 0), item_id("comedy", 0)])
    history = [cluster_of(event["itemId"]) for event in told["user"]["history"]]
    for item in told["items"]:
        home = cluster_of(item["itemId"])
        gain = {"western": 0.0, "comedy": 0.0}
        for effect in item["events"]:
            assert effect["contribution"] == pytest.approx(item["score"] - effect["scoreWithout"], abs=1e-4)
            gain[history[effect["event"]]] += effect["contribution"]
        assert gain[home] == max(gain.values()) > 0, item
    assert by_id(told)[item_id("western", 0)]["score"] > by_id(told)[item_id("comedy", 0)]["score"]


def test_leaving_an_event_out_is_exact(server, world, fan):
    """Another user who has all events but one is given the very score that the explanation tells."""
    user, seen = fan
    campaign, item = world.campaign(**QUIET), item_id("western", 0)
    when = int(time.time()) - 86400 * 50
    whole, lacking = unique("whole"), unique("lacking")
    world.put(whole, seen, session=whole, when=when)
    for i, one in enumerate(seen):
        if i != 3:
            world.put(lacking, [one], session=lacking, when=when + i)
    wait_for(lambda: explain(server, campaignArn=campaign, userId=lacking)["user"]["events"], lambda n: n == len(seen) - 1)
    told = explain(server, campaignArn=campaign, userId=whole, itemIds=[item])["items"][0]
    other = explain(server, campaignArn=campaign, userId=lacking, itemIds=[item])["items"][0]
    comedy = next(effect for effect in told["events"] if effect["event"] == 1)
    assert comedy["scoreWithout"] == pytest.approx(other["score"], abs=1e-4)
    live = server.runtime.get_recommendations(campaignArn=campaign, userId=lacking, numResults=72)["itemList"]
    assert other["normalizedScore"] == pytest.approx(next(i["score"] for i in live if i["itemId"] == item), abs=1e-6)


def test_a_filtered_item_names_its_clause(server, world, fan):
    user, seen = fan
    campaign = world.campaign(**QUIET)
    include = 'INCLUDE ItemID WHERE Items.GENRES IN ("western") AND Items.YEAR > 1982'
    exclude = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view") OR Interactions.EVENT_TYPE IN ("never")'
    passing = item_id("western", 9)
    names = [passing, item_id("western", 1), item_id("comedy", 9), seen[-1], "nowhere"]
    asked = {"campaignArn": campaign, "userId": user, "filterArn": world.filter(f"{include} | {exclude}")}
    told = by_id(explain(server, **asked, itemIds=names))
    assert told[passing]["passesFilter"] and "droppedBy" not in told[passing]
    assert told["nowhere"]["stage"] == "NOT_IN_CATALOGUE"
    old = told[item_id("western", 1)]
    assert old["stage"] == "FILTER" and old["rank"] >= 1 and old["score"]
    assert old["droppedBy"] == [
        {"clause": include, "conditions": ["Items.YEAR > 1982"]},
        {"clause": exclude, "conditions": ['Interactions.EVENT_TYPE IN ("view")']},
    ]
    assert told[item_id("comedy", 9)]["droppedBy"] == [
        {"clause": include, "conditions": ['Items.GENRES IN ("western")']}
    ]
    assert [why["clause"] for why in told[seen[-1]]["droppedBy"]] == [exclude]
    counts = explain(server, **asked)["counts"]
    live = world.items(campaign, userId=user, filterArn=asked["filterArn"], numResults=100)
    assert counts["eligible"] == len(live) == counts["answer"] and counts["droppedByFilter"] == counts["model"] - len(live)
    assert explain(server, **asked, itemIds=live)["items"][0]["place"] == 1


def test_a_filter_beyond_aws_names_its_clause_too(server, world, fan):
    user, seen = fan
    campaign = world.campaign(**QUIET)
    nested = '(Items.GENRES IN ("western") OR Items.GENRES IN ("drama"))'
    young = "Items.CREATION_TIMESTAMP > $NOW - 1 DAYS"
    exclude = f'EXCLUDE ItemID WHERE {nested} AND NOT {young} | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view") WITHIN 30 DAYS'
    told = by_id(
        explain(server, campaignArn=campaign, userId=user, filterArn=world.filter(exclude), itemIds=[item_id("western", 9), seen[-1], item_id("comedy", 9)])
    )
    assert told[item_id("western", 9)]["droppedBy"][0]["conditions"] == [f"{nested} AND NOT {young}"]
    assert [why["conditions"] for why in told[seen[-1]]["droppedBy"]][-1] == ['Interactions.EVENT_TYPE IN ("view") WITHIN 30 DAYS']
    assert "droppedBy" not in told[item_id("comedy", 9)]


def test_parameters_and_promotions(server, world, fan):
    campaign = world.campaign(**QUIET)
    only = world.filter("INCLUDE ItemID WHERE Items.GENRES IN ($GENRE)")
    promoted = world.filter('INCLUDE ItemID WHERE Items.GENRES IN ("drama")')
    request = {
        "userId": fan[0], "filterArn": only, "filterValues": {"GENRE": '"western"'}, "numResults": 8,
        "promotions": [{"name": "push", "percentPromotedItems": 25, "filterArn": promoted}],
    }
    answer = server.runtime.get_recommendations(campaignArn=campaign, **request)
    live = [(item["itemId"], item["score"], item.get("promotionName")) for item in answer["itemList"]]
    told = explain(server, campaignArn=campaign, recommendationId=answer["recommendationId"], **request)
    assert [(i["itemId"], i["normalizedScore"], i.get("promotionName")) for i in told["items"]] == live
    assert sum(item["passesPromotionFilter"] for item in told["items"]) == 2
    assert told["counts"]["passPromotionFilter"] == ITEMS_PER_CLUSTER
    out = explain(server, campaignArn=campaign, itemIds=[item_id("comedy", 0)], **request)["items"][0]
    assert out["droppedBy"][0]["conditions"] == ["Items.GENRES IN ($GENRE)"]


def test_chance_is_repeated(server, world, fan):
    """With exploration every answer differs; the id of one tells where chance put what."""
    campaign = world.campaign(itemExplorationConfig={"explorationWeight": "1", "explorationItemAgeCutOff": "30"})
    fresh = unique("fresh")
    dataset = world.datasets["ITEMS"]
    server.events.put_items(datasetArn=dataset, items=[{"itemId": fresh, "properties": json.dumps(
        {"genres": "western", "creationTimestamp": int(time.time())})}])
    explored = 0
    for _ in range(10):
        answer = server.runtime.get_recommendations(campaignArn=campaign, userId=fan[0], numResults=10)
        told = explain(server, campaignArn=campaign, userId=fan[0], numResults=10, recommendationId=answer["recommendationId"])
        assert [i["itemId"] for i in told["items"]] == [i["itemId"] for i in answer["itemList"]]
        chance = [item for item in told["items"] if item["explored"]]
        explored += len(chance)
        assert all(0 < item["propensity"] < 1 for item in chance)
    assert explored > 0
    item = explain(server, campaignArn=world.campaign(**QUIET), userId=fan[0], itemIds=[fresh])["items"][0]
    assert item["stage"] == "NOT_IN_MODEL" and "score" not in item


def test_a_stranger_is_told_what_is_popular(server, world):
    told = explain(server, campaignArn=world.campaign(**QUIET), userId=unique("stranger"))
    assert told["user"]["known"] is False and told["user"]["personal"] is False and told["user"]["history"] == []
    assert told["items"][0]["stage"] == "IN_ANSWER" and cluster_of(told["items"][0]["itemId"]) == "horror"
    assert [term["name"] for term in told["items"][0]["terms"]] == ["popularShare"]
    assert told["items"][0]["events"] == []


def test_a_ranking_explains_its_list(server, world, fan):
    user, seen = fan
    campaign = world.campaign(RANKING)
    given = [item_id("comedy", 3), item_id("western", 6), "unheard-of", item_id("horror", 2)]
    ranked = server.runtime.get_personalized_ranking(campaignArn=campaign, userId=user, inputList=given)["personalizedRanking"]
    told = explain(server, campaignArn=campaign, userId=user, inputList=given)
    assert [i["itemId"] for i in told["items"]] == [i["itemId"] for i in ranked]
    assert [i.get("normalizedScore") for i in told["items"]] == [i.get("score") for i in ranked]
    known = [item for item in told["items"] if "score" in item]
    assert [item["rank"] for item in known] == [1, 2, 3]
    for item in known:
        assert sum(term["contribution"] for term in item["terms"]) == pytest.approx(item["score"], abs=1e-3)
    other = explain(server, campaignArn=campaign, userId=user, inputList=given, itemIds=[item_id("drama", 1)])["items"][0]
    assert other["stage"] == "NOT_IN_INPUT_LIST"
    refused(server, "InvalidInputException", "inputList", campaignArn=campaign, userId=user)
    refused(server, "InvalidInputException", "numResults", campaignArn=campaign, userId=user, inputList=given, numResults=3)


def test_other_recipes_explain_what_they_can(server, world, fan):
    here = item_id("western", 2)
    told = explain(server, campaignArn=world.campaign(SIMS), itemId=here, itemIds=[here, item_id("western", 3)])
    assert [item["stage"] for item in told["items"]] == ["ITEM_ITSELF", "IN_ANSWER"]
    assert "terms" not in told["items"][1] and told["items"][1]["score"] > 0
    told = explain(server, campaignArn=world.campaign(POPULAR), userId=fan[0])
    assert [i["itemId"] for i in told["items"]] == world.items(world.campaign(POPULAR), userId=fan[0])[:10]
    assert all(effect["contribution"] == 0 for item in told["items"] for effect in item["events"])


def test_what_cannot_be_asked_is_refused(server, world, fan):
    campaign = world.campaign(**QUIET)
    ask = {"campaignArn": campaign, "userId": fan[0]}
    refused(server, "InvalidInputException", "metadataColumns", **ask, metadataColumns={"ITEMS": ["YEAR"]})
    refused(server, "InvalidInputException", "itemIDs", **ask, itemIDs=["a"])
    refused(server, "InvalidInputException", "inputList", **ask, inputList=["a"])
    refused(server, "InvalidInputException", "itemIds", **ask, itemIds=[])
    refused(server, "InvalidInputException", "itemIds", **ask, itemIds=["a"] * 101)
    refused(server, "InvalidInputException", "itemIds", **ask, itemIds=["a" * 257])
    refused(server, "SerializationException", "itemIds", **ask, itemIds="a")
    refused(server, "SerializationException", "itemIds", **ask, itemIds=[1])
    refused(server, "InvalidInputException", "recommendationId", **ask, recommendationId="RID-1")
    other = server.runtime.get_recommendations(campaignArn=world.campaign(SIMS), itemId=item_id("western", 2))
    refused(server, "InvalidInputException", "recommendationId", **ask, recommendationId=other["recommendationId"])
    refused(server, "InvalidInputException", "userId", campaignArn=campaign)
    refused(server, "InvalidInputException", "numResults", **ask, numResults=501)
    refused(server, "InvalidInputException", "exactly one", userId="u")
    gone = f"arn:aws:personalize:{REGION}:{ACCOUNT}:campaign/gone"
    refused(server, "ResourceNotFoundException", "gone", campaignArn=gone, userId="u")
    assert server.rest("/ondol/explain", b"[]").code == "SerializationException"
    assert server.rest("/ondol/explain", b"{").code == "SerializationException"
    assert server.send("POST", "/ondol/explain", b"{}").status == 403
    assert server.send("GET", "/ondol/explain", b"", server.sign("GET", "/ondol/explain", b"", {})).status == 404


def test_the_command_prints_it(server, world, fan):
    user, seen = fan
    campaign = world.campaign(**QUIET)
    filtered = world.filter('EXCLUDE ItemID WHERE Items.GENRES IN ($GENRE)')

    def command(*more):
        return subprocess.run([BINARY, "explain", "--data", str(server.folder), *more], capture_output=True, text=True, timeout=60)

    shown = command("--campaign", campaign, "--user", user, "--filter", filtered, "--filter-values",
                    '{"GENRE": "\\"comedy\\""}', item_id("western", 0), item_id("comedy", 1))
    assert shown.returncode == 0, shown
    for words in (world.version(UP), "5 events, 5 used", "of the answer", "dropped by the filter",
                  "for Items.GENRES IN ($GENRE)", "part", "event view western-0"):
        assert words in shown.stdout, shown.stdout
    told = json.loads(command("--campaign", campaign, "--user", user, "--json").stdout)
    assert [i["itemId"] for i in told["items"]] == world.items(campaign, userId=user)[:10]
    wrong = command("--campaign", campaign, "--user", user, "--context", "{")
    assert wrong.returncode == 1 and wrong.stderr
    wrong = command("--campaign", campaign)
    assert wrong.returncode == 1 and "userId" in wrong.stderr
