"""The run that a provider works for: its lock, without which nothing is written, and patience with S3 in trouble."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.exceptions

from snakemake_aws_common import head
from snakemake_aws_common.lease import SECONDS, Lease
from snakemake_aws_common.patience import Patience

from .client import connect, error_code
from .location import SCHEME, Location

if TYPE_CHECKING:
    from .provider import StorageProvider

T = TypeVar("T")
# Seconds for which a job waits for S3: it costs money meanwhile, and may be run again.
ON_A_WORKER = 600


class Run:
    """What the process of a provider does, as far as Snakemake has said."""

    def __init__(self, provider: "StorageProvider") -> None:
        """Asks nothing yet."""
        self._provider = provider
        self._lease: Lease | None = None
        self._patience: Patience | None = None

    def begin(self) -> None:
        """Take the run's lock once the DAG is planned and jobs are about to run. Raises HeldError if another has it."""
        if self._lease is None:
            workflow = self._provider.workflow
            if workflow is not None and workflow.scheduler is not None:
                self._hold(workflow)

    def check(self) -> None:
        """Return if this process may change something. Raises LostError or HeldError otherwise."""
        if self._lease is None and self._provider.workflow is not None:
            self._hold(self._provider.workflow)
        if self._lease is not None:
            self._lease.check()

    def _hold(self, workflow: Any) -> None:  # noqa: ANN401
        """Jobs on workers, processes that the head starts and dry runs need no lock: the head has it, or nobody."""
        settings = self._provider.settings
        seconds = SECONDS if settings.lock_seconds is None else settings.lock_seconds
        if not self._provider.is_default or not seconds:
            return
        prefix = str(workflow.storage_settings.default_storage_prefix or "")
        if prefix.startswith(SCHEME) and workflow.is_main_process and not workflow.dryrun:
            self._lease = head.hold(
                prefix,
                self._provider.logger.warning,
                seconds=seconds,
                advice="For a run of its own, give it another --default-storage-prefix.",
                client_of=lambda config: connect(settings, config),
            )

    def patiently(self, call: Callable[[], T], location: Location) -> T:
        """Return the call's result, waiting for S3 and for credentials. Raises what it raises if that does not pass."""

        def tried() -> T:
            try:
                return call()
            except botocore.exceptions.ClientError as error:
                if error_code(error) == "400":
                    # To a HEAD S3 does not say more; if credentials have expired, this does.
                    self._provider.client.list_objects_v2(Bucket=location.bucket, Prefix=location.key, MaxKeys=1)
                raise

        if self._patience is None:
            workflow = self._provider.workflow
            is_worker = workflow is not None and workflow.remote_exec
            self._patience = Patience(self._provider.logger.warning, longest=ON_A_WORKER if is_worker else math.inf)
        return self._patience(tried)
