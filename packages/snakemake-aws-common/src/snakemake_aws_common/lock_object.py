"""The object in S3 that is the lock of a run: who holds it, and its conditional reads, writes and deletion.

Every write names the state it expects to find, so that S3 refuses one of two writers.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError
from snakemake_interface_common.exceptions import WorkflowError

from . import conditional, process
from .conditional import MISSING, Client, error_code

# Seconds after which a lock ends that is not renewed.
SECONDS = 150.0
# Renewals in the time of a lease.
RENEWALS = 5
# S3 gives times in whole seconds.
RESOLUTION = 1.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. `since` is S3's time in seconds since 1970, `seconds` the length of the lease."""

    id: str
    who: str
    pid: int
    place: str
    started: str
    folder: str
    since: float
    seconds: float

    def is_dead(self) -> bool:
        """Return whether the holder was a process of this machine that has ended."""
        return process.is_dead(self.place, self.pid, self.started)


@dataclass(frozen=True)
class LockState:
    """A lock as S3 showed it: `stored` and `now` are S3's times, in seconds since 1970."""

    holder: Holder
    etag: str
    stored: float
    now: float

    @property
    def left(self) -> float:
        """Return the seconds until the lock ends; below zero if it has ended."""
        return self.stored + self.holder.seconds + RESOLUTION - self.now

    def is_kept(self, renewals: float) -> bool:
        """Return whether the holder has renewed the lock within the time of so many renewals, as far as one can see."""
        is_fresh = self.now - self.stored < renewals * self.holder.seconds / RENEWALS
        return is_fresh and self.left > 0 and not self.holder.is_dead()

    def __str__(self) -> str:
        """Say who holds the lock, from where, since when and until when, in four lines."""
        return (
            f"  who:    {self.holder.who}, process {self.holder.pid}\n"
            f"  from:   {self.holder.folder}\n"
            f"  since:  {_clock(self.holder.since)} (times are S3's)\n"
            f"  until:  {_clock(self.stored + self.holder.seconds)}, unless it is renewed; now it is {_clock(self.now)}"
        )


class LockObject:
    """One object in S3, by its bucket and key."""

    def __init__(self, client: Client, bucket: str, key: str) -> None:
        """Ask S3 nothing yet."""
        self._client, self._bucket, self._key = client, bucket, key
        self._writes = 0

    @property
    def query(self) -> str:
        """Return where the lock lies."""
        return f"s3://{self._bucket}/{self._key}"

    @property
    def folder(self) -> str:
        """Return the prefix of the run."""
        return self.query.rpartition("/")[0]

    def read(self) -> tuple[LockState | None, float]:
        """Return the lock, or None if there is none, and S3's time."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if error_code(error) not in MISSING:
                raise
            return None, _date(error.response)
        stored, now = answer["LastModified"].timestamp(), _date(answer)
        return LockState(parse_holder(answer["Body"].read(), stored), answer["ETag"], stored, now), now

    def write(self, holder: Holder, **condition: str) -> str:
        """Store the lock as this holder's and return its ETag. Raise ClientError if S3 refuses the condition."""
        # No two versions of the lock may be equal: their ETags would be.
        self._writes += 1
        body = json.dumps({**asdict(holder), "renewals": self._writes}, indent=2).encode()
        return conditional.put(self._client, self._bucket, self._key, body, **condition)

    def delete(self, etag: str) -> None:
        """Delete the lock if it still has this ETag. Raise ClientError if S3 refuses."""
        conditional.delete(self._client, self._bucket, self._key, etag)


def parse_holder(body: bytes, stored: float) -> Holder:
    """Return who wrote a lock. An object that is no lock counts as a stranger's, whose lease ends like any other."""
    try:
        parsed = json.loads(body)
        return Holder(**{name: parsed[name] for name in Holder.__dataclass_fields__})
    except (ValueError, TypeError, KeyError):
        return Holder("", "someone unknown", 0, "", "", "a folder unknown", stored, SECONDS)


def _date(answer: Mapping[str, Any]) -> float:
    """Return S3's time when it answered. Raise WorkflowError if the answer has none."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        raise WorkflowError(
            "The storage's answers have no Date, so nobody can know when a lock ends. Use a storage that sends Date."
        ) from None


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
