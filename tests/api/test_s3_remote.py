"""s3:// locations of a real endpoint: a second server of ours plays it, a proxy between them plays the network."""
import hashlib
import hmac
import http.client
import http.server
import json
import ssl
import subprocess
import threading
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from harness import (
    Server, csv_text, ended, finish_import, new_dataset, new_group, new_solution, new_version, refused, start_import, unique,
    wait_for,
)

ROLE = "arn:aws:iam::000000000000:role/far"

SCHEMA = {
    "type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema", "version": "1.0",
    "fields": [{"name": n, "type": t} for n, t in (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("EVENT_TYPE", "string"))],
}


def rows(count, start=0):
    made = [[f"u{i % 50}", f"i{i % 40}", 1_700_000_000 + i, "view"] for i in range(start, start + count)]
    return csv_text(["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"], made).encode()


class Network(http.server.BaseHTTPRequestHandler):
    """Forwards everything, but for the faults it was asked to make."""

    protocol_version = "HTTP/1.1"

    def forward(self):
        plan, body = self.server.plan, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, self.headers.get("Range")))
        if self.command == "PUT" and self.server.hold:
            self.server.held.set()
            self.server.hold.wait(60)
        fault = plan.pop(0) if plan and self.headers.get("Range") else None
        if fault == "later":
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection(*self.server.target, timeout=30)
        connection.request(self.command, self.path, body or None, dict(self.headers.items()))
        answer = connection.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        if fault == "cut":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("endpoint") / "data", "--encrypted-disk")
    server.client("s3").create_bucket(Bucket="far")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def network(endpoint):
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Network)
    proxy.target, proxy.plan, proxy.seen, proxy.hold, proxy.held = endpoint.address, [], [], None, threading.Event()
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield proxy
    proxy.shutdown()


