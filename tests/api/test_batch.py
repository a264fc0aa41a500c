"""Batch inference and batch segment jobs: lines in, lines out, the answers being those of a campaign."""
import json
import time

import pytest
from harness import (CLUSTERS, USERS_PER_CLUSTER, Server, World, arn, cluster_of, ended, interactions_csv, item_id, load,
                     new_dataset, new_filter, new_group, new_solution, new_version, put_object, refused, unique, wait_for)

II, RIU, RNF, RAE, LE = ("InvalidInputException", "ResourceInUseException", "ResourceNotFoundException",
                         "ResourceAlreadyExistsException", "LimitExceededException")
ROLE = "arn:aws:iam::000000000000:role/batch"
UP, V2, RANK = "aws-user-personalization", "aws-user-personalization-v2", "aws-personalized-ranking"
NO_CHANCE = {"itemExplorationConfig": {"explorationWeight": "0"}}


@pytest.fixture(scope="module")
def own(server):
    """A world whose events are these tests' alone."""
    return World(server)


def lines_of(*values):
    return "".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values)


def create(server, version, source, target, segment=False, **more):
    call = server.control.create_batch_segment_job if segment else server.control.create_batch_inference_job
    answer = call(jobName=more.pop("name", None) or unique("batch"), solutionVersionArn=version, roleArn=ROLE,
                  jobInput={"s3DataSource": {"path": source}}, jobOutput={"s3DataDestination": {"path": target}}, **more)
    return answer["batchSegmentJobArn" if segment else "batchInferenceJobArn"]


def describe(server, job, segment=False):
    if segment:
        return server.control.describe_batch_segment_job(batchSegmentJobArn=job)["batchSegmentJob"]
    return server.control.describe_batch_inference_job(batchInferenceJobArn=job)["batchInferenceJob"]


def finish(server, job, segment=False):
    return wait_for(lambda: describe(server, job, segment), ended)


def run(server, version, *values, segment=False, **more):
    """The output's lines of one input file of these lines; what is no text is made JSON."""
    name = unique("lines")
    source = put_object(server, f"in/{name}.json", lines_of(*values))
    described = finish(server, create(server, version, source, "s3://bucket/out/", segment, **more), segment)
    assert described["status"] == "ACTIVE", described
    text = (server.objects / "bucket" / "out" / f"{name}.json.out").read_text()
    assert text.endswith("\n") or not text
    return [json.loads(line) for line in text.splitlines()]


def live(server, campaign, **request):
    return server.runtime.get_recommendations(campaignArn=campaign, **request)["itemList"]


def same(line, items):
    """The line's answer is that of the list, with its scores."""
    assert line["error"] is None, line
    assert line["output"]["recommendedItems"] == [item["itemId"] for item in items]
    if any("score" in item for item in items):
        assert line["output"]["scores"] == pytest.approx([item.get("score", 0) for item in items], abs=1e-6)
    else:
        assert "scores" not in line["output"]


# --- the answers are those of a campaign


def test_users_get_what_a_campaign_gives(server, own):
    own.put("drama-fan-3", [item_id("comedy", n) for n in (5, 6, 7)], session="batch-1")
    own.put(None, [item_id("western", n) for n in (1, 2, 3, 4)], session="batch-nobody")
    own.put(None, [item_id("family", n) for n in (1, 2, 3)], session="batch-joins")
    own.put("batch-joined", [item_id("family", 4)], session="batch-joins")
    users = ["drama-fan-3", "horror-fan-0", "batch-nobody", "batch-joined", "batch-joins", "nobody at all", "né \"x\"\\"]
    users += [f"{c}-fan-{n}" for c in CLUSTERS for n in range(4)]
    campaign = own.campaign(UP, **NO_CHANCE)
    lines = run(server, own.version(UP), *({"userId": u} for u in users), batchInferenceJobConfig=NO_CHANCE, numResults=12)
    assert [line["input"] for line in lines] == [{"userId": u} for u in users], "in order"
    for user, line in zip(users, lines):
        same(line, live(server, campaign, userId=user, numResults=12))
    assert lines[3]["output"]["recommendedItems"] != lines[5]["output"]["recommendedItems"], "a session's events count"


