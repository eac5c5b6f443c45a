"""Files go and come back whole, in one request or in parts, also when S3 or the network fails."""

import base64
import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import patience
from snakemake_aws_common.checksums import of_file
from snakemake_storage_plugin_s3_inventory import transfer
from storage_lab import Stores
from strict_aws import Aws


@pytest.mark.parametrize("more", [0, 1, 3 << 20])
def test_large_objects_go_in_parts_with_one_checksum(
    aws: Aws, stores: Stores, bucket: str, small_parts: int, more: int
) -> None:
    data = os.urandom(2 * small_parts + more)
    writer = stores()
    writer.store("runs/main/large", data)
    operations = writer.operations()
    assert operations["UploadPart"] == (3 if more else 2)
    assert operations["CompleteMultipartUpload"] == 1
    head = aws.client("s3").head_object(Bucket=bucket, Key="runs/main/large", ChecksumMode="ENABLED")
    assert "-" not in head["ChecksumCRC32"]

    reader = stores()
    assert reader.retrieve("runs/main/large") == data
    assert reader.operations()["GetObject"] == (3 if more else 2)


def store_in_parts(client: Any, bucket: str, key: str, parts: list[bytes], extra: dict[str, str]) -> None:
    """Stores an object as other programs do."""
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, **extra)["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        answer = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part, **extra)
        done.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done})


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256", None])
def test_objects_that_others_stored_in_parts_are_compared(
    aws: Aws, stores: Stores, bucket: str, impatient: None, algorithm: str | None
) -> None:
    client = aws.client("s3")
    parts = [b"a" * (5 << 20), b"b" * (5 << 20), b"c"]
    extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    store_in_parts(client, bucket, "raw/x", parts, extra)
    reader = stores()
    assert hashlib.md5(reader.retrieve("raw/x")).digest() == hashlib.md5(b"".join(parts)).digest()
    assert reader.operations()["HeadObject"] == 1


# CRC64NVME is what the AWS CLI sends; with KMS, as in our bucket, there is no MD5 to fall back on.
@pytest.mark.parametrize("size", [4, 11 << 20])
@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA256"])
def test_a_damaged_object_leaves_nothing_behind(
    aws: Aws, stores: Stores, bucket: str, tmp_path: Path, small_parts: int, impatient: None, algorithm: str, size: int
) -> None:
    good, bad = b"A" * size, b"C" * size
    (tmp_path / "good").write_bytes(good)
    checksum = f"Checksum{algorithm}"
    extra = {checksum: base64.b64encode(of_file(tmp_path / "good", checksum)).decode(), "ChecksumAlgorithm": algorithm}
    for key, body in {"raw/good": good, "raw/bad": bad}.items():
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body, ServerSideEncryption="aws:kms", **extra)
    assert stores().retrieve("raw/good") == good
    reader = stores(retries=3)
    with pytest.raises(WorkflowError, match=r"arrived damaged or cut off, 3 times.*Nothing was kept"):
        reader.retrieve("raw/bad")
    assert reader.operations()["GetObject"] == (1 + 3) * (1 if size < small_parts else 3)
    assert list(reader("raw/bad").local_path().parent.iterdir()) == []


@pytest.mark.parametrize("algorithm", ["CRC32", None])
def test_objects_in_parts_of_different_lengths_are_compared(
    aws: Aws, stores: Stores, bucket: str, impatient: None, algorithm: str | None
) -> None:
    client = aws.client("s3")
    # As many parts as there would be if all were like the first.
    parts = [b"a" * (7 << 20), b"b" * (5 << 20), b"c" * (7 << 20)]
    extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    store_in_parts(client, bucket, "raw/x", parts, extra)
    assert hashlib.md5(stores(retries=2).retrieve("raw/x")).digest() == hashlib.md5(b"".join(parts)).digest()