@pytest.fixture(scope="module")
def near(endpoint, network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("near")
    config = folder / "config"
    config.write_text(f"s3-key-id = {endpoint.keys['AWS_ACCESS_KEY_ID']}\ns3-secret = {endpoint.keys['AWS_SECRET_ACCESS_KEY']}\n")
    server = Server(folder / "data", "--config", str(config), "--s3-endpoint", f"http://127.0.0.1:{network.server_address[1]}")
    yield server
    server.stop()


def import_from(server, location, **more):
    return finish_import(server, start_import(server, new_dataset(server, new_group(server), body=SCHEMA), location, **more))


def test_an_object_is_imported(endpoint, near):
    endpoint.client("s3").put_object(Bucket="far", Key="one/file ü.csv", Body=rows(1500))
    assert import_from(near, "s3://far/one/file ü.csv")["status"] == "ACTIVE"
    assert not list((near.folder / "staging").iterdir()) and not list(near.objects.iterdir()), "nothing is kept here"


def test_a_prefix_of_many_objects_is_imported(endpoint, tmp_path):
    keys = ("--s3-key-id", endpoint.keys["AWS_ACCESS_KEY_ID"], "--s3-secret", endpoint.keys["AWS_SECRET_ACCESS_KEY"])
    near = Server(tmp_path / "data", "--s3-endpoint", endpoint.url, *keys)
    folder = endpoint.objects / "far" / "many"  # the endpoint's own files: quicker than 1,200 requests
    folder.mkdir()
    for i in range(1050):  # more than a page
        (folder / f"{i:04}.CSV").write_bytes(rows(1, i))
    (folder / "readme.txt").write_text("no data")
    assert import_from(near, "s3://far/many/")["status"] == "ACTIVE"
    near.stop()


def read(s3, key):
    return s3.get_object(Bucket="far", Key=key)["Body"].read().decode()


def test_a_job_has_its_output_encrypted_by_the_endpoint(endpoint, near):
    s3, key = endpoint.client("s3"), "arn:aws:kms:us-east-1:000000000000:key/k"
    s3.put_object(Bucket="far", Key="secret/in.csv", Body=rows(1500))
    dataset = new_dataset(near, new_group(near), body=SCHEMA)
    assert finish_import(near, start_import(near, dataset, "s3://far/secret/in.csv"))["status"] == "ACTIVE"
    output = {"s3DataDestination": {"path": "s3://far/secret/out", "kmsKeyArn": key}}
    job = near.control.create_dataset_export_job(
        jobName=unique("export"), datasetArn=dataset, ingestionMode="ALL", roleArn=ROLE, jobOutput=output)["datasetExportJobArn"]
    described = wait_for(lambda: near.control.describe_dataset_export_job(datasetExportJobArn=job)["datasetExportJob"], ended)
    assert (described["status"], described["jobOutput"]) == ("ACTIVE", output)
    head = s3.head_object(Bucket="far", Key=f"secret/out/{described['jobName']}/part-00000.csv")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    assert "ServerSideEncryption" not in s3.head_object(Bucket="far", Key="secret/in.csv")
    with refused("InvalidInputException", "kmsKeyArn"):  # what the server keeps lies on its own disk all the same
        near.control.create_dataset_group(name=unique("kept"), roleArn=ROLE, kmsKeyArn=key)


def test_jobs_write_to_the_endpoint_and_read_what_they_are_about_from_it(endpoint, near):
    s3 = endpoint.client("s3")
    s3.put_object(Bucket="far", Key="whole/data.csv", Body=rows(1500))
    group = new_group(near)
    dataset = new_dataset(near, group, body=SCHEMA)
    assert finish_import(near, start_import(near, dataset, "s3://far/whole/data.csv"))["status"] == "ACTIVE"
    job = near.control.create_dataset_export_job(
        jobName=unique("export"), datasetArn=dataset, ingestionMode="ALL", roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": "s3://far/exported"}},
    )["datasetExportJobArn"]
    described = wait_for(lambda: near.control.describe_dataset_export_job(datasetExportJobArn=job)["datasetExportJob"], ended)
    assert described["status"] == "ACTIVE", described
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket="far", Prefix="exported/")["Contents"]]
    assert keys == [f"exported/{described['jobName']}/part-00000.csv"], keys
    assert sorted(read(s3, keys[0]).split()) == sorted(rows(1500).decode().split())

    version = new_version(near, new_solution(near, group, "aws-popularity-count"))
    s3.put_object(Bucket="far", Key="asked/users.json", Body=b"".join(b'{"userId":"u%d"}\n' % u for u in range(20)))
    job = near.control.create_batch_inference_job(
        jobName=unique("batch"), solutionVersionArn=version, roleArn=ROLE, numResults=3,
        jobInput={"s3DataSource": {"path": "s3://far/asked/users.json"}},
        jobOutput={"s3DataDestination": {"path": "s3://far/answered/"}},
    )["batchInferenceJobArn"]
    described = wait_for(lambda: near.control.describe_batch_inference_job(batchInferenceJobArn=job)["batchInferenceJob"], ended)
    assert described["status"] == "ACTIVE", described
    lines = [json.loads(line) for line in read(s3, "answered/users.json.out").splitlines()]
    assert [line["input"]["userId"] for line in lines] == [f"u{u}" for u in range(20)]
    assert all(len(line["output"]["recommendedItems"]) == 3 for line in lines)

    for folder in ("gone/a.csv", "gone/deep/er/b.csv"):  # sub-folders count
        s3.put_object(Bucket="far", Key=folder, Body=f"USER_ID\nu{len(folder)}\n".encode())
    job = near.control.create_data_deletion_job(
        jobName=unique("deletion"), datasetGroupArn=group, dataSource={"dataLocation": "s3://far/gone/"}, roleArn=ROLE
    )["dataDeletionJobArn"]
    described = wait_for(
        lambda: near.control.describe_data_deletion_job(dataDeletionJobArn=job)["dataDeletionJob"],
        lambda d: d["status"] in ("COMPLETED", "FAILED"),
    )
    assert (described["status"], described["numDeleted"]) == ("COMPLETED", 60), described  # 30 events each


