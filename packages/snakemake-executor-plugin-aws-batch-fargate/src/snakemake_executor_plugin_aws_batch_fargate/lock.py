"""The lock of the run, as the executor uses it: no job is submitted or ended without it."""

from collections.abc import Callable
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import head
from snakemake_aws_common.lease import Lease, LostError
from snakemake_aws_common.patience import Patience

from . import claim, client, settings, signals
from .untyped import Client, Workflow

# Calls of Batch that change what runs.
CHANGES = ("SubmitJob", "TerminateJob", "TerminateJobs", "CancelJob")
# Seconds that a head takes to release its lock when its terminal is closed.
LEAVING = 5.0


class Lock:
    """This head's lease on the run, if the run has a lock."""

    def __init__(self, lease: Lease | None) -> None:
        """Hold a lease; None without a default storage on S3, or if the settings want no lock."""
        self._lease = lease

    @property
    def is_taken(self) -> bool:
        """Return whether the run has a lock, which this head has taken."""
        return self._lease is not None

    def check(self) -> None:
        """Return if this head has the run; raise LostError otherwise."""
        if self._lease is not None:
            self._lease.check()

    def ask(self) -> None:
        """Ask S3 whose the run is, and raise LostError if it is not this head's any more; return if S3 is silent."""
        if self._lease is not None:
            self._lease.renew()

    def refuse_lost(self) -> None:
        """Raise LostError if this head is known to have lost the run; asks nothing."""
        if self._lease is not None and self._lease.lost:
            raise self._lease.lost

    def give_up(self) -> None:
        """End all waiting for S3."""
        if self._lease is not None:
            self._lease.give_up()

    def holds(self) -> bool:
        """Return whether this head is known to have the run; S3 is asked at most once."""
        try:
            return self._lease is None or self._lease.is_sure()
        except LostError:
            return False

    def gated(self, batch: Client) -> Client:
        """Return the client of Batch, which changes nothing without the lock any more."""
        for operation in CHANGES:
            head.check_before_writes(batch.client, self.check, f"batch.{operation}")
        return batch

    def gated_s3(self, s3: Client) -> Client:
        """Return the client of S3, which changes nothing without the lock any more."""
        head.check_before_writes(s3, self.check, "s3")
        return s3


def take(workflow: Workflow, given: settings.ExecutorSettings, region: str | None, say: Callable[[str], None]) -> Lock:
    """Take the lock of the run below its default storage, unless there is nothing to do.

    Done before anything else, also before rules that run here begin. Raises WorkflowError if another head has it.
    """
    prefix = str(workflow.storage_settings.default_storage_prefix or "")
    if not given.lock_seconds or not prefix.startswith("s3://") or not len(workflow.dag):
        return Lock(None)
    signals.leave_at_sighup(partial(head.release_all, LEAVING))
    hint = given.run_hint or f"{settings.PREFIX}run-name and --default-storage-prefix"
    try:
        lock = Lock(
            head.hold(
                prefix,
                say,
                seconds=given.lock_seconds,
                advice=f"For a run of its own, give it another name: {hint}.",
                client_of=partial(client.client_of, "s3", region),
            )
        )
        s3 = lock.gated_s3(client.client_of("s3", region))
        Patience(say)(lambda: claim.claim(workflow, s3, given))
    except (ClientError, BotoCoreError) as error:
        raise WorkflowError(
            f"The lock of the run and the record of its data below {prefix} can't be read or written: {error}. "
            "Nothing was submitted. Check the bucket's name; whoever starts runs needs s3:ListBucket on the bucket, "
            "and s3:GetObject, s3:PutObject and s3:DeleteObject on these objects."
        ) from error
    return lock
