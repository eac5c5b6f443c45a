"""One object, or one directory of objects, as Snakemake handles it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.exceptions import FileOrDirectoryNotFoundError
from snakemake_interface_storage_plugins.io import IOCacheStorageInterface, get_constant_prefix
from snakemake_interface_storage_plugins.storage_object import StorageObjectTouch
from snakemake_interface_storage_plugins.storage_provider import StorageQueryValidationResult
from snakemake_storage_plugin_s3 import StorageObject as S3Object

from snakemake_aws_common import transfers
from snakemake_aws_common.patience import in_thread

from . import directories
from .errors import is_missing
from .inputs import replaced_message
from .known_objects import ObjectInfo
from .listing import Entry, directory_info, pages
from .location import Location, locate, problem
from .session import Session, with_user_errors
from .transfer import ReplacedError


class StorageObject(S3Object, StorageObjectTouch):  # type: ignore[misc]
    """An object in S3: `s3://bucket/key`.

    A key that others continue after a slash stands for a directory of these, as with `directory()` outputs.
    """

    def __post_init__(self) -> None:
        """Ask S3 nothing: Snakemake makes thousands of these while it looks for producers of files."""
        self._located = self.query
        self._location = locate(self.query)
        self.bucket, self.key = self._location

    @property
    def session(self) -> Session:
        """Return the session that all objects of the provider share."""
        session: Session = self.provider.session
        return session

    @property
    def _iofile(self) -> Any:  # noqa: ANN401
        """Return the file of a rule that this object stands behind; Snakemake sets it, and does not read it."""

    @_iofile.setter
    def _iofile(self, file: Any) -> None:  # noqa: ANN401
        state = self.session.state
        if state.workflow is None and file.rule is not None:
            state.workflow = file.rule.workflow

    @property
    def location(self) -> Location:
        """Return bucket and key."""
        # Snakemake writes constraints of wildcards into the queries of copies.
        if self._located is not self.query:
            self.__post_init__()
        return self._location

    # Names

    def is_valid_query(self) -> bool | StorageQueryValidationResult:
        """Return whether the query names an object, and if not, why not."""
        return problem(self.query) is None or self.provider.is_valid_query(self.query)

    def local_suffix(self) -> str:
        """Return the path of the local copy below the provider's folder."""
        return "/".join(self.location)

    def local_path(self) -> Path:
        """Return the path of the local copy."""
        if self._overwrite_local_path:
            return Path(self._overwrite_local_path)
        return self.session.paths.of(self.location)

    def cache_key(self, local_suffix: str | None = None) -> str:
        """Return the name in Snakemake's cache."""
        if local_suffix is not None:
            return str(super().cache_key(local_suffix))
        return self.session.paths.cache_key(self.location)

    def get_inventory_parent(self) -> str | None:
        """Return the name in Snakemake's cache of the prefix that is listed to find this object."""
        return self.session.paths.cache_key_of_prefix(self.location)

    # Questions

    @with_user_errors
    def _begin_inventory(self, cache: IOCacheStorageInterface) -> None:
        self.session.begin_inventory(self.location, cache)

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        """List the prefix this object lies in.

        Snakemake shows lines of this file with errors that come from here, but none with its own: it asks again.
        """
        try:
            self._begin_inventory(cache)
        except WorkflowError:
            await self.managed_exists()

    def cleanup(self) -> None:
        """Leave nothing behind that Snakemake doesn't remove itself: it has run all jobs that it will run."""
        self.session.ahead.end()

    @with_user_errors
    def _look(self, ask_for_time: bool = False) -> ObjectInfo | None:
        info = self.session.look(self.location)
        if ask_for_time and info is not None and info.mtime is None:
            info = self.session.catalog.ask(self.location)
        return info

    def exists(self) -> bool:
        """Return whether there is such an object or directory."""
        return self._look() is not None

    def _existing(self, ask_for_time: bool = False) -> ObjectInfo:
        info = self._look(ask_for_time)
        if info is None:
            # By this error Snakemake knows to wait for a missing file whose size a job's resources depend on.
            raise FileOrDirectoryNotFoundError(self.local_path(), self.print_query)
        return info

    def mtime(self) -> float:
        """Return when it was stored, in seconds since 1970; for a directory, when its latest object was."""
        return self._existing(ask_for_time=True).mtime or 0.0

    def size(self) -> int:
        """Return its size in bytes; for a directory, the sum over its objects.

        Snakemake asks before a job reads the object, so raise WorkflowError here if it is archived.
        """
        info = self._existing()
        if info.archived and self.retrieve:
            self._refuse_archived()
        return info.size

    @with_user_errors
    def _refuse_archived(self) -> None:
        self.session.catalog.refuse_archived(self.location)

    def fingerprint(self) -> str:
        """Return ETag and size as a text, which changes when the object is replaced.

        Costs a request only if nothing is known of the object.
        """
        info = self._existing()
        return info.fingerprint if info.etag else (self._ask() or info).fingerprint

    @with_user_errors
    def _ask(self) -> ObjectInfo | None:
        return self.session.catalog.ask(self.location)

    def is_dir(self) -> bool:
        """Return whether it is a directory."""
        info = self._look()
        return info is not None and info.is_directory

    @with_user_errors
    def list_candidate_matches(self) -> list[str]:
        """Return the queries of all objects that begin like this one, up to its first wildcard."""
        constant = get_constant_prefix(self.query)
        start = locate(constant)
        if not start.key and problem(f"{start.query}x") is not None:
            raise WorkflowError(
                f"{self.print_query} cannot be searched for: write the name of the bucket out, without wildcards."
            )
        prefix = start.inside if start.key and constant.endswith("/") else start.key
        return [
            Location(start.bucket, entry["Key"]).query
            for page in pages(self.session.connection.client, start.bucket, prefix)
            for entry in page.entries
        ]

    # Fetching

    async def managed_retrieve(self) -> None:
        """Retrieve in a thread, so that all inputs of a job are fetched at the same time, unless it was done ahead."""
        ahead = self.session.ahead
        with ahead.due():
            if not await ahead.has_fetched(self.local_path()):
                await in_thread(super().managed_retrieve())

    async def retrieve_ahead(self) -> None:
        """Retrieve before a job asks for it, as it would be retrieved then."""
        # The words by which Snakemake says it.
        self.provider.logger.info(f"Retrieving from storage: {self.print_query} (ahead of its jobs)")
        await super().managed_retrieve()

    @with_user_errors
    def retrieve_object(self) -> None:
        """Make a local copy, which is either whole or not there.

        Raise WorkflowError if no job produces the object and it is not the one that the run was planned with.
        """
        info = self._existing()
        expected = self.session.inputs.expected(self.query, self.location, info)
        try:
            with transfers.timed(transfers.FETCHED, self.query) as size:
                self._retrieve(info, expected.etag if expected else "")
                size.bytes = info.size
        except ReplacedError as error:
            raise WorkflowError(replaced_message(self.query, info.fingerprint, error.found.fingerprint)) from error

    def _retrieve(self, info: ObjectInfo, etag: str) -> None:
        """Make a local copy. With `etag`, raise ReplacedError if the object has another one."""
        transfer = self.session.connection.transfer
        if not info.is_directory:
            try:
                transfer.download(self.location, self.local_path(), info.size, etag)
            except botocore.exceptions.ClientError as error:
                # On a worker a job that needs it fetches again what was not there ahead of it, and says so.
                if is_missing(error) and not self.session.state.is_worker:
                    self.session.catalog.removed(self.location)
                raise
            return
        entries = list(self._objects())
        if etag and (now := directory_info(entries)).etag != etag:
            raise ReplacedError(now)
        directories.download(entries, self.location, self.local_path(), transfer, compare=bool(etag))

    def _objects(self) -> Iterator[Entry]:
        """Yield the objects in this directory."""
        for page in pages(self.session.connection.client, self.bucket, self.location.inside):
            yield from page.entries

    # Storing

    async def managed_store(self) -> None:
        """Store in a thread, so that all outputs of a job are stored at the same time."""
        if self.session.state.is_worker:
            # It stores when its last job has ended.
            self.session.ahead.end()
        await in_thread(super().managed_store())

    @with_user_errors
    def store_object(self) -> None:
        """Store the local copy, or each file in it. The bucket has to exist.

        Raise WorkflowError, and keep nothing, if an input that it was made from has been replaced meanwhile.
        """
        with transfers.timed(transfers.STORED, self.query) as size:
            size.bytes = self._store()
        # Only now: an input that is replaced from here on is newer than what was stored.
        if message := self.session.inputs.replaced_since(self.location):
            self.remove()
            raise WorkflowError(message)

    def _store(self) -> int:
        """Store what the local path holds, and return its bytes."""
        path = self.local_path()
        if not path.is_dir():
            return self._upload(path, self.location)
        size = directories.upload(path, self.location, self.session.connection.client, self._upload)
        self.session.catalog.stored(self.location, ObjectInfo(size, None, is_directory=True))
        return size

    def _upload(self, path: Path, location: Location) -> int:
        tags = self.session.settings.tags_of(location.key)
        size = self.session.connection.transfer.upload(path, location, tags)
        self.session.catalog.stored(location, ObjectInfo(size, None))
        return size

    @with_user_errors
    def remove(self) -> None:
        """Delete the object, or all objects of the directory. The bucket stays."""
        info = self._look()
        self.session.catalog.removed(self.location)
        client = self.session.connection.client
        if info is not None and info.is_directory:
            directories.remove(self._objects(), self.bucket, client)
        else:
            client.delete_object(Bucket=self.bucket, Key=self.key)

    @with_user_errors
    def touch(self) -> None:
        """Give it the present time, which in S3 means to copy it onto itself."""
        info = self._existing()
        keys = [entry["Key"] for entry in self._objects()] if info.is_directory else [self.key]
        for key in keys:
            self.session.connection.transfer.touch(Location(self.bucket, key), self.session.settings.tags_of(key))
        self.session.catalog.stored(self.location, info._replace(mtime=None))
