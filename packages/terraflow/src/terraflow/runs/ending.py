"""Ends a run: its head first, so that it submits nothing more, then its jobs, until none is left.

1. Heads that are jobs of the stack are ended; a head has 20 seconds to end its own jobs.
2. The lock of the run is taken. A head elsewhere finds that out when it renews the lock, and does nothing more.
3. Jobs are looked for and ended until none is seen any more.
4. run.json says that the run was stopped, and the lock is released.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common import head, process
from snakemake_aws_common.conditional import REFUSED, error_code
from snakemake_aws_common.lease import Stopwatch
from snakemake_aws_common.lock_object import RENEWALS, SECONDS, Holder, LockObject, LockState
from snakemake_aws_common.patience import Patience
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.heads.objects import AboutObject, ChangedError, UnreadableError
from terraflow.jobs import ACTIVE
from terraflow.runs import batch as batches
from terraflow.runs import find, state, words
from terraflow.runs.batch import BatchJob
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

REASON = "ended by terraflow stop"
# Source: AWS Batch API reference, TerminateJobs.
TERMINATED = 50
# Seconds: between two looks, for a head to end, for all jobs to end, and in which no job may turn up before all is
# over, since Batch shows a job some seconds after its submission.
PAUSE = 2.0
HEADS = 60.0
JOBS = 300.0
QUIET = 6.0
# Seconds that a head elsewhere takes at most to see that it has lost the lock, besides the time between renewals.
SLACK = 15.0
TRIES = 20
# Seconds for which AWS is asked again while it is out of reach.
UNREACHED = 300.0


@dataclass(frozen=True)
class Clock:
    """Time in seconds, which goes on while a laptop sleeps, and a pause."""

    now: Callable[[], float] = field(default_factory=lambda: Stopwatch().elapsed)
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Ended:
    """Jobs that were ended, and those that may still run, with the reason."""

    ended: Sequence[str]
    left: dict[str, str]


class Ending:
    """Ends one run."""

    def __init__(
        self,
        stack: Stack,
        name: str,
        s3: "S3Client",
        batch: Any,  # noqa: ANN401
        say: Callable[[str], None],
        clock: Clock | None = None,
    ) -> None:
        """`say` gets a line for each step."""
        self._stack, self._name, self._s3, self._batch, self._say = stack, name, s3, batch, say
        self._clock = clock or Clock()
        self._patiently = Patience(say, "AWS", longest=UNREACHED)
        self._lock = LockObject(s3, stack.bucket, f"{find.FOLDER}{name}/{head.NAME}")
        self._asked: set[str] = set()
        # When the lock was written; None before it is taken.
        self._written: float | None = None

    def jobs(self) -> list[BatchJob]:
        """Return the run's jobs that have not ended, heads first, also a head that was submitted just now."""
        found = batches.active(self._batch, self._stack, self._name, find.names(self._s3, self._stack.bucket))
        about, _ = self._known()
        own = about.head_job if about else ""
        if own and own not in [job.id for job in found]:
            described = batches.describe(self._batch, [own]).values()
            found = [job for job in (batches.job_of(one, self._name) for one in described) if not job.has_ended] + found
        return found

    def end(self, jobs: Sequence[BatchJob]) -> Ended:
        """End the run, of which these jobs are known. Raise UserError if another head takes it meanwhile."""
        try:
            return self._end(jobs)
        except (BotoCoreError, ClientError) as error:
            name = self._name
            error.add_note(f"Jobs of run {name} may still run, and cost money: call `terraflow stop {name}` again.")
            raise

    def _end(self, jobs: Sequence[BatchJob]) -> Ended:
        heads = [job for job in jobs if job.is_head]
        about, _ = self._known()
        begun = about.head_job if about and about.state == abouts.RUNNING else ""
        left = self._end_heads([job.id for job in heads])
        # Its lock is left behind by a head that had begun, and is ended before it releases it. One that waited for the
        # lock has never had it.
        with self._locked(elsewhere=not any((job.id, job.status) == (begun, "RUNNING") for job in heads)) as settles:
            left = self._end_jobs(settles, left)
            self._renew()
            self._write()
        return Ended(sorted(self._asked - left.keys()), left)

    # Heads

    def _end_heads(self, heads: Sequence[str]) -> dict[str, str]:
        """End head jobs and wait for their end; return those that may still run, with the reason."""
        left = self._terminate(heads)
        until = self._clock.now() + HEADS
        while heads:
            described = self._patiently(lambda: batches.describe(self._batch, heads))
            going = [job for job in heads if job in described and described[job]["status"] in ACTIVE]
            if not going:
                self._say("The head has ended.")
                return {}
            if self._clock.now() > until:
                return dict.fromkeys(going, "it has not ended in time") | left
            self._clock.sleep(PAUSE)
        return {}

    @contextmanager
    def _locked(self, elsewhere: bool) -> Iterator[float]:
        """Hold the lock of the run; give the seconds that a head elsewhere takes to see that it has lost it."""
        before, etag = self._take()
        settles = QUIET
        if before and elsewhere and before.left > 0 and not before.holder.is_dead():
            settles = before.holder.seconds / RENEWALS + SLACK
            self._say(
                f"{before.holder.who} in {before.holder.folder} has lost the run, and submits nothing more after "
                f"{settles:.0f} s at most."
            )
        self._etag, self._written = etag, self._clock.now()
        try:
            yield settles
        finally:
            try:
                self._lock.delete(self._etag)
            except BotoCoreError as error:
                # What was ended is worth more than this.
                self._say(f"The lock of the run could not be removed ({error}); it ends by itself in {SECONDS:.0f} s.")
            except ClientError as error:
                if error_code(error) not in REFUSED:
                    raise

    def _take(self) -> tuple[LockState | None, str]:
        """Write the lock as this process's; return the lock as it was, and the ETag."""
        for _ in range(TRIES):
            before, now = self._lock.read()
            condition = {"IfMatch": before.etag} if before else {"IfNoneMatch": "*"}
            self._holder = Holder(
                id=uuid.uuid4().hex,
                who=process.user(),
                pid=os.getpid(),
                place=process.place(),
                started=process.started(os.getpid()),
                folder=f"{Path.cwd()} (terraflow stop)",
                since=now,
                seconds=SECONDS,
            )
            try:
                return before, self._lock.write(self._holder, **condition)
            except ClientError as error:
                if error_code(error) not in REFUSED:
                    raise
        raise UserError(f"{self._lock.query} is written by others all the time, and can't be taken: try again.")

    def _renew(self) -> None:
        """Write the lock anew before it ends. Raise UserError if another head has taken it."""
        if self._written is None or self._clock.now() - self._written < SECONDS / RENEWALS:
            return
        try:
            self._etag, self._written = self._lock.write(self._holder, IfMatch=self._etag), self._clock.now()
        except ClientError as error:
            if error_code(error) in REFUSED:
                found, _ = self._lock.read()
                if found is not None and found.holder.id == self._holder.id:
                    # It was written, and the answer was lost.
                    self._etag = found.etag
                    return
                raise UserError(
                    f"Somebody has started run {self._name} anew while it was stopped. `terraflow status {self._name}` "
                    "shows what it does."
                ) from error
            raise

    # Jobs

    def _end_jobs(self, settles: float, left: dict[str, str]) -> dict[str, str]:
        """End jobs until none is seen for a while; return those that may still run, with the reason.

        `left` are heads that have not ended so far: they are asked once more.
        """
        start = seen = self._clock.now()
        while True:
            jobs = [job.id for job in self._patiently(self.jobs)]
            # Asked after Batch: what another head submits once it has the lock is not among these jobs.
            self._patiently(self._renew)
            now = self._clock.now()
            if jobs:
                seen = now
                left = self._terminate([job for job in jobs if job not in self._asked or job in left])
            if now - max(seen, start + settles - QUIET) >= QUIET:
                return {}
            if now - start > JOBS:
                return {job: left.get(job, "it has not ended in time") for job in jobs}
            self._clock.sleep(PAUSE)

    def _terminate(self, jobs: Sequence[str]) -> dict[str, str]:
        """Ask Batch to end jobs; return those that it refuses to end, with the reason."""
        refused: dict[str, str] = {}
        for first in range(0, len(jobs), TERMINATED):
            some = list(jobs[first : first + TERMINATED])
            answer = self._patiently(partial(self._order, some))
            refused |= {one["job"]: f"{one.get('code')}: {one.get('message')}" for one in answer.get("errors") or ()}
        fresh = set(jobs) - self._asked
        self._asked |= set(jobs)
        if fresh:
            self._say(f"{words.counted(len(fresh), 'job')} asked to end.")
        return refused

    def _order(self, jobs: Sequence[str]) -> Any:  # noqa: ANN401
        """Ask Batch to end jobs, if the run still is this process's."""
        self._renew()
        return self._batch.terminate_jobs(jobs=jobs, reason=REASON)

    # What becomes of the run

    def _known(self) -> tuple[About | None, str | None]:
        """Return what run.json says, if it can be understood, and its ETag, if it is there."""
        try:
            written = AboutObject(self._s3, self._stack.bucket, self._name).read()
        except UnreadableError as error:
            return None, error.etag
        return (written.about, written.etag) if written else (None, None)

    def _write(self) -> None:
        """Write into run.json that the run was stopped, unless its head has written how it ended."""
        written = AboutObject(self._s3, self._stack.bucket, self._name)
        for _ in range(TRIES):
            found = find.read_readable(self._s3, self._stack.bucket, self._name)
            without = replace(found, lock=None)
            if state.of(without) not in (state.SUBMITTED, state.LOST, state.UNKNOWN, state.UNREADABLE):
                return
            now, (known, etag) = words.now_ms(), self._known()
            who = state.who(without) or process.user()
            begun = state.started(without) or now
            about = known or About(self._name, who, state.BY_HAND, begun, started=begun)
            message = f"It was stopped by {process.user()}."
            try:
                written.write(replace(about, state=abouts.STOPPED, ended=now, message=message), etag)
            except ChangedError:
                continue
            return
