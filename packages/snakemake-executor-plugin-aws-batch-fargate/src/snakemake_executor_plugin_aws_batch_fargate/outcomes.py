"""Outcomes of ended jobs: done, failed, or moved to the on-demand queue."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from . import failures, logs, messages, rule_logs
from .request import Submission, submission_of
from .session import Session
from .status import Failed
from .untyped import Reports

# Jobs whose logs are read at a time.
READERS = 8


@dataclass(frozen=True)
class Evidence:
    """A failed job's messages: the end of its log stream, and of its rules' log files."""

    log: logs.Log | None = None
    files: Sequence[rule_logs.RuleLog] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """Return all lines."""
        return [*(self.log.lines if self.log else []), *(line for file in self.files for line in file.lines)]


class Outcomes:
    """Settles jobs that have ended."""

    def __init__(self, session: Session, reports: Reports) -> None:
        """Report to Snakemake what becomes of jobs."""
        self._session = session
        self._reports = reports

    async def succeed(self, info: SubmittedJobInfo) -> None:
        """Report a job that has succeeded."""
        job_id, submission = str(info.external_jobid), submission_of(info)
        self._session.has_ended(job_id)
        if submission.earlier:
            await self._session.markers.clear(info.job, job_id, submission.earlier)
        self._session.journal.succeeded(info.job)
        self._reports.report_job_success(info)

    def fail(self, failed: Sequence[Failed]) -> list[SubmittedJobInfo]:
        """Report jobs that have failed, and why; return those that go on on the on-demand queue."""
        if not failed:
            return []
        with ThreadPoolExecutor(READERS) as pool:
            evidence = list(pool.map(self._read, failed))
        return [one.info for one, found in zip(failed, evidence, strict=True) if self._settle(one, found)]

    def _read(self, failed: Failed) -> Evidence:
        if not failed.description:
            return Evidence()
        session = self._session
        log = logs.tail(session.logs, failed.description, session.region, session.log_group)
        lines = log.lines if log else ()
        return Evidence(log, rule_logs.rule_logs(session.s3, failed.info.job, failed.description, lines))

    def _settle(self, failed: Failed, evidence: Evidence) -> bool:
        """Report why a job has failed, or give it to the on-demand queue; return whether it goes on there."""
        info, submission = failed.info, submission_of(failed.info)
        job, job_id = info.job, str(info.external_jobid)
        self._session.has_ended(job_id, failed=True)
        if failed.description:
            failure = failures.explain(failed.description, evidence.lines)
        else:
            failure = failures.Failure(failures.LOST, None, [], 1)
        if failure.cause.again is failures.Again.ON_DEMAND and self._move(info, submission):
            return True
        self._ask_for_more(submission, failure.cause)
        message = messages.failure_message(
            job, job_id, submission, failure, evidence.log, evidence.files, self._session.secrets.known()
        )
        self._session.journal.failed(job, job_id, message)
        if failure.cause.again is failures.Again.NO:
            # Snakemake runs a failed job again as long as its attempt is not above `retries`.
            job.attempt = job.restart_times + 1
        self._reports.report_job_error(info, msg=message)
        return False

    def _ask_for_more(self, submission: Submission, cause: failures.Cause) -> None:
        """Note that the job's next attempt must have more of what this one ran out of."""
        memory, disk = (cause.name == name for name in (failures.OUT_OF_MEMORY, failures.OUT_OF_DISK))
        self._session.ledger.raise_least(submission.identity.outputs, submission.shape, memory=memory, disk=disk)

    def _move(self, info: SubmittedJobInfo, submission: Submission) -> bool:
        """Give a job that lost its Spot capacity its last attempt, on the on-demand queue; return whether it has it."""
        session, queue = self._session, self._session.target.ondemand_queue
        if queue is None or submission.on_demand or queue == submission.request["jobQueue"]:
            return False
        moved = submission.request | {"jobQueue": queue}
        if reason := session.journal.refusal(info.job, replace(submission, request=moved, started=None)):
            session.logger.warning(f"{submission.title} is not given to queue {queue}: {reason}")
            return False
        try:
            return self._submit_moved(info, submission, moved)
        finally:
            session.journal.arrived(info.job)

    def _submit_moved(self, info: SubmittedJobInfo, submission: Submission, moved: dict[str, Any]) -> bool:
        session, queue = self._session, moved["jobQueue"]
        try:
            job_id = session.submitter.submit(moved)
        except (ClientError, BotoCoreError) as error:
            session.logger.warning(f"{submission.title} could not be given to queue {queue}: {error}")
            return False
        if job_id is None:
            return False
        submission.request, submission.on_demand = moved, True
        submission.status = submission.reason = ""
        session.logger.warning(
            f"{submission.title} lost its Spot capacity (Batch job {info.external_jobid}); its last attempt goes to "
            f"queue {queue} as Batch job {job_id}."
        )
        info.external_jobid = job_id
        session.ledger.add(info)
        info.job.register(external_jobid=job_id)
        return True
