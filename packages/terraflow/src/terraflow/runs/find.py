"""Finds runs in the stack's bucket, and reads once what S3 has of each: run.json, live.json, the lock, the record."""

import difflib
import gc
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from snakemake_aws_common import head
from snakemake_aws_common.conditional import MISSING, error_code
from snakemake_aws_common.lock_object import LockObject, LockState
from snakemake_aws_common.record import store
from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.live import Live
from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.heads.objects import UNREADABLE, UNTOUCHED, UnreadableError
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")
FOLDER = "runs/"
# As the executor wants it.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
READERS = 16
SIMILAR = 5


@dataclass(frozen=True)
class Run:
    """What S3 has of a run. All of it may be None: heads of version 0.2 and before kept a lock at most."""

    name: str
    bucket: str
    about: About | None
    live: Live | None
    lock: LockState | None
    # Says of each object that is there and can't be understood which it is.
    unreadable: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """Where its objects lie in the bucket, without a slash at the end."""
        return f"{FOLDER}{self.name}"

    @property
    def address(self) -> str:
        """Where its objects lie, as an address of S3."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def has_record(self) -> bool:
        """Whether a head that keeps a record has worked on it."""
        return self.live is not None

    @property
    def has_head(self) -> bool:
        """Whether a head holds the lock, as S3's clock says. A head that was killed holds it for 150 s more."""
        return self.lock is not None and self.lock.left > 0


def client(service: str, stack: Stack, settings: Config | None = None) -> Any:  # noqa: ANN401
    """Return a client in the stack's region, for calls that somebody waits for: it gives up within half a minute.

    `settings` go before its own.
    """
    config = Config(
        connect_timeout=5,
        read_timeout=20,
        max_pool_connections=2 * READERS,
        retries={"mode": "standard", "total_max_attempts": 4},
    )
    # boto3's stubs have a signature for each service's own name.
    session: Any = boto3.session.Session(region_name=stack.region)
    return session.client(service, config=config.merge(settings) if settings else config)


def find(
    name: str, stack: Stack | None = None, s3: "S3Client | None" = None, look: "Callable[..., Run] | None" = None
) -> Run:
    """Return the run of this name in the stack's bucket; by default in the deployed stack's.

    Raise UserError, which lists names like it, if there is none. `look` reads it: `read`, or `read_readable`.
    """
    stack = stack or stacks.deployed()
    s3 = s3 or client("s3", stack)
    if NAME.fullmatch(name):
        page = s3.list_objects_v2(Bucket=stack.bucket, Prefix=f"{FOLDER}{name}/", MaxKeys=1)
        if page.get("Contents"):
            return (look or read)(s3, stack.bucket, name)
    raise UserError(_no_such_run(name, names(s3, stack.bucket), stack.bucket))


def find_all(stack: Stack | None = None, s3: "S3Client | None" = None) -> list[Run]:
    """Return all runs in the stack's bucket, by name, with what can be understood of each."""
    stack = stack or stacks.deployed()
    s3 = s3 or client("s3", stack)
    known = names(s3, stack.bucket)
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda name: read_readable(s3, stack.bucket, name), known))


def names(s3: "S3Client", bucket: str) -> list[str]:
    """Return the names of all runs in the bucket, in order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=FOLDER, Delimiter="/")
    found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ())]
    return sorted(prefix.removeprefix(FOLDER).rstrip("/") for prefix in found)


def read(s3: "S3Client", bucket: str, name: str) -> Run:
    """Read what there is of a run. Raise UserError, which names the object, if one of them can't be understood."""
    run = read_readable(s3, bucket, name)
    if run.unreadable:
        raise UserError(run.unreadable[0])
    return run


def read_readable(s3: "S3Client", bucket: str, name: str) -> Run:
    """Read what there is of a run; what can't be understood is as if it were not there, and is said in the result."""
    prefix, said = f"{FOLDER}{name}", list[str]()
    about = _parsed(
        f"s3://{bucket}/{prefix}/{abouts.NAME}", lambda: _about(s3, bucket, f"{prefix}/{abouts.NAME}"), said
    )
    live = _parsed(f"s3://{bucket}/{prefix}/{store.LIVE}", lambda: store.read_live(s3, bucket, prefix), said)
    lock, _ = LockObject(s3, bucket, f"{prefix}/{head.NAME}").read()
    return Run(name, bucket, about, live, lock, tuple(said))


def has_object(s3: "S3Client", bucket: str, name: str, key: str) -> bool:
    """Return whether a run has an object of this key below its prefix."""
    page = s3.list_objects_v2(Bucket=bucket, Prefix=f"{FOLDER}{name}/{key}", MaxKeys=1)
    return any(one["Key"] == f"{FOLDER}{name}/{key}" for one in page.get("Contents", ()))


def record(
    s3: "S3Client", run: Run, newest: int | None = None, naming: Sequence[str] = ()
) -> Callable[[], list[Attempt]]:
    """Return a function that reads the record of a run, and again only what has been added since.

    It returns each attempt once, by their ends: those in the `newest` parts only, and, besides others, all that have
    every text of `naming` as the name of a rule, the value of a wildcard, an id. It raises UserError if the record
    can't be understood.
    """
    reader = store.Reader(s3, run.bucket, run.prefix, newest, naming)

    def read() -> list[Attempt]:
        # Millions of objects, none of them garbage: looking for some would double the time.
        collects = gc.isenabled()
        gc.disable()
        try:
            return reader.read()
        except store.RecordError as error:
            raise UserError(f"{error} {UNTOUCHED}") from error
        finally:
            if collects:
                gc.enable()

    return read


def attempts(s3: "S3Client", run: Run, naming: Sequence[str] = ()) -> list[Attempt]:
    """Return the record of a run: each attempt once, by their ends. Raise UserError if it can't be understood.

    Given texts that an attempt has to have, others may be missing (`record`).
    """
    found = record(s3, run, naming=naming)()
    # A command looks at them until it ends, and Python's search for garbage would do so again and again.
    gc.freeze()
    return found


def _about(s3: "S3Client", bucket: str, key: str) -> About | None:
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error_code(error) in MISSING:
            return None
        raise
    return abouts.from_json(body)


def _parsed(address: str, call: Callable[[], T], said: list[str]) -> T | None:
    """Return the call's result; for content that is not what heads write, add to `said` what is wrong."""
    try:
        return call()
    except UNREADABLE as error:
        said.append(str(UnreadableError(address, error)))
        return None


def _no_such_run(name: str, known: Sequence[str], bucket: str) -> str:
    if not known:
        return f"There is no run in s3://{bucket}/{FOLDER} yet. `terraflow run` starts one."
    near = difflib.get_close_matches(name, known, SIMILAR)
    inside = [one for one in known if name and (name.lower() in one.lower() or one.lower() in name.lower())]
    similar = list(dict.fromkeys([*near, *inside]))[:SIMILAR]
    said = f"Is it {' or '.join(similar)}? " if similar else ""
    return f"There is no run {name!r} in s3://{bucket}/{FOLDER}. {said}`terraflow runs` lists all {len(known)}."
