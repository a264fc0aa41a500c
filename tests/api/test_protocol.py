"""Both wire protocols, byte by byte: what a request may look like, and what an answer looks like."""
import http.client
import json
import re
import socket
import subprocess
import threading
import time
import uuid

import pytest
from conformance import OPERATIONS, declared
from harness import BINARY, JSON_1_1, Server, arn, encode, new_group, unique, wait_for
from hostile import right_body

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_there_are_79_operations():
    assert len(OPERATIONS) == 79


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_routed_and_answers_as_modelled(server, name):
    answer = server.ask(name, right_body(name, whole=False))
    if answer.status >= 300:
        assert answer.code in declared(name), answer
        assert answer.json["message"], answer


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_body_that_is_no_object(server, name):
    """What is wrong inside of one: test_hostile.py."""
    answer = server.ask(name, [])
    assert answer.status == 400 and answer.code == "SerializationException", answer


def test_a_success_has_the_headers_of_aws(server):
    answer = server.call("ListDatasetGroups", {})
    assert answer.status == 200
    assert answer.headers["content-type"] == JSON_1_1
    assert UUID.fullmatch(answer.headers["x-amzn-requestid"]), answer
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["date"])
    assert server.call("ListDatasetGroups", {}).headers["x-amzn-requestid"] != answer.headers["x-amzn-requestid"]


def test_bodies_are_compact_and_leave_out_members_without_value(server):
    name = unique("compact")
    created = server.call("CreateDatasetGroup", {"name": name})
    assert created.body == encode('{"datasetGroupArn":"%s"}' % arn(f"dataset-group/{name}"))
    described = server.call("DescribeDatasetGroup", {"datasetGroupArn": arn(f"dataset-group/{name}")})
    assert b"null" not in described.body and b'": ' not in described.body and b', "' not in described.body
    assert set(described.json["datasetGroup"]) == {
        "name", "datasetGroupArn", "status", "creationDateTime", "lastUpdatedDateTime",
    }  # fmt: skip


def test_control_plane_errors_carry_their_name_in_the_body(server):
    answer = server.call("DescribeDatasetGroup", {"datasetGroupArn": arn("dataset-group/absent")})
    assert answer.status == 400
    assert answer.headers["content-type"] == JSON_1_1
    assert answer.json["__type"].split("#")[-1] == "ResourceNotFoundException"
    assert answer.json["message"] == f"Resource Arn {arn('dataset-group/absent')} does not exist."
    assert UUID.fullmatch(answer.headers["x-amzn-requestid"])


@pytest.mark.parametrize(
    "path,body,status,code",
    [
        ("/recommendations", {"campaignArn": arn("campaign/absent"), "userId": "u"}, 404, "ResourceNotFoundException"),
        ("/recommendations", {"userId": "u"}, 400, "InvalidInputException"),
        (
            "/personalize-ranking",
            {"campaignArn": arn("campaign/absent"), "userId": "u", "inputList": ["i"]},
            404,
            "ResourceNotFoundException",
        ),
        (
            "/events",
            {
                "trackingId": str(uuid.uuid4()),
                "sessionId": "s",
                "eventList": [{"eventType": "v", "sentAt": 1, "itemId": "i"}],
            },
            400,
            "InvalidInputException",
        ),
        ("/items", {"datasetArn": arn("dataset/absent/ITEMS"), "items": [{"itemId": "i"}]}, 404, "ResourceNotFoundException"),
        ("/users", {"datasetArn": arn("dataset/absent/USERS"), "users": [{"userId": "u"}]}, 404, "ResourceNotFoundException"),
    ],
)
def test_rest_errors_carry_their_name_in_a_header(server, path, body, status, code):
    answer = server.rest(path, body)
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["x-amzn-errortype"].split(":")[0] == code
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["message"]
    assert UUID.fullmatch(answer.headers["x-amzn-requestid"])


def test_unknown_operations(server):
    answer = server.call("CreateUnicorn", {})
    assert (answer.status, answer.code) == (400, "UnknownOperationException"), answer
    answer = server.call("createDatasetGroup", {"name": "x"})
    assert (answer.status, answer.code) == (400, "UnknownOperationException"), answer
    answer = server.rest("/personalized-ranking", {})
    assert (answer.status, answer.code) == (404, "UnknownOperationException"), answer


