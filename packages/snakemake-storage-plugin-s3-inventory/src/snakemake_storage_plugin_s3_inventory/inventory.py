"""The objects of a prefix, from listings instead of questions, while Snakemake builds its DAG.

Snakemake then asks for thousands of files, most of them under one prefix. The prefix is listed once, from its start,
for at most `max_pages` pages. If it holds more (other people's raw data, say), a question beyond the listed part is
answered by the page of a thousand objects that begins at the key asked for: as a rule one request for a question, never
more than two, and not many more than one for a thousand objects.
"""

import bisect
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from .known_objects import ObjectInfo
from .listing import Entry, directories, object_info, pages
from .location import MAX_KEY_BYTES, Location

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Found = Callable[[Location, ObjectInfo], None]
# Beyond every key.
END = "\U0010ffff"


def before(key: str) -> str:
    """Return a string that sorts before `key` and after almost every smaller key; it is short enough for S3."""
    if not key:
        return ""
    last = ord(key[-1])
    if last <= ord("!") or 0xD800 <= last - 1 <= 0xDFFF or len(key.encode("utf-8", "replace")) >= MAX_KEY_BYTES:
        return key[:-1]
    return f"{key[:-1]}{chr(last - 1)}~"


class Stretch(NamedTuple):
    """A known part of the key space: from `first` up to, but not including, `end`, exactly `keys` exist."""

    first: str
    end: str
    keys: list[str]


class Inventory:
    """The listed part of a prefix."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str, max_pages: int, found: Found) -> None:
        """List nothing yet. `found(location, info)` gets every object and directory."""
        self.complete = False
        self.prefix = prefix
        self._client = client
        self._bucket = bucket
        self._max_pages = max_pages
        self._found = found
        # In the order of their keys; none overlaps another.
        self._stretches: list[Stretch] = []

    def fill(self) -> None:
        """List the prefix from its start."""
        entries: list[Entry] = []
        more = True
        for page in itertools.islice(pages(self._client, self._bucket, self.prefix), self._max_pages):
            entries += page.entries
            more = page.more
        self.complete = not more
        self._add(self.prefix, entries, more)
        objects = {entry["Key"] for entry in entries}
        for folder, total in directories(entries).items():
            # A folder that is not listed from its start to its end has another size and time.
            whole = f"{folder}/".startswith(self.prefix) and (self.complete or entries[-1]["Key"] >= f"{folder}0")
            if whole and folder not in objects:
                self._found(Location(self._bucket, folder), total)

    def holds(self, key: str) -> bool | None:
        """Return whether an object of this key exists; None if it has to be asked for (a directory, perhaps).

        Read the page that begins at the key if it is not in the listed part. If most of that page was known, keys are
        asked for in falling order: read the unknown part below the key from its start.
        """
        answer = self._look(key)
        if answer is None and self._stretch(key) is None:
            if self._read(key):
                at = bisect.bisect_left(self._stretches, key, key=lambda stretch: stretch.first)
                self._read(self._stretches[at - 1].end if at else self.prefix)
            answer = self._look(key)
        return answer

    def _read(self, first: str) -> bool:
        """Read a page from the key `first` on; return whether most of it was known."""
        page = next(pages(self._client, self._bucket, self.prefix, after=before(first)))
        return self._add(first, [entry for entry in page.entries if entry["Key"] >= first], page.more)

    def _add(self, first: str, entries: list[Entry], more: bool) -> bool:
        """Keep what a listing said of the keys from `first` on; return whether most of it was known."""
        for entry in entries:
            self._found(Location(self._bucket, entry["Key"]), object_info(entry))
        keys = [entry["Key"] for entry in entries]
        if more and not keys:
            return False
        end = f"{keys[-1]}\0" if more else END
        at = bisect.bisect(self._stretches, (first, end, keys))
        if at < len(self._stretches):
            end = min(end, self._stretches[at].first)
        unknown = keys[: bisect.bisect_left(keys, end)]
        self._stretches.insert(at, Stretch(first, end, unknown))
        return 2 * len(unknown) < len(keys)

    def _stretch(self, key: str) -> Stretch | None:
        at = bisect.bisect(self._stretches, key, key=lambda stretch: stretch.first) - 1
        return self._stretches[at] if at >= 0 and key < self._stretches[at].end else None

    def _look(self, key: str) -> bool | None:
        stretch = self._stretch(key)
        if stretch is None:
            return None
        at = bisect.bisect_left(stretch.keys, key)
        if at < len(stretch.keys) and stretch.keys[at] == key:
            return True
        # Keys of a directory of that name lie between these: "0" is the character after "/".
        inside, end = f"{key}/", f"{key}0"
        stretch = self._stretch(inside)
        if stretch is None or end > stretch.end:
            return None
        at = bisect.bisect_left(stretch.keys, inside)
        return None if at < len(stretch.keys) and stretch.keys[at] < end else False
