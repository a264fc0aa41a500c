"""Who may ask: signatures, clocks, access keys, and the one server of a folder."""
import os
import re
import socket
import subprocess

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from harness import BINARY, JSON_1_1, REGION, Server, minutes_from_now, refused, unique

BAD_SIGNATURE = "InvalidSignatureException"
TARGET = {"X-Amz-Target": "AmazonPersonalize.ListSchemas", "Content-Type": JSON_1_1}


def run(arguments, **more):
    """The command to its end."""
    command = [BINARY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, **more)


def keys(folder, verb, *arguments):
    return run(["keys", verb, "--data", folder, *arguments])


def create_key(folder):
    done = keys(folder, "create")
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"export (\w+)=(\S+)", done.stdout))
    return found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]


def expect(answer, code, *words):
    assert answer.status in (400, 403) and answer.code == code, answer
    assert answer.json["message"], answer
    for word in words:
        assert word in answer.json["message"], answer


SERVICES = [
    ("personalize", lambda client: client.list_schemas()),
    ("personalize-runtime", lambda client: client.get_recommendations(campaignArn="arn:aws:personalize:::campaign/c", userId="u")),
    (
        "personalize-events",
        lambda client: client.put_events(trackingId="t", sessionId="s", eventList=[{"eventType": "v", "itemId": "i", "sentAt": 1}]),
    ),
]


@pytest.mark.parametrize("service,ask", SERVICES)
def test_boto3_wrong_secret(server, service, ask):
    with refused(BAD_SIGNATURE, "does not match"):
        ask(server.client(service, secret="x" * 40))


@pytest.mark.parametrize("service,ask", SERVICES)
def test_boto3_unknown_key(server, service, ask):
    with refused("UnrecognizedClientException", "security token included in the request is invalid"):
        ask(server.client(service, key="ODNOSUCHKEY000000000", secret="x" * 40))


@pytest.mark.parametrize("service,ask", SERVICES)
def test_boto3_unsigned(server, service, ask):
    with refused("MissingAuthenticationTokenException"):
        ask(server.client(service, signature_version=botocore.UNSIGNED))


def test_statuses_are_those_of_the_protocols(server):
    """AWS JSON tells all that a client did wrong with 400, REST what is about signatures with 403."""
    for more in ({"key": "ODNOSUCHKEY000000000"}, {"secret": "x" * 40}):
        assert server.call("ListSchemas", {}, **more).status == 400
        assert server.rest("/recommendations", {"userId": "u"}, **more).status == 403
    assert server.send("POST", "/", b"{}", TARGET).status == 400
    assert server.send("POST", "/recommendations", b"{}").status == 403


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24, 60 * 24 * 365])
@pytest.mark.parametrize("rest", [False, True])
def test_a_clock_more_than_15_minutes_off(server, minutes, rest):
    when = minutes_from_now(minutes)
    answer = server.rest("/recommendations", {}, when=when) if rest else server.call("ListSchemas", {}, when=when)
    expect(answer, BAD_SIGNATURE, "Signature")
    assert "date" in answer.headers, "clients correct their clock by it"


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_within_15_minutes(server, minutes):
    assert server.call("ListSchemas", {}, when=minutes_from_now(minutes)).status == 200


def test_a_clock_off_is_told_as_such(server):
    expect(server.call("ListSchemas", {}, when=minutes_from_now(-16)), BAD_SIGNATURE, "expired")


def test_unsigned(server):
    expect(server.send("POST", "/", b"{}", TARGET), "MissingAuthenticationTokenException")
    expect(
        server.send("POST", "/recommendations", b"{}", {"Content-Type": "application/json"}), "MissingAuthenticationTokenException"
    )


@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=x",
        "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/personalize/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=" + "0" * 64,
        "Basic dXNlcjpwYXNz",
        "",
    ],
)
def test_a_malformed_authorization_header(server, header):
    answer = server.send("POST", "/", b"{}", {**TARGET, "Authorization": header, "X-Amz-Date": "20260101T000000Z"})
    assert answer.status in (400, 403), answer
    assert answer.code in ("IncompleteSignatureException", "MissingAuthenticationTokenException"), answer


def test_a_tampered_body(server):
    headers = server.sign("POST", "/", b'{"name":"a"}', {**TARGET, "X-Amz-Target": "AmazonPersonalize.CreateDatasetGroup"})
    expect(server.send("POST", "/", b'{"name":"b"}', headers), BAD_SIGNATURE)
    groups = server.control.list_dataset_groups()["datasetGroups"]
    assert not [group for group in groups if group["name"] in ("a", "b")]


