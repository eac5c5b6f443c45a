"""The lock of the run: nothing is written without it."""

from collections.abc import Callable

from snakemake_aws_common import head
from snakemake_aws_common.lease import SECONDS, Lease

from .connection import connect
from .location import SCHEME
from .run_state import RunState, Workflow
from .settings import StorageProviderSettings


class RunLock:
    """The lock as a storage provider's process sees it, taken when first needed."""

    def __init__(
        self, state: RunState, settings: StorageProviderSettings, is_default: bool, warn: Callable[[str], None]
    ) -> None:
        """Ask S3 nothing yet. `is_default`: whether the provider is the run's default storage, which has the lock."""
        self._state = state
        self._settings = settings
        self._is_default = is_default
        self._warn = warn
        self._lease: Lease | None = None

    def begin(self) -> None:
        """Take the lock if the DAG is planned and jobs are about to run. Raise HeldError if another head has it."""
        if self._lease is None and self._state.jobs_may_run:
            self._hold(self._state.workflow)

    def check(self) -> None:
        """Return if this process may write. Raise LostError or HeldError otherwise."""
        if self._lease is None and self._state.workflow is not None:
            self._hold(self._state.workflow)
        if self._lease is not None:
            self._lease.check()

    def _hold(self, workflow: Workflow) -> None:
        """Take the lock, if this process is the head of a run that changes something.

        Workers, other processes that the head starts, and dry runs need no lock.
        """
        seconds = SECONDS if self._settings.lock_seconds is None else self._settings.lock_seconds
        if not self._is_default or not seconds:
            return
        prefix = str(workflow.storage_settings.default_storage_prefix or "")
        if prefix.startswith(SCHEME) and workflow.is_main_process and not workflow.dryrun:
            self._lease = head.hold(
                prefix,
                self._warn,
                seconds=seconds,
                advice="For a run of its own, give it another --default-storage-prefix.",
                client_of=lambda config: connect(self._settings, config),
            )
