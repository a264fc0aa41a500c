"""The S3 subset: real clients, hostile keys and bodies, and what lies on disk after each."""
import base64
import binascii
import hashlib
import hmac
import http.client
import itertools
import os
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from harness import REGION, ROOT, Server, csv_text, finish_import, minutes_from_now, new_dataset, new_group, refused, start_import, unique

AWS = ROOT / "build" / "venv" / "bin" / "aws"


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3")


@pytest.fixture
def bucket(server, s3):
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    return name


def keys(s3, bucket, **options):
    return [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **options) for o in page.get("Contents", [])]


def visible(server, bucket):
    folder = server.objects / bucket
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def temporaries(server):
    return list((server.objects / ".ondol" / "tmp").iterdir())


# --- buckets


def test_a_bucket_lives_and_dies(server, s3):
    name = unique("life")
    s3.create_bucket(Bucket=name)
    assert (server.objects / name).is_dir()
    s3.create_bucket(Bucket=name)  # as in us-east-1: its owner's, so nothing new
    s3.head_bucket(Bucket=name)
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="a/b", Body=b"x")
    with refused("BucketNotEmpty", status=409):
        s3.delete_bucket(Bucket=name)
    s3.delete_object(Bucket=name, Key="a/b")
    s3.delete_bucket(Bucket=name)
    assert not (server.objects / name).exists()
    with refused("404"):
        s3.head_bucket(Bucket=name)
    with refused("NoSuchBucket", status=404):
        s3.put_object(Bucket=name, Key="k", Body=b"")


def test_a_bucket_has_its_location(s3):
    name = unique("far")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "eu-west-1"
    with refused("BucketAlreadyOwnedByYou", status=409):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    near = unique("near")
    s3.create_bucket(Bucket=near)
    assert s3.get_bucket_location(Bucket=near)["LocationConstraint"] is None


@pytest.mark.parametrize("name", ["ab", "Upper", "under_score", "a..b", "-edge", ".ondol", "x" * 64])
def test_names_that_no_bucket_has(server, name):
    path = "/" + name
    answer = server.send("PUT", path, b"", s3_headers(server, "PUT", path))
    assert (answer.status, b"<Code>InvalidBucketName</Code>" in answer.body) == (400, True), answer


def test_a_folder_made_by_hand_is_a_bucket(server, s3):
    name = unique("hand")
    (server.objects / name / "deep").mkdir(parents=True)
    (server.objects / name / "deep" / "file.csv").write_text("a,b\n")
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert keys(s3, name) == ["deep/file.csv"]
    got = s3.get_object(Bucket=name, Key="deep/file.csv")
    assert got["Body"].read() == b"a,b\n" and got["ETag"].endswith('-0"')


def test_a_policy_is_stored_and_returned(s3, bucket):
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}'
    with refused("NoSuchBucketPolicy", status=404):
        s3.get_bucket_policy(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    with refused("MalformedPolicy"):
        s3.put_bucket_policy(Bucket=bucket, Policy="not json")
    s3.delete_bucket_policy(Bucket=bucket)
    with refused("NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=bucket)


def test_what_is_not_here_says_so(s3, bucket):
    with refused("NotImplemented", "tagging", status=501):
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    with refused("NotImplemented", status=501):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="AES256")
    with refused("NotImplemented", status=501):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="public-read")
    with refused("NotImplemented", status=501):
        s3.list_object_versions(Bucket=bucket)
    assert keys(s3, bucket) == []
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


# --- objects


@pytest.mark.parametrize("key", ["plain", "a/b/c.csv", "with space", "ümlaut/日本.csv", "a+b", "100%", "q?x=1&y", "semi;colon", "~tilde'quote\"", "<&>"])
def test_an_object_comes_back(server, s3, bucket, key):
    body = os.urandom(1000)
    put = s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/csv", Metadata={"color": "blue"}, CacheControl="max-age=5")
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ChecksumCRC32"] == base64.b64encode(binascii.crc32(body).to_bytes(4, "big")).decode()
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("text/csv", {"color": "blue"}, "max-age=5")
    head = s3.head_object(Bucket=bucket, Key=key)
    assert (head["ContentLength"], head["ETag"], head["Metadata"]) == (1000, put["ETag"], {"color": "blue"})
    assert (server.objects / bucket / key).read_bytes() == body
    assert keys(s3, bucket) == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_object(Bucket=bucket, Key=key)  # absent is success
    assert not list((server.objects / bucket).iterdir()), "folders go with their last object"
    with refused("NoSuchKey", status=404):
        s3.get_object(Bucket=bucket, Key=key)