def test_a_tampered_body_under_a_signed_hash(server):
    """With X-Amz-Content-Sha256 the signature covers the header; the body must still be the one it names."""
    import hashlib

    body = b'{"maxResults":1}'
    headers = server.sign("POST", "/", body, {**TARGET, "X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()})
    assert server.send("POST", "/", body, headers).status == 200
    answer = server.send("POST", "/", b'{"maxResults":2}', headers)
    assert answer.status in (400, 403), answer


def test_unsigned_payload(server):
    headers = server.sign("POST", "/", b"", {**TARGET, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert server.send("POST", "/", b'{"maxResults":2}', headers).status == 200


@pytest.mark.parametrize("name,value", [("X-Amz-Target", "AmazonPersonalize.ListSolutions"), ("X-Amz-Date", "20200101T000000Z")])
def test_a_tampered_signed_header(server, name, value):
    headers = server.sign("POST", "/", b"{}", TARGET)
    headers[name] = value
    expect(server.send("POST", "/", b"{}", headers), BAD_SIGNATURE)


def test_a_signed_header_left_out(server):
    headers = server.sign("POST", "/", b"{}", {**TARGET, "X-Amz-Extra": "1"})
    assert server.send("POST", "/", b"{}", headers).status == 200
    del headers["X-Amz-Extra"]
    answer = server.send("POST", "/", b"{}", headers)
    assert answer.status in (400, 403), answer


def test_host_must_be_signed(server):
    """A signature that leaves the host out could be replayed elsewhere."""
    headers = server.sign("POST", "/", b"{}", TARGET)
    headers["Authorization"] = headers["Authorization"].replace("content-type;host;", "content-type;")
    answer = server.send("POST", "/", b"{}", headers)
    assert answer.status in (400, 403), answer


def test_extra_unsigned_headers_and_spaces_are_fine(server):
    headers = server.sign("POST", "/", b"{}", {**TARGET, "X-Amz-Spaced": "a  b   c"})
    headers.update({"X-Forwarded-For": "10.0.0.1", "Via": "1.1 proxy"})
    assert server.send("POST", "/", b"{}", headers).status == 200


def test_a_signature_for_another_path_method_or_service(server):
    body = b'{"campaignArn":"arn:aws:personalize:us-east-1:000000000000:campaign/c","userId":"u"}'
    headers = server.sign("POST", "/personalize-ranking", body, {"Content-Type": "application/json"})
    expect(server.send("POST", "/recommendations", body, headers), BAD_SIGNATURE)
    answer = server.call("ListSchemas", {}, service="s3")
    assert answer.status in (400, 403) and answer.code in (BAD_SIGNATURE, "IncompleteSignatureException"), answer


def test_one_flipped_digit_anywhere_in_the_signature(server):
    headers = server.sign("POST", "/", b"{}", TARGET)
    good = headers["Authorization"]
    for at in range(len(good) - 64, len(good), 9):
        headers["Authorization"] = good[:at] + ("0" if good[at] != "0" else "1") + good[at + 1 :]
        expect(server.send("POST", "/", b"{}", headers), BAD_SIGNATURE)
    headers["Authorization"] = good[:-1]
    assert server.send("POST", "/", b"{}", headers).status in (400, 403)


BIG = [
    ("/", {"X-Amz-Target": "AmazonPersonalize.ListSchemas", "Content-Type": JSON_1_1}, "personalize", b"UnrecognizedClientException"),
    ("/events", {"Content-Type": "application/json"}, "personalize", b"UnrecognizedClientException"),
    ("/ondol/explain", {"Content-Type": "application/json"}, "personalize", b"UnrecognizedClientException"),
    ("/", {"Content-Type": "application/x-www-form-urlencoded"}, "iam", b"<Code>InvalidClientTokenId</Code>"),
]


@pytest.mark.parametrize("path,headers,service,code", BIG)
@pytest.mark.parametrize("framing", ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
def test_a_strangers_big_body_is_not_waited_for(server, path, headers, service, code, framing):
    fields = server.sign("POST", path, b"", headers, key="ODNOSUCHKEY000000000", secret="x" * 40, service=service)
    lines = [f"{name}: {value}" for name, value in fields.items() if name.lower() != "content-length"]
    head = f"POST {path} HTTP/1.1\r\nHost: %s:%d\r\n" % server.address + "\r\n".join([framing, *lines]) + "\r\n\r\n"
    with socket.create_connection(server.address, 10) as sock:
        sock.settimeout(10)
        sock.sendall(head.encode())
        if "chunked" in framing:
            sock.sendall(b"0\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer or code not in answer:
            part = sock.recv(65536)
            assert part, answer
            answer += part
    assert answer.startswith(b"HTTP/1.1 400" if "X-Amz-Target" in headers else b"HTTP/1.1 403"), answer


def test_a_strangers_smaller_body_gets_the_same_answer(server):
    """One of up to a MiB is read, kept or not, so that whoever sends it all before reading has the answer."""
    for size in (100, 60_000, 70_000, 1 << 20):
        expect(server.call("ListSchemas", b"x" * size, key="ODNOSUCHKEY000000000"), "UnrecognizedClientException")
    for size in (100, 70_000, 3_000_000):
        expect(server.call("ListSchemas", b"x" * size, secret="x" * 40), BAD_SIGNATURE)


def test_the_region_of_the_signature_is_the_region_of_arns(server):
    name = unique("seoul")
    answer = server.call("CreateDatasetGroup", {"name": name}, region="ap-northeast-2")
    assert answer.json["datasetGroupArn"] == f"arn:aws:personalize:ap-northeast-2:000000000000:dataset-group/{name}"


def presign(server, expires, when=None):
    from harness import signing_time

    credentials = botocore.credentials.Credentials(server.keys["AWS_ACCESS_KEY_ID"], server.keys["AWS_SECRET_ACCESS_KEY"])
    request = botocore.awsrequest.AWSRequest(method="POST", url=server.url + "/", headers=dict(TARGET))
    with signing_time(when):
        botocore.auth.SigV4QueryAuth(credentials, "personalize", REGION, expires=expires).add_auth(request)
    return request.url[len(server.url) :]


def test_a_presigned_query(server):
    path = presign(server, 300)
    assert server.send("POST", path, b"", TARGET).status == 200
    assert server.send("POST", path, b'{"maxResults":1}', TARGET).status in (400, 403), "the body was signed too"
    assert server.send("POST", path[:-1] + ("0" if path[-1] != "0" else "1"), b"", TARGET).status in (400, 403)
    assert server.send("POST", path.replace("X-Amz-Expires=300", "X-Amz-Expires=900"), b"", TARGET).status in (400, 403)


def test_an_expired_presigned_query(server):
    assert server.send("POST", presign(server, 3600, minutes_from_now(-30)), b"", TARGET).status == 200
    expect(server.send("POST", presign(server, 60, minutes_from_now(-2)), b"", TARGET), BAD_SIGNATURE, "expired")


# --- keys


def test_keys_while_the_server_runs(own_server):
    key, secret = create_key(own_server.folder)
    mine = own_server.client("personalize", key=key, secret=secret)
    assert mine.list_schemas()["schemas"] == []
    listed = keys(own_server.folder, "list")
    assert listed.returncode == 0
    assert key in listed.stdout and own_server.keys["AWS_ACCESS_KEY_ID"] in listed.stdout
    assert secret not in listed.stdout
    revoked = keys(own_server.folder, "revoke", key)
    assert revoked.returncode == 0, revoked.stderr
    with refused("UnrecognizedClientException"):
        mine.list_schemas()
    assert own_server.control.list_schemas()["schemas"] == [], "the other key still works"
    own_server.stop()
    own_server.start()
    with refused("UnrecognizedClientException"):
        own_server.client("personalize", key=key, secret=secret).list_schemas()


def test_keys_while_the_server_is_stopped(tmp_path):
    server = Server(tmp_path / "data")
    first = dict(server.keys)
    server.stop()
    key, secret = create_key(server.folder)
    assert key in keys(server.folder, "list").stdout
    assert keys(server.folder, "revoke", first["AWS_ACCESS_KEY_ID"]).returncode == 0
    assert first["AWS_ACCESS_KEY_ID"] not in active(keys(server.folder, "list").stdout)
    server.start()
    assert server.client("personalize", key=key, secret=secret).list_schemas()["schemas"] == []
    with refused("UnrecognizedClientException"):
        server.client("personalize", key=first["AWS_ACCESS_KEY_ID"], secret=first["AWS_SECRET_ACCESS_KEY"]).list_schemas()
    server.stop()


def active(listing):
    return "\n".join(line for line in listing.splitlines() if "revoked" not in line)


def test_the_first_key_is_shown_once(tmp_path):
    server = Server(tmp_path / "data")
    assert server.log.read_text().count("export AWS_SECRET_ACCESS_KEY=") == 1
    server.stop()
    server.start()
    assert server.log.read_text().count("export AWS_SECRET_ACCESS_KEY=") == 1
    assert server.control.list_schemas()["schemas"] == []
    server.stop()


def test_what_follows_the_key_is_not_ignored(own_server, tmp_path):
    """`keys revoke KEY --data DIR` means this folder, or is refused; never another folder made on the spot."""
    key, _ = create_key(own_server.folder)
    done = run(["keys", "revoke", key, "--data", own_server.folder], cwd=tmp_path)
    assert not (tmp_path / "ondol-data").exists()
    assert (done.returncode == 0 and key not in active(keys(own_server.folder, "list").stdout)) or "usage" in done.stderr, done


def test_revoking_an_unknown_key_is_an_error(own_server):
    done = keys(own_server.folder, "revoke", "ODNOSUCHKEY000000000")
    assert done.returncode != 0 and "ODNOSUCHKEY000000000" in done.stderr


def test_no_file_of_the_folder_is_open_to_others(own_server):
    """The folder holds secrets."""
    create_key(own_server.folder)
    for path in own_server.folder.iterdir():
        if path.name == "objects":
            continue
        assert path.stat().st_mode & 0o077 == 0 or own_server.folder.stat().st_mode & 0o077 == 0, path


# --- who may serve what


def test_a_second_server_on_the_folder_is_refused(own_server):
    done = run(["serve", "--listen", "127.0.0.1:0", "--data", own_server.folder])
    assert done.returncode not in (0, None) and done.returncode > 0
    assert "ready" not in done.stdout
    assert "in use" in done.stderr and str(own_server.folder) in done.stderr, done.stderr
    assert own_server.control.list_schemas()["schemas"] == []


def test_a_taken_port_is_told(own_server, tmp_path):
    done = run(["serve", "--listen", "%s:%d" % own_server.address, "--data", str(tmp_path / "other")])
    assert done.returncode > 0 and str(own_server.address[1]) in done.stderr, done.stderr


def test_no_auth_on_loopback(tmp_path):
    server = Server(tmp_path / "data", "--no-auth")
    unsigned = server.client("personalize", signature_version=botocore.UNSIGNED)
    assert unsigned.list_schemas()["schemas"] == []
    assert server.send("POST", "/", b"{}", TARGET).status == 200
    server.stop()


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.255.255.1"])
def test_no_auth_elsewhere_is_refused(tmp_path, host):
    done = run(["serve", "--listen", f"{host}:0", "--no-auth", "--data", str(tmp_path / "data")])
    assert done.returncode > 0 and "ready" not in done.stdout
    assert "loopback" in done.stderr or "no-auth" in done.stderr, done.stderr


def test_options_from_environment_and_config_file(tmp_path):
    """Each option is a flag, an environment variable and a line of the file; the flag wins."""
    config = tmp_path / "ondol.conf"
    config.write_text(f"# comment\naccount = 111122223333\n\nlisten = 127.0.0.1:0\ndata = {tmp_path}/data\n")
    environment = {**os.environ, "ONDOL_NO_AUTH": "true", "ONDOL_REGION": "eu-west-1"}
    process = subprocess.Popen(
        [BINARY, "serve", "--config", str(config)],
        env=environment, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = next(line.split()[1] for line in process.stdout if line.startswith("ready "))
        server = Server(tmp_path / "data", start=False)
        server.url = url
        answer = server.send("POST", "/", b'{"name":"x"}', {**TARGET, "X-Amz-Target": "AmazonPersonalize.CreateDatasetGroup"})
        assert answer.json["datasetGroupArn"] == "arn:aws:personalize:eu-west-1:111122223333:dataset-group/x"
    finally:
        process.terminate()
        assert process.wait(15) == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--no-such-option"],
        ["--listen", "nonsense"],
        ["--account", "12"],
        ["--listen", "127.0.0.1:99999"],
        ["--config", "/nonexistent/ondol.conf"],
        ["--threads", "many"],
    ],
)
def test_bad_options_are_refused(tmp_path, options):
    done = run(["serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", *options])
    assert done.returncode > 0 and done.stderr.strip(), done
