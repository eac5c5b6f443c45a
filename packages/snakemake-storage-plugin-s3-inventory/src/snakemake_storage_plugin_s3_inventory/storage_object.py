"""One object, or one directory of objects, as Snakemake handles it."""

import contextlib
import os
import shutil
import uuid
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

from snakemake_aws_common.patience import in_thread

from .client import is_missing, told
from .inputs import replaced
from .listing import Entry, directory, pages
from .location import Location, locate, problem
from .memory import Seen
from .settings import LIFETIME
from .transfer import ReplacedError

# Objects that one request can delete.
BATCH = 1000


class StorageObject(S3Object, StorageObjectTouch):  # type: ignore[misc]
    """An object in S3: `s3://bucket/key`.

    A key that others continue after a slash stands for a directory of these, as with `directory()` outputs.
    """

    def __post_init__(self) -> None:
        """Asks S3 nothing: Snakemake makes thousands of these while it looks for producers of files."""
        self._located = self.query
        self.bucket, self.key = locate(self.query)

    @property
    def _iofile(self) -> Any:  # noqa: ANN401
        """The file of a rule that this object stands behind; Snakemake sets it, and does not read it."""

    @_iofile.setter
    def _iofile(self, file: Any) -> None:  # noqa: ANN401
        if self.provider.workflow is None and file.rule is not None:
            self.provider.workflow = file.rule.workflow

    @property
    def location(self) -> Location:
        """Bucket and key."""
        # Snakemake writes constraints of wildcards into the queries of copies.
        if self._located is not self.query:
            self.__post_init__()
        return Location(self.bucket, self.key)

    def is_valid_query(self) -> bool | StorageQueryValidationResult:
        """Whether the query names an object, and if not, why not."""
        return problem(self.query) is None or self.provider.is_valid_query(self.query)

    def local_suffix(self) -> str:
        """Where a local copy lies below the plugin's folder."""
        return "/".join(self.location)

    def local_path(self) -> Path:
        """Where a local copy lies."""
        if self._overwrite_local_path:
            return Path(self._overwrite_local_path)
        path: Path = self.provider.local_path(*self.location)
        return path

    def cache_key(self, local_suffix: str | None = None) -> str:
        """Name in Snakemake's cache."""
        if local_suffix is not None:
            return str(super().cache_key(local_suffix))
        key: str = self.provider.cache_key(self.location)
        return key

    def get_inventory_parent(self) -> str | None:
        """Name in Snakemake's cache of the prefix that is listed to learn of this object."""
        parent: str | None = self.provider.listed(self.location)
        return parent

    @told
    def _begin_inventory(self, cache: IOCacheStorageInterface) -> None:
        self.provider.begin_inventory(self.location, cache)

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        """Lists the prefix this object lies in.

        Snakemake shows lines of this file with errors that come from it, but none with its own: it asks again.
        """
        try:
            self._begin_inventory(cache)
        except WorkflowError:
            await self.managed_exists()

    def cleanup(self) -> None:
        """Nothing stays behind that Snakemake doesn't remove itself."""

    @told
    def _look(self, ask_for_time: bool = False) -> Seen | None:
        seen: Seen | None = self.provider.look(self.location)
        if ask_for_time and seen is not None and seen.mtime is None:
            seen = self.provider.ask(self.location)
        return seen

    def exists(self) -> bool:
        """Whether there is such an object or directory."""
        return self._look() is not None

    def _existing(self, ask_for_time: bool = False) -> Seen:
        seen = self._look(ask_for_time)
        if seen is None:
            # Snakemake waits for files that it misses by this error, while a job's resources depend on their sizes.
            raise FileOrDirectoryNotFoundError(self.local_path(), self.print_query)
        return seen

    def mtime(self) -> float:
        """When it was stored, in seconds since 1970; for a directory, when its latest object was."""
        return self._existing(ask_for_time=True).mtime or 0.0

    @told
    def size(self) -> int:
        """Its size in bytes; for a directory, the sum over its objects.

        Snakemake asks before a job reads it: the time to say that it can't.
        """
        seen = self._existing()
        if seen.archived and self.retrieve:
            self.provider.refuse_archived(self.location)
        return seen.size

    @told
    def fingerprint(self) -> str:
        """What the object is: another text after it was replaced by another one, by its ETag and size.

        Costs a request only if nothing has been listed or asked of it.
        """
        seen = self._existing()
        if not seen.etag:
            seen = self.provider.ask(self.location) or seen
        return seen.fingerprint

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        seen = self._look()
        return seen is not None and seen.is_directory

    async def managed_retrieve(self) -> None:
        """Retrieves in a thread of its own, so that a job's inputs come side by side."""
        await in_thread(super().managed_retrieve())

    async def managed_store(self) -> None:
        """Stores in a thread of its own, so that a job's outputs go side by side."""
        await in_thread(super().managed_store())

    @told
    def retrieve_object(self) -> None:
        """Makes a local copy, which is either whole or not there.

        Raises WorkflowError if no job makes it and it is not the object that the run was planned with.
        """
        seen = self._existing()
        expected = self.provider.inputs.expected(self.query, self.location, seen)
        try:
            self._retrieve(seen, expected.etag if expected else "")
        except ReplacedError as error:
            raise WorkflowError(replaced(self.query, seen.fingerprint, error.found.fingerprint)) from error

    def _retrieve(self, seen: Seen, etag: str) -> None:
        """With `etag`, only if the object still has it."""
        if not seen.is_directory:
            try:
                self.provider.transfer.download(self.location, self.local_path(), seen.size, etag)
            except botocore.exceptions.ClientError as error:
                if is_missing(error):
                    self.provider.memory.removed(self.location)
                raise
            return
        entries = list(self._objects())
        if etag and (now := directory(entries)).etag != etag:
            raise ReplacedError(now)
        with _folder_beside(self.local_path()) as copy:
            for entry in entries:
                name = entry["Key"].removeprefix(self.location.inside)
                if not {"", ".", ".."}.isdisjoint(name.removesuffix("/").split("/")) and name:
                    raise WorkflowError(
                        f"s3://{self.bucket}/{entry['Key']} would not lie in the folder of {self.query} on a disk: "
                        "give it a key without empty parts, '.' and '..'."
                    )
                path = copy / name
                if not name or name.endswith("/"):
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                location = Location(self.bucket, entry["Key"])
                self.provider.transfer.download(location, path, entry["Size"], entry["ETag"].strip('"') if etag else "")

    def _objects(self) -> Iterator[Entry]:
        """The objects in this directory."""
        for page in pages(self.provider.client, self.bucket, self.location.inside):
            yield from page.entries

    @told
    def store_object(self) -> None:
        """Stores the local copy, or each file in it; the bucket has to be there.

        Raises WorkflowError, and keeps nothing, if an input that it was made of has been replaced meanwhile.
        """
        self._store()
        # Only now: what is replaced from here on is newer than what was stored.
        if what := self.provider.inputs.replaced_since(self.location):
            self.remove()
            raise WorkflowError(what)

    def _store(self) -> None:
        path = self.local_path()
        if not path.is_dir():
            self._upload(path, self.location)
            return
        size = 0
        # What links lead to comes along, since S3 has no links.
        for folder, folders, files in os.walk(path, onerror=_raise, followlinks=True):
            inside = Path(folder).relative_to(path).as_posix()
            prefix = self.location.inside if inside == "." else f"{self.key}/{inside}/"
            for name in files:
                size += self._upload(Path(folder, name), Location(self.bucket, f"{prefix}{name}"))
            if not folders and not files:
                self.provider.client.put_object(Bucket=self.bucket, Key=prefix, Body=b"")
        self.provider.stored(self.location, Seen(size, None, is_directory=True))

    def _upload(self, path: Path, location: Location) -> int:
        size: int = self.provider.transfer.upload(path, location, self._tags(location.key))
        self.provider.stored(location, Seen(size, None))
        return size

    def _tags(self, key: str) -> dict[str, str]:
        return LIFETIME if self.provider.settings.is_intermediate(key) else {}

    @told
    def remove(self) -> None:
        """Deletes the object, or all objects of the directory; the bucket stays."""
        seen = self._look()
        self.provider.memory.removed(self.location)
        if seen is None or not seen.is_directory:
            self.provider.client.delete_object(Bucket=self.bucket, Key=self.key)
            return
        keys = [entry["Key"] for entry in self._objects()]
        for start in range(0, len(keys), BATCH):
            batch = {"Objects": [{"Key": key} for key in keys[start : start + BATCH]], "Quiet": True}
            response = self.provider.client.delete_objects(Bucket=self.bucket, Delete=batch)
            for error in response.get("Errors", []):
                raise WorkflowError(f"S3 did not delete s3://{self.bucket}/{error['Key']}: {error['Message']}")

    @told
    def touch(self) -> None:
        """Gives it the present time, which in S3 means to copy it onto itself."""
        seen = self._existing()
        keys = [entry["Key"] for entry in self._objects()] if seen.is_directory else [self.key]
        for key in keys:
            self.provider.transfer.touch(Location(self.bucket, key), self._tags(key))
        self.provider.stored(self.location, seen._replace(mtime=None))

    @told
    def list_candidate_matches(self) -> list[str]:
        """Queries of all objects that begin like this one, up to its first wildcard."""
        constant = get_constant_prefix(self.query)
        start = locate(constant)
        if not start.key and problem(f"{start.query}x") is not None:
            raise WorkflowError(
                f"{self.print_query} cannot be searched for: write the name of the bucket out, without wildcards."
            )
        prefix = start.inside if start.key and constant.endswith("/") else start.key
        return [
            Location(start.bucket, entry["Key"]).query
            for page in pages(self.provider.client, start.bucket, prefix)
            for entry in page.entries
        ]


def _raise(error: OSError) -> None:
    raise error


@contextlib.contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A new folder that takes the place of `path` if all goes well, and is gone otherwise."""
    copy = path.with_name(f".{uuid.uuid4().hex}.part")
    copy.mkdir(parents=True)
    try:
        yield copy
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        copy.rename(path)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