@pytest.mark.parametrize("algorithm,hasher", [("CRC32", None), ("SHA1", hashlib.sha1), ("SHA256", hashlib.sha256)])
def test_checksums_that_a_client_asks_for(s3, bucket, algorithm, hasher):
    body, member = b"123456789" * 1000, f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="sum", Body=body, ChecksumAlgorithm=algorithm)
    value = hasher(body).digest() if hasher else binascii.crc32(body).to_bytes(4, "big")
    assert base64.b64decode(put[member]) == value
    got = s3.get_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")
    assert got[member] == put[member] and got["Body"].read() == body


# of "123456789": the check values in the catalogue of parametrised CRC algorithms
@pytest.mark.parametrize("header,value", [
    ("x-amz-checksum-crc32", 0xCBF43926.to_bytes(4, "big")),
    ("x-amz-checksum-crc32c", 0xE3069283.to_bytes(4, "big")),
    ("x-amz-checksum-crc64nvme", 0xAE8B14860A799888.to_bytes(8, "big")),
])
def test_crc_check_values(server, s3, bucket, header, value):
    path, body = f"/{bucket}/crc", b"123456789"
    good = {header: base64.b64encode(value).decode()}
    assert server.send("PUT", path, body, s3_headers(server, "PUT", path, body, good)).status == 200
    bad = {header: base64.b64encode(bytes(len(value))).decode()}
    path += "-bad"
    answer = server.send("PUT", path, body, s3_headers(server, "PUT", path, body, bad))
    assert (answer.status, b"<Code>BadDigest</Code>" in answer.body) == (400, True), answer
    assert keys(s3, bucket) == ["crc"]


@pytest.mark.parametrize("range_,start,end", [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=90-", 90, 100), ("bytes=-5", 95, 100), ("bytes=50-1000", 50, 100)])
def test_ranges(s3, bucket, range_, start, end):
    body = bytes(range(100))
    s3.put_object(Bucket=bucket, Key="r", Body=body)
    got = s3.get_object(Bucket=bucket, Key="r", Range=range_)
    assert got["Body"].read() == body[start:end]
    assert got["ContentRange"] == f"bytes {start}-{end - 1}/100" and got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_outside(s3, bucket):
    s3.put_object(Bucket=bucket, Key="r", Body=b"abc")
    with refused("InvalidRange", status=416):
        s3.get_object(Bucket=bucket, Key="r", Range="bytes=3-")


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="c", Body=b"1")["ETag"]
    assert s3.get_object(Bucket=bucket, Key="c", IfMatch=etag)["Body"].read() == b"1"
    with refused("PreconditionFailed", status=412):
        s3.get_object(Bucket=bucket, Key="c", IfMatch='"other"')
    with refused("304"):
        s3.get_object(Bucket=bucket, Key="c", IfNoneMatch=etag)
    with refused("304"):
        s3.get_object(Bucket=bucket, Key="c", IfModifiedSince=minutes_from_now(60))
    with refused("412"):
        s3.head_object(Bucket=bucket, Key="c", IfUnmodifiedSince=minutes_from_now(-60))
    with refused("PreconditionFailed", status=412):
        s3.put_object(Bucket=bucket, Key="c", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="c", Body=b"3", IfMatch=etag)
    with refused("PreconditionFailed", status=412):
        s3.put_object(Bucket=bucket, Key="c", Body=b"4", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"3"


def test_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from me", Body=b"bytes", ContentType="text/csv", Metadata={"a": "1"})
    source = {"Bucket": bucket, "Key": "from me"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    got = s3.get_object(Bucket=bucket, Key="kept")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"bytes", {"a": "1"}, "text/csv")
    s3.copy_object(Bucket=bucket, Key="from me", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket=bucket, Key="from me")["Metadata"] == {"b": "2"}
    with refused("InvalidRequest", "itself"):
        s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "kept"})
    with refused("NoSuchKey", status=404):
        s3.copy_object(Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "absent"})
    with refused("InvalidArgument"):
        s3.copy_object(Bucket=bucket, Key="x", CopySource=f"{bucket}/../{bucket}/kept")


