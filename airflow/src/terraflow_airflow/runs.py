"""What heads and launchers write of a run: runs/NAME/head/run.json and live.json, raw/NAME/inbox.json.

Times are milliseconds since 1970, money is US dollars; None is unknown. Fields that are not needed here are left out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from terraflow_airflow import aws

# States of a run.
SUBMITTED, RUNNING, DONE, FAILED, OVER_BUDGET, STOPPED = (
    "submitted",
    "running",
    "done",
    "failed",
    "over budget",
    "stopped",
)
ENDED = (DONE, FAILED, OVER_BUDGET, STOPPED)
# States of a sheet.
LAUNCHING, LAUNCHED, WAITING, INCOMPLETE, REFUSED = "launching", "launched", "waiting", "incomplete", "refused"

T = TypeVar("T")


@dataclass(frozen=True)
class About:
    """A run: run.json. `sheet_etag` is that of the sheet that started it; empty for a start by hand."""

    state: str = ""
    head_job: str = ""
    submitted: int = 0
    who: str = ""
    started_by: str = ""
    sheet_etag: str = ""
    samples: int | None = None
    budget: float | None = None
    started: int | None = None
    ended: int | None = None
    exit_code: int | None = None
    message: str = ""


@dataclass(frozen=True)
class Entry:
    """What became of a sheet: inbox.json. `modified` is when the sheet was written, by S3's clock."""

    etag: str = ""
    modified: int = 0
    state: str = ""
    updated: int = 0
    config_etag: str = ""
    starts: int = 0
    message: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Live:
    """What a run does now: live.json; `jobs` are ids of jobs that have not ended."""

    state: str = ""
    updated: int = 0
    rules: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    jobs: tuple[str, ...] = ()
    spent: float | None = None

    def counted(self, what: str) -> int:
        """Return the number of jobs that are `total`, `waiting`, `running`, `done` or `failed`."""
        return sum(int(counts.get(what, 0)) for counts in self.rules.values())

    @property
    def progress(self) -> str:
        """Return how far the run is, in a line."""
        failed = self.counted("failed")
        parts = [f"{self.counted('done'):,} of {self.counted('total'):,} jobs done, {self.counted('running'):,} run"]
        parts += [f"{failed:,} failed"] if failed else []
        parts += [f"${self.spent:,.2f} so far"] if self.spent is not None else []
        return ", ".join(parts)


class Run:
    """The objects of one run."""

    def __init__(self, s3: Any, bucket: str, name: str) -> None:  # noqa: ANN401
        """Ask S3 nothing yet."""
        self._s3, self._bucket, self.name = s3, bucket, name

    def about(self) -> About | None:
        """Return its run.json; None if there is none."""
        return self._read(About, f"runs/{self.name}/head/run.json")

    def live(self) -> Live | None:
        """Return its live.json; None if there is none."""
        found = self._json(f"runs/{self.name}/head/live.json")
        if found is None:
            return None
        jobs = tuple(job["native_id"] for job in found.get("jobs", ()))
        return _known(Live, {**found, "jobs": jobs})

    def entry(self) -> Entry | None:
        """Return its inbox.json; None if no launcher has looked at its sheet."""
        found = self._json(f"raw/{self.name}/inbox.json")
        return None if found is None else _known(Entry, {**found, "missing": tuple(found.get("missing", ()))})

    def sheet_etag(self) -> str | None:
        """Return the ETag of its sheet in the inbox; None if there is none."""
        return aws.etag(self._s3, self._bucket, f"raw/{self.name}/samples.tsv")

    def is_there(self, path: str) -> bool:
        """Return whether the run has a file, by its path below runs/NAME/."""
        return aws.etag(self._s3, self._bucket, f"runs/{self.name}/{path}") is not None

    def _read(self, kind: type[T], key: str) -> T | None:
        found = self._json(key)
        return None if found is None else _known(kind, found)

    def _json(self, key: str) -> dict[str, Any] | None:
        body = aws.read(self._s3, self._bucket, key)
        return None if body is None else dict(json.loads(body))


def _known(kind: type[T], given: Mapping[str, Any]) -> T:
    names = [one.name for one in fields(kind) if one.name in given]  # type: ignore[arg-type]
    return kind(**{name: given[name] for name in names})
