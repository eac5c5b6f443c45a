"""Follows an order from its launcher to the end of its head, look by look; each look returns what there is to say.

1. The launcher, a small job, checks the sheet and submits the head, as after an upload. What became of the sheet stands
   in raw/NAME/inbox.json. A sheet whose files are missing is looked at again each hour.
2. The head conducts the run. Its log is read from CloudWatch, its progress from live.json, its end from run.json and
   from AWS Batch.
Nothing of this is kept but the ids of two jobs: whoever follows next finds the rest in S3 and in AWS Batch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from terraflow_airflow import jobs, outcome, runs
from terraflow_airflow.aws import TROUBLE, Account
from terraflow_airflow.headlog import JobLog
from terraflow_airflow.jobs import Job
from terraflow_airflow.order import Order
from terraflow_airflow.outcome import Outcome
from terraflow_airflow.runs import Entry, Run
from terraflow_airflow.stack import Stack

# Seconds after which a sheet whose files are missing is looked at again.
AGAIN = 3600.0
# Seconds for which AWS may be out of reach, and for which Batch may not know a job that was just submitted.
PATIENCE, UNSEEN = 1800.0, 120.0
# Milliseconds by which clocks may differ.
SKEW = 60_000
# Launchers in a row that leave a sheet alone though no head works on its run.
LAUNCHES = 3
# Last lines of Snakemake's own log, shown when CloudWatch is out of reach.
LAST = 50


@dataclass(frozen=True)
class Place:
    """How far an order is, as it goes through Airflow's database: its launcher and its head, and since when.

    `since` is milliseconds since 1970; earlier lines of logs are left out. `by` is what the launcher is told.
    """

    name: str
    budget: float | None
    by: str
    launcher: str = ""
    head: str = ""
    since: int = 0


@dataclass
class Look:
    """What one look has found: lines for the log, and the head that has begun, or how the order has ended."""

    lines: list[str] = field(default_factory=list)
    head: str = ""
    ended: Outcome | None = None


class Following:
    """Follows one order. A look that meets trouble with AWS says so and is repeated, for half an hour."""

    def __init__(self, account: Account, stack: Stack, place: Place, clock: Callable[[], float] = time.time) -> None:
        """Ask AWS nothing yet. `clock` is seconds since 1970."""
        self._account, self._stack, self._clock = account, stack, clock
        self.place = place
        self._order = Order(place.name, budget=place.budget)
        self._launcher, self._head = place.launcher, place.head
        self._log: JobLog | None = None
        self._status = self._progress = self._waiting_for = ""
        self._look_again = 0.0
        self._launches = 1
        self._unseen_since = self._trouble_since = 0.0

    def look(self) -> Look:
        """Look once. Never raise for trouble with AWS."""
        found = Look()
        try:
            self._look(found)
            self._trouble_since = 0.0
        except TROUBLE as error:
            now = self._clock()
            self._trouble_since = self._trouble_since or now
            found.lines.append(f"AWS does not answer, the run goes on: {error}")
            if now - self._trouble_since >= PATIENCE:
                found.ended = Outcome(outcome.LOST, f"AWS has not answered for half an hour: {error}", self._head)
        return found

    @property
    def _run(self) -> Run:
        return Run(self._account.s3, self._stack.bucket, self._order.name)

    def _look(self, found: Look) -> None:
        if self._head:
            self._look_at_head(found)
        elif self._launcher:
            self._look_at_launcher(found)
        else:
            self._look_at_sheet(found, started=self.place.since)

    # The launcher

    def _look_at_launcher(self, found: Look) -> None:
        job = self._described(self._launcher)
        if job is None:
            if self._is_unknown():
                found.ended = Outcome(outcome.LOST, f"AWS Batch does not know the launcher {self._launcher} any more.")
            return
        self._say_status(found, "launcher", job)
        found.lines += self._lines(job)
        if job["status"] not in jobs.ENDED:
            return
        self._launcher = ""
        if job["status"] == "FAILED":
            entry, began = self._run.entry(), job.get("createdAt") or self.place.since
            if entry is not None and entry.state == runs.REFUSED and entry.updated >= began - SKEW:
                # It could not check the sheet, and said so.
                found.ended = Outcome(outcome.REFUSED, _explained(entry))
                return
            reason = job.get("statusReason") or "AWS Batch gives no reason"
            found.ended = Outcome(
                outcome.LOST, f"The launcher has failed ({reason}); its log is above, or in {self._stack.log_group}."
            )
            return
        self._look_at_sheet(found, started=job.get("createdAt") or self.place.since)

    def _look_at_sheet(self, found: Look, started: int) -> None:
        """Decide from what launchers have written how it goes on; `started` is when the last one began."""
        run = self._run
        about = run.about()
        heads = jobs.active_heads(self._account.batch, self._stack, run.name, [about.head_job] if about else [])
        if heads:
            self._begin_head(found, heads[0])
            return
        etag, entry = run.sheet_etag(), run.entry()
        if etag is None:
            found.ended = Outcome(outcome.REFUSED, f"The sheet of run {run.name} is not in the inbox any more.")
        elif entry is None or entry.etag != etag:
            # Changed since, or left alone because of a head that has ended meanwhile.
            self._launch_again(found, "No launcher has looked at the sheet as it is now.")
        elif entry.state in (runs.REFUSED, runs.INCOMPLETE):
            found.ended = Outcome(outcome.REFUSED, _explained(entry))
        elif entry.state == runs.WAITING:
            self._wait(found, entry)
        elif entry.state == runs.LAUNCHING:
            self._say_once(found, "Another launcher works on the sheet.")
            self._launch_when_due(found, entry.updated / 1000 + AGAIN)
        elif about is not None and about.head_job and about.submitted >= started - SKEW:
            self._end(found, about.head_job)
        elif about is not None and about.state == runs.DONE:
            found.ended = Outcome(outcome.DONE, about.message, about.head_job)
        elif entry.updated >= started - SKEW:
            # Launched without a head: Snakemake has nothing to do.
            found.ended = Outcome(outcome.DONE, entry.message)
        elif self.place.by == "clock":
            found.ended = Outcome(outcome.NOT_DUE, f"Run {run.name} is not due: {about.state if about else 'removed'}.")
        else:
            self._launch_again(found, "The launcher has left the sheet alone.")

    def _wait(self, found: Look, entry: Entry) -> None:
        self._say_once(found, f"{_explained(entry)}\nIt is looked at again each hour, for a day.")
        self._launch_when_due(found, entry.updated / 1000 + AGAIN)

    def _launch_when_due(self, found: Look, due: float) -> None:
        if self._clock() >= due:
            self._launch(found)

    def _launch_again(self, found: Look, why: str) -> None:
        if self._launches >= LAUNCHES:
            found.ended = Outcome(outcome.LOST, f"{why} {LAUNCHES} launchers have ended so.")
            return
        found.lines.append(why)
        self._launches += 1
        self._launch(found)

    def _launch(self, found: Look) -> None:
        others = jobs.active_launchers(self._account.batch, self._stack, self._order.name)
        self._launcher = (
            others[0]["jobId"]
            if others
            else jobs.start_launcher(self._account.batch, self._stack, self._order, self.place.by)
        )
        self._status = ""
        found.lines.append(f"The launcher of run {self._order.name} is Batch job {self._launcher}.")

    # The head

    def _begin_head(self, found: Look, job: Job) -> None:
        if jobs.is_being_ended(job):
            # Somebody has ended the run before this one was asked for.
            self._say_once(found, f"Head {job['jobId']} is being ended; its end is waited for.")
            self._launches = 0
            return
        self._head, self._status, self._waiting_for = job["jobId"], "", ""
        found.head = self._head
        found.lines.append(f"The head of run {self._order.name} is Batch job {self._head}.")

    def _look_at_head(self, found: Look) -> None:
        job = self._described(self._head)
        if job is None and not self._is_unknown():
            return
        if job is not None:
            self._say_status(found, "head", job)
            found.lines += self._lines(job)
            self._say_progress(found, job)
            if job["status"] not in jobs.ENDED:
                return
        self._end(found, self._head)

    def _end(self, found: Look, head: str) -> None:
        run = self._run
        about = run.about()
        job = self._described(head)
        other = about.head_job if about is not None and about.head_job != head else ""
        following = jobs.active_heads(self._account.batch, self._stack, run.name, [other])
        if following and not jobs.is_being_ended(following[0]):
            self._begin_head(found, following[0])
            return
        ended = outcome.of_head(job, about, head)
        if ended.state in (runs.DONE, runs.FAILED, runs.OVER_BUDGET) and self._is_of_another_sheet(run, about):
            found.lines.append(f"The head has ended ({ended.state}): {ended.message}".rstrip(": "))
            self._head, self._status = "", ""
            self._launch_again(found, "It has worked on another sheet than the one that lies in the inbox now.")
            return
        if self._log is not None and self._log.trouble:
            found.lines += self._copied_lines()
        found.ended = ended

    def _is_of_another_sheet(self, run: Run, about: runs.About | None) -> bool:
        etag = run.sheet_etag()
        return etag is not None and about is not None and about.sheet_etag != etag

    # What there is to say

    def _described(self, id: str) -> Job | None:
        return jobs.describe(self._account.batch, [id]).get(id)

    def _is_unknown(self) -> bool:
        """Return whether Batch has not known a job for so long that it has forgotten it."""
        self._unseen_since = self._unseen_since or self._clock()
        return self._clock() - self._unseen_since >= UNSEEN

    def _lines(self, job: Job) -> list[str]:
        self._unseen_since = 0.0
        if self._log is None:
            self._log = JobLog(self._account.logs, self._stack.log_group, self.place.since)
        return self._log.lines(job)

    def _say_status(self, found: Look, what: str, job: Job) -> None:
        if job["status"] != self._status:
            self._status = job["status"]
            found.lines.append(" ".join(filter(None, [f"({what}: {self._status})", job.get("statusReason", "")])))

    def _say_progress(self, found: Look, job: Job) -> None:
        live = self._run.live()
        if live is None or live.updated < (job.get("createdAt") or 0):
            # It is of an earlier head.
            return
        if live.progress != self._progress:
            self._progress = live.progress
            found.lines.append(f"Progress: {self._progress}")

    def _say_once(self, found: Look, text: str) -> None:
        if text != self._waiting_for:
            self._waiting_for = text
            found.lines += text.splitlines()

    def _copied_lines(self) -> list[str]:
        """Return the last lines of Snakemake's own log, which the head has stored beside the run."""
        prefix = f"runs/{self._order.name}/head/logs/"
        s3: Any = self._account.s3
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._stack.bucket, Prefix=prefix)
        # Their names begin with the time.
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", ()))
        if not keys:
            return []
        body = s3.get_object(Bucket=self._stack.bucket, Key=keys[-1])["Body"].read()
        last = body.decode(errors="replace").splitlines()[-LAST:]
        return [f"The last lines of s3://{self._stack.bucket}/{keys[-1]}:", *last]


def _explained(entry: Entry) -> str:
    shown = [f"  {address}" for address in entry.missing[:20]]
    more = [f"  and {len(entry.missing) - 20} more"] if len(entry.missing) > 20 else []
    return "\n".join([entry.message or f"The sheet is {entry.state}.", *shown, *more])
