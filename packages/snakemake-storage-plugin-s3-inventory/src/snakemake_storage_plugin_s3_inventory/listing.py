"""What S3's listings say: pages of a thousand objects, and the directories that follow from their keys."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .location import Location
from .memory import Seen

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Entry = Mapping[str, Any]
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


class Page(NamedTuple):
    """At most a thousand entries of ListObjectsV2, in the order of their keys, and whether there are more."""

    entries: Sequence[Entry]
    more: bool


def pages(client: "S3Client", bucket: str, prefix: str, after: str = "") -> Iterator[Page]:
    """Pages of the objects whose keys begin with `prefix`; the first begins behind the key `after`."""
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


def seen(entry: Entry) -> Seen:
    """What an entry of a listing, or S3's answer to HeadObject, says about an object.

    S3 keeps whole seconds; servers that list fractions still answer other questions without them.
    """
    size = entry["Size"] if "Size" in entry else entry["ContentLength"]
    archived = entry.get("StorageClass") in ARCHIVES and 'ongoing-request="false"' not in entry.get("Restore", "")
    etag = str(entry.get("ETag", "")).strip('"')
    return Seen(size=size, mtime=float(int(entry["LastModified"].timestamp())), archived=archived, etag=etag)


class Total(NamedTuple):
    """What a folder's objects come to: sum of sizes, time of the latest, sum of the digests of keys and ETags."""

    size: int = 0
    mtime: float = 0.0
    digest: int = 0

    def plus(self, other: "Total") -> "Total":
        """The total of both."""
        return Total(self.size + other.size, max(self.mtime, other.mtime), self.digest + other.digest)

    @property
    def seen(self) -> Seen:
        """The folder as a directory."""
        return Seen(self.size, self.mtime, is_directory=True, etag=f"{self.digest % 2**64:016x}")


def _total(entry: Entry) -> Total:
    what = seen(entry)
    text = f"{entry['Key']} {what.fingerprint}".encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return Total(what.size, what.mtime or 0.0, int.from_bytes(digest, "big"))


def directory(entries: Iterable[Entry]) -> Seen:
    """A directory of these objects: the sum of their sizes, the time of the latest."""
    total = Total()
    for entry in entries:
        total = total.plus(_total(entry))
    return total.seen


def directories(entries: Iterable[Entry]) -> dict[str, Seen]:
    """Every folder above the objects, by its key."""
    direct: dict[str, Total] = {}
    for entry in entries:
        folder = entry["Key"].rpartition("/")[0]
        direct[folder] = direct.get(folder, Total()).plus(_total(entry))
    sums: dict[str, Total] = {}
    for folder, total in direct.items():
        while folder:
            sums[folder] = sums.get(folder, Total()).plus(total)
            folder = folder.rpartition("/")[0]
    return {folder: total.seen for folder, total in sums.items()}


def ask(client: "S3Client", location: Location) -> Iterator[tuple[Location, Seen]]:
    """Asks S3 whether one object or directory exists, with one request as a rule.

    Gives what was seen on the way: the object, if there is one, and others whose keys begin like its key
    (an index beside its file).
    """
    bucket, key = location
    entries, more = next(pages(client, bucket, key))
    yield from ((Location(bucket, entry["Key"]), seen(entry)) for entry in entries)
    if entries and entries[0]["Key"] == key:
        return
    inside = [entry for entry in entries if entry["Key"].startswith(location.inside)]
    if more and (not inside or inside[-1] is entries[-1]) and entries[-1]["Key"] < f"{key}0":
        # The page ended before, or among, the objects of the directory ("0" is the character after "/").
        inside = [entry for page in pages(client, bucket, location.inside) for entry in page.entries]
    if inside:
        yield location, directory(inside)
