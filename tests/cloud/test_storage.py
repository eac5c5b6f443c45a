"""The storage plugin against S3: objects of all kinds go and come back whole, also when S3 or the network fails."""

import asyncio
import base64
import errno
import hashlib
import itertools
import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.api import SnakemakeApi  # noqa: F401  (loads Snakemake in an order that works)
from snakemake.io import glob_wildcards
from snakemake.storage import flag_with_storage_object
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import patience
from snakemake_aws_common.checksums import of_file
from snakemake_storage_plugin_s3_inventory import StorageObject, StorageProvider, StorageProviderSettings, transfer
from strict_aws import Aws

NUMBERS = itertools.count()
KEYS = [
    "a.txt",
    "runs/main/two words.txt",
    "runs/main/größe/試料 ✓.fq.gz",
    "runs/main/a+b%20c#d?e=f&g;h,i@j!k'l(m)~n$o[p].txt",
    "runs/main/.hidden",
]


@pytest.fixture
def bucket(aws: Aws) -> str:
    """A bucket of the test's own."""
    name = f"storage-{os.getpid()}-{next(NUMBERS)}"
    aws.client("s3").create_bucket(Bucket=name)
    return name


class Store:
    """A provider with its own memory and local folder, as each process of a run has."""

    def __init__(self, aws: Aws, folder: Path, bucket: str, **settings: Any) -> None:
        self.aws, self.bucket = aws, bucket
        self.provider = StorageProvider(
            local_prefix=folder,
            logger=logging.getLogger("storage"),
            settings=StorageProviderSettings(
                endpoint_url=aws.endpoint,
                region="us-east-1",
                access_key=aws.env["AWS_ACCESS_KEY_ID"],
                secret_key=aws.env["AWS_SECRET_ACCESS_KEY"],
                **settings,
            ),
        )

    def __call__(self, key: str) -> StorageObject:
        """The object of a key."""
        made: StorageObject = self.provider.object(f"s3://{self.bucket}/{key}")
        return made

    def store(self, key: str, data: bytes) -> StorageObject:
        """Stores what a job would have written."""
        made = self(key)
        made.local_path().parent.mkdir(parents=True, exist_ok=True)
        made.local_path().write_bytes(data)
        asyncio.run(made.managed_store())
        return made

    def retrieve(self, key: str) -> bytes:
        """What a job would read; nothing else may be left in its folder."""
        made = self(key)
        asyncio.run(made.managed_retrieve())
        assert [path.name for path in made.local_path().parent.glob(".*.part")] == []
        return made.local_path().read_bytes()

    def operations(self) -> Counter[str]:
        """What was asked of this bucket since the last call."""
        seen = self.aws.requests(forget=True)
        return Counter(call["operation"] for call in seen if call["bucket"] == self.bucket)


Stores = Callable[..., Store]


