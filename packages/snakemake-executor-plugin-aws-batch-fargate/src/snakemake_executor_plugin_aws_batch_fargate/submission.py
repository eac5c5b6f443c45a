"""Submitting jobs: one loop from Snakemake's jobs to jobs of AWS Batch.

Each job is announced, its sources are sent if workers lack them, and its request is built. If a job of an earlier head
does its work, that one is waited for; else a thread calls SubmitJob, and this thread takes its answer when it arrives.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from snakemake_aws_common import patience
from snakemake_aws_common.redaction import redact

from . import client, command, preflight, request, resources, settings, signals
from .earlier import Work
from .request import Submission, info_of
from .session import Session
from .untyped import Job, Reports

T = TypeVar("T")


class Answer(NamedTuple):
    """The answer to a SubmitJob: the id of the job, None if it was called off, or an error."""

    job: Job
    submission: Submission
    future: "Future[str | None]"


def _answer(answers: "SimpleQueue[Answer]", job: Job, submission: Submission, future: "Future[str | None]") -> None:
    answers.put(Answer(job, submission, future))


def _about_tags(error: Exception, tags: Iterable[str]) -> str:
    """Return what to look at if AWS denies a submission: policies may name the tags that jobs may carry."""
    if not isinstance(error, ClientError) or error.response["Error"]["Code"] not in preflight.DENIED:
        return ""
    return (
        f" The job carries the tags {', '.join(tags)}: if the policy allows tags of other names, set "
        f"{settings.PREFIX}tag-prefix and {settings.PREFIX}tag-wildcards."
    )


class Submissions:
    """Submits jobs, many at a time."""

    def __init__(self, session: Session, reports: Reports) -> None:
        """Report to Snakemake what becomes of jobs."""
        self._session = session
        self._reports = reports
        # Outages while AWS Batch is asked about jobs of earlier heads and about job definitions.
        self._trouble = patience.Outage()
        # Reasons for which Batch has refused jobs: each is given in full once.
        self._refusals: set[str] = set()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submit jobs, or wait for those of an earlier head that do the same.

        Raises WorkflowError if AWS Batch can't be asked about jobs of an earlier head, for as long as it is waited for.
        """
        session = self._session
        try:
            work = self._patiently(lambda: session.markers.work_of(jobs, session.earlier, session.ledger.own))
            if work is not None:
                self._submit(jobs, work)
        except (ClientError, BotoCoreError) as error:
            raise WorkflowError(f"AWS Batch could not be asked about jobs of an earlier start: {error}") from error

    def _patiently(self, call: Callable[[], T]) -> T | None:
        """Return the call's result, waiting for AWS and for credentials; None when all is called off."""
        return self._session.submitter.patiently(self._trouble, call)

    def _submit(self, jobs: Sequence[Job], work: Sequence[Callable[[], Work]]) -> None:
        session = self._session
        answers: SimpleQueue[Answer] = SimpleQueue()
        pool = ThreadPoolExecutor(client.SUBMITTERS)
        under_way = 0
        try:
            for job, work_of_job in zip(jobs, work, strict=True):
                self._reports.run_job_pre(job)
                session.deployment.send_for(job)
                submission = self._prepare(job)
                if submission is None or self._adopt(job, submission, work_of_job()):
                    continue
                if reason := session.journal.refusal(job, submission):
                    self._refuse(job, f"{submission.title}: {reason}")
                    continue
                future = pool.submit(session.submitter.submit, submission.request)
                future.add_done_callback(partial(_answer, answers, job, submission))
                under_way += 1
                while not answers.empty():
                    self._take(answers.get())
                    under_way -= 1
            for _ in range(under_way):
                self._take(answers.get())
        except BaseException:
            # Also for Ctrl-C: jobs that are under way have to be known, so that they can be ended.
            with signals.undisturbed():
                session.stop_submitting()
                pool.shutdown(wait=True, cancel_futures=True)
                while not answers.empty():
                    self._keep(answers.get())
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, job: Job) -> Submission | None:
        """Return the job's submission; None if it can't be submitted and was reported so, or if all is called off."""
        session = self._session
        try:
            identity = session.plan.identity(session.target.run, job)
            text = self._reports.format_job_exec(job)
            disks = self._patiently(lambda: session.disks_of(job))
            if disks is None:
                return None
            shape = resources.shape_of(job, disks, session.ledger.least(identity.outputs))
            container = command.overrides(text, shape.requirements, session.environment, session.sender)
            return request.build(job, session.target, identity, shape, container)
        except (WorkflowError, ClientError, BotoCoreError) as error:
            self._refuse(job, str(error))
            return None

    def _adopt(self, job: Job, submission: Submission, work: Work) -> bool:
        """Return whether an earlier head's job does the work, and is waited for."""
        found = self._patiently(lambda: self._session.earlier.take(work))
        self._session.markers.note(job, adopted=found is not None)
        if found is None:
            return False
        submission.earlier = found.name
        self._enter(job, submission, found.job_id)
        return True

    def _take(self, answer: Answer) -> None:
        """Report the job as submitted, or as failed if Batch has refused it."""
        try:
            self._settle(answer)
        finally:
            self._session.journal.arrived(answer.job)

    def _settle(self, answer: Answer) -> None:
        try:
            job_id = answer.future.result()
        except (ClientError, BotoCoreError) as error:
            asked = answer.submission.request
            did = "could not be asked to run it" if patience.retry_seconds(error) else "refused it"
            reason = (
                f"AWS Batch {did} for queue {asked['jobQueue']} and job definition {asked['jobDefinition']}: {error}"
                f"{_about_tags(error, asked['tags'])}"
            )
            known = reason in self._refusals
            self._refusals.add(reason)
            short = "refused for the same reason as others." if known else reason
            self._refuse(answer.job, f"{answer.submission.title}: {short}")
            return
        if job_id is not None:
            self._enter(answer.job, answer.submission, job_id)

    def _keep(self, answer: Answer) -> None:
        """Keep the id of a job that arrived after all was called off."""
        try:
            job_id = answer.future.result()
        except Exception:  # whatever became of this one, the answers after it have jobs to keep
            return
        if job_id is not None:
            self._session.ledger.add(info_of(answer.job, answer.submission, job_id))

    def _enter(self, job: Job, submission: Submission, job_id: str) -> None:
        """Report that a job is in Batch."""
        info = info_of(job, submission, job_id)
        submission.submitted = int(time.time() * 1000)
        self._session.ledger.add(info, own=not submission.earlier)
        whose = "an earlier start made " if submission.earlier else ""
        name = submission.earlier or submission.request["jobName"]
        self._session.logger.info(f"{submission.title}: {whose}Batch job {job_id} ({name}).")
        self._reports.report_job_submission(info)

    def _refuse(self, job: Job, reason: str) -> None:
        """Report a job that can't be submitted as failed; trying again would not change it."""
        job.attempt = job.restart_times + 1
        text = redact(reason, self._session.secrets.known())
        self._session.journal.failed(job, "", text)
        self._reports.report_job_error(SubmittedJobInfo(job), msg=text)