@pytest.mark.parametrize("recipe", ["aws-popularity-count", V2])
def test_other_recipes_for_users(server, world, recipe):
    lines = run(server, world.version(recipe), {"userId": "western-fan-1"}, {"userId": "unknown"}, numResults=100)
    got = [live(server, world.campaign(recipe), userId=u, numResults=100) for u in ("western-fan-1", "unknown")]
    if recipe == V2:
        for line in lines:
            reasons = line["output"]["reasons"]
            assert len(reasons) == len(line["output"]["recommendedItems"]) and all(isinstance(r, list) for r in reasons)
        assert ["Popular item"] in lines[1]["output"]["reasons"]
        assert [item.get("reason", []) for item in got[1]] == lines[1]["output"]["reasons"], "a campaign tells it too"
        assert set(lines[0]["output"]["recommendedItems"]) == {item["itemId"] for item in got[0]}
    else:
        for line, items in zip(lines, got):
            same(line, items)
            assert "reasons" not in line["output"]


@pytest.mark.parametrize("recipe", ["aws-sims", "aws-similar-items", "aws-semantic-similarity"])
def test_items_get_related_items(server, world, recipe):
    asked = [item_id(c, 1) for c in CLUSTERS] + ["never seen"]
    lines = run(server, world.version(recipe), *({"itemId": i} for i in asked), numResults=6)
    for item, line in zip(asked, lines):
        same(line, live(server, world.campaign(recipe), itemId=item, numResults=6))


def test_lists_are_ranked(server, world):
    given = [item_id("drama", 1), item_id("horror", 1), "no such item", item_id("drama", 4), item_id("western", 9)]
    campaign = world.campaign(RANK)
    users = ["drama-fan-1", "horror-fan-2"]
    lines = run(server, world.version(RANK), *({"userId": u, "itemList": given} for u in users))
    for user, line in zip(users, lines):
        ranked = server.runtime.get_personalized_ranking(campaignArn=campaign, userId=user, inputList=given)
        same(line, ranked["personalizedRanking"])
        assert line["output"]["recommendedItems"][-1] == "no such item" and line["output"]["scores"][-1] == 0
    long = [item_id(c, n) for c in CLUSTERS for n in range(8)]
    assert len(run(server, world.version(RANK), {"userId": "x", "itemList": long})[0]["output"]["recommendedItems"]) == 48
    cut = run(server, world.version(RANK), {"userId": users[0], "itemList": given}, numResults=2)[0]["output"]
    assert cut["recommendedItems"] == lines[0]["output"]["recommendedItems"][:2] and len(cut["scores"]) == 2


def test_filters_with_values_of_each_line(server, own):
    expression = 'INCLUDE ItemID WHERE Items.GENRES IN ($GENRES) | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")'
    filter_arn = own.filter(expression)
    asked = [("comedy-fan-1", '"drama"'), ("comedy-fan-1", '"horror","western"'), ("unknown", '"even"')]
    lines = run(server, own.version(UP), *({"userId": u, "filterValues": {"GENRES": g}} for u, g in asked),
                {"userId": "comedy-fan-1"}, filterArn=filter_arn, batchInferenceJobConfig=NO_CHANCE, numResults=30)
    for (user, genres), line in zip(asked, lines):
        same(line, live(server, own.campaign(UP, **NO_CHANCE), userId=user, numResults=30, filterArn=filter_arn,
                        filterValues={"GENRES": genres}))
    assert lines[3]["output"] is None and "Line 4" in lines[3]["error"] and "GENRES" in lines[3]["error"]


def test_the_current_item_may_be_filtered_by(server, world):
    filter_arn = world.filter("INCLUDE ItemID WHERE Items.GENRES IN CurrentItem.GENRES")
    line = run(server, world.version("aws-sims"), {"itemId": item_id("drama", 3)}, filterArn=filter_arn, numResults=20)[0]
    same(line, live(server, world.campaign("aws-sims"), itemId=item_id("drama", 3), numResults=20, filterArn=filter_arn))
    assert {cluster_of(i) for i in line["output"]["recommendedItems"]} == {"drama"}
    with refused(II, "CurrentItem"):
        create(server, world.version(UP), "s3://bucket/in/x.json", "s3://bucket/out/", filterArn=filter_arn)