@pytest.fixture
def stores(aws: Aws, tmp_path: Path, bucket: str) -> Stores:
    """Makes stores on one bucket."""
    return lambda **settings: Store(aws, tmp_path / f"local{next(NUMBERS)}", bucket, **settings)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Objects go in parts of 5 MiB, S3's smallest, so that an object of many parts needs no gigabytes."""
    size = 5 << 20
    monkeypatch.setattr(transfer.Transfer.__init__, "__defaults__", (size, size))
    return size


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses before a transfer is tried again."""
    monkeypatch.setattr(transfer, "PAUSE", 0)


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_all_kinds(aws: Aws, stores: Stores, bucket: str, key: str) -> None:
    writer = stores()
    assert not writer(key).exists()
    writer.store(key, b"text")
    assert [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]] == [key]

    reader = stores()
    assert reader(key).exists()
    assert reader(key).size() == 4
    assert reader.retrieve(key) == b"text"
    reader(key).remove()
    assert not reader(key).exists()
    assert not stores()(key).exists()


def test_an_empty_object(stores: Stores) -> None:
    stores().store("runs/main/empty", b"")
    reader = stores()
    assert reader("runs/main/empty").exists()
    assert reader("runs/main/empty").size() == 0
    assert reader.retrieve("runs/main/empty") == b""


def test_times_are_the_same_however_they_are_learnt(aws: Aws, stores: Stores, bucket: str) -> None:
    stored = stores().store("runs/main/a", b"x")
    listed = stores()("runs/main/a")
    head = aws.client("s3").head_object(Bucket=bucket, Key="runs/main/a")["LastModified"].timestamp()
    assert stored.mtime() == listed.mtime() == head == int(head)


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


def test_an_object_that_was_deleted_meanwhile_is_not_remembered(aws: Aws, stores: Stores, bucket: str) -> None:
    stores().store("raw/x", b"x")
    reader = stores()
    assert reader("raw/x").exists()
    aws.client("s3").delete_object(Bucket=bucket, Key="raw/x")
    with pytest.raises(WorkflowError, match="raw/x does not exist"):
        reader.retrieve("raw/x")
    assert not reader("raw/x").exists()


def test_an_archived_object_is_told_before_it_is_read(aws: Aws, stores: Stores, bucket: str) -> None:
    client = aws.client("s3")
    client.put_object(Bucket=bucket, Key="raw/x", Body=b"123", StorageClass="DEEP_ARCHIVE")
    planner, cache = stores(), Cache()
    asyncio.run(planner("raw/x").inventory(cache))
    assert planner("raw/x").exists()
    assert planner.provider.cache_key(planner("raw/x").location) not in cache.size
    with pytest.raises(WorkflowError, match=r"raw/x is archived: restore it"):
        planner("raw/x").size()
    client.restore_object(Bucket=bucket, Key="raw/x", RestoreRequest={"Days": 1})
    assert planner("raw/x").size() == 3


WORDS = [
    ("ListObjectsV2", 403, "RequestTimeTooSkewed", "clock is wrong"),
    ("ListObjectsV2", 400, "ExpiredToken", "does not accept the credentials"),
    ("ListObjectsV2", 301, "PermanentRedirect", "another region"),
    ("GetObject", 400, "InvalidRequest", "SSE-C"),
    ("GetObject", 403, "InvalidObjectState", "is archived: restore it"),
    ("GetObject", 403, "AccessDenied", "need s3:ListBucket"),
]


@pytest.mark.parametrize(("operation", "status", "code", "words"), WORDS)
def test_what_s3_refuses_is_told_in_words(
    aws: Aws,
    stores: Stores,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    status: int,
    code: str,
    words: str,
) -> None:
    monkeypatch.setattr(patience, "EXPIRED", 0)
    key = f"raw/{bucket}"
    stores().store(key, b"x")
    aws.fault(call="error", status=status, code=code, operation=operation, key=key, times=9)
    with pytest.raises(WorkflowError, match=words):
        stores(retries=0).retrieve(key)


def test_an_endpoint_that_is_none(stores: Stores) -> None:
    reader = stores()
    reader.provider.settings.endpoint_url = "minio:9000"
    with pytest.raises(WorkflowError, match="must begin with https://"):
        reader("raw/x").exists()


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


def test_a_directory_goes_and_comes_back_whole(stores: Stores, aws: Aws, bucket: str) -> None:
    writer = stores()
    made = writer("runs/main/folder")
    files = {"a": b"1", "b c/d": b"22", "b c/.snakemake_timestamp": b""}
    for name, data in files.items():
        path = made.local_path() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (made.local_path() / "none").mkdir()
    writer.store("runs/main/folder.txt", b"beside")
    asyncio.run(made.managed_store())

    reader = stores()
    found = reader("runs/main/folder")
    assert found.exists()
    assert found.is_dir()
    assert found.size() == 3
    assert found.mtime() > 0
    asyncio.run(found.managed_retrieve())
    copies = {str(p.relative_to(found.local_path())): p for p in found.local_path().rglob("*")}
    assert {name: path.read_bytes() for name, path in copies.items() if path.is_file()} == files
    assert copies["none"].is_dir()

    found.remove()
    assert not found.exists()
    keys = [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["runs/main/folder.txt"]


def test_a_folder_that_cannot_be_read_fails_its_directory(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    made = stores()("runs/main/folder")
    (made.local_path() / "closed").mkdir(parents=True)
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(WorkflowError, match=r"folder/closed\): Permission denied"):
        asyncio.run(made.managed_store())


@pytest.mark.parametrize("inside", ["a//b", "./c", "a/./c"])
def test_objects_that_would_share_a_place_on_a_disk_are_refused(
    aws: Aws, stores: Stores, bucket: str, inside: str
) -> None:
    for key in (f"runs/main/folder/{inside}", "runs/main/folder/x"):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    with pytest.raises(WorkflowError, match="would not lie in the folder"):
        asyncio.run(stores()("runs/main/folder").managed_retrieve())


@dataclass(eq=False)
class Job:
    """A job of a DAG that makes objects of a store."""

    store: "Store"
    keys: list[str]
    log: tuple[()] = ()
    benchmark: None = None

    @property
    def output(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(is_storage=True, is_directory=False, storage_object=self.store(key)) for key in self.keys
        ]

    def is_group(self) -> bool:
        return False


def workflow(*jobs: Job) -> SimpleNamespace:
    """A DAG of jobs that are all going to run; they end when they are put into `scheduler._tofinish`."""
    finished: set[Job] = set()
    dag = SimpleNamespace(jobs=dict.fromkeys(jobs), needrun=lambda job: True, finished=finished.__contains__)
    return SimpleNamespace(dag=dag, scheduler=SimpleNamespace(_tofinish=[]), remote_exec=False, finish=finished.add)


def test_what_a_job_is_going_to_make_is_not_remembered(aws: Aws, stores: Stores, bucket: str) -> None:
    """Not from a question about it, nor from one about its neighbour, whose key its own begins with."""
    client, reader = aws.client("s3"), stores()
    call, pack = Job(reader, ["v.vcf", "v.vcf.idx"]), Job(reader, ["v.vcf.gz"])
    flow = reader.provider.workflow = workflow(call, pack)
    for key in ("v.vcf", "v.vcf.idx", "v.vcf.gz"):
        client.put_object(Bucket=bucket, Key=key, Body=b"old")
    assert reader("v.vcf.gz").size() == 3
    for key in ("v.vcf", "v.vcf.idx"):
        client.put_object(Bucket=bucket, Key=key, Body=b"newer")
    flow.scheduler._tofinish.append(call)
    reader.operations()
    assert [reader(key).size() for key in ("v.vcf", "v.vcf.idx", "v.vcf")] == [5, 5, 5]
    assert reader("v.vcf.idx").mtime() > 0
    assert reader.operations() == {"ListObjectsV2": 1}, "what the same job has made comes along"

    flow.finish(call)
    flow.scheduler._tofinish.clear()
    client.put_object(Bucket=bucket, Key="v.vcf.gz", Body=b"newest")
    flow.finish(pack)
    assert [reader(key).size() for key in ("v.vcf", "v.vcf.gz", "v.vcf.gz")] == [5, 6, 6]


def test_before_jobs_run_nothing_is_asked_twice_and_no_dag_is_needed(aws: Aws, stores: Stores, bucket: str) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="x", Body=b"1")
    reader = stores()
    reader.provider.workflow = SimpleNamespace(dag=None, scheduler=None, remote_exec=False)
    reader.operations()
    assert [reader("x").size(), reader("x").size()] == [1, 1]
    assert reader.operations() == {"ListObjectsV2": 1}


def test_a_job_that_takes_the_place_of_another_makes_its_results_anew(aws: Aws, stores: Stores, bucket: str) -> None:
    """As after a checkpoint."""
    client, reader = aws.client("s3"), stores()
    first, second = Job(reader, ["x"]), Job(reader, ["x"])
    flow = reader.provider.workflow = workflow(first)
    client.put_object(Bucket=bucket, Key="x", Body=b"1")
    flow.finish(first)
    assert reader("x").size() == 1
    flow.dag.jobs = {second: None}
    client.put_object(Bucket=bucket, Key="x", Body=b"22")
    assert reader("x").size() == 2
    client.put_object(Bucket=bucket, Key="x", Body=b"333")
    flow.finish(second)
    assert reader("x").size() == 3


def test_what_links_in_a_directory_lead_to_comes_along(stores: Stores, aws: Aws, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b").write_bytes(b"b")
    made = stores()("runs/main/folder")
    made.local_path().mkdir(parents=True)
    (made.local_path() / "a").write_bytes(b"a")
    (made.local_path() / "file").symlink_to("a")
    (made.local_path() / "inside").symlink_to(tmp_path / "elsewhere")
    asyncio.run(made.managed_store())
    keys = [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == [f"runs/main/folder/{name}" for name in ("a", "file", "inside/b")]


@pytest.mark.parametrize("inside", ["/etc/evil", "../../evil", "a/../../evil"])
def test_no_key_leads_out_of_a_directory(aws: Aws, stores: Stores, bucket: str, tmp_path: Path, inside: str) -> None:
    name = f"{tmp_path}/evil" if inside.startswith("/") else inside
    aws.client("s3").put_object(Bucket=bucket, Key=f"runs/main/folder/{name}", Body=b"x")
    with pytest.raises(WorkflowError, match="would not lie in the folder"):
        asyncio.run(stores()("runs/main/folder").managed_retrieve())
    assert list(tmp_path.rglob("evil")) == []


def test_an_empty_directory_exists(stores: Stores) -> None:
    writer = stores()
    made = writer("runs/main/folder")
    made.local_path().mkdir(parents=True)
    asyncio.run(made.managed_store())
    found = stores()("runs/main/folder")
    assert found.is_dir()
    asyncio.run(found.managed_retrieve())
    assert list(found.local_path().iterdir()) == []


def test_a_bucket_is_neither_made_nor_deleted(aws: Aws, stores: Stores, bucket: str) -> None:
    writer = stores()
    writer.store("runs/main/last", b"x").remove()
    assert aws.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0

    writer.bucket = f"{bucket}-none"
    with pytest.raises(WorkflowError, match=f"There is no bucket '{bucket}-none'.*create the bucket first"):
        writer.store("runs/main/x", b"x")
    with pytest.raises(WorkflowError, match="There is no bucket"):
        writer("runs/main/x").exists()
    names = [entry["Name"] for entry in aws.client("s3").list_buckets()["Buckets"]]
    assert bucket in names
    assert f"{bucket}-none" not in names


def test_a_versioned_and_encrypted_bucket(aws: Aws, stores: Stores, bucket: str) -> None:
    client = aws.client("s3")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    writer = stores()
    writer.store("runs/main/x", b"first")
    head = client.head_object(Bucket=bucket, Key="runs/main/x", ChecksumMode="ENABLED")
    assert (head["ServerSideEncryption"], head["ChecksumCRC32"]) == ("aws:kms", "knHuVw==")
    writer.store("runs/main/x", b"second")
    assert stores().retrieve("runs/main/x") == b"second"
    writer("runs/main/x").remove()
    assert not stores()("runs/main/x").exists()
    assert len(client.list_object_versions(Bucket=bucket)["Versions"]) == 2


def test_intermediates_are_tagged(aws: Aws, stores: Stores, bucket: str, small_parts: int) -> None:
    writer = stores(intermediates="runs/*/shards/*, *.unsorted.bam")
    tags = {}
    for key, data in (
        ("runs/main/shards/1/x", b"x"),
        ("runs/main/shards/1/large", b"x" * 2 * small_parts),
        ("runs/main/a.unsorted.bam", b"x"),
        ("runs/main/a.bam", b"x"),
    ):
        writer.store(key, data)
        tags[key] = aws.client("s3").get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    tagged = [{"Key": "terraflow:lifetime", "Value": "intermediate"}]
    assert list(tags.values()) == [tagged, tagged, tagged, []]


def test_an_object_is_touched(aws: Aws, stores: Stores, bucket: str) -> None:
    aws.client("s3").put_object(
        Bucket=bucket, Key="runs/main/x", Body=b"x", ContentType="text/csv", Metadata={"who": "me"}
    )
    writer = stores()
    before = aws.client("s3").head_object(Bucket=bucket, Key="runs/main/x")
    asyncio.run(writer("runs/main/x").managed_touch())
    after = aws.client("s3").head_object(Bucket=bucket, Key="runs/main/x")
    assert writer.operations()["CopyObject"] == 1
    assert after["LastModified"] >= before["LastModified"]
    assert [after[name] for name in ("ContentType", "Metadata")] == ["text/csv", {"who": "me"}]
    assert writer.retrieve("runs/main/x") == b"x"


def test_wildcards_are_found_in_storage(stores: Stores, bucket: str) -> None:
    writer = stores()
    for key in ("raw/A B_R1.fq", "raw/ü_R1.fq", "raw/ü_R2.fq", "raw/x/C_R1.fq", "raw/readme", "rawer/D_R1.fq"):
        writer.store(key, b"x")
    found = stores()("raw/{sample}_R1.fq")
    assert sorted(glob_wildcards(flag_with_storage_object(found.query, found)).sample) == ["A B", "x/C", "ü"]
    assert sorted(found.list_candidate_matches())[0] == f"s3://{bucket}/raw/A B_R1.fq"
    anywhere = stores()
    anywhere.bucket = "{bucket}"
    with pytest.raises(WorkflowError, match="write the name of the bucket out"):
        anywhere("raw/{sample}.fq").list_candidate_matches()


def test_missing_is_asked_again_and_existing_is_not(stores: Stores) -> None:
    head, worker = stores(), stores()
    result = head("runs/main/result")
    assert not result.exists()
    worker.store("runs/main/result", b"12345")
    head.operations()
    for _ in range(10):
        assert result.exists()
        assert result.size() == 5
        assert result.mtime() > 0
    assert head.operations() == {"ListObjectsV2": 1}


class Cache:
    """Snakemake's own, as far as plugins use it: a head's while it plans, or a worker's, which wants no listings."""

    def __init__(self, *, worker: bool = False) -> None:
        self.active = True
        self.max_wait_time = 0 if worker else 20
        self.mtime: dict[str, Any] = {}
        self.size: dict[str, int] = {}
        self.exists_in_storage = Known()