def test_a_file_is_not_copied_to_a_folder(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"bytes")
    with refused("InvalidArgument", "A key that ends in '/' stands for a folder here and can hold no bytes."):
        s3.copy_object(Bucket=bucket, Key="to/", CopySource={"Bucket": bucket, "Key": "from"})
    assert keys(s3, bucket) == ["from"] and not temporaries(server)


def test_a_copy_is_of_one_object_while_another_is_put(s3, bucket):
    bodies = [bytes([i]) * (200_000 + i) for i in range(2)]
    s3.put_object(Bucket=bucket, Key="from", Body=bodies[0], Metadata={"of": "0"})
    stop = threading.Event()

    def write():
        for n in itertools.count():
            if stop.is_set():
                return
            s3.put_object(Bucket=bucket, Key="from", Body=bodies[n % 2], Metadata={"of": str(n % 2)})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(60):
            s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
            got = s3.get_object(Bucket=bucket, Key="to")
            assert got["Body"].read() == bodies[int(got["Metadata"]["of"])]
    finally:
        stop.set()
        writer.join()


def test_empty_headers_come_back(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="e", Body=b"x", Metadata={"a": "", "b": "1"}, CacheControl="")
    for got in (s3.get_object(Bucket=bucket, Key="e"), s3.head_object(Bucket=bucket, Key="e")):
        assert got["Metadata"] == {"a": "", "b": "1"} and got["CacheControl"] == ""
    path = f"/{bucket}/e?response-content-type="
    assert server.send("GET", path, b"", s3_headers(server, "GET", path)).status == 200


def test_headers_of_the_largest_size_come_back(server, s3, bucket):
    path, value = f"/{bucket}/large", '"' * 14_000
    for _ in range(2):  # the second time beside the record of the first
        headers = {"Cache-Control": value, "Content-Disposition": value}
        assert server.send("PUT", path, b"x", s3_headers(server, "PUT", path, b"x", headers)).status == 200
    assert s3.head_object(Bucket=bucket, Key="large")["CacheControl"] == value
    answer = server.send("POST", path + "?uploads", b"", s3_headers(server, "POST", path + "?uploads", b"", headers))
    assert answer.status == 200, answer
    upload = s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="large", UploadId=upload)


def test_many_are_deleted_at_once(s3, bucket):
    for i in range(5):
        s3.put_object(Bucket=bucket, Key=f"d/{i}", Body=b"")
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"d/{i}"} for i in range(4)] + [{"Key": "absent"}, {"Key": "a/../b"}]})
    assert sorted(d["Key"] for d in done["Deleted"]) == ["absent", "d/0", "d/1", "d/2", "d/3"]
    assert [(e["Key"], e["Code"]) for e in done["Errors"]] == [("a/../b", "InvalidArgument")]
    assert keys(s3, bucket) == ["d/4"]
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "d/4"}], "Quiet": True})


@pytest.mark.parametrize("key", ["/a", "a//b", "a/../b", "..", "./a", "a/.", "x" * 256, "tab\tx", "a/" + "y" * 300 + "/b"])
def test_keys_that_cannot_be_files(server, s3, bucket, key):
    path = "/" + bucket + "/" + urllib.parse.quote(key)
    for method in ("PUT", "GET", "DELETE"):
        answer = server.send(method, path, b"", s3_headers(server, method, path))
        assert (answer.status, b"<Code>InvalidArgument</Code>" in answer.body) == (400, True), answer
    assert visible(server, bucket) == []
    assert b"KeyTooLong" in server.send("PUT", f"/{bucket}/{'k/' * 600}k", b"", s3_headers(server, "PUT", f"/{bucket}/{'k/' * 600}k")).body


