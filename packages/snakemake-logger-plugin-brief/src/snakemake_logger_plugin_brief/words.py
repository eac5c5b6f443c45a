"""The text of each line, from what Snakemake says about a job."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

# The note that Snakemake adds to the name of each file in a storage.
MARKS = re.compile(r" \([a-z ]*\bstorage\b[a-z ]*\)")
# Reasons that most jobs have: their outputs do not exist yet.
USUAL = re.compile(r"^(?:Missing output files|Input files updated by another job)\b")
SHORTEST_LIST = 3
REMOVING = "Removing temporary output "


def job_line(job: Mapping[str, Any], hide: str, with_reason: bool) -> tuple[str, str]:
    """Return a job's name and the line about it: time, rule, wildcards, and its outputs or its number of inputs.

    Reasons follow on lines of their own: all of them if `with_reason` is true, else only unusual ones.
    """
    wildcards = ", ".join(f"{name}={value}" for name, value in job["wildcards"].items())
    name = job["rule_name"] + (f" ({wildcards})" if wildcards else "")
    # A rule without output, such as `all`, only gathers files.
    made = _files(job["output"], hide)
    line = f"{_clock()} {name}" + (f" makes {made}" if made else f" wants {_count(job['input'])}")
    reasons = [part for part in job["reason"].split("; ") if part and (with_reason or not USUAL.match(part))]
    if reasons:
        line += "".join(f"\n{' ' * 9}because: {_reason(part, hide)}" for part in reasons)
    return name, line


def done(name: str | None, otherwise: str) -> str:
    """Return the line about the end of a job; Snakemake's own words if the job's name is not known."""
    return f"{_clock()} done: {name}" if name else f"{_clock()} {otherwise}"


def removed(text: str, hide: str) -> str:
    """Return the line about a removed temporary file, from Snakemake's own message."""
    return f"{_clock()} removes {_short(text.removeprefix(REMOVING).removesuffix('.'), hide)}"


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _short(path: str, hide: str) -> str:
    return MARKS.sub("", path).removeprefix(hide)


def _files(paths: Sequence[str], hide: str) -> str:
    """Return the first of several files, and how many more there are."""
    if not paths:
        return ""
    more = len(paths) - 1
    return _short(paths[0], hide) + (f" and {more} more" if more else "")


def _count(paths: Sequence[str]) -> str:
    return f"{len(paths)} file" + ("" if len(paths) == 1 else "s")


def _reason(text: str, hide: str) -> str:
    """Return a reason whose list of files is cut after the first ones."""
    kind, colon, listed = text.partition(": ")
    paths = listed.split(", ")
    shown = ", ".join(_short(path, hide) for path in paths[:SHORTEST_LIST])
    more = len(paths) - SHORTEST_LIST
    return kind + colon + shown + (f" and {more} more" if more > 0 else "")
