"""Where local copies of objects lie, and the names that objects and prefixes have in Snakemake's cache."""

import functools
from pathlib import Path

from .location import REMEMBERED, Location


class LocalPaths:
    """Paths below the folder that Snakemake gives to a storage provider."""

    def __init__(self, prefix: Path) -> None:
        """`prefix` is the folder."""
        self._prefix = str(prefix)
        # Snakemake asks for so many paths that taking them apart would need more time than all else here.
        self._path = functools.lru_cache(maxsize=REMEMBERED)(Path)

    def of(self, location: Location) -> Path:
        """Return the path of an object's local copy."""
        return self._path(self.cache_key(location))

    def cache_key(self, location: Location) -> str:
        """Return an object's name in Snakemake's cache: the path of its local copy."""
        return f"{self._prefix}/{location.bucket}/{location.key}"

    def cache_key_of_prefix(self, location: Location) -> str | None:
        """Return the cache's name of the prefix that is listed for an object, or None if none is."""
        prefix = location.listed
        return None if prefix is None else f"{self._prefix}/{location.bucket}/{prefix}"