def test_a_key_is_an_object_or_a_prefix(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    with refused("InvalidArgument", "both an object and a prefix"):
        s3.put_object(Bucket=bucket, Key="a/b", Body=b"2")
    s3.put_object(Bucket=bucket, Key="c/d", Body=b"3")
    with refused("InvalidArgument", "both an object and a prefix"):
        s3.put_object(Bucket=bucket, Key="c", Body=b"4")
    assert keys(s3, bucket) == ["a", "c/d"]
    with refused("NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="c")


def test_folders_put_as_objects(s3, bucket):
    s3.put_object(Bucket=bucket, Key="folder/", Body=b"")
    s3.put_object(Bucket=bucket, Key="folder/x", Body=b"1")
    assert keys(s3, bucket) == ["folder/", "folder/x"]
    s3.delete_object(Bucket=bucket, Key="folder/x")
    assert keys(s3, bucket) == ["folder/"], "it does not go with the last object in it"
    with refused("InvalidArgument", "no bytes"):
        s3.put_object(Bucket=bucket, Key="other/", Body=b"x")
    with refused("InvalidArgument", "folder/", "an object already"):
        s3.put_object(Bucket=bucket, Key="folder", Body=b"x")
    assert keys(s3, bucket) == ["folder/"], "nor with an object of its name"
    s3.delete_object(Bucket=bucket, Key="folder/")
    assert keys(s3, bucket) == []


def test_a_tab_in_metadata_is_a_space(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", Metadata={"note": "a\tb"}, ContentDisposition="inline;\tx")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Metadata"] == {"note": "a b"} and got["ContentDisposition"] == "inline; x"


def test_nothing_is_reached_through_links(server, s3, bucket):
    secret = server.folder / "secret.txt"
    secret.write_text("secret")
    (server.objects / bucket / "link").symlink_to(secret)
    (server.objects / bucket / "up").symlink_to(server.folder)
    for key in ("link", "up/secret.txt"):
        with refused("NoSuchKey"):
            s3.get_object(Bucket=bucket, Key=key)
        with refused("InvalidArgument"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert keys(s3, bucket) == [] and secret.read_text() == "secret"
    (server.folder / "below" / "deeper").mkdir(parents=True)
    (server.folder / "below" / "deeper" / "file").write_text("secret")
    for prefix in ("up/", "up/below/", "up/below/deeper/"):
        assert keys(s3, bucket, Prefix=prefix) == []
        assert "CommonPrefixes" not in s3.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/")


# --- lists


@pytest.fixture(scope="module")
def listed(server, s3):
    name = unique("listed")
    s3.create_bucket(Bucket=name)
    made = ["a-b", "a.txt", "a/1", "a/2", "a0", "b/c/d", "b/c/e", "b/f", "ü", "z"]
    for key in made:
        s3.put_object(Bucket=name, Key=key, Body=b"")
    return name, sorted(made, key=lambda k: k.encode())


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("api", ["list_objects", "list_objects_v2"])
def test_lists_are_in_byte_order_and_paged(s3, listed, size, api):
    name, made = listed
    pages = s3.get_paginator(api).paginate(Bucket=name, PaginationConfig={"PageSize": size})
    assert [o["Key"] for p in pages for o in p.get("Contents", [])] == made


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("api", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("prefix,delimiter", [("", "/"), ("a", "/"), ("b/", "/"), ("b/c", "/"), ("", "-"), ("", "/c"), ("nope", "/"), ("../", "/"), ("a//", "/"), ("b/c/d", "/")])
def test_delimiters(s3, listed, size, api, prefix, delimiter):
    name, made = listed
    entries = []
    for page in s3.get_paginator(api).paginate(Bucket=name, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": size}):
        entries += [o["Key"] for o in page.get("Contents", [])] + [p["Prefix"] + "*" for p in page.get("CommonPrefixes", [])]
    expected = set()
    for key in (k for k in made if k.startswith(prefix)):
        at = key.find(delimiter, len(prefix))
        expected.add(key if at < 0 else key[: at + len(delimiter)] + "*")
    assert sorted(entries) == sorted(expected), "each once"


def test_a_page_of_the_deepest_keys(server, s3, bucket):
    deep = "d/" * 505
    for n in range(1000):
        path = server.objects / bucket / deep / f"{n:04}"
        if not n:
            path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    assert keys(s3, bucket) == [f"{deep}{n:04}" for n in range(1000)]
    assert keys(s3, bucket, Prefix=deep[:-1] + "/05") == [f"{deep}{n:04}" for n in range(500, 600)]


def test_start_after_and_limits(s3, listed):
    name, made = listed
    assert keys(s3, name, StartAfter="a/1") == made[made.index("a/1") + 1 :]
    assert s3.list_objects_v2(Bucket=name, MaxKeys=0)["KeyCount"] == 0
    page = s3.list_objects_v2(Bucket=name, MaxKeys=len(made))
    assert page["IsTruncated"] is False and page["KeyCount"] == len(made)
    with refused("InvalidArgument", "continuation token"):
        s3.list_objects_v2(Bucket=name, ContinuationToken="nonsense")


def test_a_token_survives_inserts_and_deletes(s3, bucket):
    for key in ("a", "c", "e"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=2)
    s3.delete_object(Bucket=bucket, Key="c")
    s3.put_object(Bucket=bucket, Key="b", Body=b"")
    s3.put_object(Bucket=bucket, Key="d", Body=b"")
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    assert [o["Key"] for o in rest["Contents"]] == ["d", "e"]


# --- who asks


def s3_headers(server, method, path, body=b"", headers=(), payload=None, secret=None, when=None):
    """Headers signed for S3 as by botocore's own signer; payload replaces the body's hash."""
    credentials = botocore.credentials.Credentials(server.keys["AWS_ACCESS_KEY_ID"], secret or server.keys["AWS_SECRET_ACCESS_KEY"])
    request = botocore.awsrequest.AWSRequest(method=method, url=server.url + path, data=body, headers=dict(headers))
    request.context["payload_signing_enabled"] = True
    signer = botocore.auth.S3SigV4Auth(credentials, "s3", REGION)
    signer.payload = lambda _request: payload or hashlib.sha256(body).hexdigest()
    if when is None:
        signer.add_auth(request)
    else:
        real = botocore.auth.get_current_datetime
        botocore.auth.get_current_datetime = lambda remove_tzinfo=True: when.replace(tzinfo=None)
        try:
            signer.add_auth(request)
        finally:
            botocore.auth.get_current_datetime = real
    return dict(request.headers.items())


def code_of(answer):
    start = answer.body.find(b"<Code>")
    return answer.body[start + 6 : answer.body.find(b"</Code>")].decode() if start >= 0 else None


def test_wrong_signatures(server, s3, bucket):
    with refused("SignatureDoesNotMatch", status=403):
        server.client("s3", secret="x" * 40).list_buckets()
    with refused("InvalidAccessKeyId", status=403):
        server.client("s3", key="ODNOSUCHKEY000000000", secret="x" * 40).list_buckets()
    path = f"/{bucket}/k"
    for when in (minutes_from_now(-20), minutes_from_now(20)):
        assert code_of(server.send("PUT", path, b"x", s3_headers(server, "PUT", path, b"x", when=when))) == "RequestTimeTooSkewed"
    signed = s3_headers(server, "PUT", path, b"x")
    assert code_of(server.send("PUT", path, b"x", {**signed, "x-amz-meta-a": "b"})) == "AccessDenied", "an unsigned x-amz- header"
    assert code_of(server.send("PUT", path + "2", b"x", signed)) == "SignatureDoesNotMatch"
    assert code_of(server.send("PUT", path, b"y", signed)) == "XAmzContentSHA256Mismatch"
    assert code_of(server.send("PUT", path, b"x")) == "AccessDenied"
    assert code_of(server.send("GET", f"/{bucket}")) == "AccessDenied"
    assert keys(s3, bucket) == [] and not temporaries(server)
    assert server.send("PUT", path, b"x", signed).status == 200


@pytest.mark.parametrize("version", [None, "s3v4"])
def test_presigned_urls(server, s3, bucket, version):
    client = server.client("s3", signature_version=version) if version else s3
    put = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "p q/ü"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, data=b"by url", method="PUT", headers={"Content-Type": ""})) as answer:
        assert answer.status == 200
    get = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "p q/ü", "ResponseContentType": "text/x"}, ExpiresIn=60)
    with urllib.request.urlopen(get) as answer:
        assert answer.read() == b"by url" and answer.headers["Content-Type"] == "text/x"
    for broken in (get.replace("text%2Fx", "text%2Fy"), get.replace("/p%20q/", "/p%20r/"), put):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(broken)
        assert caught.value.code == 403 and b"SignatureDoesNotMatch" in caught.value.read()
    late = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "p q/ü"}, ExpiresIn=1)
    time.sleep(2.1)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(late)
    assert caught.value.code == 403 and b"expired" in caught.value.read()


