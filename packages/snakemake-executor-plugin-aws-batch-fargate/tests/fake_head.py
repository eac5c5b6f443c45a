"""A head without Snakemake: its settings, its log, and what became of its jobs."""

import time
from collections.abc import Callable
from typing import Any

from fake_batch import FakeAws
from fake_jobs import FakeJob
from snakemake_executor_plugin_aws_batch_fargate import Executor, logs
from snakemake_executor_plugin_aws_batch_fargate.session import Session

SETTINGS: dict[str, Any] = {
    "region": "us-east-1",
    "queue": "spot",
    "ondemand_queue": "ondemand",
    "job_definitions": "20=worker-20gib 50=worker-50gib",
    "tags": "project='heart and lung'",
    "tag_wildcards": "sample",
    "poll_seconds": 0.1,
}


TAIL = logs.tail


class Log:
    """Messages that were logged, by level."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Callable[[str], None]:
        return lambda line: self.lines.append(f"{level}: {line}")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


Make = Callable[..., Executor]


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def leave(one: Executor) -> None:
    """End a head's threads, which would work on in the tests that follow; its jobs run on."""
    one.wait = False
    if one._session is None:
        return
    one._session.close()
    recorder = one._session.journal._recorder
    if recorder is not None:
        recorder.finish(within=5)
    one.wait_thread.join(5)


def ended(one: Executor) -> list[tuple[Any, bool]]:
    found: list[tuple[Any, bool]] = one.workflow.scheduler.ended
    return found


def session_of(one: Executor) -> Session:
    assert one._session is not None
    return one._session


def jobs(number: int) -> list[FakeJob]:
    return [FakeJob(wildcards_dict={"sample": f"s{n}"}, output=[f"results/s{n}.bam"]) for n in range(number)]


def last_order(aws: FakeAws) -> float:
    """When AWS Batch was told last to end jobs."""
    return max(at for at, operation, _ in aws.batch.calls if operation == "terminatejobs")


def lose_answers(aws: FakeAws, number: int) -> None:
    """The first submissions make jobs, and their answers get lost."""

    def fault(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        if operation == "submitjob" and aws.batch.count("submitjob") <= number:
            aws.batch.answer("submitjob", body)
            return 500, "ServerException"
        return None

    aws.batch.fault = fault
