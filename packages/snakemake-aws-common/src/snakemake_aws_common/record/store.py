"""Where the record of a run lies on S3, and how it is read.

    PREFIX/head/live.json                        what the run does now
    PREFIX/head/record/<start>-<head>/00001.jsonl.gz   attempts that have ended, a line each, in parts

Each head writes parts of its own, so that no two heads write one object, and rewrites its last part until it is full.
"""

import gzip
import json
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


def part_name(head: str, number: int) -> str:
    """Return the key, below the run's prefix, of a head's part; `head` begins with the time when it began."""
    return f"{PARTS}{head}/{number:05}.jsonl.gz"


def pack(attempts: Iterable[Attempt]) -> bytes:
    """Return the content of a part."""
    return gzip.compress("".join(f"{to_line(attempt)}\n" for attempt in attempts).encode(), compresslevel=6, mtime=0)


def unpack(body: bytes) -> list[Attempt]:
    """Return the attempts in a part."""
    return [from_mapping(json.loads(line)) for line in gzip.decompress(body).splitlines()]


def read_attempts(client: Client, bucket: str, prefix: str) -> list[Attempt]:
    """Return all attempts of the run below `prefix`, each once, by their ends; none if there is no record."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/{PARTS}")
    keys = sorted(item["Key"] for page in pages for item in page.get("Contents", ()))

    def read(key: str) -> list[Attempt]:
        return unpack(client.get_object(Bucket=bucket, Key=key)["Body"].read())

    with ThreadPoolExecutor(READERS) as pool:
        return merged(pool.map(read, keys))


def merged(parts: Iterable[Sequence[Attempt]]) -> list[Attempt]:
    """Return the attempts of all parts, by their ends; of those that two heads have recorded, the later part's."""
    found = {(one.native_id, one.attempt): one for part in parts for one in part}
    return sorted(found.values(), key=lambda one: (one.complete or 0, one.native_id, one.attempt))


def read_live(client: Client, bucket: str, prefix: str) -> Live | None:
    """Return what the run below `prefix` does now; None if no head that keeps a record has worked on it."""
    try:
        answer = client.get_object(Bucket=bucket, Key=f"{prefix.rstrip('/')}/{LIVE}")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in MISSING:
            return None
        raise
    return live_module.from_json(answer["Body"].read())
