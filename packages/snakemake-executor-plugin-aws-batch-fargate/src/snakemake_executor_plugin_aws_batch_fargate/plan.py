"""What jobs read that no job makes, as it was when a head first asked for it.

It is part of what tells a job from others, and travels to workers with the sources, in a file that the environment
variable SNAKEMAKE_STORAGE_FINGERPRINTS names there: a storage plugin can refuse to read something else.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import names
from .outside import Dag, Job
from .outside import Path as JobFile

VARIABLE = "SNAKEMAKE_STORAGE_FINGERPRINTS"
# Below the working directory of a worker.
FILE = ".snakemake/fingerprints.json"


class Plan:
    """Inputs of the jobs of a DAG, and which jobs belong together."""

    def __init__(self, dag: Dag) -> None:
        """Asks storages nothing yet."""
        self._dag = dag
        self._known: dict[str, str] = {}
        # What workers are told, by the names of inputs.
        self._written: dict[str, str] = {}

    def identity(self, run: str, job: Job) -> names.Identity:
        """What tells the job, or group of jobs, from others."""
        return names.identity(run, job, self.component(job), self._inputs)

    def landed(self, run: str, job: Job) -> set[names.Identity]:
        """What names of jobs say of it that were made without a look at what inputs are, and at jobs that are done."""
        return {names.identity(run, job), names.identity(run, job, self.component(job)).whole}

    def component(self, job: Job) -> list[Job]:
        """The jobs of a group and all of the same group that they are connected with, also those that are done.

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
        """When the last of the inputs of a job, or of its group, was stored, in seconds since 1970; 0 without inputs.

        Infinity if a storage can't say it.
        """
        return max((_time(path) for one in self.component(job) for path in self._outside(one)), default=0.0)

    def lacks(self, job: Job) -> bool:
        """Whether workers have not been told of all inputs of a job, or of a group."""
        return not self._fingerprints(names.members(job)).keys() <= self._written.keys()

    def write(self, job: Job) -> bytes:
        """What workers are told: fingerprints of the inputs of all jobs that are going to run, and of this one."""
        self._written |= self._fingerprints([*self._dag.needrun_jobs(), *names.members(job)])
        return json.dumps(self._written, sort_keys=True).encode()

    def _fingerprints(self, jobs: Iterable[Job]) -> Mapping[str, str]:
        """By the inputs' names, of those whose storage has fingerprints."""
        paths = {names.key(path): path for job in jobs for path in self._outside(job) if _has_fingerprint(path)}
        return {key: self._describe(path) for key, path in paths.items()}

    def _inputs(self, job: Job) -> list[str]:
        return sorted(f"{names.key(path)} {self._describe(path)}" for path in self._outside(job))

    def _outside(self, job: Job) -> list[JobFile]:
        """Inputs that no job of the DAG makes."""
        made = {file for files in self._dag.dependencies[job].values() for file in files}
        return [path for path in job.input if path not in made]

    def _describe(self, path: JobFile) -> str:
        """What an input is: its fingerprint, else its size and time; of a file of the workflow's own its checksum."""
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
