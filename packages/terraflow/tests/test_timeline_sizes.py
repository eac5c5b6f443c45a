"""What rules asked for beside what they used, and what to ask for instead."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from snakemake_aws_common.record.attempt import Attempt
from terraflow.timeline import sizes
from timeline_records import ALONE, GIB, LANE, LOST, RECORD, step

MIB = 2**20


def of(attempt: Attempt, **measured: Any) -> sizes.Size:
    """The size of one attempt with one step, with some of its measurements replaced."""
    (found,) = sizes.sizes([replace(attempt, steps=(step("rule", 235_000, 50_000, **measured),))])
    return found


def test_rules_of_a_group_are_measured_by_themselves() -> None:
    found = {one.rule: one for one in sizes.sizes(RECORD)}
    # The lost attempt of the group says nothing of its rules, but what it asked for.
    assert sorted(found) == ["bcftools_call", "bwa_mem", "decompress", "lane", "multiqc"]
    assert (found["bwa_mem"].used_cpus, found["bwa_mem"].used_memory, found["bwa_mem"].used_disk) == (
        2,
        GIB,
        11 * 10**8,
    )
    assert (found["bwa_mem"].cpus, found["bwa_mem"].memory, found["bwa_mem"].grouped) == (4, 8 * GIB, True)
    assert found["lane"].used_cpus is None


@pytest.mark.parametrize(
    ("asked", "used", "mem_mb"),
    [
        pytest.param(8 * GIB, GIB, 1280, id="far too much"),
        pytest.param(8 * GIB, 6 * GIB, None, id="as much as it takes"),
        pytest.param(8 * GIB, 7.9 * GIB, 10240, id="nearly full"),
        pytest.param(2 * GIB, 0.2 * GIB, None, id="Fargate's least for its vCPUs"),
        pytest.param(8 * GIB, None, None, id="not measured"),
    ],
)
def test_memory(asked: float, used: float | None, mem_mb: int | None) -> None:
    peak = None if used is None else round(used)
    assert of(replace(ALONE, memory=round(asked), cpus=1), peak_rss=peak).mem_mb == mem_mb


def test_memory_that_was_too_little_is_doubled_whatever_was_measured() -> None:
    found = {one.rule: one for one in sizes.sizes(RECORD)}["bcftools_call"]
    assert (found.out_of_memory, found.mem_mb) == (1, 8192)


def test_a_group_that_was_out_of_memory_blames_the_rule_that_was_ended() -> None:
    steps = (
        step("decompress", 124_000, 10_000, peak_rss=3 * GIB),
        step("fastqc", 124_000, 10_000, peak_rss=3 * GIB, exit=None),
        step("bwa_mem", 138_000, 45_000, peak_rss=6 * GIB, exit=137),
    )
    full = replace(LANE, cpus=1, status="FAILED", exit=137, reason="OutOfMemoryError: container killed", steps=steps)
    found = sizes.sizes([full, replace(full, steps=())])
    assert {one.rule: (one.out_of_memory, one.mem_mb) for one in found} == {
        "bwa_mem": (1, 16_384),
        "decompress": (0, 3840),
        "fastqc": (0, 3840),
        # Nobody has measured which of its rules it was.
        "lane": (0, None),
    }
    assert list(yaml.safe_load(sizes.snippet(found))["set-resources"]) == ["bwa_mem", "decompress", "fastqc"]


@pytest.mark.parametrize(
    ("attempt", "busy", "threads"),
    [
        pytest.param(replace(ALONE, cpus=4), 0.9, 1, id="one of four"),
        pytest.param(replace(ALONE, cpus=4), 2.04, 2, id="two of four"),
        pytest.param(replace(ALONE, cpus=4), 3.2, None, id="as many as it has"),
        pytest.param(ALONE, 0.1, None, id="never less than one"),
        pytest.param(LANE, 0.9, None, id="a group's are shared"),
    ],
)
def test_threads(attempt: Attempt, busy: float, threads: int | None) -> None:
    assert of(attempt, cpu_time=round(50_000 * busy)).threads == threads


@pytest.mark.parametrize(
    ("asked", "used", "disk_mb"),
    [
        pytest.param(20, 1, None, id="what every task has"),
        pytest.param(100, 1, 3000, id="far too much"),
        pytest.param(100, 45, None, id="as much as it takes"),
        pytest.param(100, 80, 164_000, id="not enough for temporary files"),
    ],
)
def test_disk(asked: int, used: int, disk_mb: int | None) -> None:
    assert of(replace(ALONE, disk=asked * GIB), fetch_bytes=used * GIB, store_bytes=0).disk_mb == disk_mb


def test_the_snippet_is_a_part_of_a_profile() -> None:
    found = sizes.sizes([replace(ALONE, cpus=4, disk=50 * GIB), *RECORD])
    assert yaml.safe_load(sizes.snippet(found)) == {
        "set-threads": {"multiqc": 1},
        "set-resources": {
            "bcftools_call": {"mem_mb": "8192 * attempt"},
            "multiqc": {"mem_mb": "1280 * attempt", "disk_mb": "3000 * attempt"},
        },
    }


def test_without_suggestions_there_is_no_snippet() -> None:
    assert sizes.snippet(sizes.sizes([LOST])) == ""