def test_a_target_of_another_service_is_unknown(server):
    answer = server.call("ListDatasetGroups", {}, headers={"X-Amz-Target": "AmazonForecast.ListDatasetGroups"})
    assert answer.status in (400, 404) and answer.code == "UnknownOperationException", answer


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_reach_no_operation(server, method):
    headers = server.sign(method, "/recommendations", b"", {})
    answer = server.send(method, "/recommendations", b"", headers)
    assert 400 <= answer.status < 500, answer


@pytest.mark.parametrize(
    "body",
    ['{"name":', "{'name':'x'}", '{"name":"x"} trailing', "nonsense", '{"name":"\\ud800"}', b'{"name":"\xff\xfe"}', '"text"', "3"],
)
@pytest.mark.parametrize("path", ["/", "/recommendations"])
def test_malformed_json(server, path, body):
    answer = server.call("CreateDatasetGroup", body) if path == "/" else server.rest(path, body)
    assert (answer.status, answer.code) == (400, "SerializationException"), answer
    assert answer.json["message"]


def test_deep_nesting_is_refused_and_harmless(server):
    answer = server.call("CreateDatasetGroup", '{"name":' + "[" * 200_000)
    assert (answer.status, answer.code) == (400, "SerializationException"), answer
    assert server.call("ListDatasetGroups", {}).status == 200


@pytest.mark.parametrize(
    "operation,body",
    [
        ("CreateDatasetGroup", {"name": 7}),
        ("CreateDatasetGroup", {"name": ["x"]}),
        ("CreateDatasetGroup", {"name": "x", "tags": {"tagKey": "k"}}),
        ("ListDatasetGroups", {"maxResults": "many"}),
        ("ListDatasetGroups", {"maxResults": True}),
        ("CreateSolution", {"name": "x", "datasetGroupArn": arn("dataset-group/g"), "performHPO": "yes"}),
        ("CreateCampaign", {"name": "x", "solutionVersionArn": arn("solution/s/1"), "campaignConfig": "none"}),
    ],
)
def test_a_member_of_the_wrong_json_type(server, operation, body):
    answer = server.call(operation, body)
    assert (answer.status, answer.code) == (400, "SerializationException"), answer


def test_unknown_members_are_ignored(server):
    name = unique("unknown")
    answer = server.call("CreateDatasetGroup", {"name": name, "future": {"deep": [1, {"x": None}]}, "other": 1})
    assert answer.status == 200, answer


def test_null_is_absent(server):
    name = unique("nulls")
    body = {"name": name, "roleArn": None, "kmsKeyArn": None, "domain": None, "tags": None}
    assert server.call("CreateDatasetGroup", body).status == 200
    described = server.call("DescribeDatasetGroup", {"datasetGroupArn": arn(f"dataset-group/{name}")}).json
    assert not {"roleArn", "kmsKeyArn", "domain"} & set(described["datasetGroup"])
    answer = server.call("CreateDatasetGroup", {"name": None})
    assert (answer.status, answer.code) == (400, "InvalidInputException"), answer


def test_of_duplicate_keys_the_last_wins(server):
    first, last = unique("first"), unique("last")
    answer = server.call("CreateDatasetGroup", '{"name":"%s","name":"%s"}' % (first, last))
    assert answer.json["datasetGroupArn"] == arn(f"dataset-group/{last}"), answer


def test_an_empty_body_is_an_empty_object(server):
    assert "schemas" in server.call("ListSchemas", b"").json
    answer = server.call("CreateDatasetGroup", b"")
    assert (answer.status, answer.code) == (400, "InvalidInputException"), answer


@pytest.mark.parametrize(
    "content_type", [JSON_1_1, "application/x-amz-json-1.1; charset=utf-8", "Application/X-AMZ-JSON-1.1", "application/json", None]
)
def test_content_types(server, content_type):
    assert server.call("ListSchemas", {}, content_type=content_type).status == 200


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8", None])
def test_content_types_of_rest(server, content_type):
    answer = server.rest("/recommendations", {"campaignArn": arn("campaign/absent"), "userId": "u"}, content_type=content_type)
    assert (answer.status, answer.code) == (404, "ResourceNotFoundException"), answer


def test_a_trailing_slash_is_accepted(server):
    answer = server.rest("/recommendations/", {"campaignArn": arn("campaign/absent"), "userId": "u"})
    assert (answer.status, answer.code) == (404, "ResourceNotFoundException"), answer


