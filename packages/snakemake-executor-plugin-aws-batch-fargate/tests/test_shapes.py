"""Fargate's shapes: the table is AWS's, and a job gets the smallest that holds it.

The table in `shapes.py` is compared with the one in botocore's documentation of AWS Batch.
"""

import re
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake_interface_common.exceptions import WorkflowError

from fake_jobs import FakeGroup, FakeJob
from snakemake_executor_plugin_aws_batch_fargate.resources import shape_of
from snakemake_executor_plugin_aws_batch_fargate.shapes import IMAGE_GIB, MEMORY_MIB, Least, Shape, ShapeError, fit

DISKS = (20, 50, 100, 200)
ALL = [(vcpus, memory) for vcpus, memories in MEMORY_MIB.items() for memory in memories]


def documented() -> dict[float, tuple[int, ...]]:
    model = botocore.session.get_session().get_service_model("batch")
    text = model.shape_for("ResourceRequirement").members["value"].documentation
    plain = " ".join(re.sub(r"<[^>]+>", " ", text[text.index('type="VCPU"') :]).split())
    rows = re.findall(r"value = ([\d.]+) MEMORY = ([\d, or]+)", plain)
    return {float(vcpus): tuple(map(int, re.findall(r"\d+", memories))) for vcpus, memories in rows}


def test_the_table_is_that_of_aws() -> None:
    assert documented() == MEMORY_MIB
    assert len(ALL) == 3 + 4 + 7 + 13 + 23 + 12 + 12 + 3


@given(
    st.floats(min_value=0.01, max_value=32),
    st.integers(min_value=1, max_value=249856),
    st.floats(min_value=0, max_value=200 - IMAGE_GIB),
)
def test_the_smallest_shape_that_holds_it(vcpus: float, memory: int, disk: float) -> None:
    shape = fit(vcpus, memory, disk, DISKS)
    assert shape.memory_mib in MEMORY_MIB[shape.vcpus]
    assert shape.vcpus >= vcpus and shape.memory_mib >= memory and shape.disk_gib >= disk + IMAGE_GIB
    # No other shape that holds it has fewer vCPUs (a GB of memory costs a ninth of one), or as many and less memory.
    for other in ((v, m) for v, m in ALL if v >= vcpus and m >= memory):
        assert other >= (shape.vcpus, shape.memory_mib)
    assert all(size >= shape.disk_gib for size in DISKS if size >= disk + IMAGE_GIB)


@pytest.mark.parametrize(("vcpus", "memory"), ALL)
def test_a_legal_shape_is_kept(vcpus: float, memory: int) -> None:
    wanted = fit(vcpus, memory, 0, DISKS)
    assert wanted.vcpus == vcpus and wanted.memory_mib == memory


@pytest.mark.parametrize(
    ("asked", "given_"),
    [
        ((1, 1000, 1), Shape(1, 2048, 20)),
        ((3, 1000, 1), Shape(4, 8192, 20)),
        ((1, 8193, 1), Shape(2, 9216, 20)),
        ((8, 60000, 1), Shape(8, 61440, 20)),
        ((4, 30721, 1), Shape(8, 32768, 20)),
        ((17, 1000, 1), Shape(32, 61440, 20)),
        ((0.1, 100, 1), Shape(0.25, 512, 20)),
        ((0.25, 2049, 1), Shape(0.5, 3072, 20)),
        ((1, 2048, 19), Shape(1, 2048, 20)),
        ((1, 2048, 19.1), Shape(1, 2048, 50)),
        ((32, 249856, 199), Shape(32, 249856, 200)),
    ],
)
def test_examples(asked: tuple[float, int, float], given_: Shape) -> None:
    assert fit(*asked, DISKS) == given_


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((33, 1000, 1), ["33 vCPUs", "at most 32"]),
        ((1, 249857, 1), ["249857 MiB", "at most 249856 MiB"]),
        ((1, 1000, 199.5), ["200 GiB of disk", "20, 50, 100, 200 GiB"]),
    ],
)
def test_what_fits_nothing_is_refused(asked: tuple[float, int, float], words: list[str]) -> None:
    with pytest.raises(ShapeError) as error:
        fit(*asked, DISKS)
    assert all(word in str(error.value) for word in words)


def test_requirements_are_written_as_batch_wants_them() -> None:
    assert Shape(0.25, 512, 20).requirements == [
        {"type": "VCPU", "value": "0.25"},
        {"type": "MEMORY", "value": "512"},
    ]
    assert Shape(16, 32768, 20).requirements[0]["value"] == "16"


