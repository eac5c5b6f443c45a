"""Answers about objects are those of S3 at that time, and cost few requests."""

import asyncio
from types import SimpleNamespace

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from storage_lab import Cache, Job, Stores, workflow
from strict_aws import Aws


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


def test_what_a_job_is_going_to_make_is_not_remembered(aws: Aws, stores: Stores, bucket: str) -> None:
    """Not from a question about it, nor from one about its neighbour, whose key its own begins with."""
    client, reader = aws.client("s3"), stores()
    call, pack = Job(reader, ["v.vcf", "v.vcf.idx"]), Job(reader, ["v.vcf.gz"])
    flow = reader.provider.session.state.workflow = workflow(call, pack)
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
    reader.provider.session.state.workflow = SimpleNamespace(dag=None, scheduler=None, remote_exec=False)
    reader.operations()
    assert [reader("x").size(), reader("x").size()] == [1, 1]
    assert reader.operations() == {"ListObjectsV2": 1}


def test_a_job_that_takes_the_place_of_another_makes_its_results_anew(aws: Aws, stores: Stores, bucket: str) -> None:
    """As after a checkpoint."""
    client, reader = aws.client("s3"), stores()
    first, second = Job(reader, ["x"]), Job(reader, ["x"])
    flow = reader.provider.session.state.workflow = workflow(first)
    client.put_object(Bucket=bucket, Key="x", Body=b"1")
    flow.finish(first)
    assert reader("x").size() == 1
    flow.dag.jobs = {second: None}
    client.put_object(Bucket=bucket, Key="x", Body=b"22")
    assert reader("x").size() == 2
    client.put_object(Bucket=bucket, Key="x", Body=b"333")
    flow.finish(second)
    assert reader("x").size() == 3


def test_an_object_that_was_deleted_meanwhile_is_not_remembered(aws: Aws, stores: Stores, bucket: str) -> None:
    stores().store("raw/x", b"x")
    reader = stores()
    assert reader("raw/x").exists()
    aws.client("s3").delete_object(Bucket=bucket, Key="raw/x")
    with pytest.raises(WorkflowError, match="raw/x does not exist"):
        reader.retrieve("raw/x")
    assert not reader("raw/x").exists()


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