# --- bodies


class Chunks:
    """A body in aws-chunked encoding, signed as S3's documentation tells, by our own hands."""

    def __init__(self, server, path, pieces, trailer=None, signed=True, decoded=None):
        self.name = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD" if signed else "STREAMING-UNSIGNED-PAYLOAD") + ("-TRAILER" if trailer else "")
        length = sum(map(len, pieces)) if decoded is None else decoded
        fields = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(length)}
        if trailer:
            fields["X-Amz-Trailer"] = trailer[0]
        self.headers = s3_headers(server, "PUT", path, b"", fields, payload=self.name)
        date = self.headers["X-Amz-Date"]
        scope = f"{date[:8]}/{REGION}/s3/aws4_request"
        key = ("AWS4" + server.keys["AWS_SECRET_ACCESS_KEY"]).encode()
        for part in (date[:8], REGION, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        previous = self.headers["Authorization"].rsplit("=", 1)[1]
        self.chunks = []
        for piece in [*pieces, b""]:
            extension = b""
            if signed:
                text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, scope, previous, hashlib.sha256(b"").hexdigest(), hashlib.sha256(piece).hexdigest()])
                previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
                extension = b";chunk-signature=" + previous.encode()
            self.chunks.append(b"%x" % len(piece) + extension + b"\r\n" + piece + (b"\r\n" if piece else b""))
        tail = b""
        if trailer:
            tail = f"{trailer[0]}:{trailer[1]}\r\n".encode()
            if signed:
                digest = hashlib.sha256(f"{trailer[0]}:{trailer[1]}\n".encode()).hexdigest()
                text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", date, scope, previous, digest])
                tail += b"x-amz-trailer-signature:" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest().encode() + b"\r\n"
        self.chunks.append(tail + b"\r\n")

    @property
    def body(self):
        return b"".join(self.chunks)