def test_exploration_and_context_are_those_of_the_job(server, own):
    put = unique("young")
    server.events.put_items(datasetArn=own.datasets["ITEMS"], items=[
        {"itemId": f"{put}-{n}", "properties": json.dumps({"genres": "comedy", "creationTimestamp": int(time.time())})}
        for n in range(10)])
    users = [{"userId": f"comedy-fan-{n}"} for n in range(30)]
    config = {"itemExplorationConfig": {"explorationWeight": "1", "explorationItemAgeCutOff": "30"}}
    explored = run(server, own.version(UP), *users, batchInferenceJobConfig=config, numResults=20)
    plain = run(server, own.version(UP), *users, batchInferenceJobConfig=NO_CHANCE, numResults=20)

    def young(lines):
        return sum(i.startswith(put) for line in lines for i in line["output"]["recommendedItems"])

    assert young(explored) > 30 and young(plain) == 0
    line = run(server, own.version(UP), {"userId": "comedy-fan-1", "context": {"DEVICE": "phone"}},
               batchInferenceJobConfig=NO_CHANCE, numResults=20)[0]
    same(line, live(server, own.campaign(UP, **NO_CHANCE), userId="comedy-fan-1", numResults=20,
                    context={"DEVICE": "phone"}))


def test_ranking_influence(server, world):
    config = {"rankingInfluence": {"POPULARITY": 1.0}}
    asked = item_id("comedy", 2)
    line = run(server, world.version("aws-semantic-similarity"), {"itemId": asked}, batchInferenceJobConfig=config,
               numResults=10)[0]
    same(line, live(server, world.campaign("aws-semantic-similarity", **config), itemId=asked, numResults=10))
    with refused(II, "rankingInfluence"):
        create(server, world.version("aws-sims"), "s3://bucket/in/x.json", "s3://bucket/out/", batchInferenceJobConfig=config)


# --- lines


def test_a_bad_line_is_an_error_line_and_no_more(server, own):
    bad = [
        ("not json", "JSON"),
        ('{"userId":"a"', "JSON"),
        ('["a"]', "object"),
        ('{"itemId":"a"}', "itemId"),
        ("{}", "userId is required"),
        ('{"userId":null}', "userId is required"),
        ('{"userId":7}', "userId must be a string"),
        ('{"userId":""}', "userId must have at least 1"),
        (json.dumps({"userId": "x" * 257}), "at most 256"),
        ('{"userId":"a","Context":{}}', "Context"),
        ('{"userId":"a","userId":"b"}', "twice"),
        ('{"userId":"a","context":{"A":1}}', '"A" in context'),
        ('{"userId":"a","filterValues":{"G":"1"}}', "filterArn"),
        ('{"userId":"a","filterValues":[]}', "filterValues must be"),
        (b'{"userId":"\xff"}', "JSON"),
        ('{"userId":"' + "y" * (1 << 20) + '"}', "bytes"),
    ]
    good = b'{ "userId" : "drama-fan-1" }'
    text = b"\xef\xbb\xbf" + good + b"\r\n\n  \n"
    for line, _ in bad:
        text += (line if isinstance(line, bytes) else line.encode()) + b"\n"
    source = put_object(server, f"in/{unique('bad')}.json", text + good)
    job = create(server, own.version(UP), source, "s3://bucket/out-bad", numResults=3)
    assert finish(server, job)["status"] == "ACTIVE"
    out = (server.objects / "bucket" / "out-bad" / (source.rsplit("/", 1)[1] + ".out")).read_bytes().splitlines()
    assert out[0].startswith(b'{"input":' + good + b',"output":{') and out[-1].startswith(b'{"input":' + good)
    lines = [json.loads(line) for line in out]
    assert len(lines) == len(bad) + 2
    for number, ((line, words), answer) in enumerate(zip(bad, lines[1:-1]), 4):
        assert answer["output"] is None and answer["error"].startswith(f"Line {number}: "), answer
        assert words in answer["error"], (line, answer)
    assert lines[1]["input"] == "not json" and lines[3]["input"] == ["a"] and len(lines[-2]["input"]) == 1000


