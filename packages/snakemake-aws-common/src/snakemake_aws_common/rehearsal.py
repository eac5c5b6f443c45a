"""The jobs that a run would submit, as a dry run finds out: written by the executor plugin, read by other programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class PlannedJob:
    """A job of a rule, and what the rule asks for: MiB of memory and disk, minutes (0: no limit).

    `given` are the inputs that no job makes, and their bytes. What is known only after other jobs have run counts as 0.
    """

    rule: str
    wildcards: Mapping[str, str]
    threads: int
    memory_mib: int
    disk_mib: int
    minutes: int
    given: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedTask:
    """A job of AWS Batch, of a rule or of a group, and the shape that it would get.

    `jobs` are indices of planned jobs, in an order in which they can run; `needs` are indices of the tasks that have to
    end before, all smaller than the task's own. `definition` is empty for the definition that the disk chooses.
    """

    name: str
    jobs: tuple[int, ...]
    needs: tuple[int, ...]
    vcpus: float
    memory_mib: int
    disk_gib: int
    definition: str = ""


@dataclass(frozen=True)
class Rehearsal:
    """What a run would do.

    `errors` ended the dry run, and then there is nothing else; `problems` would end the run before its first job,
    as would `passing`, states of the stack that pass or are mended without a change of the run, such as a queue that is
    being updated; `unknown` could not be checked. `config` is the configuration as the workflow has read it.
    """

    jobs: tuple[PlannedJob, ...] = ()
    tasks: tuple[PlannedTask, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def to_json(rehearsal: Rehearsal) -> str:
    """Return it as JSON."""
    return json.dumps(asdict(rehearsal), default=str)


def from_json(text: str) -> Rehearsal:
    """Return what `to_json` wrote; what it did not write in an earlier version is empty."""
    given = json.loads(text)
    given["jobs"] = tuple(PlannedJob(**job) for job in given["jobs"])
    given["tasks"] = tuple(
        PlannedTask(**{**task, "jobs": tuple(task["jobs"]), "needs": tuple(task["needs"])}) for task in given["tasks"]
    )
    for name in ("errors", "problems", "passing", "unknown"):
        given[name] = tuple(given.get(name, ()))
    return Rehearsal(**given)
