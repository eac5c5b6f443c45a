"""What a run knows about objects for sure: those that it stored, or saw to exist.

That an object is missing is never kept here: a job may store it at any time.
"""

import threading
from typing import NamedTuple

from .location import Location


class Seen(NamedTuple):
    """An object or directory that exists.

    `size` in bytes (a directory's is the sum over its objects), `mtime` in seconds since 1970, or None when S3 has not
    said it yet, as after an upload. S3 tells times in whole seconds. `archived` objects can't be read before somebody
    restores them. `etag` tells an object from others that had or will have its key (a directory's is a sum over its
    objects); empty when S3 has not said it.
    """

    size: int
    mtime: float | None
    is_directory: bool = False
    archived: bool = False
    etag: str = ""

    @property
    def fingerprint(self) -> str:
        """What the object is: the same for the same content, and another one after it was replaced.

        By its ETag and size; by its time where a server gives no ETag.
        """
        named = f"ETag {self.etag}" if self.etag else f"time {self.mtime or 0:.0f}"
        return f"{named}, {self.size} bytes"


class Memory:
    """Objects that exist, by location. Safe to use from several threads."""

    def __init__(self) -> None:
        """Begins empty."""
        self._seen: dict[Location, Seen] = {}
        self._lock = threading.Lock()

    def get(self, location: Location) -> Seen | None:
        """What is known about an object; None means not known, never missing."""
        return self._seen.get(location)

    def saw(self, location: Location, seen: Seen) -> None:
        """Keeps what S3 said."""
        with self._lock:
            self._seen[location] = seen

    def stored(self, location: Location, seen: Seen) -> None:
        """Keeps what this run stored."""
        with self._lock:
            self._forget_folders(location)
            self._seen[location] = seen

    def removed(self, location: Location) -> None:
        """Forgets an object, or a directory with all in it."""
        with self._lock:
            self._forget_folders(location)
            seen = self._seen.pop(location, None)
            if seen is not None and seen.is_directory:
                inside = location.inside
                for other in [o for o in self._seen if o.bucket == location.bucket and o.key.startswith(inside)]:
                    del self._seen[other]

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._seen.clear()

    def _forget_folders(self, location: Location) -> None:
        """Size and time of the folders above an object change with it; an emptied folder is gone."""
        key = location.key
        while "/" in key:
            key = key.rpartition("/")[0]
            self._seen.pop(Location(location.bucket, key), None)
