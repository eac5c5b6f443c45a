"""A run and how it ended: `PREFIX/head/run.json`, written by the launcher and by the head.

Times are milliseconds since 1970, money is US dollars; None is unknown.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

NAME = "head/run.json"
# Below it lie Snakemake's own logs of all heads, `<start>-<Batch job>-<attempt>.log`, written anew while a head works.
LOGS = "head/logs/"

SUBMITTED = "submitted"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
OVER_BUDGET = "over budget"
STOPPED = "stopped"

# Exit codes of a head. The job definition of heads ends a job at these, and starts every other one again.
EXIT_CODES = {DONE: 0, FAILED: 60, OVER_BUDGET: 61, STOPPED: 62}
# Another head has the run; nothing was done.
EXIT_HELD = 63
# The archive of the head can't be used.
EXIT_UNUSABLE = 64


@dataclass(frozen=True)
class About:
    """A run. A later start of the same name replaces it."""

    run: str
    who: str
    # "terraflow run", "upload", "clock" or "airflow".
    started_by: str
    submitted: int
    state: str = SUBMITTED
    # Key of the head's archive, and id of its Batch job.
    archive: str = ""
    head_job: str = ""
    # A random word, by which whoever submits a head knows its own claim.
    claim: str = ""
    # Key of the sheet in the inbox that started the run, and its ETag; empty for a start by hand.
    sheet: str = ""
    sheet_etag: str = ""
    # The number of samples in the sheet.
    samples: int | None = None
    workflow_version: str = ""
    budget: float | None = None
    # As terraflow.costs.estimate gives it.
    estimate: Mapping[str, Any] | None = None
    started: int | None = None
    ended: int | None = None
    exit_code: int | None = None
    # Why it ended as it did, in words for its user.
    message: str = ""


def to_json(about: About) -> bytes:
    """Return it as JSON."""
    return json.dumps(asdict(about), indent=2).encode()


def from_json(body: bytes) -> About:
    """Return what `to_json` wrote; fields that a later version has added are left out."""
    given = json.loads(body)
    return About(**{name: given[name] for name in About.__dataclass_fields__ if name in given})
