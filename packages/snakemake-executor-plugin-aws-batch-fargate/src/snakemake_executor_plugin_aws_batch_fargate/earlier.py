"""Jobs of a head that was killed: jobs that still run, or have ended well since, are waited for, not run again."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from . import names
from .batches import IDS_TO_DESCRIBE, batches
from .failures import ENDED_BY_US
from .submitter import ACTIVE
from .untyped import Client


@dataclass(frozen=True)
class Found:
    """A job of an earlier head."""

    job_id: str
    name: str
    status: str
    # Seconds since 1970; 0 if it is not known.
    created: float = 0.0
    # Whether somebody has ordered its end, for which a container takes 30 seconds and more.
    is_ending: bool = False

    @property
    def is_active(self) -> bool:
        """Return whether it has not ended, and is not being ended."""
        return self.status in ACTIVE and not self.is_ending


@dataclass(frozen=True)
class Work:
    """The work of a job or a group, and all that is known of earlier jobs that may do it already.

    `marked` are the jobs that Snakemake's markers of unfinished outputs name for it; `every` are the ids that they name
    for all of a group's jobs, `others` the ids that they name for the rest of the group only. `old_identities` are
    those that release 0.1 gave it, without its inputs: they count for jobs that were made after the `youngest` of the
    inputs was stored (in seconds since 1970). A job that has succeeded counts only if its outputs are there (`made`).
    Work is `outdated` if this run recreates its inputs, so that an earlier job has read stale ones.
    """

    identity: names.Identity
    old_identities: Collection[names.Identity]
    marked: Sequence[Found]
    every: Collection[str]
    others: Collection[str]
    made: Callable[[], bool]
    youngest: Callable[[], float]
    outdated: bool

    def is_done_by(self, job: Found) -> bool:
        """Return whether a job does all of it, from the same inputs."""
        named = names.identity_in(job.name)
        if self.outdated or named is None:
            return False
        if named.whole == self.identity.whole:
            return named.part in ("", self.identity.part) or job.job_id in self.every
        # S3 gives times in whole seconds.
        return named in self.old_identities and self.youngest() + 1 <= job.created


class Earlier:
    """Jobs that earlier heads of the same run submitted. One thread takes them, another forgets those that ended."""

    def __init__(
        self, client: Client, queues: Iterable[str], run: str, note: Callable[[str], None], tag: str = "snakemake:run"
    ) -> None:
        """`note` gets a message about each job that is ended; `tag` is the key of the tag that names a job's run."""
        self._client = client
        self._queues = list(dict.fromkeys(queues))
        self._run, self._tag = run, tag
        self._note = note
        self._active: dict[str, list[Found]] | None = None
        # Ids of jobs whose tag says that they are of this run: names of jobs of `main-2` begin as those of `main`.
        self._ours: set[str] = set()
        self._lock = Lock()
        # Ids of jobs that do this head's work, and of jobs that have ended.
        self._taken: set[str] = set()
        self._over: set[str] = set()
        # Ids of jobs that were ended since they make the same outputs in another way.
        self.ended: list[str] = []

    @property
    def active(self) -> dict[str, list[Found]]:
        """Return jobs of this run that had not ended at the first look, by the identity of their outputs.

        Asked by status, not by name: the answer to a name holds a run's ended jobs of a week as well.
        """
        if self._active is None:
            # Kept when it is whole: a call that fails is repeated.
            active: dict[str, list[Found]] = {}
            for queue in self._queues:
                for status in ACTIVE:
                    pages = self._client.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
                    for page in pages:
                        for job in page["jobSummaryList"]:
                            self._keep(active, _found(job, status))
            self._note_ours(active)
            self._active = active
        return self._active

    def take(self, work: Work) -> Found | None:
        """Return the earlier job that does this work, if one is under way or done.

        Parts of a group may be done by the same job. Jobs that make the same outputs in another way are ended.
        """
        outputs = {identity.outputs for identity in (work.identity, *work.old_identities)}
        active = {job.job_id: job for one in outputs for job in self.active.get(one, [])}
        active |= {job.job_id: job for job in work.marked if job.is_active and job.job_id not in self._over}
        chosen = next(filter(work.is_done_by, active.values()), None)
        for job in active.values():
            if job is not chosen and job.job_id not in self._taken | set(work.others):
                self._end(job)
        if chosen is None:
            ended = [job for job in work.marked if job.status == "SUCCEEDED" and work.is_done_by(job)]
            chosen = ended[0] if ended and work.made() else None
        if chosen is not None:
            self._taken.add(chosen.job_id)
        return chosen

    def forget(self, job_id: str) -> None:
        """Note that a job has ended: it is not taken any more as one that runs."""
        with self._lock:
            self._over.add(job_id)
            for jobs in (self._active or {}).values():
                jobs[:] = [job for job in jobs if job.job_id != job_id]

    def rest(self) -> list[Found]:
        """Return the jobs of this run, by their tags, that nobody has taken, as far as they were looked for."""
        with self._lock:
            found = [job for jobs in (self._active or {}).values() for job in jobs]
        ours = self._ours - self._taken
        return [job for job in found if job.job_id in ours]

    def describe(self, ids: Sequence[str]) -> dict[str, Found]:
        """Return jobs by id, as far as Batch knows them."""
        found = {}
        for batch in batches(ids, IDS_TO_DESCRIBE):
            for job in self._client.describe_jobs(jobs=batch)["jobs"]:
                found[job["jobId"]] = _found(job, job["status"])
        return found

    def _note_ours(self, active: Mapping[str, Sequence[Found]]) -> None:
        ids = [job.job_id for jobs in active.values() for job in jobs]
        for asked in batches(ids, IDS_TO_DESCRIBE):
            for job in self._client.describe_jobs(jobs=asked)["jobs"]:
                if (job.get("tags") or {}).get(self._tag) == self._run:
                    self._ours.add(job["jobId"])

    def _keep(self, active: dict[str, list[Found]], job: Found) -> None:
        identity = names.identity_in(job.name)
        # A job can be seen in two states when it moves on between two questions.
        if identity and job.is_active and job.name.startswith(f"{self._run}-"):
            jobs = active.setdefault(identity.outputs, [])
            if all(job.job_id != other.job_id for other in jobs):
                jobs.append(job)

    def _end(self, job: Found) -> None:
        self._note(
            f"Batch job {job.job_id} ({job.name}) makes the same outputs from other or older inputs, or with other "
            "parameters or code; it is ended."
        )
        self._client.terminate_job(jobId=job.job_id, reason=ENDED_BY_US)
        self.ended.append(job.job_id)
        self.forget(job.job_id)


def _found(job: Mapping[str, Any], status: str) -> Found:
    """Return a job from an answer of Batch, whose times are milliseconds."""
    is_ending = bool(job.get("isTerminated") or job.get("isCancelled"))
    return Found(job["jobId"], job["jobName"], job.get("status", status), job.get("createdAt", 0) / 1000, is_ending)
