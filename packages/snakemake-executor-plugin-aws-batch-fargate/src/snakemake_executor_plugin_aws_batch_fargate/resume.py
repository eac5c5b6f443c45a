"""Jobs of a head that was killed: those that still run, or have ended well since, are waited for, not run again."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import names
from .failures import ENDED_BY_US
from .outside import Client
from .submission import ACTIVE

IDS_PER_CALL = 100


@dataclass(frozen=True)
class Found:
    """A job of an earlier head."""

    job_id: str
    name: str
    status: str
    # Seconds since 1970; 0 if it is not known.
    created: float = 0.0

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ACTIVE


@dataclass(frozen=True)
class Wanted:
    """What a job, or a group of jobs, does, and what is known of jobs that may do it already.

    `marked` are the jobs that Snakemake's record of unfinished outputs names for it; `every` are the ids that it names
    for all of a group's jobs, `others` those that it names for the rest of the group only. `landed` are its names
    without what its inputs are: they do for jobs that were made after the `youngest` of the inputs was stored (in
    seconds since 1970). A job that has succeeded counts only if its outputs are there (`made`). If it is `outdated`,
    earlier jobs have read what is made anew.
    """

    identity: names.Identity
    landed: Collection[names.Identity]
    marked: Sequence[Found]
    every: Collection[str]
    others: Collection[str]
    made: Callable[[], bool]
    youngest: Callable[[], float]
    outdated: bool

    def is_done_by(self, job: Found) -> bool:
        """Whether a job does all of it, from the same inputs."""
        named = names.identity_in(job.name)
        if self.outdated or named is None:
            return False
        if named.whole == self.identity.whole:
            return named.part in ("", self.identity.part) or job.job_id in self.every
        # S3 tells times in whole seconds.
        return named in self.landed and self.youngest() + 1 <= job.created


class Earlier:
    """Jobs that an earlier head of the same run submitted."""

    def __init__(self, client: Client, queues: Iterable[str], run: str, note: Callable[[str], None]) -> None:
        """`note` is told what is done about them."""
        self._client = client
        self._queues = list(dict.fromkeys(queues))
        self._run = run
        self._note = note
        self._active: dict[str, list[Found]] | None = None
        # Ids of those that do this head's work, and of those that have ended.
        self._taken: set[str] = set()
        self._over: set[str] = set()

    @property
    def active(self) -> dict[str, list[Found]]:
        """Jobs of this run that were on their way or running at the first look, by the identity of their outputs.

        Asked by status, not by name: the answer to a name holds a run's ended jobs of a week as well.
        """
        if self._active is None:
            self._active = {}
            for queue in self._queues:
                for status in ACTIVE:
                    pages = self._client.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
                    for page in pages:
                        for job in page["jobSummaryList"]:
                            self._keep(_found(job, status))
        return self._active

    def take(self, wanted: Wanted) -> Found | None:
        """The earlier job that does this work, if one is under way or done.

        Parts of a group may be done by the same job. Jobs that make the same outputs in another way are ended.
        """
        outputs = {identity.outputs for identity in (wanted.identity, *wanted.landed)}
        active = {job.job_id: job for one in outputs for job in self.active.get(one, [])}
        active |= {job.job_id: job for job in wanted.marked if job.is_active and job.job_id not in self._over}
        chosen = next(filter(wanted.is_done_by, active.values()), None)
        for job in active.values():
            if job is not chosen and job.job_id not in self._taken | set(wanted.others):
                self._end(job)
        if chosen is None:
            ended = [job for job in wanted.marked if job.status == "SUCCEEDED" and wanted.is_done_by(job)]
            chosen = ended[0] if ended and wanted.made() else None
        if chosen is not None:
            self._taken.add(chosen.job_id)
        return chosen

    def over(self, job_id: str) -> None:
        """A job has ended: it is not taken any more as one that runs."""
        self._over.add(job_id)
        for jobs in (self._active or {}).values():
            jobs[:] = [job for job in jobs if job.job_id != job_id]

    def rest(self) -> list[Found]:
        """The jobs that nobody has taken, as far as they were looked for."""
        found = [job for jobs in (self._active or {}).values() for job in jobs]
        return [job for job in found if job.job_id not in self._taken]

    def describe(self, ids: Sequence[str]) -> dict[str, Found]:
        """Jobs by id, as far as Batch knows them."""
        found = {}
        for start in range(0, len(ids), IDS_PER_CALL):
            for job in self._client.describe_jobs(jobs=list(ids[start : start + IDS_PER_CALL]))["jobs"]:
                found[job["jobId"]] = _found(job, job["status"])
        return found

    def _keep(self, job: Found) -> None:
        assert self._active is not None
        identity = names.identity_in(job.name)
        # A job can be seen in two states when it moves on between two questions.
        if identity and job.name.startswith(f"{self._run}-"):
            jobs = self._active.setdefault(identity.outputs, [])
            if all(job.job_id != other.job_id for other in jobs):
                jobs.append(job)

    def _end(self, job: Found) -> None:
        self._note(
            f"Batch job {job.job_id} ({job.name}) makes the same outputs from other or older inputs, or with other "
            "parameters or code; it is ended."
        )
        self._client.terminate_job(jobId=job.job_id, reason=ENDED_BY_US)
        self.over(job.job_id)


def _found(job: Mapping[str, Any], status: str) -> Found:
    """A job from an answer of Batch, which tells times in milliseconds."""
    return Found(job["jobId"], job["jobName"], job.get("status", status), job.get("createdAt", 0) / 1000)
