"""Inputs that no job makes: to the end of a job each has to be the object that the run was planned with.

Where a job runs in another process than the plan was made in, the environment variable SNAKEMAKE_STORAGE_FINGERPRINTS
may name a file that says what was planned: a JSON object of fingerprints by query. Whoever starts workers can write it.
"""

import functools
import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import WorkflowError

from .location import Location
from .memory import Seen

if TYPE_CHECKING:
    from .provider import StorageProvider

PLANNED = "SNAKEMAKE_STORAGE_FINGERPRINTS"
ADVICE = "Start the run again in the same way: it is planned anew, with the object that is there then."


class Inputs:
    """What this process reads, compared with the plan and with what S3 holds when results are stored."""

    def __init__(self, provider: "StorageProvider") -> None:
        """Asks S3 and reads nothing yet."""
        self._provider = provider
        self._read: dict[Location, Seen] = {}
        self._lock = threading.Lock()

    @functools.cached_property
    def _planned(self) -> Mapping[str, str] | None:
        """Fingerprints by query; None if nobody has written them down for this process."""
        named = os.environ.get(PLANNED)
        planned: Mapping[str, str] | None = json.loads(Path(named).read_text()) if named else None
        return planned

    def expected(self, query: str, location: Location, seen: Seen) -> Seen | None:
        """The object that is to be read; None if a job makes it.

        `seen` is what this process saw when it made its own plan.
        Raises WorkflowError, naming object, plan and finding, if the run was planned with another one.
        """
        if not self._is_input(query, location):
            with self._lock:
                # It may have been read while the run was planned, before its job made it anew.
                self._read.pop(location, None)
            return None
        planned = (self._planned or {}).get(query, seen.fingerprint)
        if planned != seen.fingerprint:
            raise WorkflowError(replaced(query, planned, seen.fingerprint))
        with self._lock:
            self._read[location] = seen
        return seen

    def _is_input(self, query: str, location: Location) -> bool:
        workflow = self._provider.workflow
        if workflow is None:
            return False
        if self._planned is not None:
            return query in self._planned
        # A worker that was told nothing knows its own jobs only; others make nothing that it reads while it works.
        return bool(workflow.remote_exec) or self._provider.maker(location) is None

    def replaced_since(self, output: Location) -> str | None:
        """Which input of the job that has just stored `output` is not what was read of it, and what to do.

        An input that is gone was not replaced: what takes its place will be newer than the output.
        """
        for location in self._behind(output):
            read = self._read[location]
            now = self._provider.ask_now(location).get(location)
            if now is not None and now.fingerprint != read.fingerprint:
                return (
                    f"{replaced(location.query, read.fingerprint, now.fingerprint)} Meanwhile {output.query} was made "
                    "of the planned one; it would look newer than the other, so it is not kept."
                )
        return None

    def _behind(self, output: Location) -> Iterable[Location]:
        """Inputs that were read for an output. A worker's jobs may hand files to each other that are never stored."""
        workflow = self._provider.workflow
        job = None if workflow is None else self._provider.maker_of_output(output)
        if job is None:
            return ()
        with self._lock:
            read = list(self._read)
        if workflow.remote_exec:
            return [location for location in read if self._planned is not None]
        own = {file.storage_object.location for file in job.input if self._provider.is_own(file)}
        return [location for location in read if location in own]


def replaced(query: str, planned: str, found: str) -> str:
    """What happened to an object, and what to do."""
    return (
        f"{query} is another object than the one that the run was planned with (planned: {planned}; found: {found}). "
        f"It was replaced meanwhile. {ADVICE}"
    )
