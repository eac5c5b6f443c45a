"""The sources of the workflow on their way to workers, and out of storage when nobody needs them any more."""

from collections.abc import Callable

from snakemake_interface_common.exceptions import WorkflowError

from . import archive, sources
from .plan import Plan
from .untyped import Job, Workflow


class Deployment:
    """Archives of the sources, with fingerprints of inputs: another one when a checkpoint leads to more inputs."""

    def __init__(self, workflow: Workflow, plan: Plan, note: Callable[[str], None]) -> None:
        """Collect the sources; `note` gets a message about files that are too large to travel.

        Raises WorkflowError for files that workers would not find, and if all is too much.
        """
        self._workflow = workflow
        self._plan = plan
        self._sources = sources.collect(workflow, note)
        self._sent: list[archive.Archive] = []

    @property
    def is_sent(self) -> bool:
        """Return whether anything lies in storage."""
        return bool(self._sent)

    @property
    def python(self) -> str:
        """Return the words that stand for `python` in a job's command: they fetch the latest archive first."""
        return self._sent[-1].python

    def send_for(self, job: Job) -> None:
        """Send an archive if there is none yet, or if none has the fingerprints of the job's inputs."""
        if not self._sent or self._plan.lacks(job):
            self._sent.append(archive.send(self._workflow, self._sources, self._plan.write(job)))

    def remove(self, warn: Callable[[str], None]) -> None:
        """Take all archives out of storage; `warn` gets a message about each that stays."""
        for sent in self._sent:
            try:
                archive.remove(self._workflow, sent)
            except WorkflowError as error:
                warn(f"The sources of the workflow stay in storage ({sent.query}): {error}")
