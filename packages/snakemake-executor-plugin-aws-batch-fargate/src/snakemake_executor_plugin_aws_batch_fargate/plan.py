"""The inputs that no job makes, as they were when a head first asked for them.

They are part of a job's identity. Their fingerprints travel to workers with the sources, in a file that the environment
variable SNAKEMAKE_STORAGE_FINGERPRINTS names there: a storage plugin can refuse to read any other object.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from . import names
from .untyped import Dag, Job, JobFile

VARIABLE = "SNAKEMAKE_STORAGE_FINGERPRINTS"
# Below the working directory of a worker.
FILE = ".snakemake/fingerprints.json"


class Plan:
    """Inputs of the jobs of a DAG, and which jobs belong together."""

    def __init__(self, dag: Dag, caches: Sequence[str] = ()) -> None:
        """Ask storages nothing yet. `caches` are folders whose names differ between two starts of a run."""
        self._dag = dag
        self._caches = caches
        self._known: dict[str, str] = {}
        # Fingerprints that workers get, by the names of inputs.
        self._written: dict[str, str] = {}

    def identity(self, run: str, job: Job) -> names.Identity:
        """Return the identity of a job or a group."""
        return names.identity(run, job, self.component(job), self._inputs, self._caches)

    def outputs(self, run: str, job: Job) -> str:
        """Return the part of the identity that names the outputs; no storage is asked."""
        return names.outputs_hash(run, self.component(job))

    def old_identities(self, run: str, job: Job) -> set[names.Identity]:
        """Return the identities that release 0.1 gave the job: without inputs, and perhaps without finished jobs."""
        return {names.identity(run, job), names.identity(run, job, self.component(job)).whole}

    def component(self, job: Job) -> list[Job]:
        """Return the jobs of a group and all of the same group that they are connected with, also finished ones.

        Which of them a head still has to do depends on when it looks.
        """
        found = dict.fromkeys(names.members(job))
        due = [one for one in found if one.group is not None]
        while due:
            one = due.pop()
            for other in (*self._dag.dependencies[one], *self._dag.depending[one]):
                if other.group == one.group and other not in found:
                    found[other] = None
                    due.append(other)
        return list(found)

    def youngest(self, job: Job) -> float:
        """Return when the last input of a job or its group was stored, in seconds since 1970; 0 without inputs.

        Infinity if a storage does not know it.
        """
        return max((_time(path) for one in self.component(job) for path in self._outside(one)), default=0.0)

    def lacks(self, job: Job) -> bool:
        """Return whether workers have not got the fingerprints of all inputs of a job or a group."""
        return not self._fingerprints(names.members(job)).keys() <= self._written.keys()

    def write(self, job: Job) -> bytes:
        """Return the file for workers: fingerprints of the inputs of this job and of all that are going to run."""
        self._written |= self._fingerprints([*self._dag.needrun_jobs(), *names.members(job)])
        return json.dumps(self._written, sort_keys=True).encode()

    def _fingerprints(self, jobs: Iterable[Job]) -> Mapping[str, str]:
        """Return fingerprints by the inputs' names, where the storage has them."""
        paths = {names.key(path): path for job in jobs for path in self._outside(job) if _has_fingerprint(path)}
        return {key: self._describe(path) for key, path in paths.items()}

    def _inputs(self, job: Job) -> list[str]:
        return sorted(f"{names.key(path)} {self._describe(path)}" for path in self._outside(job))

    def _outside(self, job: Job) -> list[JobFile]:
        """Return the inputs that no job of the DAG makes."""
        made = {file for files in self._dag.dependencies[job].values() for file in files}
        return [path for path in job.input if path not in made]

    def _describe(self, path: JobFile) -> str:
        """Return an input's fingerprint, else its size and time; for a file of the workflow's own its checksum."""
        key = names.key(path)
        if key not in self._known:
            if _has_fingerprint(path):
                self._known[key] = str(path.storage_object.fingerprint())
            elif names.is_stored(path):
                self._known[key] = f"{path.storage_object.size()} bytes, time {path.storage_object.mtime()}"
            else:
                self._known[key] = names.checksum(Path(str(path)))
        return self._known[key]


def _has_fingerprint(path: JobFile) -> bool:
    return names.is_stored(path) and hasattr(path.storage_object, "fingerprint")


def _time(path: JobFile) -> float:
    try:
        return float(path.storage_object.mtime() if names.is_stored(path) else Path(str(path)).stat().st_mtime)
    except Exception:  # whatever a storage raises
        return float("inf")
