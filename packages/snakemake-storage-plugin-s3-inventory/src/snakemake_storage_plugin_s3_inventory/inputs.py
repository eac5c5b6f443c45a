"""Inputs that no job produces: to the end of a job each has to be the object that the run was planned with.

If a job runs in another process than the plan was made in, the environment variable SNAKEMAKE_STORAGE_FINGERPRINTS may
name a file with the plan: a JSON object of fingerprints by query. Whoever starts workers can write it.
"""

import functools
import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError

from .catalog import Catalog
from .known_objects import ObjectInfo
from .location import Location
from .producers import Producers
from .run_state import RunState

PLANNED = "SNAKEMAKE_STORAGE_FINGERPRINTS"
ADVICE = "Start the run again in the same way: it is planned again, with the object that is there then."


class PlannedInputs:
    """Compares the inputs that this process reads with the plan, and with S3 when results are stored."""

    def __init__(self, state: RunState, catalog: Catalog, producers: Producers) -> None:
        """Ask S3 and read nothing yet."""
        self._state = state
        self._catalog = catalog
        self._producers = producers
        self._read: dict[Location, ObjectInfo] = {}
        self._lock = threading.Lock()

    @functools.cached_property
    def _planned(self) -> Mapping[str, str] | None:
        """Return fingerprints by query, or None if nobody has written them down for this process."""
        file = os.environ.get(PLANNED)
        planned: Mapping[str, str] | None = json.loads(Path(file).read_text()) if file else None
        return planned

    def expected(self, query: str, location: Location, info: ObjectInfo) -> ObjectInfo | None:
        """Return the object that is to be read, or None if a job produces it.

        `info` is what this process saw when it made its own plan. Raise WorkflowError, naming object, plan and finding,
        if the run was planned with another one.
        """
        if not self._is_input(query, location):
            with self._lock:
                # It may have been read while the run was planned, before its job produced it again.
                self._read.pop(location, None)
            return None
        planned = (self._planned or {}).get(query, info.fingerprint)
        if planned != info.fingerprint:
            raise WorkflowError(replaced_message(query, planned, info.fingerprint))
        with self._lock:
            self._read[location] = info
        return info

    def _is_input(self, query: str, location: Location) -> bool:
        if self._state.workflow is None:
            return False
        if self._planned is not None:
            return query in self._planned
        # A worker without a plan knows only its own jobs, and no other job produces what it reads while it works.
        return self._state.is_worker or self._producers.of(location) is None

    def replaced_since(self, output: Location) -> str | None:
        """Return a message if an input of the job that has just stored `output` was replaced since it was read.

        An input that is gone was not replaced: what takes its place will be newer than the output.
        """
        for location in self._inputs_of(output):
            read = self._read[location]
            now = self._catalog.ask_now(location).get(location)
            if now is not None and now.fingerprint != read.fingerprint:
                return (
                    f"{replaced_message(location.query, read.fingerprint, now.fingerprint)} Meanwhile {output.query} "
                    "was made from the planned one. It would look newer than the other, so it is not kept."
                )
        return None

    def _inputs_of(self, output: Location) -> Iterable[Location]:
        """Return the inputs that were read for an output."""
        job = self._producers.of_output(output)
        if job is None:
            return ()
        with self._lock:
            read = list(self._read)
        if self._state.is_worker:
            # Its jobs may hand files to each other that are never stored, so all that it read counts.
            return [location for location in read if self._planned is not None]
        own = {file.storage_object.location for file in job.input if self._producers.is_own(file)}
        return [location for location in read if location in own]


def replaced_message(query: str, planned: str, found: str) -> str:
    """Say what happened to an object, and what to do."""
    return (
        f"{query} is another object than the one that the run was planned with (planned: {planned}; found: {found}). "
        f"It was replaced meanwhile. {ADVICE}"
    )
