"""What the run does now: its jobs by rule, those in Batch, and what has failed, as `live.json` has it."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from snakemake_aws_common import process
from snakemake_aws_common.record.live import DONE, FAILED, RUNNING, Failure, Live, LiveJob, RuleCount

from . import attempts, names
from .request import submission_of
from .untyped import Job, Workflow

# Statuses in which a job has a machine.
ON_A_MACHINE = ("STARTING", "RUNNING")
# Failures that are kept, the latest, and characters of each.
FAILURES, LONGEST = 50, 8000


class Progress:
    """Looks at Snakemake's DAG and at the jobs in Batch. Safe to use from several threads."""

    def __init__(
        self,
        workflow: Workflow,
        run: str,
        head: str,
        is_spot: Mapping[str, bool],
        started: int,
    ) -> None:
        """Prepare the progress of a head that began at `started`, in milliseconds since 1970."""
        self._workflow, self._is_spot, self.head = workflow, is_spot, head
        self._begin = Live(run, head, process.user(), RUNNING, started, started)
        # By the names of jobs, so that another attempt that ends well takes a failure away.
        self._failures: dict[str, Failure] = {}

    def fail(self, job: Job, native_id: str, text: str) -> None:
        """Note that a job has failed, and why; `text` has no secrets in it."""
        key = names.describe(job)
        self._failures.pop(key, None)
        self._failures[key] = Failure(native_id, names.rule_of(job), names.wildcards_of(job), text[:LONGEST])
        while len(self._failures) > FAILURES:
            self._failures.pop(next(iter(self._failures)))

    def succeed(self, job: Job) -> None:
        """Note that a job has ended well."""
        self._failures.pop(names.describe(job), None)

    def state_at_the_end(self) -> str:
        """Return whether all that was to be done is done."""
        dag = self._workflow.dag
        is_done = all(map(dag.finished, list(dag.needrun_jobs(exclude_finished=False))))
        return DONE if is_done and not getattr(self._workflow.scheduler, "failed", None) else FAILED

    def now(
        self,
        in_batch: Iterable[SubmittedJobInfo],
        left: Iterable[LiveJob] = (),
        **more: Any,  # noqa: ANN401
    ) -> Live:
        """Return what the run does now, with these jobs in Batch; `more` are the fields that are not seen here.

        `left` are jobs of earlier heads: those that this one waits for are among `in_batch`, too.
        """
        jobs = [_live(info, self._is_spot) for info in in_batch]
        known = {job.native_id for job in jobs}
        running = {step for job in jobs if job.status in ON_A_MACHINE for step in map(_key, job.steps)}
        given = {
            "updated": int(time.time() * 1000),
            "rules": self._rules(running),
            "jobs": (*jobs, *(job for job in left if job.native_id not in known)),
            "failures": tuple(self._failures.values()),
        }
        fields = {name: getattr(self._begin, name) for name in Live.__dataclass_fields__}
        return Live(**(fields | given | more))

    def _rules(self, running: set[tuple[str, str]]) -> dict[str, RuleCount]:
        """Count the jobs that this head has or had to do, by rule; `running` are those on a machine of Batch."""
        dag, scheduler = self._workflow.dag, self._workflow.scheduler
        failed = {one for job in list(getattr(scheduler, "failed", ())) for one in names.members(job)}
        here = {job for job in list(getattr(scheduler, "running", ())) if not job.is_group() and job.is_local}
        counts: dict[str, Counter[str]] = {}
        for job in list(dag.needrun_jobs(exclude_finished=False)):
            count = counts.setdefault(job.rule.name, Counter())
            count["total"] += 1
            if dag.finished(job):
                count["done"] += 1
            elif job in failed:
                count["failed"] += 1
            elif job in here or (job.rule.name, _tag(job.wildcards_dict)) in running:
                count["running"] += 1
            else:
                count["waiting"] += 1
        return {rule: RuleCount(**count) for rule, count in sorted(counts.items())}


def _live(info: SubmittedJobInfo, is_spot: Mapping[str, bool]) -> LiveJob:
    submission = submission_of(info)
    of = attempts.known(info.job, submission)
    status = submission.status or "SUBMITTED"
    return LiveJob(
        native_id=str(info.external_jobid),
        process=of.process,
        wildcards=of.wildcards,
        is_group=of.is_group,
        status=status,
        since=max((at for (_, seen), at in of.seen.items() if seen == status), default=of.submit),
        reason=submission.reason,
        queue=of.queue,
        spot=is_spot.get(of.queue, False),
        cpus=of.cpus,
        memory=of.memory,
        disk=of.disk,
        submit=of.submit,
        steps=tuple(of.steps),
    )


def _key(step: tuple[str, Mapping[str, str]]) -> tuple[str, str]:
    return step[0], _tag(step[1])


def _tag(wildcards: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(wildcards.items()))