@pytest.mark.parametrize(
    ("threads", "resources", "shape"),
    [
        (1, {"mem_mb": 500, "disk_mb": 500}, Shape(1, 2048, 20)),
        (1, {"mem_mb": 500, "disk_mb": 500, "batch_cpu_units": 256}, Shape(0.25, 512, 20)),
        (2, {"mem_mb": 500, "batch_cpu_units": 300}, Shape(0.5, 1024, 20)),
        (8, {"mem_mb": 20000, "disk_mb": 19457}, Shape(8, 20480, 50)),
        (1, {}, Shape(1, 2048, 20)),
    ],
)
def test_shape_of_a_job(threads: int, resources: dict[str, Any], shape: Shape) -> None:
    assert shape_of(FakeJob(threads=threads, resources=resources), DISKS) == shape


class Stored(str):
    """A file in a storage, with its size in MiB."""

    is_storage = True
    storage_object: SimpleNamespace

    def __new__(cls, query: str, size: float) -> "Stored":
        made = super().__new__(cls, query)
        made.storage_object = SimpleNamespace(query=query, size=lambda: int(size * 2**20))
        return made


def test_threads_and_memory_of_a_group_are_what_snakemake_sums() -> None:
    group = FakeGroup(threads=6, resources={"mem_mb": 17000, "disk_mb": 60000}, jobs=[FakeJob(), FakeJob()])
    assert shape_of(group, DISKS) == Shape(8, 20480, 20)


@pytest.mark.parametrize(("windows", "disk"), [(1, 50), (4, 50), (9, 50), (11, 100)], ids=lambda value: str(value))
def test_what_jobs_of_a_group_share_lies_on_its_disk_once(windows: int, disk: int) -> None:
    genome = Stored("genome", 30 * 1024)
    calls = [FakeJob(output=[f"{n}"], input=[genome], resources={"disk_mb": 32 * 1024}) for n in range(windows)]
    assert shape_of(FakeGroup(jobs=calls), DISKS).disk_gib == disk


def test_all_that_jobs_of_a_group_write_stays_on_its_disk() -> None:
    reads, shard = Stored("reads", 10 * 1024), "shard"
    decompress = FakeJob(input=[reads], output=[shard], resources={"disk_mb": 40 * 1024})
    align = FakeJob(input=[Stored(shard, 10)], output=["bam"], resources={"disk_mb": 20 * 1024})
    assert shape_of(FakeGroup(jobs=[decompress, align]), DISKS).disk_gib == 100


def test_a_definition_of_its_own_has_its_own_disk() -> None:
    job = FakeJob(resources={"disk_mb": 30000, "batch_job_definition": "report"})
    with pytest.raises(WorkflowError, match=r"30 GiB of disk were asked for.*have 20 GiB"):
        shape_of(job, [20])


def test_a_retry_for_memory_does_not_fail_for_want_of_a_larger_disk() -> None:
    job = FakeJob(resources={"mem_mb": 8000, "disk_mb": 290 * 1024}, attempt=2)
    assert shape_of(job, DISKS) == Shape(1, 8192, 200)
    with pytest.raises(WorkflowError, match="250 GiB of disk were asked for"):
        shape_of(job, DISKS, Least(disk_gib=250))
    job.attempt = 1
    with pytest.raises(WorkflowError, match="290 GiB of disk were asked for"):
        shape_of(job, DISKS)


def test_the_user_reads_rule_figures_and_limit() -> None:
    job = FakeJob(threads=4, resources={"mem_mb": 300000, "disk_mb": 1024}, attempt=3)
    with pytest.raises(WorkflowError) as error:
        shape_of(job, DISKS)
    text = str(error.value)
    for word in ("Rule bwa_mem (sample=A, unit=1)", "4 vCPU", "300000 MiB", "1.0 GiB", "249856", "attempt 3", "mem_mb"):
        assert word in text


@pytest.mark.parametrize("wrong", [float("inf"), float("nan"), "much"])
def test_a_resource_that_is_no_number_is_named(wrong: object) -> None:
    with pytest.raises(WorkflowError, match=rf"Rule bwa_mem .*mem_mb={wrong!r}, which is not a number"):
        shape_of(FakeJob(resources={"mem_mb": wrong}), DISKS)
