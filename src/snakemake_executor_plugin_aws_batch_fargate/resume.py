"""Jobs of a head that was killed: those that still run, or have ended well since, are waited for, not run again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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


class Earlier:
    """Jobs that an earlier head of the same run submitted."""

    def __init__(self, client: Client, queues: Iterable[str], run: str, note: Callable[[str], None]) -> None:
        """`note` is told what is done about them."""
        self._client = client
        self._queues = list(dict.fromkeys(queues))
        self._run = run
        self._note = note
        self._active: dict[str, list[Found]] | None = None

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
                            self._keep(Found(job["jobId"], job["jobName"], job.get("status", status)))
        return self._active

    def take(
        self, identity: names.Identity, marked: Sequence[Found], made: Callable[[], bool], outdated: bool = False
    ) -> Found | None:
        """The earlier job that does this work, if one is under way or done; it can be taken only once.

        `marked` are the jobs that Snakemake's record of unfinished outputs names; one that has succeeded counts only
        if its outputs are there (`made`). A job that makes the same outputs in another way is ended, and so is one
        that is `outdated`: it reads what was there before.
        """
        running = self.active.pop(identity.outputs, [])
        known = {job.job_id for job in running}
        running += [job for job in marked if job.status in ACTIVE and job.job_id not in known]
        chosen: Found | None = None
        for job in running:
            if chosen is None and not outdated and names.identity_in(job.name) == identity:
                chosen = job
            else:
                self._end(job)
        if chosen is None and not outdated:
            for job in marked:
                if job.status == "SUCCEEDED" and names.identity_in(job.name) == identity and made():
                    return job
        return chosen

    def rest(self) -> list[str]:
        """Ids of the jobs that nobody has taken, as far as they were looked for."""
        return [job.job_id for jobs in (self._active or {}).values() for job in jobs]

    def describe(self, ids: Sequence[str]) -> dict[str, Found]:
        """Jobs by id, as far as Batch knows them."""
        found = {}
        for start in range(0, len(ids), IDS_PER_CALL):
            for job in self._client.describe_jobs(jobs=list(ids[start : start + IDS_PER_CALL]))["jobs"]:
                found[job["jobId"]] = Found(job["jobId"], job["jobName"], job["status"])
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
