"""Multipart uploads of the S3 subset: parts, completions and what they say of the whole, ends."""
import base64
import binascii
import hashlib
import io
import os

import pytest
from harness import refused, unique


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3")


@pytest.fixture
def bucket(server, s3):
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    return name


def keys(s3, bucket):
    return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def temporaries(server):
    return list((server.objects / ".ondol" / "tmp").iterdir())


def part_of(s3, bucket, key, upload, number, body):
    return {"PartNumber": number, "ETag": s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]}


def test_twenty_megabytes_in_parts(server, s3, bucket):
    body = os.urandom(20 << 20)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big")
    parts = [body[i : i + (8 << 20)] for i in range(0, len(body), 8 << 20)]
    etag = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest() + f"-{len(parts)}"
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"] == f'"{etag}"'
    assert (server.objects / bucket / "big").read_bytes() == body
    out = io.BytesIO()
    s3.download_fileobj(bucket, "big", out)
    assert out.getvalue() == body
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert not list((server.objects / ".ondol" / "uploads").iterdir()) and not temporaries(server)


def test_parts_are_listed_replaced_and_checked(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", Metadata={"a": "b"})["UploadId"]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    small = part_of(s3, bucket, "m", upload, 1, b"small")
    second = part_of(s3, bucket, "m", upload, 2, b"last")
    with refused("EntityTooSmall"):
        s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": [small, second]})
    first = part_of(s3, bucket, "m", upload, 1, bytes(5 << 20))
    listed = s3.list_parts(Bucket=bucket, Key="m", UploadId=upload)["Parts"]
    assert [(p["PartNumber"], p["Size"]) for p in listed] == [(1, 5 << 20), (2, 4)]
    page = s3.list_parts(Bucket=bucket, Key="m", UploadId=upload, MaxParts=1)
    assert page["IsTruncated"] and page["NextPartNumberMarker"] == 1
    with refused("InvalidPart"):
        s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": [small, second]})
    with refused("InvalidPartOrder"):
        s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": [second, first]})
    assert keys(s3, bucket) == [], "nothing is visible before it is complete"
    done = s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": [first, second]})
    assert done["ETag"].endswith('-2"')
    got = s3.get_object(Bucket=bucket, Key="m")
    assert got["Body"].read() == bytes(5 << 20) + b"last" and got["Metadata"] == {"a": "b"}
    again = s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": [first, second]})
    assert again["ETag"] == done["ETag"], "a client whose answer was lost is told the same"
    for parts in ([first], [first, small], [{**first, "ETag": "no etag"}]):
        with refused("NoSuchUpload", status=404):
            s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.put_object(Bucket=bucket, Key="m", Body=b"another")
    with refused("NoSuchUpload", status=404):
        s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": [first, second]})


def crc32_of(body):
    return base64.b64encode(binascii.crc32(body).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("kind", ["FULL_OBJECT", "COMPOSITE", None])
def test_a_completion_says_what_the_object_adds_up_to(s3, bucket, kind):
    bodies = [os.urandom(5 << 20), b"last"]
    algorithm = {"ChecksumAlgorithm": "CRC32"} if kind else {}
    made = s3.create_multipart_upload(Bucket=bucket, Key="m", **algorithm, **({"ChecksumType": kind} if kind else {}))
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(Bucket=bucket, Key="m", UploadId=made["UploadId"], PartNumber=number, Body=body, **algorithm)
        parts.append({"PartNumber": number, "ETag": part["ETag"], **({"ChecksumCRC32": part["ChecksumCRC32"]} if kind else {})})
    sums = b"".join(base64.b64decode(crc32_of(b)) for b in bodies)
    right = crc32_of(sums) + "-2" if kind == "COMPOSITE" else crc32_of(b"".join(bodies))
    wrong = crc32_of(b"else") + ("-2" if kind == "COMPOSITE" else "")
    request = {"Bucket": bucket, "Key": "m", "UploadId": made["UploadId"], "MultipartUpload": {"Parts": parts}}
    with refused("BadDigest", "CRC32"):
        s3.complete_multipart_upload(**request, ChecksumCRC32=wrong)
    if kind:
        with refused("InvalidRequest", "another checksum algorithm than SHA1"):
            s3.complete_multipart_upload(**request, ChecksumSHA1=base64.b64encode(bytes(20)).decode())
    assert keys(s3, bucket) == []
    done = s3.complete_multipart_upload(**request, ChecksumCRC32=right)
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (right, kind or "FULL_OBJECT")
    assert s3.head_object(Bucket=bucket, Key="m", ChecksumMode="ENABLED")["ChecksumCRC32"] == right
    assert s3.complete_multipart_upload(**request, ChecksumCRC32=right)["ChecksumCRC32"] == right


def test_uploads_go_with_their_bucket(server, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part_of(s3, bucket, "m", upload, 1, b"x")
    s3.delete_bucket(Bucket=bucket)
    assert not (server.objects / ".ondol" / "uploads" / upload).exists() and not temporaries(server)
    s3.create_bucket(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_bucket_made_anew_has_none_of_the_old_ones_uploads(server, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    (server.objects / bucket).rmdir()  # as a crash in the middle of a deletion leaves it
    s3.create_bucket(Bucket=bucket)
    with refused("NoSuchUpload"):
        s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x")


def test_an_upload_is_aborted(server, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part_of(s3, bucket, "m", upload, 1, b"x")
    with refused("NoSuchUpload"):
        s3.abort_multipart_upload(Bucket=bucket, Key="another", UploadId=upload)
    with refused("NoSuchUpload"):
        s3.abort_multipart_upload(Bucket=bucket, Key="m", UploadId="../../" + bucket)
    s3.abort_multipart_upload(Bucket=bucket, Key="m", UploadId=upload)
    with refused("NoSuchUpload"):
        s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
    assert keys(s3, bucket) == [] and not temporaries(server)


def test_parts_are_copied(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=bytes(6 << 20))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    copied = [
        s3.upload_part_copy(Bucket=bucket, Key="m", UploadId=upload, PartNumber=n, CopySource={"Bucket": bucket, "Key": "source"}, CopySourceRange=r)
        for n, r in ((1, f"bytes=0-{(5 << 20) - 1}"), (2, "bytes=0-9"))
    ]
    parts = [{"PartNumber": n + 1, "ETag": c["CopyPartResult"]["ETag"]} for n, c in enumerate(copied)]
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.head_object(Bucket=bucket, Key="m")["ContentLength"] == (5 << 20) + 10