def test_an_object_that_changes_while_it_is_read_in_parts_is_read_again(
    aws: Aws, stores: Stores, bucket: str, small_parts: int, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = os.urandom(2 * small_parts), os.urandom(2 * small_parts)
    stores().store("raw/x", first)
    reader = stores()
    client = reader.provider.client
    head = client.head_object

    def head_then_change(**asked: Any) -> Any:
        answer = head(**asked)
        monkeypatch.undo()
        monkeypatch.setattr(transfer, "PAUSE", 0)
        client.put_object(Bucket=bucket, Key="raw/x", Body=second)
        return answer

    monkeypatch.setattr(client, "head_object", head_then_change)
    assert reader.retrieve("raw/x") == second


def test_a_copy_has_the_time_of_its_object(stores: Stores) -> None:
    made = stores().store("runs/main/x", b"x")
    reader = stores()
    reader.retrieve("runs/main/x")
    assert reader("runs/main/x").local_path().stat().st_mtime == made.mtime()


@pytest.mark.parametrize("size", [1000, 11 << 20])
def test_nothing_is_stored_of_a_file_that_changes_meanwhile(
    aws: Aws, stores: Stores, bucket: str, small_parts: int, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    read = transfer.crc32

    def grows(path: Path) -> str:
        found = read(path)
        with path.open("ab") as file:
            file.write(b"more")
        return found

    monkeypatch.setattr(transfer, "crc32", grows)
    with pytest.raises(WorkflowError, match=r"x changed while it was stored.*processes behind that still write"):
        stores().store("runs/main/x", os.urandom(size))
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize(
    ("operation", "code"), [("PutObject", "BadDigest"), ("CompleteMultipartUpload", "NoSuchUpload")]
)
def test_an_upload_is_sent_again(
    aws: Aws, stores: Stores, bucket: str, small_parts: int, impatient: None, operation: str, code: str
) -> None:
    data = os.urandom(1000 if operation == "PutObject" else 2 * small_parts)
    aws.fault(call="error", status=400, code=code, operation=operation, key=f"runs/{bucket}")
    stores().store(f"runs/{bucket}", data)
    assert aws.faults() == []
    assert stores().retrieve(f"runs/{bucket}") == data


def test_a_full_disk_is_told(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    stores().store("runs/main/x", b"x" * 1000)
    monkeypatch.setattr(transfer.Transfer, "_at_once", full)
    reader = stores()
    with pytest.raises(WorkflowError, match=r"local copy of s3://.*No space left on device; make room"):
        reader.retrieve("runs/main/x")
    assert list(reader("runs/main/x").local_path().parent.iterdir()) == []


def full(self: transfer.Transfer, location: Any, copy: Path, *_: Any) -> None:
    """Writes half of a copy."""
    copy.write_bytes(b"x" * 500)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAULTS: dict[str, dict[str, Any]] = {
    "500": {"call": "error", "status": 500, "code": "InternalError"},
    "503": {"call": "error", "status": 503, "code": "SlowDown"},
    "reset": {"call": "reset"},
    "truncate": {"call": "truncate"},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("large", [False, True], ids=["whole", "parts"])
def test_a_download_survives(
    aws: Aws, stores: Stores, bucket: str, small_parts: int, impatient: None, fault: str, large: bool
) -> None:
    key = f"raw/{bucket}"
    data = os.urandom(2 * small_parts if large else 1000)
    stores().store(key, data)
    reader = stores()
    assert reader(key).exists()
    aws.fault(**FAULTS[fault], operation="GetObject", key=key)
    reader.operations()
    assert reader.retrieve(key) == data
    assert reader.operations()["GetObject"] == (3 if large else 2)
    assert aws.faults() == []


@pytest.mark.parametrize("fault", ["500", "503", "reset"])
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "CompleteMultipartUpload"])
def test_an_upload_survives(
    aws: Aws, stores: Stores, bucket: str, small_parts: int, impatient: None, fault: str, operation: str
) -> None:
    key = f"runs/{bucket}/x"
    data = os.urandom(1000 if operation == "PutObject" else 2 * small_parts)
    aws.fault(**FAULTS[fault], operation=operation, key=key)
    writer = stores()
    writer.operations()
    writer.store(key, data)
    assert writer.operations()[operation] == {"PutObject": 2, "UploadPart": 3, "CompleteMultipartUpload": 2}[operation]
    assert aws.faults() == []
    assert stores().retrieve(key) == data


def test_a_question_survives(aws: Aws, stores: Stores, bucket: str) -> None:
    stores().store(f"runs/{bucket}/x", b"x")
    for fault in ("500", "503", "reset", "truncate"):
        aws.fault(**FAULTS[fault], operation="ListObjectsV2", key=f"runs/{bucket}/x")
        assert stores()(f"runs/{bucket}/x").exists()
    assert aws.faults() == []


def test_a_download_that_fails_for_good_keeps_the_older_copy(
    aws: Aws, stores: Stores, bucket: str, impatient: None
) -> None:
    key = f"raw/{bucket}"
    stores().store(key, os.urandom(1000))
    reader = stores(retries=2)
    path = reader(key).local_path()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"older")
    aws.fault(**FAULTS["truncate"], operation="GetObject", key=key, times=2)
    with pytest.raises(WorkflowError, match="cut off, 2 times"):
        reader(key).retrieve_object()
    assert path.read_bytes() == b"older"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ReadTimeoutError, ConnectionClosedError])
def test_a_download_waits_for_an_s3_that_does_not_answer(
    stores: Stores, impatient: None, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    stores().store("raw/x", b"x")
    reader = stores(retries=2)
    assert reader("raw/x").exists()
    client = reader("raw/x").session.connection.client
    real, tries = client.get_object, list[None]()

    def get_object(**asked: Any) -> Any:
        tries.append(None)
        if len(tries) <= 5:
            raise error(endpoint_url="https://s3", error="no answer")
        return real(**asked)

    monkeypatch.setattr(client, "get_object", get_object)
    assert reader.retrieve("raw/x") == b"x"
    assert len(tries) == 6
