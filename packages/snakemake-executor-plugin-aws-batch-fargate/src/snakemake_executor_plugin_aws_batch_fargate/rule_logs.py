"""The log files of a failed job's rules, in which tools explain errors: a worker stores them on S3."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from .names import key
from .untyped import Client, Job

LINES = 30
# More than thirty lines usually have; a log can be huge.
BYTES = 16 * 1024
# A group may have many jobs.
FILES = 5


@dataclass(frozen=True)
class RuleLog:
    """The end of a log file."""

    address: str
    lines: list[str]


def rule_logs(s3: Client, job: Job, description: Mapping[str, Any], stream: Iterable[str] = ()) -> list[RuleLog]:
    """Return the ends of the log files that the job has written, without those of earlier attempts.

    `stream` are the last lines of its log stream: log files that Snakemake names in it for an error come first.
    """
    errors = " ".join(line for line in stream if "(check log file(s) for error details)" in line)
    # Milliseconds since 1970; S3 gives whole seconds.
    started = int(description.get("startedAt") or 0) // 1000
    found = []
    for address in sorted(map(key, job.log), key=lambda address: address not in errors)[: 100 * FILES]:
        if not address.startswith("s3://"):
            continue
        parts = urlsplit(address, allow_fragments=False)
        try:
            answer = s3.get_object(Bucket=parts.netloc, Key=address.split("/", 3)[3], Range=f"bytes=-{BYTES}")
            text = answer["Body"].read().decode(errors="replace")
        except (ClientError, BotoCoreError):
            # A job that was ended from outside stores no log file, and an empty one has no range.
            continue
        if answer["LastModified"].timestamp() < started:
            continue
        lines = [line for line in text.splitlines() if line.strip()]
        if lines:
            found.append(RuleLog(address, lines[-LINES:]))
        if len(found) == FILES:
            break
    return found
