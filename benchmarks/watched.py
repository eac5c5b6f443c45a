"""A run on the strict AWS, the requests that were made for it, and what is wrong with it when it has ended."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from container_heads import Site

from snakemake_aws_common import head, memory
from snakemake_aws_common.record import store
from terraflow.heads import about as abouts
from terraflow.runs import find, state

# Seconds for anything to happen, and between two looks.
PATIENCE, LOOK = 120.0, 0.1
LOCK = head.NAME
MEMORY = memory.NAME
# What every run leaves, and what a head in a container adds.
RESULTS = {"results/all.txt", MEMORY, store.LIVE}
PAGES = {"results/timeline.html", "ro-crate-metadata.json", abouts.NAME}


class Watched:
    """A run, and the requests to AWS since it was submitted."""

    def __init__(self, site: Site, run: str) -> None:
        """Forget the requests of before."""
        self.site, self.run = site, run
        self._requests: list[dict[str, Any]] = []
        site.aws.requests(forget=True)

    def requests(self, operation: str, key: str = "*") -> list[dict[str, Any]]:
        """Return the requests of an operation, on keys of the run that fit a pattern. Status 0: not answered yet."""
        self._requests += self.site.aws.requests(forget=True)
        pattern = f"runs/{self.run}/{key}" if operation != "SubmitJob" else "*"
        return [one for one in self._requests if one["operation"] == operation and fnmatchcase(one["key"], pattern)]

    def tasks(self, status: str, rule: str = "*") -> list[dict[str, Any]]:
        """Return the run's jobs, but for heads, that have a status."""
        found = self.site.tasks(self.run)
        return [one for one in found if one["status"] == status and rule in ("*", one["tags"]["terraflow:rule"])]

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait for something. Raise RuntimeError if it does not happen."""
        limit = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > limit:
                raise RuntimeError(f"run {self.run}: {what} has not come within {PATIENCE:.0f} s")
            time.sleep(LOOK)

    def problems(self, tasks: int) -> list[str]:
        """Return what is wrong with a run that has ended, and was to have so many jobs: each once, and all recorded."""
        site, found = self.site, []
        jobs = site.tasks(self.run)
        ran = Counter({job["jobName"]: 0 for job in jobs})
        for job in jobs:
            ran[job["jobName"]] += len(job["attempts"])
        if len(jobs) != tasks or set(ran.values()) != {1} or len(ran) != tasks:
            found.append(f"jobs that ran, and how often: {dict(ran)}, {len(jobs)} submitted; {tasks}, each once, due")
        if bad := [job["jobName"] for job in jobs if job["status"] != "SUCCEEDED"]:
            found.append(f"jobs that did not end well: {bad}")
        in_batch = {
            (job["jobId"], n): (one["container"].get("exitCode"), one["startedAt"], one["stoppedAt"])
            for job in jobs
            for n, one in enumerate(job["attempts"], 1)
        }
        recorded = store.read_attempts(site.s3, site.bucket, f"runs/{self.run}")
        in_record = {(one.native_id, one.attempt): (one.exit, one.start, one.complete) for one in recorded}
        if in_record != in_batch:
            found.append(f"the record has {in_record}, Batch {in_batch}")
        keys = site.keys(f"runs/{self.run}/")
        if LOCK in keys:
            found.append("the lock is still there")
        seen = find.find(self.run, site.stack, site.s3)
        if state.of(seen) != state.DONE:
            found.append(f"state {state.of(seen)} for those who look at the run")
        if lacking := RESULTS - keys:
            found.append(f"missing: {', '.join(sorted(lacking))}")
        return found

    def problems_of_about(self, job: str) -> list[str]:
        """Return what is wrong with the run.json of a run that this head has ended, and with what it has left."""
        about = self.site.about(self.run)
        written = about.state, about.exit_code, about.head_job, bool(about.started and about.ended)
        wrong = [] if written == (abouts.DONE, 0, job, True) else [f"run.json: {about}"]
        lacking = PAGES - self.site.keys(f"runs/{self.run}/")
        return wrong + ([f"missing: {', '.join(sorted(lacking))}"] if lacking else [])


def codes_of(head: Mapping[str, Any]) -> list[int | None]:
    """Return the exit codes of a head's attempts."""
    return [attempt["container"].get("exitCode") for attempt in head["attempts"]]
