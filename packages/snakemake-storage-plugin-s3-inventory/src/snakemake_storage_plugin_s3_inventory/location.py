"""Where an object lies: bucket and key, from a query such as s3://bucket/folder/name."""

import functools
import posixpath
import re
from typing import NamedTuple

SCHEME = "s3://"
# Queries that are taken apart once: Snakemake makes an object of a file for each job that reads or writes it, and again
# for each question about a job's log or benchmark.
REMEMBERED = 100_000
MAX_KEY_BYTES = 1024
# S3's rules for bucket names, with room for older names and for a wildcard that is filled in later.
BUCKET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]|\{[^{}/]*\})*|\{[^{}/]*\}(?:[A-Za-z0-9._-]|\{[^{}/]*\})*")


class Location(NamedTuple):
    """An object, or what Snakemake takes for a directory: all objects whose keys continue after a slash."""

    bucket: str
    key: str

    @property
    def query(self) -> str:
        """Return the query that names the object."""
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def inside(self) -> str:
        """Return the beginning of the keys of all objects in this directory."""
        return f"{self.key}/"

    @property
    def listed(self) -> str | None:
        """Return the prefix that is listed when this object is asked for, or None for a key without a folder.

        Two folders at most: runs/<run>/, raw/<batch>/.
        """
        first = self.key.find("/") + 1
        second = self.key.find("/", first) + 1
        return self.key[: second or first] or None


@functools.lru_cache(maxsize=REMEMBERED)
def locate(query: str) -> Location:
    """Return bucket and key of a query.

    Everything after the bucket is the key as it stands: `?`, `#`, `%` and spaces mean themselves. Only empty parts
    (`a//b`), which no local path can have, are joined, as the s3 plugin does.
    """
    bucket, _, key = query.removeprefix(SCHEME).partition("/")
    if "//" in key or "./" in key or key.endswith(("/", "/.")) or key.startswith("/"):
        key = posixpath.normpath(key).lstrip("/")
    return Location(bucket, key)


@functools.lru_cache(maxsize=1024)
def is_bucket(name: str) -> bool:
    """Return whether S3 could have a bucket of this name."""
    return BUCKET.fullmatch(name) is not None


@functools.lru_cache(maxsize=REMEMBERED)
def problem(query: str) -> str | None:
    """Say what is wrong with a query, or return None."""
    if not query.startswith(SCHEME):
        return f"it must start with {SCHEME}, as in {SCHEME}bucket/folder/file.txt"
    bucket, _, key = query.removeprefix(SCHEME).partition("/")
    if not is_bucket(bucket):
        return f"{bucket!r} cannot be the name of a bucket; write {SCHEME}bucket/folder/file.txt"
    if not key.strip("/"):
        return f"there is no key after the bucket; write {SCHEME}{bucket}/folder/file.txt"
    if ".." in key and ".." in key.split("/"):
        return "its key has a part '..', which does not lead up in S3; write the key as it is stored"
    if len(key) * 4 > MAX_KEY_BYTES and len(key.encode()) > MAX_KEY_BYTES and "{" not in key:
        return f"its key has {len(key.encode())} bytes; S3 takes at most {MAX_KEY_BYTES}"
    return None