def test_the_query_string_of_the_control_plane_is_ignored(server):
    assert server.call("ListSchemas", {}, path="/?x=1&y").status == 200


def test_escapes_and_unicode(server):
    group = server.call("CreateDatasetGroup", {"name": unique("tagged"), "tags": [{"tagKey": "제주", "tagValue": "한라산"}]}).json
    answer = server.call("ListTagsForResource", {"resourceArn": group["datasetGroupArn"]})
    assert answer.json["tags"] == [{"tagKey": "제주", "tagValue": "한라산"}]
    assert "한라산".encode() in answer.body, "real bodies are UTF-8, not escaped"


def test_operations_without_output_answer_with_an_empty_body(server):
    group = new_group(server)
    answer = server.call("DeleteDatasetGroup", {"datasetGroupArn": group})
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0"), answer


def test_tagging_answers_with_an_empty_object(server):
    group = new_group(server)
    tags = [{"tagKey": "k", "tagValue": "v"}]
    assert server.call("TagResource", {"resourceArn": group, "tags": tags}).body == b"{}"
    assert server.call("UntagResource", {"resourceArn": group, "tagKeys": ["k"]}).body == b"{}"


# --- constraints of the model, with AWS's wording


@pytest.mark.parametrize(
    "operation,body,words",
    [
        ("CreateDatasetGroup", {"name": "x" * 64}, ["'name'", "length less than or equal to 63"]),
        ("CreateDatasetGroup", {"name": "-x"}, ["'name'", "regular expression pattern"]),
        ("CreateDatasetGroup", {"name": "a b"}, ["'name'", "regular expression pattern"]),
        ("CreateDatasetGroup", {"name": "이름"}, ["'name'", "regular expression pattern"]),
        ("CreateDatasetGroup", {"name": "x", "domain": "TRAVEL"}, ["'domain'", "enum value set", "ECOMMERCE"]),
        ("CreateDatasetGroup", {"name": "x", "roleArn": "admin"}, ["'roleArn'", "regular expression pattern"]),
        ("ListDatasetGroups", {"maxResults": 0}, ["'maxResults'", "value greater than or equal to 1"]),
        ("ListDatasetGroups", {"maxResults": 101}, ["'maxResults'", "value less than or equal to 100"]),
        ("CreateSchema", {"name": "x", "schema": "y" * 20001}, ["'schema'", "length less than or equal to 20000"]),
        ("DescribeSchema", {"schemaArn": "schema/x"}, ["'schemaArn'", "regular expression pattern"]),
        ("CreateFilter", {"name": "x", "datasetGroupArn": arn("dataset-group/g"), "filterExpression": ""}, ["filterExpression"]),
        ("CreateCampaign", {"name": "x", "solutionVersionArn": arn("solution/s/1"), "minProvisionedTPS": 0}, ["minProvisionedTPS"]),
        ("CreateDatasetGroup", {"name": "x", "tags": [{"tagKey": "", "tagValue": "v"}]}, ["tagKey"]),
        ("CreateDatasetGroup", {"name": "x", "tags": [{"tagKey": "k"}]}, ["tagValue", "must not be null"]),
    ],
)
def test_constraints(server, operation, body, words):
    answer = server.call(operation, body)
    assert (answer.status, answer.code) == (400, "InvalidInputException"), answer
    for word in ["1 validation error detected", *words]:
        assert word in answer.json["message"], answer


def test_several_violations_are_told_together(server):
    answer = server.call("CreateDatasetGroup", {"name": ""})
    assert answer.json["message"].startswith("2 validation errors detected: "), answer
    assert "length greater than or equal to 1" in answer.json["message"] and "regular expression" in answer.json["message"]
    answer = server.call("CreateDatasetGroup", {"name": "-", "domain": "X"})
    assert answer.json["message"].startswith("2 validation errors detected: "), answer
    assert "; " in answer.json["message"]


def test_sensitive_values_are_not_repeated(server):
    body = {"name": "x", "datasetGroupArn": arn("dataset-group/g"), "filterExpression": "secret" * 500}
    answer = server.call("CreateFilter", body)
    assert answer.code == "InvalidInputException" and "secret" not in answer.json["message"], answer


# --- CORS, pages