def test_bad_lists(server, world):
    bad = [({"userId": "a"}, "itemList is required"), ({"userId": "a", "itemList": []}, "1 to 500"),
           ({"userId": "a", "itemList": ["x"] * 501}, "1 to 500"), ({"userId": "a", "itemList": ["x", 1]}, "Item 2"),
           ({"userId": "a", "itemList": "x"}, "list"), ({"userId": "a", "inputList": ["x"]}, "inputList"),
           ({"itemList": ["x"]}, "userId")]
    for (_, words), line in zip(bad, run(server, world.version(RANK), *(value for value, _ in bad))):
        assert line["output"] is None and words in line["error"], line


def test_a_folder_of_files(server, own):
    folder = unique("folder")
    for name, count in [("b.json", 3), ("a.jsonl", 2), ("plain", 1), ("empty.json", 0)]:
        put_object(server, f"{folder}/{name}", lines_of(*({"userId": f"{name}-{n}"} for n in range(count))))
    put_object(server, f"{folder}/.hidden", "not json")
    put_object(server, f"{folder}/below/c.json", "not json")
    with refused(II, "Invalid S3 output path"):
        create(server, own.version(UP), f"s3://bucket/{folder}/", f"s3://bucket/{folder}")
    job = create(server, own.version(UP), f"s3://bucket/{folder}/", f"s3://bucket/{folder}/results/")
    assert finish(server, job)["status"] == "ACTIVE"
    out = server.objects / "bucket" / folder / "results"
    assert sorted(p.name for p in out.iterdir()) == ["a.jsonl.out", "b.json.out", "empty.json.out", "plain.out"]
    assert [json.loads(line)["input"]["userId"] for line in (out / "b.json.out").read_text().splitlines()] == [
        "b.json-0", "b.json-1", "b.json-2"]
    assert (out / "empty.json.out").read_text() == ""


# --- the resource


def test_what_was_given_comes_back(server, own):
    name, key = unique("batch"), "arn:aws:kms:us-east-1:000000000000:key/k"
    source = put_object(server, f"in/{name}.json", lines_of({"userId": "a", "filterValues": {"Y": "1985"}}))
    filter_arn = own.filter("INCLUDE ItemID WHERE Items.YEAR > $Y")
    given = {
        "jobName": name, "solutionVersionArn": own.version(UP), "filterArn": filter_arn, "numResults": 7, "roleArn": ROLE,
        "jobInput": {"s3DataSource": {"path": source, "kmsKeyArn": key}},
        "jobOutput": {"s3DataDestination": {"path": "s3://bucket/given/"}},
        "batchInferenceJobConfig": {"itemExplorationConfig": {"explorationWeight": "0.5"}},
    }
    job = server.control.create_batch_inference_job(**given, tags=[{"tagKey": "a", "tagValue": "b"}])["batchInferenceJobArn"]
    assert job == arn(f"batch-inference-job/{name}")
    described = finish(server, job)
    times = described.pop("creationDateTime"), described.pop("lastUpdatedDateTime")
    assert times[0] <= times[1]
    assert described == {**given, "batchInferenceJobArn": job, "status": "ACTIVE", "batchInferenceJobMode": "BATCH_INFERENCE"}
    assert server.control.list_tags_for_resource(resourceArn=job)["tags"] == [{"tagKey": "a", "tagValue": "b"}]
    listed = server.control.list_batch_inference_jobs(solutionVersionArn=own.version(UP))["batchInferenceJobs"]
    summary = next(s for s in listed if s["batchInferenceJobArn"] == job)
    assert summary["jobName"] == name and summary["solutionVersionArn"] == own.version(UP)
    with refused(RAE, job):
        server.control.create_batch_inference_job(**given)
    line = json.loads((server.objects / "bucket" / "given" / f"{name}.json.out").read_text())
    assert len(line["output"]["recommendedItems"]) == 7 and all(int(i[-2:]) > 5 for i in line["output"]["recommendedItems"])