def test_results_on_their_way_lie_in_the_jobs_own_folder(endpoint, near, network):
    endpoint.client("s3").put_object(Bucket="far", Key="held/data.csv", Body=rows(1500))
    dataset = new_dataset(near, new_group(near), body=SCHEMA)
    assert finish_import(near, start_import(near, dataset, "s3://far/held/data.csv"))["status"] == "ACTIVE"
    network.held.clear()
    network.hold = hold = threading.Event()
    try:
        job = near.control.create_dataset_export_job(
            jobName=unique("export"), datasetArn=dataset, ingestionMode="ALL", roleArn=ROLE,
            jobOutput={"s3DataDestination": {"path": "s3://far/exported"}},
        )["datasetExportJobArn"]
        assert network.held.wait(60), "the worker sends its result"
        assert not list((near.folder / "staging").iterdir())
        assert len(list(near.folder.glob("work/*/staging/*"))) == 1, "where a deletion and the next start look"
    finally:
        network.hold = None
        hold.set()
    described = wait_for(lambda: near.control.describe_dataset_export_job(datasetExportJobArn=job)["datasetExportJob"], ended)
    assert described["status"] == "ACTIVE", described
    wait_for(lambda: list(near.folder.glob("work/*/staging/*")), lambda left: not left)


def test_an_endpoint_out_of_reach_is_told_soon(endpoint, tmp_path):
    server = Server(tmp_path / "data", "--s3-endpoint", "http://127.0.0.1:9", "--s3-key-id", "k" * 20, "--s3-secret", "x" * 40)
    began = time.monotonic()
    job = import_from(server, "s3://far/one/")
    assert job["status"] == "CREATE FAILED" and "cannot be reached" in job["failureReason"], job
    assert time.monotonic() - began < 15, "the loader, behind which others wait, does not try for a minute"
    server.stop()


def test_faults_of_the_network_are_overcome(endpoint, near, network):
    endpoint.client("s3").put_object(Bucket="far", Key="faults.csv", Body=rows(40_000))
    network.plan[:] = ["later", "cut", "later", "cut", "cut"]
    network.seen.clear()
    assert import_from(near, "s3://far/faults.csv")["status"] == "ACTIVE"
    assert not network.plan, "all faults happened"
    starts = [int(r.split("=")[1].split("-")[0]) for _, path, r in network.seen if r and "faults" in path]
    assert len(set(starts)) > 1 and max(starts) > 0, "a range goes on where it broke off"


@pytest.mark.parametrize("location,words", [("s3://far/absent.csv", "404"), ("s3://absent/x.csv", "404"), ("s3://far/empty/", "No CSV files"), ("s3://absent/x/", "NoSuchBucket")])
def test_what_is_not_there_is_told(near, location, words):
    job = import_from(near, location)
    assert job["status"] == "CREATE FAILED" and words in job["failureReason"], job


def test_wrong_keys_are_told(endpoint, network, tmp_path):
    server = Server(tmp_path / "data", "--s3-endpoint", f"http://127.0.0.1:{network.server_address[1]}", "--s3-key-id",
                    endpoint.keys["AWS_ACCESS_KEY_ID"], "--s3-secret", "x" * 40)
    job = import_from(server, "s3://far/one/")
    assert job["status"] == "CREATE FAILED" and "SignatureDoesNotMatch" in job["failureReason"], job
    assert "Insufficient privileges for accessing data in Amazon S3." in job["failureReason"]
    server.stop()


def test_an_endpoint_without_keys_is_refused(tmp_path):
    with pytest.raises(AssertionError, match="key id and a secret"):
        Server(tmp_path / unique("data"), "--s3-endpoint", "http://127.0.0.1:9")


# --- https, and buckets in host names

CERTIFICATE = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ondol test",
               "-addext", "subjectAltName=DNS:localhost,DNS:far.localhost"]


