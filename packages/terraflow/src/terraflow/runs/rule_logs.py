"""The log files of rules, which workers store below the run: logs/<rule>/<wildcards>.log.

The workflow names them so: the rule, then the values of its wildcards with `/` or `.` between them. A test holds that.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from terraflow.runs.find import Run

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FOLDER = "logs"
SUFFIX = ".log"
# S3 gives whole seconds.
RESOLUTION = 1000


@dataclass(frozen=True)
class RuleLog:
    """A log file: where it lies, its lines, and when it was stored, in milliseconds since 1970."""

    address: str
    lines: tuple[str, ...]
    stored: int


def read(s3: "S3Client", run: Run, rule: str, wildcards: Mapping[str, str], begin: int | None) -> list[RuleLog]:
    """Return the log files of a rule's job, those left out that were stored before it began."""
    found = []
    for key, stored in _candidates(s3, run, rule, wildcards):
        if begin is not None and stored + RESOLUTION <= begin:
            continue
        text = s3.get_object(Bucket=run.bucket, Key=key)["Body"].read().decode(errors="replace")
        found.append(RuleLog(f"s3://{run.bucket}/{key}", tuple(text.splitlines()), stored))
    return found


def is_of(name: str, rule: str, wildcards: Mapping[str, str]) -> bool:
    """Return whether a log file, by its name below `logs/`, is that of the rule's job with these wildcards."""
    values = [re.escape(value) for value in wildcards.values()]
    orders = {"[/.]".join((re.escape(rule), *order)) for order in permutations(values)}
    return any(re.fullmatch(order + re.escape(SUFFIX), name) for order in orders)


def _candidates(s3: "S3Client", run: Run, rule: str, wildcards: Mapping[str, str]) -> list[tuple[str, int]]:
    """Return keys and times of the job's log files. What is listed begins with a wildcard: a rule may have many."""
    folder = f"{run.prefix}/{FOLDER}/"
    starts = {f"{folder}{rule}/{value}" for value in wildcards.values()} or {f"{folder}{rule}{SUFFIX}"}
    found: dict[str, int] = {}
    for start in sorted(starts):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=run.bucket, Prefix=start):
            found |= {one["Key"]: round(one["LastModified"].timestamp() * 1000) for one in page.get("Contents", ())}
    return [(key, stored) for key, stored in sorted(found.items()) if is_of(key.removeprefix(folder), rule, wildcards)]
