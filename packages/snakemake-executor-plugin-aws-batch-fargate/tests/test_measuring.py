"""A worker's measurements: bytes and seconds count once, for the first rule that reads a file and for its maker."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.executors import local

from fake_jobs import FakeJob
from snakemake_aws_common import transfers
from snakemake_aws_common.transfers import FETCHED, STORED, Transfer
from snakemake_executor_plugin_aws_batch_fargate import usage
from snakemake_executor_plugin_aws_batch_fargate.measuring import Measuring

BATCH = {"AWS_BATCH_JOB_ID": "j-1", "AWS_BATCH_JOB_ATTEMPT": "2"}


class Rule(FakeJob):
    """A job of one rule as a worker has it."""

    benchmark = None

    def __init__(self, name: str, reads: list[str], makes: list[str], fails: bool = False) -> None:
        super().__init__(name, input=reads, output=makes, log=[f"{name}.log"])
        self.fails = fails


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Measuring:
    def run(_: Any, job: Rule) -> None:
        time.sleep(0.01)
        if job.fails:
            raise RuntimeError

    monkeypatch.setattr(local.Executor, "cached_or_run", run)
    monkeypatch.setattr(transfers, "_observers", [])
    monkeypatch.setattr(usage, "begin", lambda: None)
    made = Measuring(BATCH)
    made.begin()
    return made


def do(*rules: Rule, workflow: Any = None) -> None:
    for rule in rules:
        local.Executor.cached_or_run(SimpleNamespace(workflow=workflow), rule)


def tell(kind: str, query: str, size: int, start: float, end: float) -> None:
    for observer in transfers._observers:
        observer(Transfer(kind, query, size, start, end))


def test_each_file_counts_once_and_seconds_overlap(measuring: Measuring) -> None:
    tell(FETCHED, "reads", 100, 1, 3)
    tell(FETCHED, "reference", 50, 2, 4)
    do(Rule("map", ["reads", "reference"], ["bam"]), Rule("count", ["bam", "reference"], ["counts"]))
    for query, size, start, end in (
        ("bam", 70, 5, 6),
        ("counts", 3, 5, 5.5),
        ("map.log", 1, 7, 7.25),
        ("other", 9, 8, 9),
    ):
        tell(STORED, query, size, start, end)
    found = [
        (one.process, one.fetch_bytes, one.fetch_time, one.store_bytes, one.store_time) for one in measuring.steps()
    ]
    assert found == [("map", 150, 3000, 71, 1250), ("count", 0, 0, 3, 500)]


def test_what_arrives_while_an_earlier_rule_runs_counts_for_the_one_that_reads_it(measuring: Measuring) -> None:
    tell(FETCHED, "reads", 100, 1, 3)
    do(Rule("check", ["reads"], ["checked"]))
    tell(FETCHED, "index.1", 50, 3, 8)
    tell(FETCHED, "index.2", 70, 8, 10)
    do(Rule("align", ["checked", "index.1", "index.2"], ["bam"]), Rule("again", ["index.1", "index.2"], ["more"]))
    found = [(one.process, one.fetch_bytes, one.fetch_time) for one in measuring.steps()]
    assert found == [("check", 100, 2000), ("align", 120, 7000), ("again", 0, 0)]


def test_a_storage_that_says_nothing_leaves_it_unknown(measuring: Measuring) -> None:
    do(Rule("map", ["reads"], ["bam"]))
    (step,) = measuring.steps()
    assert (step.fetch_bytes, step.fetch_time, step.store_bytes, step.store_time) == (None,) * 4
    assert step.cpu_time is None and step.peak_rss is None
    assert step.realtime is not None and step.realtime >= 10


def test_a_rule_that_fails_has_its_step(measuring: Measuring) -> None:
    with pytest.raises(RuntimeError):
        do(Rule("map", [], ["bam"]), Rule("count", [], ["counts"], fails=True))
    assert [(one.process, one.exit) for one in measuring.steps()] == [("map", 0), ("count", 1)]


def test_a_storage_that_fails_fails_no_job(measuring: Measuring) -> None:
    asked: list[str] = []

    def refuse(query: str) -> None:
        asked.append(query)
        raise OSError

    do(Rule("map", [], ["bam"]), workflow=SimpleNamespace(
        storage_settings=SimpleNamespace(default_storage_prefix="s3://data/runs/main"),
        storage_registry=SimpleNamespace(default_storage_provider=SimpleNamespace(object=refuse)),
    ))  # fmt: skip
    measuring.store()
    assert asked == ["s3://data/runs/main/head/measured/j-1-2.json"]