class Known(dict[str, bool]):
    """What exists, and which folders are known whole."""

    has_inventory: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.has_inventory = set()


@pytest.mark.parametrize("key", ["raw/S{}/L1/R1.fq", "S{}/L1/R1.fq", "S{}_R1.fq"])
def test_samples_with_a_folder_each_cost_no_request_each(aws: Aws, stores: Stores, bucket: str, key: str) -> None:
    keys = [key.format(n) for n in range(40)]
    for name in [*keys, "runs/main/x"]:
        aws.client("s3").put_object(Bucket=bucket, Key=name, Body=b"123")
    planner, cache = stores(), Cache()
    planner.operations()
    for name in ["runs/main/x", *keys]:
        asyncio.run(planner(name).inventory(cache))
        assert planner(name).exists()
        assert planner(name).size() == 3
        assert not planner(f"{name}.none").exists()
    asked = planner.operations()
    assert set(asked) == {"ListObjectsV2"}
    assert asked.total() <= 10


@pytest.mark.parametrize("worker", [False, True])
def test_many_objects_that_may_not_be_listed(aws: Aws, stores: Stores, bucket: str, worker: bool) -> None:
    stores().store("runs/main/x", b"x")
    aws.fault(call="error", status=403, code="AccessDenied", operation="ListObjectsV2", key="raw/*", times=100)
    aws.fault(call="error", status=403, code="AccessDenied", operation="ListObjectsV2", key="", times=100)
    keys = [f"raw/{n}/{m}" for n in range(8) for m in range(8)]
    for key in keys:
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"123")
    reader, cache = stores(), Cache(worker=worker)
    for key in [*keys, "runs/main/x"]:
        asyncio.run(reader(key).inventory(cache))
    for key in keys:
        assert reader(key).size() == 3
    reader.operations()
    assert reader("runs/main/x").exists()
    assert "HeadObject" not in reader.operations()


def test_objects_that_may_be_read_but_not_listed(aws: Aws, stores: Stores, bucket: str) -> None:
    stores().store("raw/x", b"123")
    aws.fault(call="error", status=403, code="AccessDenied", operation="ListObjectsV2", key="raw/*", times=1)
    reader = stores()
    assert reader("raw/x").size() == 3
    assert not reader("raw/y").exists()
    assert reader.operations()["HeadObject"] == 2
    assert reader.retrieve("raw/x") == b"123"


def test_refused_access_is_told_with_what_is_needed(aws: Aws, stores: Stores, bucket: str) -> None:
    writer = stores()
    aws.fault(call="error", status=403, code="AccessDenied", operation="PutObject", key=f"runs/{bucket}/x")
    with pytest.raises(WorkflowError, match=r"S3 refuses access to s3://.*s3:PutObject"):
        writer.store(f"runs/{bucket}/x", b"x")
