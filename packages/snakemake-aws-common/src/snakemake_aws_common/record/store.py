"""Where the record of a run lies on S3, and how it is read.

    PREFIX/head/live.json                        what the run does now
    PREFIX/head/record/<start>-<head>/00001.jsonl.gz   attempts that have ended, a line each, in parts

Each head writes parts of its own, so that no two heads write one object, and rewrites its last part until it is full.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from . import live as live_module
from .attempt import Attempt, from_mapping, to_line
from .live import Live

# A client of S3.
Client: TypeAlias = Any
FOLDER = "head"
LIVE = f"{FOLDER}/live.json"
PARTS = f"{FOLDER}/record/"
# Attempts in a part.
PART = 1000
READERS = 8
MISSING = ("NoSuchKey", "404")


class RecordError(Exception):
    """A part of the record is not what a head writes; the message names it."""


def part_name(head: str, number: int) -> str:
    """Return the key, below the run's prefix, of a head's part; `head` begins with the time when it began."""
    return f"{PARTS}{head}/{number:05}.jsonl.gz"


def below(prefix: str, name: str) -> str:
    """Return the key of a name below a run's prefix, which is empty for a run that has the bucket to itself."""
    return "/".join(filter(None, [prefix.strip("/"), name]))


def pack(attempts: Iterable[Attempt]) -> bytes:
    """Return the content of a part."""
    return gzip.compress("".join(f"{to_line(attempt)}\n" for attempt in attempts).encode(), compresslevel=6, mtime=0)


def unpack(body: bytes, naming: Iterable[str] = ()) -> list[Attempt]:
    """Return the attempts in a part; of those that do not have all texts of `naming` as values, most are left out."""
    lines = gzip.decompress(body).splitlines()
    for text in naming:
        # As it stands in a line. To parse a line takes fifty times as long as to look for a text.
        wanted = json.dumps(text).encode()
        lines = [line for line in lines if wanted in line]
    # Parsed as one, so that all share the texts of their keys.
    return [from_mapping(one) for one in json.loads(b"[%b]" % b",".join(lines))]


def read_attempts(client: Client, bucket: str, prefix: str) -> list[Attempt]:
    """Return all attempts of the run below `prefix`, each once, by their ends; none if there is no record."""
    return Reader(client, bucket, prefix).read()


class Reader:
    """Reads the record of a run again and again; parts that are as they were are not fetched again."""

    def __init__(
        self, client: Client, bucket: str, prefix: str, newest: int | None = None, naming: Sequence[str] = ()
    ) -> None:
        """Ask S3 nothing yet. `newest` is how many of the last parts to read; None is all. `naming`: see `unpack`."""
        self._client, self._bucket, self._prefix = client, bucket, below(prefix, PARTS)
        self._newest, self._naming = newest, tuple(naming)
        # What is in each part, by its key and ETag.
        self._known: dict[tuple[str, str], list[Attempt]] = {}

    def read(self) -> list[Attempt]:
        """Return all attempts, each once, by their ends. Raises RecordError, which names a part that is damaged."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        parts = sorted((item["Key"], item["ETag"]) for page in pages for item in page.get("Contents", ()))
        parts = parts[-self._newest :] if self._newest else parts
        missing = [part for part in parts if part not in self._known]
        with ThreadPoolExecutor(READERS) as pool:
            bodies = pool.map(self._body, missing)
            # Parsed by this thread alone: several would share one processor, and each would hold a part in memory.
            known = self._known | {
                part: self._unpacked(part[0], body) for part, body in zip(missing, bodies, strict=True)
            }
        self._known = {part: known[part] for part in parts}
        return merged(self._known.values())

    def _body(self, part: tuple[str, str]) -> bytes:
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=part[0])["Body"].read()
        return body

    def _unpacked(self, key: str, body: bytes) -> list[Attempt]:
        try:
            return unpack(body, self._naming)
        # Not gzip, not JSON, or without a field.
        except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RecordError(
                f"s3://{self._bucket}/{key} is no part of a record ({type(error).__name__}: {error}); a head writes "
                "gzip of a JSON object a line there."
            ) from error


def merged(parts: Iterable[Sequence[Attempt]]) -> list[Attempt]:
    """Return the attempts of all parts, by their ends; of those that two heads have recorded, the later part's."""
    found = {(one.native_id, one.attempt): one for part in parts for one in part}
    return sorted(found.values(), key=lambda one: (one.complete or 0, one.native_id, one.attempt))


def read_live(client: Client, bucket: str, prefix: str) -> Live | None:
    """Return what the run below `prefix` does now; None if no head that keeps a record has worked on it."""
    try:
        answer = client.get_object(Bucket=bucket, Key=below(prefix, LIVE))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in MISSING:
            return None
        raise
    return live_module.from_json(answer["Body"].read())
