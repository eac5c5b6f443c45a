"""Snakemake's state in this process: the workflow, and whether jobs may run."""

from typing import Any

# A workflow of Snakemake, with its DAG, scheduler and settings.
Workflow = Any


class RunState:
    """The workflow, which is None until one of its rules has a file in the storage."""

    def __init__(self) -> None:
        """Know no workflow yet."""
        self.workflow: Workflow = None

    @property
    def is_worker(self) -> bool:
        """Return whether this process runs a job that another process, the head, has planned."""
        return self.workflow is not None and bool(self.workflow.remote_exec)

    @property
    def jobs_may_run(self) -> bool:
        """Return whether the DAG is planned, so that jobs run or are about to."""
        return self.workflow is not None and self.workflow.scheduler is not None
