"""Objects that a run knows for certain: those that it stored, or saw to exist.

That an object is missing is never kept here: a job may store it at any time.
"""

import threading
from typing import NamedTuple

from .location import Location


class ObjectInfo(NamedTuple):
    """An object or directory that exists.

    `size` in bytes (a directory's is the sum over its objects), `mtime` in seconds since 1970, or None if S3 has not
    said it yet, as after an upload. S3 keeps times in whole seconds. `archived` objects can't be read before somebody
    restores them. `etag` differs from that of other objects that had or will have the same key (a directory's is a sum
    over its objects); empty if S3 has not said it.
    """

    size: int
    mtime: float | None
    is_directory: bool = False
    archived: bool = False
    etag: str = ""

    @property
    def fingerprint(self) -> str:
        """Return ETag (or time, without one) and size as a text, which changes when the object is replaced."""
        named = f"ETag {self.etag}" if self.etag else f"time {self.mtime or 0:.0f}"
        return f"{named}, {self.size} bytes"


class KnownObjects:
    """Objects that exist, by location. Safe to use from several threads."""

    def __init__(self) -> None:
        """Begin empty."""
        self._objects: dict[Location, ObjectInfo] = {}
        self._lock = threading.Lock()

    def get(self, location: Location) -> ObjectInfo | None:
        """Return what is known about an object. None means not known, never missing."""
        return self._objects.get(location)

    def add(self, location: Location, info: ObjectInfo) -> None:
        """Keep what S3 said."""
        with self._lock:
            self._objects[location] = info

    def add_stored(self, location: Location, info: ObjectInfo) -> None:
        """Keep what this run stored, and forget the folders above it, whose size and time change with it."""
        with self._lock:
            self._forget_folders(location)
            self._objects[location] = info

    def forget(self, location: Location) -> None:
        """Forget an object, or a directory with everything in it."""
        with self._lock:
            self._forget_folders(location)
            info = self._objects.pop(location, None)
            if info is not None and info.is_directory:
                inside = location.inside
                for other in [o for o in self._objects if o.bucket == location.bucket and o.key.startswith(inside)]:
                    del self._objects[other]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._objects.clear()

    def _forget_folders(self, location: Location) -> None:
        """Forget the folders above an object: their sizes and times change with it, and an emptied folder is gone."""
        key = location.key
        while "/" in key:
            key = key.rpartition("/")[0]
            self._objects.pop(Location(location.bucket, key), None)
