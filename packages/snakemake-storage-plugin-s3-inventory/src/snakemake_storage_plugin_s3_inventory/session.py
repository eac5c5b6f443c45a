"""The state that all objects of one storage provider share.

Each part knows only the parts above it: the state of the run, its lock, the connection to S3 (which writes nothing
without the lock), the producers of objects, the catalog of what exists, the inputs that were read, and what is fetched
ahead of its jobs.
"""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

import botocore.exceptions
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import IOCacheStorageInterface

from snakemake_aws_common import memory
from snakemake_aws_common.patience import Patience

from .ahead import Ahead
from .catalog import Catalog
from .connection import Connection
from .errors import error_code, explain
from .inputs import PlannedInputs
from .known_objects import ObjectInfo
from .location import Location
from .lock import RunLock
from .paths import LocalPaths
from .producers import Producers
from .run_state import RunState
from .settings import StorageProviderSettings

# Seconds for which a job on a worker waits for S3: it costs money meanwhile, and may be run again.
WORKER_PATIENCE = 600
R = TypeVar("R")
P = ParamSpec("P")


class Session:
    """One provider's view of its run and of S3."""

    def __init__(
        self,
        provider: object,
        settings: StorageProviderSettings,
        local_prefix: Path,
        is_default: bool,
        warn: Callable[[str], None],
    ) -> None:
        """Connect to nothing yet. `provider` distinguishes its objects from those of other storages."""
        self.settings = settings
        self.state = RunState()
        self.lock = RunLock(self.state, settings, is_default, warn)
        self.connection = Connection(settings, self.lock.check)
        self.producers = Producers(self.state, provider)
        self.paths = LocalPaths(local_prefix)
        self.catalog = Catalog(self.connection, self.state, self.producers, self.paths, settings.pages)
        self.inputs = PlannedInputs(self.state, self.catalog, self.producers)
        self.ahead = Ahead(self.state, self.producers)
        self._warn = warn
        self._patience: Patience | None = None
        self._recalls = is_default

    def begin_inventory(self, location: Location, cache: IOCacheStorageInterface) -> None:
        """Begin the plan: bring what Snakemake remembers of the run, and list the prefix of an object."""
        self._recall()
        self.catalog.begin_inventory(location, cache)

    def _recall(self) -> None:
        """Bring what heads on other machines remember of the run, if this process is a head that plans it."""
        workflow = self.state.workflow
        if not self._recalls or workflow is None or self.state.is_worker or not workflow.is_main_process:
            return
        remembered = memory.of_workflow(workflow, self.connection.client, self._warn)
        if remembered is not None:
            place = Location(*remembered.place)
            try:
                self.with_patience(remembered.recall, place)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                raise WorkflowError(explain(error, remembered.address)) from error
        self._recalls = False

    def look(self, location: Location) -> ObjectInfo | None:
        """Return what exists at a location, or None. The first look after the plan takes the lock of the run."""
        planning = self.catalog.is_planning()
        if planning:
            self._recall()
        else:
            self.lock.begin()
        return self.catalog.look(location, planning)

    def with_patience(self, call: Callable[[], R], location: Location) -> R:
        """Return a call's result, waiting for S3 and for credentials. Raise its error if that does not pass."""

        def call_or_explain() -> R:
            try:
                return call()
            except botocore.exceptions.ClientError as error:
                if error_code(error) == "400":
                    # S3 says no more to a HEAD. If credentials have expired, the answer to a listing says so.
                    client = self.connection.client
                    client.list_objects_v2(Bucket=location.bucket, Prefix=location.key, MaxKeys=1)
                raise

        if self._patience is None:
            self._patience = Patience(self._warn, longest=WORKER_PATIENCE if self.state.is_worker else math.inf)
        return self._patience(call_or_explain)


class HasSession(Protocol):
    """An object of a storage, as far as `with_user_errors` needs it."""

    query: str

    @property
    def session(self) -> Session:
        """Return the session that all objects of the provider share."""

    @property
    def location(self) -> Location:
        """Return bucket and key."""


O = TypeVar("O", bound=HasSession)  # noqa: E741


def with_user_errors(method: Callable[Concatenate[O, P], R]) -> Callable[Concatenate[O, P], R]:
    """Let a storage object's method wait for an S3 in trouble, and raise WorkflowErrors that users understand."""

    @functools.wraps(method)
    def wrapper(self: O, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return self.session.with_patience(lambda: method(self, *args, **kwargs), self.location)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
            raise WorkflowError(explain(error, self.query)) from error

    return cast("Callable[Concatenate[O, P], R]", wrapper)
