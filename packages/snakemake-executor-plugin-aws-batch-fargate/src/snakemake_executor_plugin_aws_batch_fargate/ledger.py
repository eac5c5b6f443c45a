"""The ledger of a head: which of its Batch jobs live, were ended by it, or could not be ended."""

from collections.abc import Collection, Iterable
from threading import Lock

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from .shapes import Least, Shape, more


class Ledger:
    """Jobs by their Batch ids. One thread submits them, another looks after them: each method takes the lock."""

    def __init__(self) -> None:
        """Begin without jobs."""
        self._lock = Lock()
        # All jobs that are not known to have ended. Snakemake's own list is empty while it looks at them.
        self._live: dict[str, SubmittedJobInfo] = {}
        # Jobs that this head has submitted or seen fail; Snakemake's markers name those of earlier heads, too.
        self._own: set[str] = set()
        self._ended_here: set[str] = set()
        self._left: set[str] = set()
        self._grew = False
        # By the outputs of jobs that have run out of memory or disk.
        self._least: dict[str, Least] = {}

    def add(self, info: SubmittedJobInfo, own: bool = True) -> None:
        """Note that a job is in Batch; `own` if this head submitted it."""
        with self._lock:
            self._live[str(info.external_jobid)] = info
            if own:
                self._own.add(str(info.external_jobid))
            self._grew = True

    def remove(self, job_id: str, failed: bool = False) -> None:
        """Note that a job has ended."""
        with self._lock:
            self._live.pop(job_id, None)
            if failed:
                self._own.add(job_id)

    def grew(self) -> bool:
        """Return whether jobs were added since this was last asked."""
        with self._lock:
            grew, self._grew = self._grew, False
            return grew

    @property
    def has_live_jobs(self) -> bool:
        """Return whether any job is not known to have ended."""
        with self._lock:
            return bool(self._live)

    @property
    def live(self) -> list[SubmittedJobInfo]:
        """Return all jobs that are not known to have ended."""
        with self._lock:
            return list(self._live.values())

    @property
    def own(self) -> Collection[str]:
        """Return the ids of jobs that this head has submitted or seen fail."""
        with self._lock:
            return set(self._own)

    @property
    def ended_here(self) -> Collection[str]:
        """Return the ids of jobs that this head has ended."""
        with self._lock:
            return set(self._ended_here)

    def to_end(self, others: Iterable[str]) -> list[str]:
        """Return ids of live jobs and `others`, each once, without those whose end was tried before."""
        with self._lock:
            ids = dict.fromkeys([*self._live, *others])
            return [job_id for job_id in ids if job_id not in self._ended_here and job_id not in self._left]

    def end(self, ids: Iterable[str], left: Iterable[str]) -> None:
        """Note that `ids` were ended, but for `left`, which may still run."""
        with self._lock:
            self._left.update(left)
            for job_id in set(ids) - self._left:
                self._live.pop(job_id, None)
                self._ended_here.add(job_id)

    def least(self, outputs: str) -> Least:
        """Return what the next attempt of the job that makes these outputs must have."""
        with self._lock:
            return self._least.get(outputs, Least())

    def raise_least(self, outputs: str, shape: Shape, *, memory: bool, disk: bool) -> None:
        """Note that the job that makes these outputs ran out of `memory` or `disk` in this shape."""
        with self._lock:
            self._least[outputs] = more(shape, self._least.get(outputs, Least()), memory=memory, disk=disk)