def test_defaults(server, own):
    source = put_object(server, f"in/{unique('defaults')}.json", lines_of({"userId": "a"}))
    latest = own.solution(UP) + "/$LATEST"
    described = finish(server, create(server, latest, source, "s3://bucket/defaults/"))
    assert described["numResults"] == 25 and described["batchInferenceJobMode"] == "BATCH_INFERENCE"
    assert described["solutionVersionArn"] == own.version(UP)
    assert "batchInferenceJobConfig" not in described and "filterArn" not in described
    out = server.objects / "bucket" / "defaults" / (source.rsplit("/", 1)[1] + ".out")
    assert len(json.loads(out.read_text())["output"]["recommendedItems"]) == 25


def test_what_cannot_be_asked_for(server, own, world):
    version, source, target = own.version(UP), "s3://bucket/in/x.json", "s3://bucket/out/"
    for bad in ("s3://bucket", "s3://Bucket/x", "s3://bucket/../x", "http://bucket/x"):
        with refused(II, "Invalid S3 input path"):
            create(server, version, bad, target)
        with refused(II, "Invalid S3 output path"):
            create(server, version, source, bad)
    with refused(II, "Invalid S3 output path"):
        create(server, version, source, source)
    for results in (0, 501, -1):
        with refused(II, "numResults must be", "500"):
            create(server, version, source, target, numResults=results)
    with refused(II, "THEME_GENERATION"):
        create(server, own.version(UP), source, target, batchInferenceJobMode="THEME_GENERATION",
               themeGenerationConfig={"fieldsForThemeGeneration": {"itemName": "OWNER"}})
    with refused(II, "themeGenerationConfig"):
        create(server, version, source, target, themeGenerationConfig={"fieldsForThemeGeneration": {"itemName": "OWNER"}})
    with refused(II, "itemExplorationConfig"):
        create(server, world.version("aws-sims"), source, target, batchInferenceJobConfig=NO_CHANCE)
    with refused(II, "explorationWeight"):
        create(server, version, source, target,
               batchInferenceJobConfig={"itemExplorationConfig": {"explorationWeight": "2"}})
    with refused(II, "aws-trending-now"):
        create(server, world.version("aws-trending-now"), source, target)
    with refused(II, "aws-item-affinity"):
        create(server, own.version("aws-item-affinity"), source, target)
    with refused(II, "USER_SEGMENTATION"):
        create(server, version, source, target, segment=True)
    with refused(RNF, own.solution(UP)):
        create(server, own.solution(UP), source, target)
    for segment in (False, True):
        with refused(RNF):
            create(server, version[:-8] + "00000000", source, target, segment)
    with refused(RNF):
        create(server, version, source, target, filterArn=arn("filter/none"))
    users = own.filter("INCLUDE UserID WHERE Users.AGE > 20")
    with refused(II, "ItemID"):
        create(server, version, source, target, filterArn=users)
    other = new_group(server)
    new_dataset(server, other, "ITEMS")
    foreign = new_filter(server, other, "INCLUDE ItemID WHERE Items.YEAR > 1")
    with refused(II, "another dataset group"):
        create(server, version, source, target, filterArn=foreign)


def test_missing_input_fails_the_job(server, own):
    for source in ("s3://bucket/in/none.json", "s3://bucket/nowhere/"):
        described = finish(server, create(server, own.version(UP), source, "s3://bucket/out/"))
        assert described["status"] == "CREATE FAILED" and "batch inference job" in described["failureReason"]


def busy_job(server, version, count=15000, **more):
    """A job that takes a while."""
    source = put_object(server, f"in/{unique('long')}.json", lines_of(*({"userId": f"u{n}"} for n in range(count))))
    return create(server, version, source, "s3://bucket/long/", numResults=72, **more)