PIECES = [b"a" * 70000, b"b" * 65536, b"tail"]
CRC = ("x-amz-checksum-crc32", base64.b64encode(binascii.crc32(b"".join(PIECES)).to_bytes(4, "big")).decode())


@pytest.mark.parametrize("signed,trailer", [(True, None), (True, CRC), (False, CRC)])
def test_streaming_forms(server, s3, bucket, signed, trailer):
    path = f"/{bucket}/stream"
    chunks = Chunks(server, path, PIECES, trailer, signed)
    answer = server.send("PUT", path, chunks.body, chunks.headers)
    assert answer.status == 200, answer
    if trailer:
        assert answer.headers[trailer[0]] == trailer[1]
    got = s3.get_object(Bucket=bucket, Key="stream")
    assert got["Body"].read() == b"".join(PIECES) and "ContentEncoding" not in got


def test_a_body_by_http_chunks(server, s3, bucket):
    path = f"/{bucket}/stream"
    chunks = Chunks(server, path, PIECES, CRC, False)
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    connection.request("PUT", path, iter(chunks.chunks), {**chunks.headers, "Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().status == 200
    assert s3.get_object(Bucket=bucket, Key="stream")["Body"].read() == b"".join(PIECES)


def broken_streams(server, path):
    good = Chunks(server, path, PIECES)
    other = good.body.replace(b"a" * 70000, b"a" * 69999 + b"c")
    yield "a chunk changed", good.headers, other, "SignatureDoesNotMatch"
    yield "a chunk left out", good.headers, b"".join(good.chunks[:1] + good.chunks[2:]), "SignatureDoesNotMatch"
    yield "the end left out", good.headers, b"".join(good.chunks[:-2]), "IncompleteBody"
    yield "more behind the end", good.headers, good.body + b"x", "IncompleteBody"
    yield "no hex size", good.headers, b"zz\r\n", "IncompleteBody"
    short = Chunks(server, path, PIECES, decoded=5)
    yield "longer than announced", short.headers, short.body, "IncompleteBody"
    for signed in (True, False):
        wrong = Chunks(server, path, PIECES, (CRC[0], "AAAAAA=="), signed)
        yield "a wrong checksum", wrong.headers, wrong.body, "BadDigest"
    trailed = Chunks(server, path, PIECES, CRC)
    yield "a changed trailer", trailed.headers, trailed.body.replace(CRC[1].encode(), b"AAAAAA=="), "SignatureDoesNotMatch"
    unsigned = Chunks(server, path, PIECES, CRC, False)
    yield "no trailer", unsigned.headers, b"".join(unsigned.chunks[:-1]) + b"\r\n", "InvalidRequest"


def test_broken_streams_store_nothing(server, s3, bucket):
    path = f"/{bucket}/stream"
    s3.put_object(Bucket=bucket, Key="stream", Body=b"before")
    for what, headers, body, code in broken_streams(server, path):
        answer = server.send("PUT", path, body, headers)
        assert (code_of(answer), answer.status >= 400) == (code, True), (what, answer)
    assert s3.get_object(Bucket=bucket, Key="stream")["Body"].read() == b"before"
    assert not temporaries(server)


def test_wrong_digests_store_nothing(server, s3, bucket):
    with refused("BadDigest"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=base64.b64encode(bytes(16)).decode())
    with refused("InvalidDigest"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5="short")
    with refused("BadDigest"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumSHA256=base64.b64encode(bytes(32)).decode())
    assert keys(s3, bucket) == [] and not temporaries(server)


def test_a_truncated_body_stores_nothing(server, s3, bucket):
    path = f"/{bucket}/cut"
    body = bytes(1 << 20)
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    connection.putrequest("PUT", path)
    for name, value in {**s3_headers(server, "PUT", path, body), "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body[: 1 << 19])
    deadline = time.monotonic() + 20
    while not temporaries(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert temporaries(server), "the body is on its way to a file"
    time.sleep(0.5)
    connection.close()
    deadline = time.monotonic() + 60  # the end of a stream may be seen no sooner than the request's timeout
    while temporaries(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not temporaries(server) and keys(s3, bucket) == []


def test_a_refusal_comes_before_the_body(server, bucket):
    path = f"/{bucket}/k"
    headers = s3_headers(server, "PUT", path, b"", payload="UNSIGNED-PAYLOAD", secret="x" * 40)
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    connection.putrequest("PUT", path)
    for name, value in {**headers, "Content-Length": str(1 << 40), "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 403
    # and without waiting, of a body that is never read to its end
    headers = s3_headers(server, "PUT", path, b"", payload="UNSIGNED-PAYLOAD")
    answer = server.send("PUT", path, b"", {**headers, "Content-Length": str(6 << 30), "Expect": "100-continue"})
    assert (answer.status, code_of(answer)) == (400, "EntityTooLarge")


@pytest.mark.parametrize("document", [b"", b"<Delete>", b"<Delete/>", b"<!DOCTYPE x><Delete/>", b"<Delete><Object/></Delete>", b"<a>" * 100, b"<Other/>"])
def test_malformed_documents(server, bucket, document):
    path = f"/{bucket}?delete="
    answer = server.send("POST", path, document, s3_headers(server, "POST", path, document))
    assert (answer.status, code_of(answer)) == (400, "MalformedXML"), answer


# --- together


def test_the_command_line(server, s3, bucket, tmp_path):
    env = server.environment()

    def aws(*words):
        done = subprocess.run([AWS, "s3", *words], env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done
        return done.stdout

    for name in ("one.csv", "sub/two.csv"):
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_text(name * 100)
    aws("sync", str(tmp_path / "up"), f"s3://{bucket}/data")
    assert keys(s3, bucket) == ["data/one.csv", "data/sub/two.csv"]
    assert aws("sync", str(tmp_path / "up"), f"s3://{bucket}/data") == "", "nothing has changed"
    assert "one.csv" in aws("ls", f"s3://{bucket}/data/") and "PRE sub/" in aws("ls", f"s3://{bucket}/data/")
    aws("cp", f"s3://{bucket}/data/sub/two.csv", str(tmp_path / "down.csv"))
    assert (tmp_path / "down.csv").read_text() == "sub/two.csv" * 100
    aws("rm", f"s3://{bucket}/", "--recursive")
    assert keys(s3, bucket) == []


def test_what_was_uploaded_is_imported(server, s3, bucket):
    rows = [[f"u{i % 50}", f"i{i % 40}", 1_700_000_000 + i, "view"] for i in range(1200)]
    s3.put_object(Bucket=bucket, Key="data/interactions.csv", Body=csv_text(["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"], rows).encode())
    role = server.client("iam").create_role(RoleName=unique("Role"), AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    dataset = new_dataset(server, new_group(server), body={
        "type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema", "version": "1.0",
        "fields": [{"name": n, "type": t} for n, t in (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("EVENT_TYPE", "string"))]})
    job = finish_import(server, start_import(server, dataset, f"s3://{bucket}/data/", roleArn=role))
    assert job["status"] == "ACTIVE" and job["roleArn"] == role, job


def test_concurrent_writers_leave_one_whole_object(server, s3, bucket):
    import concurrent.futures

    bodies = [bytes([i]) * 200_000 for i in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda b: s3.put_object(Bucket=bucket, Key="d/same", Body=b), bodies * 2))
        list(pool.map(lambda i: s3.delete_object(Bucket=bucket, Key=f"e/{i}") if i % 2 else s3.put_object(Bucket=bucket, Key=f"e/{i % 3}", Body=b"x"), range(40)))
    got = s3.get_object(Bucket=bucket, Key="d/same")
    body = got["Body"].read()
    assert body in bodies and got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'


def test_kill_during_an_upload_leaves_no_half_object(tmp_path):
    server = Server(tmp_path / "data")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="whole", Body=b"acknowledged", Metadata={"a": "b"})
    upload = s3.create_multipart_upload(Bucket="kept", Key="later")["UploadId"]
    etag = s3.upload_part(Bucket="kept", Key="later", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    part = {"PartNumber": 1, "ETag": etag}
    body = bytes(1 << 20)
    path = "/kept/whole"
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    connection.putrequest("PUT", path)
    for name, value in {**s3_headers(server, "PUT", path, body), "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body[: 1 << 19])
    deadline = time.monotonic() + 20
    while not temporaries(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    server.kill()
    assert temporaries(server)
    server.start()
    s3 = server.client("s3")
    got = s3.get_object(Bucket="kept", Key="whole")
    assert got["Body"].read() == b"acknowledged" and got["Metadata"] == {"a": "b"}
    assert got["ETag"] == f'"{hashlib.md5(b"acknowledged").hexdigest()}"'
    assert keys(s3, "kept") == ["whole"] and not temporaries(server)
    s3.complete_multipart_upload(Bucket="kept", Key="later", UploadId=upload, MultipartUpload={"Parts": [part]})
    assert s3.get_object(Bucket="kept", Key="later")["Body"].read() == b"part"
    server.stop()


def test_without_authentication(tmp_path):
    import botocore

    server = Server(tmp_path / "data", "--no-auth")
    s3 = server.client("s3", signature_version=botocore.UNSIGNED)
    s3.create_bucket(Bucket="open")
    s3.put_object(Bucket="open", Key="k", Body=b"x")
    assert s3.get_object(Bucket="open", Key="k")["Body"].read() == b"x"
    with urllib.request.urlopen(f"{server.url}/open/k") as answer:
        assert answer.read() == b"x"
    server.stop()
