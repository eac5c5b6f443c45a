"""What this head writes about the run, for whoever follows it: the record of attempts, and what the run does now.

The one door to both for the rest of the executor, and to the budget, which both serve. Nothing here waits for S3, but
`begin` and `finish`.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from snakemake_aws_common.patience import Patience
from snakemake_aws_common.record.live import OVER_BUDGET, Live, LiveJob, to_json
from snakemake_aws_common.record.store import LIVE, RecordError, read_attempts, read_live

from . import gaps, settings
from .attempts import ENDED, known
from .budget import Budget, Running
from .earlier import Found
from .messages import counted
from .preflight import Report
from .progress import Progress
from .recorder import TROUBLE, Place, Recorder
from .request import Submission, Target, submission_of
from .status import Watch, sort
from .untyped import Client, Job

# Seconds for which what earlier heads have written is asked for while AWS is out of reach.
AT_FIRST = 120.0
# Seconds for the last writes, at the end of a run and when it is interrupted.
AT_THE_END = 60.0
IN_HASTE = 4.0
# Seconds between two writes of what the run does now, and between two counts of what its jobs will cost.
LIVE_SECONDS = 10.0
COUNTED = 1.0


def head_name() -> str:
    """Return a name for this head: it begins with the time, so that names sort by it."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"