def test_a_version_in_training_and_a_filter_in_use(server, own):
    version = server.control.create_solution_version(solutionArn=own.solution(RANK))["solutionVersionArn"]
    try:
        for segment in (False, True):
            with refused(RIU, version):
                create(server, version, "s3://bucket/in/x.json", "s3://bucket/out/", segment)
    finally:
        server.control.stop_solution_version_creation(solutionVersionArn=version)
        wait_for(lambda: server.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"], ended)
    filter_arn = new_filter(server, own.group, 'EXCLUDE ItemID WHERE Items.GENRES IN ("none")')
    job = busy_job(server, own.version(UP), filterArn=filter_arn)
    with refused(RIU, filter_arn, job):
        server.control.delete_filter(filterArn=filter_arn)
    assert finish(server, job)["status"] == "ACTIVE"
    server.control.delete_filter(filterArn=filter_arn)
    assert describe(server, job)["filterArn"] == filter_arn


def test_a_job_that_was_killed_starts_over(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("killed") / "data")
    try:
        world = World(server)
        job = busy_job(server, world.version(UP))
        wait_for(lambda: describe(server, job), lambda d: d["status"] == "CREATE IN_PROGRESS")
        out = server.objects / "bucket" / "long"
        wait_for(lambda: list(out.glob(".*.tmp")), bool)
        server.kill()
        assert not list(out.glob("*.out")), "a file appears whole or not at all"
        server.start()
        assert finish(server, job)["status"] == "ACTIVE"
        (done,) = out.iterdir()
        assert done.suffix == ".out"
        with open(done) as lines:
            assert [json.loads(line)["input"]["userId"] for line in lines] == [f"u{n}" for n in range(15000)]
        server.stop()
    finally:
        server.kill()


def test_two_jobs_at_once_that_write_the_same_name(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("twins") / "data", "--jobs", "2")
    try:
        version = World(server).version("aws-popularity-count")
        sources = [put_object(server, f"in/{n}/same.json", lines_of(*({"userId": f"{n}-{u}"} for u in range(30000)))) for n in "ab"]
        jobs = [create(server, version, source, "s3://bucket/twins/", numResults=72) for source in sources]
        out, seen = server.objects / "bucket" / "twins", set()

        def both():
            seen.update(path.name for path in out.glob(".*.tmp"))
            return len(seen) == 2

        wait_for(both, bool)
        assert [finish(server, job)["status"] for job in jobs] == ["ACTIVE"] * 2
        assert [path.name for path in out.iterdir()] == ["same.json.out"]
        with open(out / "same.json.out") as lines:
            users = [json.loads(line)["input"]["userId"] for line in lines]
        assert users == [f"{users[0][0]}-{u}" for u in range(30000)], "the lines of one of them"
    finally:
        server.stop()


def test_a_failed_job_leaves_no_output(server, own):
    folder = unique("half")
    for name in ("a.json", "b.json"):
        put_object(server, f"in/{folder}/{name}", lines_of({"userId": "a"}))
    put_object(server, f"{folder}/b.json.out/in-the-way", "x")
    described = finish(server, create(server, own.version(UP), f"s3://bucket/in/{folder}/", f"s3://bucket/{folder}/"))
    assert described["status"] == "CREATE FAILED"
    assert [path.name for path in (server.objects / "bucket" / folder).iterdir()] == ["b.json.out"], "neither a.json.out"


def test_a_groups_jobs_go_with_it(server):
    group, name = new_group(server), unique("batch")

    def job(of):
        dataset = new_dataset(server, of)
        load(server, dataset, interactions_csv())
        solution = new_solution(server, of, "aws-popularity-count")
        source = put_object(server, f"in/{name}.json", lines_of({"userId": "a"}))
        made = create(server, new_version(server, solution), source, "s3://bucket/gone/", name=name)
        assert finish(server, made)["status"] == "ACTIVE"
        return made, dataset, solution

    made, dataset, solution = job(group)
    server.control.delete_solution(solutionArn=solution)
    server.control.delete_dataset(datasetArn=dataset)
    assert describe(server, made)["status"] == "ACTIVE", "as long as its group is there"
    server.control.delete_dataset_group(datasetGroupArn=group)
    with refused(RNF):
        describe(server, made)
    assert job(new_group(server))[0] == made, "its name is free again"


def test_strict_quotas(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("strict") / "data", "--strict")
    try:
        world = World(server)
        version = world.version("aws-item-attribute-affinity")
        lines = lines_of(*({"itemAttributes": f'ITEMS.GENRES = "{c}"'} for c in CLUSTERS * 2))
        source = put_object(server, "in/a.json", lines)
        described = finish(server, create(server, version, source, "s3://bucket/o/", segment=True), True)
        assert described["status"] == "CREATE FAILED" and "more than 10 lines" in described["failureReason"]
        assert not list((server.objects / "bucket/o").iterdir())
        for segment, line in ((False, {"userId": "a"}), (True, {"itemAttributes": 'ITEMS.GENRES = "drama"'})):
            of = version if segment else world.version("aws-popularity-count")
            source = put_object(server, f"in/{segment}.json", lines_of(line))
            blocking = busy_job(server, world.version("aws-popularity-count"))
            jobs = [] if segment else [blocking]
            jobs += [create(server, of, source, "s3://bucket/o/", segment) for _ in range(5 - len(jobs))]
            with refused(LE, "More than 5 resources with PENDING or IN_PROGRESS status."):
                create(server, of, source, "s3://bucket/o/", segment)
            for job in jobs:
                assert finish(server, job, segment)["status"] == "ACTIVE"
            finish(server, blocking)
    finally:
        server.stop()


# --- segments


def test_users_for_an_item(server, own):
    version = own.version("aws-item-affinity")
    lines = run(server, version, *({"itemId": item_id(c, 1)} for c in CLUSTERS), {"itemId": "unknown"}, {"userId": "a"},
                segment=True, numResults=10)
    for cluster, line in zip(CLUSTERS, lines):
        assert line["error"] is None and list(line["output"]) == ["usersList"]
        users = line["output"]["usersList"]
        assert len(users) == len(set(users)) == 10
        assert sum(u.startswith(f"{cluster}-fan") for u in users) >= 8
    assert lines[-2]["output"] is None and "does not know this itemId" in lines[-2]["error"]
    assert lines[-1]["output"] is None and "userId" in lines[-1]["error"]
    assert len(run(server, version, {"itemId": item_id("drama", 1)}, segment=True)[0]["output"]["usersList"]) == 25
    most = run(server, version, {"itemId": item_id("drama", 1)}, segment=True, numResults=5_000_000)[0]
    assert len(most["output"]["usersList"]) >= 200, "everybody"
    with refused(II, "5000000"):
        create(server, version, "s3://bucket/in/x.json", "s3://bucket/out/", segment=True, numResults=5_000_001)


def test_users_for_attributes(server, own):
    version = own.version("aws-item-attribute-affinity")
    asked = [f'ITEMS.genres = "{c}"' for c in CLUSTERS]
    both = 'items.GENRES = "comedy" AND Items.genres="even"'
    mixed = "ITEMS.GENRES = \"drama\" AND ITEMS.YEAR = 1983"
    bad = [('ITEMS.GENRES = "nothing"', "no item"), ('ITEMS.GENRES = "drama" AND ITEMS.YEAR = 1783', "no item"),
           ('ITEMS.GENRES IN ("drama")', "="), ('ITEMS.GENRES != "drama"', "="),
           ('ITEMS.GENRES = "a" OR ITEMS.GENRES = "b"', "AND"), ('ITEMS.NONE = "a"', "NONE"),
           ('USERS.AGE = 3', "Items"), ('GENRES = "a"', "Invalid itemAttributes"), ('ITEMS.GENRES = $G', "text"),
           ('ITEMS.DESCRIPTION = "a"', "textual"), ("", "characters"),
           ('ITEMS.GENRES = "drama" | EXCLUDE ItemID WHERE Items.YEAR > 1', "end of the expression")]
    values = [{"itemAttributes": a} for a in [*asked, both, mixed, *(text for text, _ in bad)]]
    lines = run(server, version, *values, {"itemId": "a"}, segment=True, numResults=10)
    for cluster, line in zip(CLUSTERS, lines):
        assert line["error"] is None, line
        assert sum(u.startswith(f"{cluster}-fan") for u in line["output"]["usersList"]) >= 8
    assert sum(u.startswith("comedy-fan") for u in lines[6]["output"]["usersList"]) >= 8
    assert sum(u.startswith("drama-fan") for u in lines[7]["output"]["usersList"]) >= 8
    for (text, words), line in zip(bad, lines[8:]):
        assert line["output"] is None and words in line["error"], (text, line)
    assert "itemId" in lines[-1]["error"]


def test_segments_are_filtered_by_users_and_events(server, own):
    version, item = own.version("aws-item-affinity"), {"itemId": item_id("drama", 1)}
    country = own.filter("INCLUDE UserID WHERE Users.COUNTRY IN ($COUNTRY)")
    lines = run(server, version, {**item, "filterValues": {"COUNTRY": '"KR"'}}, {**item, "filterValues": {"COUNTRY": '"DE"'}},
                {**item, "filterValues": {"COUNTRY": '"FR"'}}, item, segment=True, filterArn=country, numResults=1000)
    korean, german = (set(line["output"]["usersList"]) for line in lines[:2])
    assert korean and german and not korean & german
    assert all(int(u.rsplit("-", 1)[1]) % 2 for u in korean)
    assert lines[2]["output"]["usersList"] == [] and "COUNTRY" in lines[3]["error"]
    everybody = run(server, version, item, segment=True, numResults=1000)[0]["output"]["usersList"]
    without = {u for u in everybody if u not in korean | german}
    assert f"horror-fan-{USERS_PER_CLUSTER + 5}" in without, "users without a record pass no INCLUDE"
    ranked = [u for u in everybody if u in korean]
    assert ranked == lines[0]["output"]["usersList"], "the filter changes no order"

    user = everybody[3]
    own.put(user, [item_id("drama", 2)], kind="batch-seen", session="segment")
    only = own.filter('INCLUDE UserID WHERE Interactions.EVENT_TYPE IN ("Batch-Seen")')
    but = own.filter('EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN ("batch-seen")')
    assert run(server, version, item, segment=True, filterArn=only)[0]["output"]["usersList"] == [user]
    rest = run(server, version, item, segment=True, filterArn=but, numResults=1000)[0]["output"]["usersList"]
    assert rest == [u for u in everybody if u != user]
    with refused(II, "Interactions"):
        create(server, own.version("aws-item-attribute-affinity"), "s3://bucket/in/x.json", "s3://bucket/out/",
               segment=True, filterArn=but)
    with refused(II, "UserID"):
        create(server, version, "s3://bucket/in/x.json", "s3://bucket/out/", segment=True,
               filterArn=own.filter("INCLUDE ItemID WHERE Items.YEAR > 1"))


def test_a_segment_job_comes_back_as_given(server, own):
    name = unique("segment")
    source = put_object(server, f"in/{name}.json", lines_of({"itemId": item_id("drama", 1)}))
    given = {"jobName": name, "solutionVersionArn": own.version("aws-item-affinity"), "roleArn": ROLE, "numResults": 3,
             "jobInput": {"s3DataSource": {"path": source}}, "jobOutput": {"s3DataDestination": {"path": "s3://bucket/seg"}}}
    job = server.control.create_batch_segment_job(**given)["batchSegmentJobArn"]
    assert job == arn(f"batch-segment-job/{name}")
    described = finish(server, job, True)
    del described["creationDateTime"], described["lastUpdatedDateTime"]
    assert described == {**given, "batchSegmentJobArn": job, "status": "ACTIVE"}
    listed = server.control.list_batch_segment_jobs(solutionVersionArn=own.version("aws-item-affinity"))["batchSegmentJobs"]
    assert job in [s["batchSegmentJobArn"] for s in listed]
    with refused(RAE, job):
        server.control.create_batch_segment_job(**given)
