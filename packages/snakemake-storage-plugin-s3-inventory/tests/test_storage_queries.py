"""Queries become buckets and keys, and wrong ones are refused with a reason."""

import pytest

from snakemake_storage_plugin_s3_inventory import StorageProvider
from snakemake_storage_plugin_s3_inventory.location import Location, locate, problem


@pytest.mark.parametrize(
    ("query", "bucket", "key"),
    [
        ("s3://lab/a.txt", "lab", "a.txt"),
        ("s3://lab/raw/lane 1/R1 (copy).fq.gz", "lab", "raw/lane 1/R1 (copy).fq.gz"),
        ("s3://lab/raw/a%20b+c&d=e;f#g?h", "lab", "raw/a%20b+c&d=e;f#g?h"),
        ("s3://lab/Größe/試料.fq", "lab", "Größe/試料.fq"),
        ("s3://lab/results//x/./y/", "lab", "results/x/y"),
        ("s3://lab/results/a./b", "lab", "results/a./b"),
        ("s3://lab/{sample,[^./]+}.bam", "lab", "{sample,[^./]+}.bam"),
        ("s3://{bucket}/x", "{bucket}", "x"),
    ],
)
def test_everything_after_the_bucket_is_the_key(query: str, bucket: str, key: str) -> None:
    assert problem(query) is None
    assert locate(query) == (bucket, key)
    assert StorageProvider.is_valid_query(query)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("lab/a.txt", "must start with s3://"),
        ("https://lab/a.txt", "must start with s3://"),
        ("s3://lab", "no key after the bucket"),
        ("s3://lab/", "no key after the bucket"),
        ("s3:///a.txt", "cannot be the name of a bucket"),
        ("s3://la b/a.txt", "'la b' cannot be the name of a bucket"),
        ("s3://lab/a/../b", "'..'"),
        ("s3://lab/" + "ü" * 600, "1200 bytes"),
    ],
)
def test_wrong_queries_are_refused_with_a_reason(query: str, reason: str) -> None:
    verdict = StorageProvider.is_valid_query(query)
    assert not verdict
    assert reason in str(verdict)


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        ("a.txt", None),
        ("raw/a.txt", "raw/"),
        ("runs/main/a.txt", "runs/main/"),
        ("runs/main/results/x/a.txt", "runs/main/"),
    ],
)
def test_a_run_is_listed_whole_and_other_runs_are_not(key: str, prefix: str | None) -> None:
    assert Location("lab", key).listed == prefix
