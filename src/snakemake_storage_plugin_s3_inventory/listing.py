"""What S3's listings say: pages of a thousand objects, and the directories that follow from their keys."""

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
    return Seen(size=size, mtime=float(int(entry["LastModified"].timestamp())), archived=archived)


def directory(entries: Iterable[Entry]) -> Seen:
    """A directory of these objects: the sum of their sizes, the time of the latest."""
    objects = [seen(entry) for entry in entries]
    return Seen(sum(o.size for o in objects), max((o.mtime or 0.0 for o in objects), default=0.0), is_directory=True)


def directories(entries: Iterable[Entry]) -> dict[str, Seen]:
    """Every folder above the objects, by its key."""
    direct: dict[str, tuple[int, float]] = {}
    for entry in entries:
        folder = entry["Key"].rpartition("/")[0]
        size, mtime, *_ = seen(entry)
        total, latest = direct.get(folder, (0, 0.0))
        direct[folder] = (total + size, max(latest, mtime or 0.0))
    sums: dict[str, tuple[int, float]] = {}
    for folder, (size, mtime) in direct.items():
        while folder:
            total, latest = sums.get(folder, (0, 0.0))
            sums[folder] = (total + size, max(latest, mtime))
            folder = folder.rpartition("/")[0]
    return {folder: Seen(size, mtime, is_directory=True) for folder, (size, mtime) in sums.items()}


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
