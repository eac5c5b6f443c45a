"""S3's listings: pages of a thousand objects, and the directories that follow from their keys."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .known_objects import ObjectInfo
from .location import Location

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Entry = Mapping[str, Any]
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


class Page(NamedTuple):
    """At most a thousand entries of ListObjectsV2, in the order of their keys; `more` says whether others follow."""

    entries: Sequence[Entry]
    more: bool


def pages(client: "S3Client", bucket: str, prefix: str, after: str = "") -> Iterator[Page]:
    """Yield pages of the objects whose keys begin with `prefix`; the first begins behind the key `after`."""
    arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    if after:
        arguments["StartAfter"] = after
    while True:
        response = client.list_objects_v2(**arguments)
        more = bool(response.get("IsTruncated"))
        yield Page(response.get("Contents", []), more)
        if not more:
            return
        arguments["ContinuationToken"] = response["NextContinuationToken"]


def object_info(entry: Entry) -> ObjectInfo:
    """Return what an entry of a listing, or an answer to HeadObject or GetObject, says about an object.

    S3 keeps whole seconds; servers that list fractions leave them out of other answers.
    """
    size = entry["Size"] if "Size" in entry else entry["ContentLength"]
    archived = entry.get("StorageClass") in ARCHIVES and 'ongoing-request="false"' not in entry.get("Restore", "")
    etag = str(entry.get("ETag", "")).strip('"')
    return ObjectInfo(size=size, mtime=float(int(entry["LastModified"].timestamp())), archived=archived, etag=etag)


class Total(NamedTuple):
    """Sum of sizes, time of the latest, and sum of the digests of keys and ETags, over a folder's objects."""

    size: int = 0
    mtime: float = 0.0
    digest: int = 0

    def plus(self, other: "Total") -> "Total":
        """Return the total of both."""
        return Total(self.size + other.size, max(self.mtime, other.mtime), self.digest + other.digest)

    @property
    def info(self) -> ObjectInfo:
        """Return the folder as a directory."""
        return ObjectInfo(self.size, self.mtime, is_directory=True, etag=f"{self.digest % 2**64:016x}")


def _total(entry: Entry) -> Total:
    info = object_info(entry)
    text = f"{entry['Key']} {info.fingerprint}".encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return Total(info.size, info.mtime or 0.0, int.from_bytes(digest, "big"))


def directory_info(entries: Iterable[Entry]) -> ObjectInfo:
    """Return a directory of these objects: the sum of their sizes, the time of the latest."""
    total = Total()
    for entry in entries:
        total = total.plus(_total(entry))
    return total.info


def directories(entries: Iterable[Entry]) -> dict[str, ObjectInfo]:
    """Return every folder above the objects, by its key."""
    direct: dict[str, Total] = {}
    for entry in entries:
        folder = entry["Key"].rpartition("/")[0]
        direct[folder] = direct.get(folder, Total()).plus(_total(entry))
    sums: dict[str, Total] = {}
    for folder, total in direct.items():
        while folder:
            sums[folder] = sums.get(folder, Total()).plus(total)
            folder = folder.rpartition("/")[0]
    return {folder: total.info for folder, total in sums.items()}


def look_up(client: "S3Client", location: Location) -> Iterator[tuple[Location, ObjectInfo]]:
    """Ask S3 whether one object or directory exists, with one request as a rule.

    Yield the object, if there is one, and others in the answer whose keys begin like its key (an index beside its
    file).
    """
    bucket, key = location
    entries, more = next(pages(client, bucket, key))
    yield from ((Location(bucket, entry["Key"]), object_info(entry)) for entry in entries)
    if entries and entries[0]["Key"] == key:
        return
    inside = [entry for entry in entries if entry["Key"].startswith(location.inside)]
    if more and (not inside or inside[-1] is entries[-1]) and entries[-1]["Key"] < f"{key}0":
        # The page ended before, or among, the objects of the directory ("0" is the character after "/").
        inside = [entry for page in pages(client, bucket, location.inside) for entry in page.entries]
    if inside:
        yield location, directory_info(inside)
