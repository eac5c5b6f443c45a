"""Which job of the DAG makes an object, and whether it still may: what S3 said before it did is no longer true."""

from collections.abc import Iterable
from typing import Any

from .location import Location

# A job of Snakemake, or a workflow with its DAG.
Job = Any


class Makers:
    """The jobs that make the objects of one storage provider."""

    def __init__(self, provider: object) -> None:
        """`provider` is told from those of other storages."""
        self._provider = provider
        self._jobs: dict[Location, Job] = {}
        self._folders: dict[Location, Job] = {}
        # How many jobs the DAG had when these were read.
        self._known = -1

    def of(self, location: Location, workflow: Job) -> Job | None:
        """The job whose output, log or benchmark an object is, or lies in; None if no job makes it."""
        jobs = workflow.dag.jobs
        maker = self._find(location)
        if len(jobs) != self._known or (maker is not None and maker not in jobs):
            self._read(jobs)
            maker = self._find(location)
        return maker

    def of_output(self, location: Location, workflow: Job) -> Job | None:
        """The job that has an object among its outputs, or in one that is a directory; a log is no output."""
        job = self.of(location, workflow)
        aside = () if job is None else (*job.log, *([job.benchmark] if job.benchmark else []))
        return None if any(self.is_own(file) and file.storage_object.location == location for file in aside) else job

    def is_own(self, file: Any) -> bool:  # noqa: ANN401
        """Whether a file of a job lies in this storage."""
        return bool(file.is_storage) and file.storage_object.provider is self._provider

    def _find(self, location: Location) -> Job | None:
        maker = self._jobs.get(location)
        key = location.key
        while maker is None and self._folders and "/" in key:
            key = key.rpartition("/")[0]
            maker = self._folders.get(Location(location.bucket, key))
        return maker

    def _read(self, dag_jobs: Iterable[Job]) -> None:
        dag_jobs = list(dag_jobs)
        jobs, folders = {}, {}
        for job in dag_jobs:
            for file in (*job.output, *job.log, *([job.benchmark] if job.benchmark else [])):
                if self.is_own(file):
                    location = file.storage_object.location
                    jobs[location] = job
                    if file.is_directory:
                        folders[location] = job
        # The number last: other threads look meanwhile.
        self._jobs, self._folders = jobs, folders
        self._known = len(dag_jobs)


def is_due(job: Job, workflow: Job) -> bool:
    """Whether a job is going to run, or runs."""
    return bool(workflow.dag.needrun(job)) and not has_ended(job, workflow)


def has_ended(job: Job, workflow: Job) -> bool:
    """Whether a job has run well in this process or at its command.

    Snakemake asks for the results of a job before it counts as finished. That it has ended then is known to the
    scheduler only; without that they would be asked for once more.
    """
    if workflow.dag.finished(job):
        return True
    ended = getattr(workflow.scheduler, "_tofinish", ())
    return any(one is job or (one.is_group() and job in one.jobs) for one in ended)