def test_cors_preflight_and_origin(server):
    answer = server.send(
        "OPTIONS",
        "/recommendations",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-amz-date",
        },
    )
    assert answer.status in (200, 204) and answer.headers["access-control-allow-origin"] in ("*", "https://shop.example")
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "x-amz-date")) or allowed == "*"
    for reply in (
        server.rest("/recommendations", {"campaignArn": arn("campaign/absent"), "userId": "u"}, headers={"Origin": "https://a"}),
        server.call("ListSchemas", {}, headers={"Origin": "https://a"}),
    ):
        assert reply.headers["access-control-allow-origin"] in ("*", "https://a"), reply


def test_health_ready_and_metrics_need_no_key(server):
    assert server.send("GET", "/health").status == 200
    assert server.send("GET", "/ready").status == 200
    before = server.send("GET", "/metrics")
    assert before.status == 200 and before.headers["content-type"].startswith("text/plain")
    lines = before.body.decode().splitlines()
    samples = [line for line in lines if line and not line.startswith("#")]
    assert samples and all(re.fullmatch(r"[a-zA-Z_:][\w:]*(\{.*\})? [-+.\deE]+(Inf|NaN)?", line) for line in samples)
    assert any(line.startswith("# TYPE ") for line in lines)


def metric_total(server):
    text = server.send("GET", "/metrics").body.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("ondol_") and "requests" in line)


def test_metrics_count_requests(server):
    before = metric_total(server)
    for _ in range(5):
        server.call("ListSchemas", {})
    assert metric_total(server) >= before + 5


def test_the_progress_page_needs_a_key(server):
    answer = server.send("GET", "/ondol/jobs")
    assert answer.status in (400, 403) and answer.code == "MissingAuthenticationTokenException", answer
    answer = server.send("GET", "/ondol/jobs", headers=server.sign("GET", "/ondol/jobs", b"", {}))
    assert answer.status == 200 and isinstance(answer.json, (dict, list))


# --- connections


def test_keep_alive(server):
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for _ in range(20):
        fields = server.sign("POST", "/", b"{}", {"X-Amz-Target": "AmazonPersonalize.ListSchemas", "Content-Type": JSON_1_1})
        connection.request("POST", "/", b"{}", fields)
        assert json.loads(connection.getresponse().read())["schemas"] is not None
        assert connection.sock is not None and connection.sock.getsockname()[1] == port
    connection.close()