class Journal:
    """The record of the run as this head keeps it; without a place on S3 nothing is kept."""

    def __init__(
        self,
        place: Place | None,
        report: Report,
        progress: Progress,
        budget: Budget,
        jobs: Callable[[], Iterable[SubmittedJobInfo]],
        warn: Callable[[str], None],
    ) -> None:
        """`report` says what queues and job definitions are like; `jobs` gives the jobs in Batch."""
        self._place, self._report, self._progress, self._budget = place, report, progress, budget
        # Jobs of earlier heads that had not ended when this one began.
        self._left: dict[str, LiveJob] = {}
        # Jobs of earlier heads that have ended well, and that Snakemake's memory of the run may not know.
        self.ended_well: list[Found] = []
        # Jobs that are being ended, and whose ends were not seen.
        self._unseen: list[SubmittedJobInfo] = []
        self._jobs, self._warn = jobs, warn
        self._lock = threading.Lock()
        # Jobs that may be submitted, by the id of their object, until the ledger has them or Batch refuses.
        self._on_their_way: dict[int, tuple[Job, Submission]] = {}
        # Dollars that the run's jobs will have cost, when that was counted, and whether it was too much for one.
        self._committed, self._counted = 0.0, -COUNTED
        self._over = ""
        self._live: Live | None = None
        self._next_live = 0.0
        self._final: Mapping[str, Any] | None = None
        self._recorder: Recorder | None = None
        if place is not None:
            self._recorder = Recorder(place, progress.head, report.spot, warn, self._write_live)

    # The beginning

    def begin(self, batch: Client, target: Target) -> None:
        """Read what earlier heads have recorded, record jobs that have ended since they looked, and begin to write.

        Raises WorkflowError if that can't be done and a budget depends on it.
        """
        if self._recorder is None or self._place is None:
            return
        place = self._place.s3, self._place.bucket, self._place.prefix.strip("/")
        try:
            # botocore repeats requests, but not answers that end midway.
            patiently = Patience(self._warn, "S3 or AWS Batch", longest=AT_FIRST)
            recorded = patiently(lambda: read_attempts(*place))
            live, since = patiently(lambda: (read_live(*place), gaps.begun(*place)))
            self._recorder.know(recorded)
            self._budget.add(recorded)
            if live is not None:
                patiently(self._recorder.sweep)
                self._left = {job.native_id: job for job in live.jobs}
            of_run = target.queues, target.run, target.tags.prefix
            look = partial(gaps.found, batch, *of_run, tuple(recorded), live, since)
            for description, of in patiently(lambda: list(look())):
                added = self._recorder.note(description, of)
                self._budget.add(added)
                recorded += added
                self._left.pop(description["jobId"], None)
            self.ended_well = gaps.ended_well(recorded, live)
            # Nobody will ever see these end: what a head has left for weeks.
            now = int(time.time() * 1000)
            for job in patiently(lambda: gaps.forgotten(batch, list(self._left.values()), now)):
                self._left.pop(job)
        except (ClientError, BotoCoreError, RecordError, ValueError) as error:
            what = f"The record of earlier starts of the run can't be read, or completed from AWS Batch: {error}"
            if self._budget.limit is not None:
                raise WorkflowError(f"{what}. Without it nobody knows how much of the budget is left.") from error
            self._warn(f"{what}. This start keeps its own.")
        self._recorder.start()

    # While jobs run

    def watch_end(self, watch: Watch, jobs: Iterable[SubmittedJobInfo], until: float) -> None:
        """Record jobs that are being ended, as far as they are before `until` (by time.monotonic).

        Those that are not are left to the next start of the run, for which they stay in the list of its jobs.
        """
        due = {str(info.external_jobid): info for info in jobs}
        while due:
            found, not_asked = watch.look(list(due))
            sort(list(due.values()), found, not_asked)
            self.looked(due.values(), found)
            due = {job: info for job, info in due.items() if found.get(job, {}).get("status") not in ENDED}
            if not due or time.monotonic() >= until:
                break
            time.sleep(max(0.0, min(1.0, until - time.monotonic())))
        self._unseen = list(due.values())

    def looked(self, jobs: Iterable[SubmittedJobInfo], found: Mapping[str, Mapping[str, Any]]) -> None:
        """Take what a look at jobs has found, by their ids, before anything is done about it."""
        if self._recorder is None:
            return
        for info in jobs:
            description = found.get(str(info.external_jobid))
            if description is not None and (description["status"] in ENDED or description.get("attempts")):
                added = self._recorder.note(description, known(info.job, submission_of(info), self._report.platforms))
                with self._lock:
                    self._budget.add(added)
                if description["status"] in ENDED:
                    self._left.pop(str(info.external_jobid), None)
        self._recorder.write_soon()

    def look_back(self, batch: Callable[[], Client], ids: Iterable[str], tag_prefix: str) -> None:
        """Record jobs that this head has not waited for, if they have ended: `ids`, and what earlier heads have left.

        Those that have not stay in the list of the run's jobs, in which the next head finds them.
        """
        if self._recorder is None:
            return
        waited_for = {str(info.external_jobid) for info in self._jobs()}
        due = [job for job in dict.fromkeys([*self._left, *ids]) if job not in waited_for]
        if not due:
            return
        try:
            for description in gaps.ended(batch(), due):
                left = self._left.pop(description["jobId"], None)
                of = gaps.of_live(left) if left else gaps.of_tags(description.get("tags") or {}, tag_prefix)
                self._recorder.note(description, of)
        except (ClientError, BotoCoreError) as error:
            self._warn(
                f"The record of the run may lack jobs of earlier starts: AWS Batch could not be asked ({error})."
            )

    def succeeded(self, job: Job) -> None:
        """Note that a job has ended well."""
        self._progress.succeed(job)

    def failed(self, job: Job, native_id: str, text: str) -> None:
        """Note that a job has failed, and why; `text` has no secrets in it."""
        self._progress.fail(job, native_id, text)

    # The budget

    def refusal(self, job: Job, submission: Submission) -> str:
        """Return why a job may not be submitted: it would cost more than there is. Empty if it may.

        One that may counts from now on; tell by `arrived` what became of it. After the first that is refused, all are.
        """
        if self._budget.limit is None:
            return ""
        now = int(time.time() * 1000)
        one = self._running(job, submission)
        with self._lock:
            if self._over:
                return "not submitted, for the same reason as others: the budget of the run."
            if time.monotonic() - self._counted >= COUNTED:
                self._committed = self._budget.committed(self._counting(), now)
                self._counted = time.monotonic()
            price = self._budget.expected(one, now)
            if self._committed + price <= self._budget.limit:
                self._committed += price
                self._on_their_way[id(job)] = (job, submission)
                return ""
            spent = self._budget.spent(map(self._running_in_batch, self._jobs()), now) or 0.0
            self._over = (
                f"The run's budget is ${self._budget.limit:,.2f}. ${spent:,.4f} of it is spent, jobs that run will "
                f"bring that to about ${self._committed:,.4f}, and {submission.title} would take about ${price:,.4f} "
                "more."
            )
            return f"{self._over} No further job is submitted, and those that run are waited for. {self._advice()}"

    def arrived(self, job: Job) -> None:
        """Note that the submission of a job has its answer: the ledger has the job, or there is none."""
        with self._lock:
            self._on_their_way.pop(id(job), None)

    def _counting(self) -> Iterator[Running]:
        """Yield jobs that cost something: those in Batch, and those that may be there soon."""
        in_batch = list(self._jobs())
        there = {id(info.job) for info in in_batch}
        yield from map(self._running_in_batch, in_batch)
        yield from (self._running(*one) for key, one in self._on_their_way.items() if key not in there)

    def _advice(self) -> str:
        return f"To go on, give the same command with a larger budget: {settings.PREFIX}budget DOLLARS."

    def _running(self, job: Job, submission: Submission) -> Running:
        of = known(job, submission, self._report.platforms)
        return Running(of, self._report.spot.get(of.queue, False), submission.started)

    def _running_in_batch(self, info: SubmittedJobInfo) -> Running:
        return self._running(info.job, submission_of(info))

    # What the run does now

    def _write_live(self) -> None:
        """Write it if it has changed, and not too often; at the end in any case. Runs in the recorder's thread."""
        assert self._place is not None
        final = self._final
        if final is None and time.monotonic() < self._next_live:
            return
        self._next_live = time.monotonic() + LIVE_SECONDS
        try:
            in_batch = [*self._jobs(), *self._unseen]
            now = self._progress.now(in_batch, list(self._left.values()), **self._money(), **(final or {}))
            if self._live is not None and final is None and _is_same(now, self._live):
                return
            self._place.put(LIVE, to_json(now), "application/json")
            self._live = now
        except (*TROUBLE, RuntimeError):
            # The DAG may grow while it is looked at; S3's troubles are told with those of the record.
            return

    def _money(self) -> dict[str, float | None]:
        jobs: Sequence[Running] = [self._running_in_batch(info) for info in self._jobs()]
        with self._lock:
            return {"budget": self._budget.limit, "spent": self._budget.spent(jobs, int(time.time() * 1000))}

    # The end

    def finish(self, within: float, state: str | None = None) -> None:
        """Write what is left, within so many seconds, and say what could not be written.

        `state` says how the run has ended if that is not seen from its jobs.
        """
        if self._over:
            self._warn(f"The run has ended before its end. {self._over} {self._advice()}")
        if self._recorder is None:
            return
        state = state or (OVER_BUDGET if self._over else self._progress.state_at_the_end())
        self._final = {"state": state, "ended": int(time.time() * 1000), "message": self._over}
        lacking = self._recorder.finish(within)
        if lacking:
            self._warn(
                f"The record of the run lacks {counted(lacking, 'attempt')} that could not be written. The next start "
                "of the run adds them, as long as AWS Batch remembers them (a week at least)."
            )
        self._recorder = None


def _is_same(one: Live, other: Live) -> bool:
    """Return whether nothing has changed but the time; money counts in cents."""

    def plain(live: Live) -> Live:
        return replace(live, updated=0, spent=None if live.spent is None else round(live.spent, 2))

    return plain(one) == plain(other)
