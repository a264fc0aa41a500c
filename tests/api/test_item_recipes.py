"""Recipes about items, from data to answers: similar items, meaning, trends, vectors of one's own."""
from harness import (CLUSTERS, ITEMS_PER_CLUSTER, RECIPE, World, cluster_of, finish_version, item_id, new_campaign, new_dataset,
                     new_group, new_solution, new_version, put_object, refused, unique)

II = "InvalidInputException"


def share_of(cluster, items):
    return sum(cluster_of(item) == cluster for item in items) / len(items)


def test_similar_items_are_of_the_same_kind(server, world):
    campaign = world.campaign("aws-similar-items")
    for cluster in CLUSTERS:
        asked = item_id(cluster, 1)
        items = world.items(campaign, itemId=asked, numResults=5)
        assert len(items) == 5 and asked not in items
        assert share_of(cluster, items) >= 0.8
    unknown = world.items(campaign, itemId="never seen", numResults=5)
    assert len(unknown) == 5, "popular items"
    metrics = server.control.get_solution_metrics(solutionVersionArn=world.version("aws-similar-items"))["metrics"]
    assert metrics["mean_reciprocal_rank_at_25"] > 0 and 0 < metrics["coverage"] <= 1


def test_meaning_is_enough_for_semantic_similarity(server, world):
    campaign = world.campaign("aws-semantic-similarity")
    for cluster in CLUSTERS:
        items = world.items(campaign, itemId=item_id(cluster, 2), numResults=5)
        assert share_of(cluster, items) == 1
    metrics = server.control.get_solution_metrics(solutionVersionArn=world.version("aws-semantic-similarity"))["metrics"]
    assert 0 < metrics["item_similarity"] <= 1 and "item_popularity" in metrics and "item_freshness" in metrics


def test_ranking_influence_prefers_the_popular(server, world):
    asked = item_id(CLUSTERS[1], 2)
    popular = world.items(world.campaign("aws-popularity-count"), userId="nobody", numResults=100)
    plain = world.items(world.campaign("aws-semantic-similarity"), itemId=asked, numResults=100)
    moved = world.items(
        world.campaign("aws-semantic-similarity", rankingInfluence={"POPULARITY": 1.0}), itemId=asked, numResults=100
    )

    def mean_place(items):
        return sum(popular.index(item) for item in items[:10] if item in popular)

    assert mean_place(moved) < mean_place(plain)
    with refused(II, "rankingInfluence"):
        new_campaign(server, world.version("aws-similar-items"), campaignConfig={"rankingInfluence": {"FRESHNESS": 0.5}})


def test_data_without_recent_events_has_popular_items_not_trends(server):
    world = World(server)  # nobody else's events
    trending = world.items(world.campaign("aws-trending-now"), numResults=5)
    popular = world.items(world.campaign("aws-popularity-count"), userId="nobody", numResults=5)
    assert trending == popular
    metrics = server.control.get_solution_metrics(solutionVersionArn=world.version("aws-trending-now"))["metrics"]
    assert 0 <= metrics["trend_prediction_accuracy"] <= 1


def vectors(dimension=4):
    """Each cluster a direction of its own."""
    lines = []
    for c, cluster in enumerate(CLUSTERS):
        for number in range(ITEMS_PER_CLUSTER):
            numbers = [0.01 * number] * dimension
            numbers[c % dimension] = 1 + 0.5 * (c // dimension)
            lines.append(item_id(cluster, number) + "\t" + " ".join(str(n) for n in numbers))
    return "\n".join(lines) + "\n"


def external(server, group, location, **more):
    config = {"algorithmHyperParameters": {"location": location, **more}}
    return new_solution(server, group, "ondol-external-vectors", solutionConfig=config)


def test_vectors_of_ones_own_recommend(server, world):
    location = put_object(server, "vectors.txt", vectors(len(CLUSTERS)))
    version = new_version(server, external(server, world.group, location, metric="dot"))
    campaign = new_campaign(server, version)
    for cluster in CLUSTERS[:2]:
        user = unique("vector-user")
        world.put(user, [item_id(cluster, 3)])
        assert share_of(cluster, world.items(campaign, userId=user, numResults=5)) == 1
    described = server.control.describe_recipe(recipeArn=RECIPE + "ondol-external-vectors")["recipe"]
    assert described["recipeType"] == "USER_PERSONALIZATION"
    listed = [r["name"] for r in server.control.list_recipes(maxResults=100)["recipes"]]
    assert "ondol-external-vectors" not in listed, "an extension"


def failure(server, solution):
    version = server.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    described = finish_version(server, version)
    assert described["status"] == "CREATE FAILED"
    return described["failureReason"]


def test_a_wrong_file_of_vectors_is_told(server, world):
    with refused(II, "location"):
        external(server, world.group, "http://somewhere/vectors.txt")
    missing = external(server, world.group, "s3://bucket/no-such-vectors.txt")
    assert "vectors" in failure(server, missing)
    bad = put_object(server, "bad-vectors.txt", vectors() + item_id(CLUSTERS[0], 0) + "\t1 2 3 4\n")
    assert "second vector" in failure(server, external(server, world.group, bad))
    ragged = put_object(server, "ragged-vectors.txt", "a\t1 2\nb\t1\n")
    assert "line 2" in failure(server, external(server, world.group, ragged))


def test_without_a_place_for_its_file_nothing_is_trained(server, world):
    solution = new_solution(server, world.group, "ondol-external-vectors")
    assert "location" in failure(server, solution)


def test_semantic_similarity_needs_text(server):
    group = new_group(server)
    new_dataset(server, group)
    reason = failure(server, new_solution(server, group, "aws-semantic-similarity"))
    assert "Items" in reason or "ITEMS" in reason
