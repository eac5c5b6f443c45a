"""Map objects to the jobs that produce them. Answers of S3 that are older than such a job are stale."""

from collections.abc import Iterable
from typing import Any

from .location import Location
from .run_state import RunState

# A job of Snakemake.
Job = Any


class Producers:
    """Maps the objects of one storage provider to the jobs that produce them."""

    def __init__(self, state: RunState, provider: object) -> None:
        """Read no DAG yet. `provider` distinguishes its objects from those of other storages."""
        self._state = state
        self._provider = provider
        self._jobs: dict[Location, Job] = {}
        self._folders: dict[Location, Job] = {}
        # Number of jobs in the DAG when these were read.
        self._known = -1

    def of(self, location: Location) -> Job | None:
        """Return the job whose output, log or benchmark an object is, or lies in, if it may run elsewhere.

        None before there is a scheduler, since no job runs and the DAG may not be whole; None also on a worker, whose
        jobs produce their objects here.
        """
        if self._state.is_worker or not self._state.jobs_may_run:
            return None
        return self._in_dag(location)

    def of_output(self, location: Location) -> Job | None:
        """Return the job that has an object among its outputs, or in a directory of them, also on a worker.

        Logs and benchmarks are no outputs.
        """
        if self._state.workflow is None:
            return None
        job = self._in_dag(location)
        beside = () if job is None else (*job.log, *([job.benchmark] if job.benchmark else []))
        return None if any(self.is_own(file) and file.storage_object.location == location for file in beside) else job

    def is_own(self, file: Any) -> bool:  # noqa: ANN401
        """Return whether a file of a job lies in this storage."""
        return bool(file.is_storage) and file.storage_object.provider is self._provider

    def is_due(self, job: Job) -> bool:
        """Return whether a job is going to run, or runs."""
        return bool(self._state.workflow.dag.needrun(job)) and not self.has_ended(job)

    def has_ended(self, job: Job) -> bool:
        """Return whether a job has succeeded in this run.

        Snakemake asks for the results of a job before the DAG counts it as finished. Only the scheduler knows then that
        the job has ended; without that the results would be asked for once more.
        """
        workflow = self._state.workflow
        if workflow.dag.finished(job):
            return True
        ended = getattr(workflow.scheduler, "_tofinish", ())
        return any(one is job or (one.is_group() and job in one.jobs) for one in ended)

    def _in_dag(self, location: Location) -> Job | None:
        jobs = self._state.workflow.dag.jobs
        producer = self._find(location)
        if len(jobs) != self._known or (producer is not None and producer not in jobs):
            self._read(jobs)
            producer = self._find(location)
        return producer

    def _find(self, location: Location) -> Job | None:
        producer = self._jobs.get(location)
        key = location.key
        while producer is None and self._folders and "/" in key:
            key = key.rpartition("/")[0]
            producer = self._folders.get(Location(location.bucket, key))
        return producer

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
        # The number comes last: other threads look meanwhile.
        self._jobs, self._folders = jobs, folders
        self._known = len(dag_jobs)
