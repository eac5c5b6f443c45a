"""Objects of all kinds: any key, empty, versioned, encrypted, tagged; touched, found by wildcards, deleted."""

import asyncio
import copy
from typing import Any

import pytest
from snakemake.io import glob_wildcards
from snakemake.storage import flag_with_storage_object
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_s3_inventory.location import locate, problem
from snakemake_storage_plugin_s3_inventory.session import Session
from storage_lab import Stores
from strict_aws import Aws

KEYS = [
    "a.txt",
    "runs/main/two words.txt",
    "runs/main/größe/試料 ✓.fq.gz",
    "runs/main/a+b%20c#d?e=f&g;h,i@j!k'l(m)~n$o[p].txt",
    "runs/main/.hidden",
]


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


def test_a_query_is_taken_apart_once_for_all_objects_that_have_it(stores: Stores) -> None:
    store = stores()
    first = store("runs/main/a").local_path()
    asked = (locate.cache_info().misses, problem.cache_info().misses)
    objects = [store("runs/main/a") for _ in range(5)]
    assert all(one.is_valid_query() and one.local_path() is first for one in objects)
    assert (locate.cache_info().misses, problem.cache_info().misses) == (asked[0], asked[1] + 1)


def test_a_copy_with_another_query_is_another_object(stores: Stores) -> None:
    made = stores()("runs/main/a")
    other = copy.copy(made)
    other.query = made.query.replace("/a", "/b")
    assert (other.location.key, other.key, other.local_path().name) == ("runs/main/b", "runs/main/b", "b")
    assert (made.location.key, made.local_path().name) == ("runs/main/a", "a")


def test_a_question_about_a_size_waits_for_s3_in_one_place(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    stores().store("runs/main/a", b"text")
    reader = stores()
    calls = 0
    patient = Session.with_patience

    def counted(session: Session, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        return patient(session, *given)

    monkeypatch.setattr(Session, "with_patience", counted)
    assert (reader("runs/main/a").size(), calls) == (4, 1)
    assert (reader("runs/main/a").size(), calls) == (4, 2)


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
    writer = stores(intermediates="runs/*/shards/*, *.unsorted.bam", intermediates_tag="lab:lifetime=short")
    tags = {}
    for key, data in (
        ("runs/main/shards/1/x", b"x"),
        ("runs/main/shards/1/large", b"x" * 2 * small_parts),
        ("runs/main/a.unsorted.bam", b"x"),
        ("runs/main/a.bam", b"x"),
    ):
        writer.store(key, data)
        tags[key] = aws.client("s3").get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    tagged = [{"Key": "lab:lifetime", "Value": "short"}]
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
