"""A bucket for the record of a run, a plan of jobs, and what lies in S3 afterwards."""

from typing import Any

from fake_head import ended
from fake_jobs import FakeJob
from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.live import Live
from snakemake_aws_common.record.store import read_attempts, read_live
from snakemake_executor_plugin_aws_batch_fargate import Executor

BUCKET, PREFIX = "data", "runs/main"


def record(s3: Any) -> list[Attempt]:
    return read_attempts(s3, BUCKET, PREFIX)


def live(s3: Any) -> Live:
    found = read_live(s3, BUCKET, PREFIX)
    assert found is not None
    return found


def listed(s3: Any) -> int:
    """How many jobs `live.json` has; none if nobody has written it yet."""
    found = read_live(s3, BUCKET, PREFIX)
    return len(found.jobs) if found else 0


def planned(one: Executor, *jobs: FakeJob) -> None:
    """The DAG has these jobs; those that end well are finished, those that fail have failed for good."""
    scheduler, dag = one.workflow.scheduler, one.workflow.dag
    scheduler.failed = set()

    def fail(job: FakeJob) -> None:
        scheduler.failed.add(job)
        ended(one).append((job, False))

    scheduler.error_callback = fail
    dag.needrun_jobs = lambda exclude_finished=True: list(jobs)
    dag.finished = lambda job: any(well and job in getattr(done, "jobs", [done]) for done, well in ended(one))