def request_bytes(server, operation, body=b"{}", extra=""):
    fields = server.sign("POST", "/", body, {"X-Amz-Target": f"AmazonPersonalize.{operation}", "Content-Type": JSON_1_1})
    host, port = server.address
    lines = [f"Host: {host}:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields.items() if name.lower() != "content-length"]
    return ("POST / HTTP/1.1\r\n" + "\r\n".join(lines) + f"\r\n{extra}\r\n").encode() + body


def read_until(sock, count, mark=b"HTTP/1.1 "):
    data = b""
    while data.count(mark) < count:
        part = sock.recv(65536)
        if not part:
            break
        data += part
    return data


def test_pipelining_answers_in_order(server):
    name = unique("pipelined")
    requests = request_bytes(server, "CreateDatasetGroup", encode({"name": name}))
    requests += request_bytes(server, "DescribeDatasetGroup", encode({"datasetGroupArn": arn(f"dataset-group/{name}")}))
    requests += request_bytes(server, "ListSchemas")
    with socket.create_connection(server.address, 10) as sock:
        sock.settimeout(10)
        sock.sendall(requests)
        data = b""
        while b'"schemas"' not in data:
            part = sock.recv(65536)
            assert part, data
            data += part
    answers = data.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * 3, data
    assert b'{"datasetGroupArn"' in answers[0] and b'{"datasetGroup":' in answers[1] and b'{"schemas"' in answers[2]


def test_a_request_in_many_small_pieces(server):
    data = request_bytes(server, "ListSchemas")
    with socket.create_connection(server.address, 10) as sock:
        sock.settimeout(10)
        for at in range(0, len(data), 17):
            sock.sendall(data[at : at + 17])
        assert read_until(sock, 1).startswith(b"HTTP/1.1 200")


def test_chunked_bodies(server):
    body = b"{}"
    fields = server.sign("POST", "/", body, {"X-Amz-Target": "AmazonPersonalize.ListSchemas", "Content-Type": JSON_1_1})
    lines = [f"{k}: {v}" for k, v in fields.items() if k.lower() != "content-length"]
    head = "POST / HTTP/1.1\r\nHost: %s:%d\r\nTransfer-Encoding: chunked\r\n" % server.address + "\r\n".join(lines)
    with socket.create_connection(server.address, 10) as sock:
        sock.settimeout(10)
        sock.sendall(head.encode() + b"\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
        assert read_until(sock, 1).startswith(b"HTTP/1.1 200")


def test_a_body_over_the_limit_is_refused(server):
    with socket.create_connection(server.address, 10) as sock:
        sock.settimeout(10)
        head = request_bytes(server, "ListSchemas", b"").replace(b"Content-Length: 0", b"Content-Length: 999999999999")
        sock.sendall(head)
        answer = read_until(sock, 1)
    assert answer.startswith(b"HTTP/1.1 413"), answer
    assert server.call("ListSchemas", {}).status == 200


@pytest.mark.parametrize("body", ['{"maxResults": [%s]}' % ",".join(["1"] * 2_000_000), '{%s}' % ",".join(['"a":{}'] * 800_000)],
                         ids=["numbers", "objects"])
def test_a_body_of_too_many_values_is_refused(server, body):
    answer = server.call("ListSchemas", body.encode())
    assert (answer.status, answer.code) == (413, "RequestEntityTooLarge"), answer
    assert "too many values" in answer.json["message"]
    assert server.call("ListSchemas", {}).status == 200


def test_a_big_body_within_the_limit_is_read(server):
    padding = {"padding": "x" * 900_000}
    assert server.call("ListSchemas", padding).status == 200


@pytest.mark.parametrize("header", ["X-Long: " + "x" * 200_000, "\r\n".join(f"X-{n}: y" for n in range(20_000))])
def test_too_many_header_bytes_are_refused(server, header):
    with socket.create_connection(server.address, 10) as sock:
        sock.settimeout(10)
        try:
            sock.sendall(request_bytes(server, "ListSchemas", extra=header + "\r\n"))
            answer = read_until(sock, 1)
        except ConnectionError:
            answer = b""  # told before all of it was sent
    assert answer == b"" or re.match(rb"HTTP/1.1 4\d\d", answer), answer[:100]
    assert server.call("ListSchemas", {}).status == 200


NONSENSE = {
    "control-bytes": b"\x00\x01\x02\r\n\r\n",
    "no-path": b"GET\r\n\r\n",
    "version-9": b"POST / HTTP/9.9\r\n\r\n",
    "blank-lines": b"\r\n" * 50,
    "half-a-word": b"POST",
    "two-lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "negative-length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_on_the_socket_harms_nobody(server, name):
    with socket.create_connection(server.address, 10) as sock:
        sock.sendall(NONSENSE[name])
        sock.settimeout(2)
        try:
            answer = sock.recv(1000)
        except (TimeoutError, ConnectionError):
            answer = b""  # it waits for the rest, or has closed
        assert answer == b"" or re.match(rb"HTTP/1.\d [45]", answer), answer
        assert server.send("GET", "/health").status == 200


def test_many_connections_at_once(server):
    results = []

    def ask():
        results.append([server.call("ListSchemas", {}).status for _ in range(5)])

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [[200] * 5] * 40


def test_head_and_expect_continue(server):
    data = request_bytes(server, "ListSchemas", b"{}").replace(b"\r\n\r\n{}", b"\r\nExpect: 100-continue\r\n\r\n")
    with socket.create_connection(server.address, 10) as sock:
        sock.settimeout(10)
        sock.sendall(data)
        assert sock.recv(1000).startswith(b"HTTP/1.1 100")
        sock.sendall(b"{}")
        assert b"HTTP/1.1 200" in read_until(sock, 1)
    assert server.send("HEAD", "/health").status == 200


def test_sigterm_drains_and_exits_cleanly(tmp_path):
    server = Server(tmp_path / "data")
    assert server.call("ListSchemas", {}).status == 200
    with socket.create_connection(server.address, 5):  # an idle connection does not hold it up
        server.stop()
    with pytest.raises(OSError):
        socket.create_connection(server.address, 1)


@pytest.mark.parametrize("pause", [0, 0.002, 0.01])
def test_sigterm_while_it_starts_is_no_crash(tmp_path, pause):
    folder = tmp_path / "data"
    process = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--data", str(folder)], stdout=subprocess.DEVNULL)
    wait_for(folder.exists, bool, 20, pause=0.0005)
    time.sleep(pause)
    process.terminate()
    assert process.wait(20) == 0
