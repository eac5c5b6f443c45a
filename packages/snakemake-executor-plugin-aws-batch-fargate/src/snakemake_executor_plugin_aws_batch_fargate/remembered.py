"""What Snakemake remembers of the run: brought from S3 when the lock is taken, and stored there as jobs come and go."""

import contextlib
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import memory
from snakemake_aws_common.lease import LostError
from snakemake_aws_common.patience import Patience

from . import client
from .lock import Lock
from .untyped import Workflow


class Remembered:
    """The memory of the run, if it is kept in a database and the run has a lock."""

    def __init__(self, kept: memory.Memory | None, has_records: bool = True) -> None:
        """Do nothing for None. `has_records` is whether it holds how files were made, not only what is under way."""
        self._kept, self._has_records = kept, has_records

    @property
    def is_whole(self) -> bool:
        """Return whether it knows each job that is done, but for the last ones of a head that was killed."""
        return self._kept is not None and self._has_records

    def store_now_and_then(self) -> None:
        """Store what has changed, every few seconds at most. Raise LostError if the lock of the run is lost."""
        if self._kept is not None:
            self._kept.store_now_and_then()

    def store_at_end(self) -> None:
        """Store what has changed, unless the lock of the run is lost."""
        if self._kept is not None:
            with contextlib.suppress(LostError):
                self._kept.store()


def bring(workflow: Workflow, lock: Lock, region: str | None, say: Callable[[str], None]) -> Remembered:
    """Bring what another head has stored since this one planned the run, and return the memory of the run.

    Raises WorkflowError if S3 does not give it.
    """
    if not lock.is_taken:
        return Remembered(None)
    kept = memory.of_workflow(workflow, lock.gated_s3(client.client_of("s3", region)), say)
    if kept is not None:
        try:
            Patience(say)(kept.recall)
        except (ClientError, BotoCoreError) as error:
            raise WorkflowError(
                f"What Snakemake remembers of the run, {kept.address}, can't be read: {error}"
            ) from error
    return Remembered(kept, kept is not None and workflow.execution_settings.keep_metadata)
