"""What a receipt says of a run, before it has the form of a crate. Times are milliseconds since 1970."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snakemake_aws_common.checksums import ALGORITHMS

# S3's name of the checksum that is an MD5 sum if it is one at all.
ETAG = "ETag"
# Names of S3's checksums in a receipt, which are S3's own (base64; of an object's parts if a number follows), and those
# of plain checksums in hexadecimal: of objects that came in one piece, or of the file that `terraflow stage` has sent.
STORED = tuple(name for name in ALGORITHMS if name != ETAG)
PLAIN = ("md5", "sha256")


@dataclass(frozen=True)
class Content:
    """An object's size in bytes, its ETag without quotes, and all that S3 knows of its checksums, by their names."""

    size: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Input:
    """A file that the run read, as the sheet or the configuration names it; `content` is None if it was not looked at.

    `kind` is "reads", "reference" or "annotation".
    """

    address: str
    kind: str
    content: Content | None
    sample: str = ""
    unit: str = ""
    # Of this file alone: a pair of files has twice as many.
    reads: int | None = None


@dataclass(frozen=True)
class Image:
    """A container image; `sha256` is its digest in hexadecimal, empty if the registry does not say."""

    registry: str
    name: str
    tag: str
    sha256: str = ""


@dataclass(frozen=True)
class Facts:
    """All that a receipt says."""

    run: str
    address: str
    state: str
    message: str
    who: str
    started_by: str
    started: int | None
    ended: int | None
    # When the receipt was made.
    made: int
    # The archive with workflow, configuration and sheet: its path below the run's prefix, and its content.
    archive: str
    archive_content: Content | None
    # What results/run.json says; empty for a run that has none.
    about: Mapping[str, Any]
    inputs: tuple[Input, ...]
    outputs: Mapping[str, Content]
    # Versions of programs, by name.
    tools: Mapping[str, str]
    images: tuple[Image, ...]
    # US dollars; None without a record.
    cost: float | None
    # What could not be found out, a sentence each.
    missing: tuple[str, ...] = ()
