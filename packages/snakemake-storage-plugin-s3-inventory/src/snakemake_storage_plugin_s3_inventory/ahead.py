"""Inputs that only later jobs of a worker read are fetched while its first jobs run.

Snakemake fetches the inputs of the jobs that it is about to start, and starts them when all are there. As soon as the
first ones are, a thread fetches what the other jobs of the worker read and none of its jobs makes: one file after
another, in the order of the jobs. Snakemake then finds these files, or waits for the one that is under way. What fails
in the thread is left to the job, which fetches again and says what is wrong.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from snakemake_interface_storage_plugins.common import get_disk_free

from snakemake_aws_common.patience import cancelled_by

from .producers import Producers
from .run_state import RunState

# Share of the free disk that is filled ahead of the jobs: those that run write meanwhile.
SHARE = 0.5
# Seconds in which the thread ends, once it is told to.
ENDING = 5.0


class Fetchable(Protocol):
    """An object of the storage, as far as it is fetched ahead."""

    def local_path(self) -> Path:
        """Return the path of the local copy."""

    def size(self) -> int:
        """Return its size in bytes."""

    def retrieve_ahead(self) -> Coroutine[None, None, None]:
        """Make the local copy."""


# Whether the local copy was made; cancelled if it was left to the job.
Fetch = Future[bool]


class Ahead:
    """Fetches in the background what later jobs of this worker read. On a head it does nothing."""

    def __init__(self, state: RunState, producers: Producers) -> None:
        """Begin nothing yet."""
        self._state = state
        self._producers = producers
        # Fetches that jobs wait for.
        self._due = 0
        self._fetches: dict[Path, Fetch] = {}
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    @contextmanager
    def due(self) -> Iterator[None]:
        """Enclose a fetch that jobs wait for. The first time that none is left, fetch ahead; end if one fails."""
        if not self._is_scheduling():
            yield
            return
        self._due += 1
        try:
            yield
        except BaseException:
            self.end()
            raise
        finally:
            self._due -= 1
        if not self._due and self._thread is None and not self._ended.is_set():
            self._begin()

    async def has_fetched(self, path: Path) -> bool:
        """Return whether the local copy was made ahead, waiting for it if it is under way. If not, leave it alone."""
        fetch = self._fetches.pop(path, None)
        return fetch is not None and not fetch.cancel() and await asyncio.wrap_future(fetch)

    def end(self) -> None:
        """Fetch nothing more, and stop what is under way: there are no jobs left to read it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(ENDING)

    def _is_scheduling(self) -> bool:
        """Return whether Snakemake's scheduler asks, on a worker: jobs with a cache ask in threads of their own."""
        in_main = threading.current_thread() is threading.main_thread()
        return in_main and self._state.is_worker and self._state.jobs_may_run

    def _begin(self) -> None:
        missing = {path: file for file in self._later() if not (path := file.local_path()).exists()}
        if not missing:
            return
        self._fetches = {path: Fetch() for path in missing}
        due = [(file, self._fetches[path]) for path, file in missing.items()]
        self._thread = threading.Thread(target=self._work, args=(due,), name="fetching ahead", daemon=True)
        self._thread.start()

    def _later(self) -> Iterator[Fetchable]:
        """Yield what jobs read that have not begun, and that exists before they begin."""
        dag = self._state.workflow.dag
        waiting = {job for job in dag.needrun_jobs() if not (job.is_norun or dag.is_running(job))}
        for level in dag.toposorted(waiting):
            for job in level:
                for file in job.input:
                    if (
                        self._producers.is_own(file)
                        and not file.should_not_be_retrieved_from_storage
                        and dag.is_external_input(file, job, not_needrun_is_external=True)
                    ):
                        yield file.storage_object

    def _work(self, due: Iterable[tuple[Fetchable, Fetch]]) -> None:
        room: float | None = None
        with cancelled_by(self._ended):
            for file, fetch in due:
                if self._ended.is_set():
                    fetch.cancel()
                if not fetch.set_running_or_notify_cancel():
                    continue
                try:
                    if room is None:
                        room = SHARE * get_disk_free(file.local_path())
                    fits = (size := file.size()) <= room
                    if fits:
                        asyncio.run(file.retrieve_ahead())
                        room -= size
                except Exception:  # the job meets it again
                    fits = False
                fetch.set_result(fits)
