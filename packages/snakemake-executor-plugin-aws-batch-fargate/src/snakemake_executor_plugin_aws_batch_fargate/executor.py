"""The methods that Snakemake calls. A job's way leads from here through the session and back:

`run_jobs` opens the session (session.py) and submits (submission.py); `check_active_jobs` looks at jobs (status.py) and
settles those that have ended (outcomes.py); `cancel_jobs` and `shutdown` end the rest (ending.py).
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from snakemake_executor_plugin_aws_batch import Executor as BatchExecutor
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor

from snakemake_aws_common import patience
from snakemake_aws_common.record.live import FAILED, STOPPED

from . import ending, journal, lock, remembered, signals, status
from .outcomes import Outcomes
from .request import submission_of, target_of
from .session import Session
from .submission import Submissions
from .untyped import Job


class Executor(BatchExecutor):  # type: ignore[misc]
    """Runs each job as a job of AWS Batch on Fargate, from job definitions that are there already."""

    # The thread that looks after jobs starts before __post_init__ has run.
    _pause = patience.TICK

    def __post_init__(self) -> None:
        """Read the settings and take the lock of the run."""
        self.settings = self.workflow.executor_settings
        self._target = target_of(self.settings)
        self._pause = max(status.SHORTEST_POLL, self.settings.poll_seconds)
        self._lock = lock.take(self.workflow, self.settings, self._target.region, self.logger.warning)
        self._memory = remembered.bring(self.workflow, self._lock, self._target.region, self.logger.warning)
        # None until there is a job: a run without jobs asks AWS Batch nothing.
        self._session: Session | None = None
        # How the run was ended, if it was: by a person, or in the same way by an error of Snakemake's.
        self._ended_as: str | None = None

    def _open(self) -> Session:
        if self._session is None:
            session = Session(self.workflow, self._target, self._lock, self.logger)
            if self._memory.is_whole:
                session.markers.restore(session.journal.ended_well)
            self._submissions = Submissions(session, self)
            self._outcomes = Outcomes(session, self)
            self._session = session
        return self._session

    # Submission

    def run_job(self, job: Job) -> None:
        """Submit one job."""
        self.run_jobs([job])

    def run_jobs(self, jobs: Sequence[Any]) -> None:
        """Submit jobs, many at a time; a job that an earlier head submitted is waited for instead."""
        signals.end_at_sigterm()
        self._open()
        self._submissions.submit(jobs)

    def get_job_args(self, job: Job) -> str:
        """Give Snakemake in the container as many cores as the job has threads, whatever the machine shows."""
        return str(RealExecutor.get_job_args(self, job, cores=max(1, int(job.threads))))

    def get_python_executable(self) -> str:
        """Return the words for a Python in the container that fetches the sources first."""
        return self._open().deployment.python

    # Status

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report jobs that have ended, and yield the others."""
        if not active_jobs:
            return
        session = self._open()
        self._lock.refuse_lost()
        ids = [str(info.external_jobid) for info in active_jobs]
        found, not_asked = await asyncio.to_thread(session.watch.look, ids)
        grew = session.ledger.grew()
        seen = status.sort(active_jobs, found, not_asked)
        if seen.failed:
            # Who takes the run from this head ends its jobs: they have not failed.
            await asyncio.to_thread(self._lock.ask)
        session.journal.looked(active_jobs, found)
        for info in seen.succeeded:
            await self._outcomes.succeed(info)
        going = [*seen.going, *await asyncio.to_thread(self._outcomes.fail, seen.failed)]
        self._pause = session.watch.plan(grew or seen.changed, len(going))
        await asyncio.to_thread(self._memory.store_now_and_then)
        if message := session.waiting.message([submission_of(info) for info in going]):
            self.logger.warning(message)
        for info in going:
            yield info

    async def sleep(self) -> None:
        """Wait until the next look, or until nobody waits for it any more."""
        until = time.monotonic() + self._pause
        while self.wait and time.monotonic() < until:
            await asyncio.sleep(patience.TICK)

    def print_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: object) -> None:
        """Print Snakemake's message about a failed job, with ours in it, which it would leave out for a group."""
        if job_info.external_jobid is not None:
            kwargs["external_jobid"] = job_info.external_jobid
        if job_info.job.is_group() and msg:
            self.logger.error(msg)
        job_info.job.log_error(msg, **kwargs)

    # Interruption, and the end

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """End all jobs that have not ended."""
        if self._session is not None:
            self._ended_as = FAILED if isinstance(sys.exception(), Exception) else STOPPED
            self._session.close()
            with signals.undisturbed():
                ending.end_jobs(self._session)

    def shutdown(self) -> None:
        """End the work of this head. Jobs that run on keep their sources."""
        super().shutdown()
        session = self._session
        if session is None:
            return
        if session.is_closed:
            # The thread that looks after jobs may have been giving one to the on-demand queue.
            with signals.undisturbed():
                ending.end_jobs(session)
        else:
            if session.deployment.is_sent:
                session.markers.clear_all(session.earlier, session.ledger.own)
            ending.look_back(session)
        session.journal.finish(journal.IN_HASTE if session.is_closed else journal.AT_THE_END, self._ended_as)
        self._memory.store_at_end()
        ending.leave(session)
