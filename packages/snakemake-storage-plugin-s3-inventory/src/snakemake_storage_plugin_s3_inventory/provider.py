"""What all objects of a run share: the connection, the memory, and the inventories of prefixes."""

import functools
import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.exceptions
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import IOCacheStorageInterface, Mtime
from snakemake_interface_storage_plugins.storage_provider import ExampleQuery, QueryType, StorageQueryValidationResult
from snakemake_storage_plugin_s3 import StorageProvider as S3Provider

from snakemake_aws_common.head import check_before_writes

from .client import archived, connect, is_denied, is_missing
from .inputs import Inputs
from .inventory import Inventory
from .listing import ask, seen
from .location import Location, problem
from .makers import Makers, has_ended, is_due
from .memory import Memory, Seen
from .run import Run
from .storage_object import StorageObject
from .transfer import Transfer

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# New objects after which Python's collector looks for those that nothing needs any more. A DAG's are needed to the end;
# looking through them after every 700, as is Python's habit, takes an eighth of the time of a plan.
COLLECT_AFTER = 100_000
# Folders of a bucket (on a worker: files of a folder) that are asked for by themselves before pages of all are read.
PATIENCE = 4


class StorageProvider(S3Provider):  # type: ignore[misc]
    """Answers questions about objects from listings and from memory, and S3 only if it must."""

    def __post_init__(self) -> None:
        """Connects to nothing yet: a worker or a dry run may not need S3 at all."""
        self.memory = Memory()
        self.inputs = Inputs(self)
        self.run = Run(self)
        self._lock = threading.Lock()
        self._client: S3Client | None = None
        self._transfer: Transfer | None = None
        # Snakemake's cache while it is in use, that is while the DAG is built, if it wants inventories.
        self._cache: IOCacheStorageInterface | None = None
        # Told by storage objects, since only the DAG knows which objects are going to change.
        self.workflow: Any = None
        self._makers = Makers(self)
        # Which job had made an object when it was stored or asked for.
        self._made: dict[Location, Any] = {}
        self._inventories: dict[tuple[str, str], Inventory] = {}
        # Prefixes that were listed from their start to their end, in one go.
        self._whole: set[tuple[str, str]] = set()
        # Prefixes that these credentials may not list.
        self._unlistable: set[tuple[str, str | None]] = set()
        self._asked: dict[tuple[str, str], int] = {}
        self._prefix = str(self.local_prefix)
        # Snakemake asks for so many paths that to take them apart would need more time than all else here.
        self._folder = functools.lru_cache(maxsize=10_000)(Path)
        gc.set_threshold(COLLECT_AFTER)

    @property
    def client(self) -> "S3Client":
        """The client of S3, made when first needed."""
        with self._lock:
            if self._client is None:
                self._client = connect(self.settings)
                check_before_writes(self._client, self.run.check, "s3")
                # The description of S3 is tens of thousands of objects, and Snakemake has as many by now; none of them
                # goes away, and Python's collector need not look through them each time while the DAG grows.
                gc.freeze()
            return self._client

    @property
    def transfer(self) -> Transfer:
        """Uploads and downloads."""
        client = self.client
        with self._lock:
            if self._transfer is None:
                self._transfer = Transfer(client, tries=self.settings.retries)
            return self._transfer

    @classmethod
    def get_storage_object_cls(cls) -> type[StorageObject]:
        """Snakemake looks for it in the module of this class otherwise."""
        return StorageObject

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        """Shown in Snakemake's plugin catalogue."""
        return [
            ExampleQuery(
                query="s3://mybucket/raw/first table.tsv.gz",
                type=QueryType.ANY,
                description="An object in an S3 bucket, its key as it is stored (nothing is escaped)",
            )
        ]

    @classmethod
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        """Whether a query names an object, also while it still has wildcards."""
        reason = problem(query)
        return StorageQueryValidationResult(query=query, valid=reason is None, reason=reason)

    def local_path(self, bucket: str, key: str) -> Path:
        """Where the local copy of an object lies."""
        folder, _, name = key.rpartition("/")
        return self._folder(f"{self._prefix}/{bucket}/{folder}") / name

    def cache_key(self, location: Location) -> str:
        """The name of an object in Snakemake's cache: its local path."""
        return f"{self._prefix}/{location.bucket}/{location.key}"

    def listed(self, location: Location) -> str | None:
        """The name in Snakemake's cache of the prefix that is listed for an object."""
        prefix = location.listed
        return None if prefix is None else f"{self._prefix}/{location.bucket}/{prefix}"

    def begin_inventory(self, location: Location, cache: IOCacheStorageInterface) -> None:
        """Lists what an object lies in, unless that was done or Snakemake wants no inventories.

        Snakemake says so to workers (`--max-inventory-time 0`): they handle one job, and need not know the whole run.
        A worker whose job has many inputs in one folder reads them by the page.
        """
        if getattr(cache, "max_wait_time", 1) > 0:
            self._cache = cache
            self._list(location)
        elif self.memory.get(location) is None:
            folder = location.key[: location.key.rfind("/") + 1]
            if self._is_one_of_many(location.bucket, folder):
                self._holds(self._inventory(location.bucket, folder), location)

    def look(self, location: Location) -> Seen | None:
        """What exists at a location, or None if nothing does.

        "Missing" comes from a listing only as long as Snakemake itself keeps such answers; later S3 is asked again.
        """
        planning = self._is_planning()
        if not planning:
            self.run.begin()
        known = self.memory.get(location) if planning or self._still_holds(location) else None
        if known is not None:
            return known
        if planning:
            inventory = self._list(location)
            if inventory is not None and self._holds(inventory, location) is False:
                return None
            known = self.memory.get(location)
            if known is not None:
                return known
        return self.ask(location)

    def _is_planning(self) -> bool:
        """Whether the DAG is being built. What was listed meanwhile holds as long as `_still_holds` says."""
        if self._cache is None:
            return False
        if self._cache.active:
            return True
        self._cache = None
        if self.workflow is None:
            self.memory.clear()
        return False

    def _still_holds(self, location: Location) -> bool:
        """Whether what is remembered of an object is what S3 has: a worker replaces it without a word."""
        maker = self.maker(location)
        if maker is None or self._made.get(location) is maker:
            return True
        return not (is_due(maker, self.workflow) or has_ended(maker, self.workflow))

    def maker(self, location: Location) -> Any:  # noqa: ANN401
        """The job that makes an object, perhaps elsewhere; a worker's own jobs make theirs here.

        Before there is a scheduler no job runs, and the DAG may not be whole.
        """
        if self.workflow is None or self.workflow.remote_exec or self.workflow.scheduler is None:
            return None
        return self._makers.of(location, self.workflow)

    def maker_of_output(self, location: Location) -> Any:  # noqa: ANN401
        """The job that has an object among its outputs, on a worker as well."""
        return self._makers.of_output(location, self.workflow)

    def is_own(self, file: Any) -> bool:  # noqa: ANN401
        """Whether a file of a job lies in this storage."""
        return self._makers.is_own(file)

    def stored(self, location: Location, seen: Seen) -> None:
        """Remembers what this process has stored itself."""
        self._made[location] = self.maker(location)
        self.memory.stored(location, seen)

    def ask(self, location: Location) -> Seen | None:
        """Asks S3 what exists at a location now, and remembers it."""
        maker = self.maker(location)
        ended = maker is not None and has_ended(maker, self.workflow)
        found = self.ask_now(location)
        for other, what in found.items():
            # Of what comes along, only what the same job has made, or what no job makes and nothing is known of.
            along = self.maker(other) is maker if ended else self.maker(other) is None and not self._is_known(other)
            if other == location or along:
                self._saw(other, what, maker if ended else None)
        return found.get(location)

    def ask_now(self, location: Location) -> dict[Location, Seen]:
        """What S3 says to a question about a location, which may be something about others as well."""
        if (location.bucket, location.listed) not in self._unlistable:
            try:
                return dict(ask(self.client, location))
            except botocore.exceptions.ClientError as error:
                # Some buckets let everybody read, and nobody list.
                self._denied(error, location.bucket, location.listed)
        try:
            return {location: seen(self.client.head_object(Bucket=location.bucket, Key=location.key))}
        except botocore.exceptions.ClientError as error:
            if is_missing(error):
                return {}
            raise

    def _saw(self, location: Location, what: Seen, maker: Any) -> None:  # noqa: ANN401
        """Remembers what S3 said, and which job had made it by then."""
        if maker is not None:
            self._made[location] = maker
        self.memory.saw(location, what)

    def _is_known(self, location: Location) -> bool:
        """Whether a plan knows of an object, or that there is none: a plan is of one moment."""
        listed = self._is_planning() and (location.bucket, location.listed) in self._whole
        return listed or self.memory.get(location) is not None

    def refuse_archived(self, location: Location) -> None:
        """Raises WorkflowError unless an archived object was restored, which listings do not say."""
        now = seen(self.client.head_object(Bucket=location.bucket, Key=location.key))
        if now.archived:
            raise WorkflowError(archived(location.query))
        self.memory.saw(location, (self.memory.get(location) or now)._replace(archived=False))

    def _list(self, location: Location) -> Inventory | None:
        """The inventory that covers a location, filled when first needed; None if there can't be one."""
        bucket, prefix = location.bucket, location.listed
        if not self.settings.pages or (bucket, prefix) in self._unlistable:
            return None
        known = None if prefix is None else self._inventories.get((bucket, prefix))
        if known is not None:
            return known
        # Each sample may have a folder of its own: from some folders on, pages are read across all of them.
        if self._is_one_of_many(bucket, "") and (bucket, "") not in self._unlistable:
            return self._inventory(bucket, "")
        if prefix is None:
            return None
        inventory = self._inventory(bucket, prefix)
        try:
            inventory.fill()
        except botocore.exceptions.ClientError as error:
            del self._inventories[bucket, prefix]
            self._denied(error, bucket, prefix)
            return None
        if inventory.complete:
            self._whole.add((bucket, prefix))
            if self._cache is not None:
                self._cache.exists_in_storage.has_inventory.add(self.listed(location))
        return inventory

    def _holds(self, inventory: Inventory, location: Location) -> bool | None:
        """What an inventory says, or None if the object has to be asked for by itself."""
        if (location.bucket, inventory.prefix) in self._unlistable:
            return None
        try:
            return inventory.holds(location.key)
        except botocore.exceptions.ClientError as error:
            self._denied(error, location.bucket, inventory.prefix)
            return None

    def _denied(self, error: botocore.exceptions.ClientError, bucket: str, prefix: str | None) -> None:
        """Remembers that a prefix may not be listed; raises any other error."""
        if not is_denied(error):
            raise error
        self._unlistable.add((bucket, prefix))

    def _is_one_of_many(self, bucket: str, folder: str) -> bool:
        self._asked[bucket, folder] = self._asked.get((bucket, folder), 0) + 1
        return self._asked[bucket, folder] > PATIENCE

    def _inventory(self, bucket: str, prefix: str) -> Inventory:
        return self._inventories.setdefault(
            (bucket, prefix), Inventory(self.client, bucket, prefix, self.settings.pages, self._found)
        )

    def _found(self, location: Location, seen: Seen) -> None:
        if self._cache is not None and (location.bucket, location.listed) in self._whole:
            # A later page, of more: what was listed first holds.
            return
        self.memory.saw(location, seen)
        cache = self._cache
        if cache is not None and cache.active:
            key = self.cache_key(location)
            cache.mtime[key] = Mtime(storage=seen.mtime)
            # Of what can't be read, Snakemake has to ask the size itself, as it does of what jobs are going to read.
            if not seen.archived:
                cache.size[key] = seen.size
            cache.exists_in_storage[key] = True