def signature(handler, body, secret):
    """What AWS documents for the headers that the client says it signed: written from there, not from ours."""
    fields = handler.headers
    scope, signed = (part.split("=", 1)[1].strip(",") for part in fields["Authorization"].split()[1:3])
    _, day, region, service, _ = scope.split("/")
    path, _, query = handler.path.partition("?")
    lines = [f"{name}:{fields[name].strip()}\n" for name in signed.split(";")]
    assert hashlib.sha256(body).hexdigest() == fields["x-amz-content-sha256"]
    canonical = "\n".join([handler.command, path, query, "".join(lines), signed, fields["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", fields["x-amz-date"], f"{day}/{region}/{service}/aws4_request",
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


class VirtualHosts(http.server.BaseHTTPRequestHandler):
    """An endpoint that knows buckets by host name alone. What it stores is kept by a server of ours, asked by path."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body, server = self.rfile.read(int(self.headers.get("Content-Length", 0))), self.server
        bucket, _, host = self.headers["Host"].partition(".")
        server.seen.append((self.command, self.headers["Host"], self.path))
        assert host == f"localhost:{server.server_port}", self.headers["Host"]
        assert self.headers["Authorization"].endswith("Signature=" + signature(self, body, server.keys.secret_key))
        kept = {name: value for name, value in self.headers.items() if name.lower() in ("range", "if-match")}
        url = f"http://{server.target[0]}:{server.target[1]}/{bucket}{self.path}"
        request = botocore.awsrequest.AWSRequest(self.command, url, data=body or None, headers=kept)
        botocore.auth.S3SigV4Auth(server.keys, "s3", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(*server.target, timeout=30)
        connection.request(self.command, f"/{bucket}{self.path}", body or None, dict(request.prepare().headers.items()))
        got = connection.getresponse()
        data = got.read()
        self.send_response(got.status)
        for name, value in got.getheaders():
            if name.lower() not in ("connection", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def hosts(endpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "certificate.pem"
    subprocess.run(["openssl", "req", *CERTIFICATE, "-keyout", folder / "key.pem", "-out", made], check=True, capture_output=True)
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), VirtualHosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, folder / "key.pem")
    proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
    proxy.target, proxy.seen, proxy.certificate = endpoint.address, [], made
    proxy.keys = botocore.credentials.Credentials(endpoint.keys["AWS_ACCESS_KEY_ID"], endpoint.keys["AWS_SECRET_ACCESS_KEY"])
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield proxy
    proxy.shutdown()


def by_host(hosts, folder, *options):
    return Server(folder / "data", "--s3-endpoint", f"https://localhost:{hosts.server_port}", "--s3-virtual-host",
                  "--s3-key-id", hosts.keys.access_key, "--s3-secret", hosts.keys.secret_key, *options)


def test_buckets_in_host_names_over_tls(endpoint, hosts, tmp_path):
    server = by_host(hosts, tmp_path, "--s3-ca", str(hosts.certificate))
    endpoint.client("s3").put_object(Bucket="far", Key="tls/file ü+1.csv", Body=rows(1500))
    dataset = new_dataset(server, new_group(server), body=SCHEMA)
    assert finish_import(server, start_import(server, dataset, "s3://far/tls/"))["status"] == "ACTIVE"
    made = server.control.create_dataset_export_job(
        jobName=unique("out"), datasetArn=dataset, ingestionMode="ALL", roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": "s3://far/tls-out/"}},
    )["datasetExportJobArn"]
    done = wait_for(lambda: server.control.describe_dataset_export_job(datasetExportJobArn=made)["datasetExportJob"], ended)
    assert done["status"] == "ACTIVE", done
    written = endpoint.client("s3").list_objects_v2(Bucket="far", Prefix="tls-out/")["Contents"]
    text = b"".join(endpoint.client("s3").get_object(Bucket="far", Key=o["Key"])["Body"].read() for o in written)
    assert text.count(b"view") == 1500
    assert {host for _, host, _ in hosts.seen} == {f"far.localhost:{hosts.server_port}"}
    assert {"GET", "PUT"} <= {method for method, _, _ in hosts.seen}
    assert any(path.startswith("/?") and "list-type=2" in path for _, _, path in hosts.seen)
    server.stop()


def test_a_certificate_of_nobody_is_refused(endpoint, hosts, tmp_path):
    endpoint.client("s3").put_object(Bucket="far", Key="tls/one.csv", Body=rows(1500))
    server = by_host(hosts, tmp_path)
    seen = len(hosts.seen)
    job = import_from(server, "s3://far/tls/one.csv")
    assert job["status"] == "CREATE FAILED" and "certificate" in job["failureReason"], job
    assert len(hosts.seen) == seen, "nothing was asked of it, keys included"
    server.stop()
    with pytest.raises(AssertionError, match="certificates cannot be read"):
        by_host(hosts, tmp_path / "other", "--s3-ca", str(tmp_path / "none.pem"))
