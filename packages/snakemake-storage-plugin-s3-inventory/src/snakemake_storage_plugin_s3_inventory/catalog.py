"""Answer which objects exist, from listings and from what the run knows; ask S3 only if these don't say."""

import botocore.exceptions
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import IOCacheStorageInterface, Mtime

from .connection import Connection
from .errors import archived_message, is_missing
from .inventories import Inventories
from .known_objects import KnownObjects, ObjectInfo
from .listing import look_up, object_info
from .location import Location
from .paths import LocalPaths
from .producers import Job, Producers
from .run_state import RunState


class Catalog:
    """Answers questions about the objects of one storage provider."""

    def __init__(
        self, connection: Connection, state: RunState, producers: Producers, paths: LocalPaths, max_pages: int
    ) -> None:
        """Ask S3 nothing yet. At most `max_pages` pages of a prefix are listed in one go."""
        self._connection = connection
        self._state = state
        self._producers = producers
        self._paths = paths
        self._known = KnownObjects()
        self._inventories = Inventories(lambda: connection.client, max_pages, self._found, self._listed)
        # Snakemake's cache while it is in use, that is while the DAG is built, if it wants inventories.
        self._cache: IOCacheStorageInterface | None = None
        # The job that had produced an object when it was stored or asked for.
        self._produced_by: dict[Location, Job] = {}

    # Questions

    def begin_inventory(self, location: Location, cache: IOCacheStorageInterface) -> None:
        """List the prefix of an object, unless that was done or Snakemake wants no inventories.

        Workers want none (`--max-inventory-time 0`): they handle one job and need not know the whole run. A worker
        whose job has many inputs in one folder reads that folder by the page.
        """
        if getattr(cache, "max_wait_time", 1) > 0:
            self._cache = cache
            self._inventories.covering(location)
        elif self._known.get(location) is None and (inventory := self._inventories.of_folder(location)):
            self._inventories.holds(inventory, location)

    def look(self, location: Location, planning: bool) -> ObjectInfo | None:
        """Return what exists at a location, or None if nothing does; `planning` is the answer of `is_planning`.

        A listing's "missing" counts only as long as Snakemake itself keeps such answers; later S3 is asked again.
        """
        known = self._known.get(location) if planning or self._still_holds(location) else None
        if known is not None:
            return known
        if planning:
            inventory = self._inventories.covering(location)
            if inventory is not None and self._inventories.holds(inventory, location) is False:
                return None
            known = self._known.get(location)
            if known is not None:
                return known
        return self.ask(location)

    def ask(self, location: Location) -> ObjectInfo | None:
        """Ask S3 what exists at a location now, and remember the answer."""
        producer = self._producers.of(location)
        ended = producer is not None and self._producers.has_ended(producer)
        found = self.ask_now(location)
        for other, info in found.items():
            # The answer may tell of others: keep those that the same job has produced, or those that no job produces
            # and of which nothing is known.
            if ended:
                keep = self._producers.of(other) is producer
            else:
                keep = self._producers.of(other) is None and not self._is_known(other)
            if other == location or keep:
                if ended:
                    self._produced_by[other] = producer
                self._known.add(other, info)
        return found.get(location)

    def ask_now(self, location: Location) -> dict[Location, ObjectInfo]:
        """Return what S3 says about a location, and perhaps about others. Remember nothing."""
        if self._inventories.may_list(location):
            try:
                return dict(look_up(self._connection.client, location))
            except botocore.exceptions.ClientError as error:
                # Some buckets let everybody read, and nobody list.
                self._inventories.denied(error, location.bucket, location.listed)
        try:
            return {location: self._head(location)}
        except botocore.exceptions.ClientError as error:
            if is_missing(error):
                return {}
            raise

    def refuse_archived(self, location: Location) -> None:
        """Raise WorkflowError unless an archived object was restored, which listings do not say."""
        now = self._head(location)
        if now.archived:
            raise WorkflowError(archived_message(location.query))
        self._known.add(location, (self._known.get(location) or now)._replace(archived=False))

    # Changes by this process

    def stored(self, location: Location, info: ObjectInfo) -> None:
        """Remember what this process has stored itself."""
        self._produced_by[location] = self._producers.of(location)
        self._known.add_stored(location, info)

    def removed(self, location: Location) -> None:
        """Forget what this process has deleted, or found to be gone."""
        self._known.forget(location)

    # The time of the plan

    def is_planning(self) -> bool:
        """Return whether the DAG is being built. What was listed then holds as long as `_still_holds` says."""
        if self._cache is None:
            return False
        if self._cache.active:
            return True
        self._cache = None
        if self._state.workflow is None:
            self._known.clear()
        return False

    def _still_holds(self, location: Location) -> bool:
        """Return whether S3 still has what is known of an object: a worker replaces it and tells nobody."""
        producer = self._producers.of(location)
        if producer is None or self._produced_by.get(location) is producer:
            return True
        return not (self._producers.is_due(producer) or self._producers.has_ended(producer))

    def _is_known(self, location: Location) -> bool:
        """Return whether the plan knows that an object exists or is missing: a plan is of one moment."""
        listed = self.is_planning() and self._inventories.is_whole(location)
        return listed or self._known.get(location) is not None

    def _head(self, location: Location) -> ObjectInfo:
        return object_info(self._connection.client.head_object(Bucket=location.bucket, Key=location.key))

    def _listed(self, location: Location) -> None:
        """Tell Snakemake's cache that the prefix of an object is known whole."""
        if self._cache is not None:
            self._cache.exists_in_storage.has_inventory.add(self._paths.cache_key_of_prefix(location))

    def _found(self, location: Location, info: ObjectInfo) -> None:
        """Keep an object of a listing, also in Snakemake's cache."""
        cache = self._cache
        if cache is not None and self._inventories.is_whole(location):
            # A later page, which covers more: the first listing holds.
            return
        self._known.add(location, info)
        if cache is not None and cache.active:
            key = self._paths.cache_key(location)
            cache.mtime[key] = Mtime(storage=info.mtime)
            # The sizes of archived objects are left out, so that Snakemake asks before jobs read them.
            if not info.archived:
                cache.size[key] = info.size
            cache.exists_in_storage[key] = True
