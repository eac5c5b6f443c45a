"""One attempt of a job: what it asked for, where and when it ran, how it ended, and what its steps used.

Fields have the names of Nextflow's trace where it has one:
https://www.nextflow.io/docs/latest/reports.html#trace-file.
Times are milliseconds since 1970 (durations: milliseconds), sizes are bytes; None is unknown.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, make_dataclass
from operator import itemgetter
from typing import Any, TypeVar

T = TypeVar("T")
COMPLETED = "COMPLETED"
FAILED = "FAILED"
# Ended by a head or by a person.
ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class Step:
    """One rule's work in an attempt, as the worker measured it: a job is one step, a group has several."""

    process: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    exit: int | None = None
    start: int | None = None
    complete: int | None = None
    # The tool: wall time, CPU time (user and system), and the most memory that its processes had at a time.
    realtime: int | None = None
    cpu_time: int | None = None
    peak_rss: int | None = None
    # From and to the storage.
    fetch_bytes: int | None = None
    fetch_time: int | None = None
    store_bytes: int | None = None
    store_time: int | None = None

    @property
    def tag(self) -> str:
        """The wildcards as one text: `sample=a, unit=1`."""
        return ", ".join(f"{name}={value}" for name, value in self.wildcards.items())


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a Batch job, which is one job of the workflow or a group of them."""

    native_id: str
    attempt: int
    name: str
    # The rule, or the id of the group.
    process: str
    wildcards: Mapping[str, str]
    is_group: bool
    # Names the outputs, inputs, parameters and code of the job.
    hash: str
    status: str
    exit: int | None
    reason: str
    queue: str
    spot: bool
    # Job definition, and the container's log stream.
    definition: str
    log_stream: str
    # Asked for.
    cpus: float
    memory: int
    disk: int
    # `submit`, `start` and `complete` as Batch gives them; `runnable` and `starting` as a look at the job first saw.
    submit: int
    runnable: int | None
    starting: int | None
    start: int | None
    complete: int | None
    # The head that wrote this.
    head: str
    steps: tuple[Step, ...] = ()
    # What the price depends on besides: "X86_64" or "ARM64", and whether the task had a public address.
    architecture: str = "X86_64"
    public_address: bool = False

    @property
    def tag(self) -> str:
        """The wildcards as one text: `sample=a, unit=1`."""
        return ", ".join(f"{name}={value}" for name, value in self.wildcards.items())


def to_line(attempt: Attempt) -> str:
    """Return an attempt as one line of JSON, with its tag for programs that read Nextflow's traces."""
    return json.dumps({**asdict(attempt), "tag": attempt.tag}, separators=(",", ":"))


def from_mapping(given: Mapping[str, Any]) -> Attempt:
    """Return the attempt in a parsed line; fields that a later version has added are left out."""
    return _attempt({**given, "steps": tuple(map(step_from, given.get("steps", ())))})


def _maker(kind: type[T]) -> Callable[[Mapping[str, Any]], T]:
    """Return a function that makes a `kind` of a mapping of its fields, quickly: a large record has millions of them.

    A frozen class sets each field by a call. An object of a class with the same slots that is not frozen, which then
    becomes one of the frozen class, is made in a third of the time.
    """
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    values, loose = itemgetter(*names), make_dataclass(kind.__name__, names, slots=True)

    def make(given: Mapping[str, Any]) -> T:
        try:
            one: Any = loose(*values(given))
        except KeyError:
            # An earlier version did not have all fields.
            return kind(**{name: given[name] for name in names if name in given})
        one.__class__ = kind
        made: T = one
        return made

    return make


_attempt = _maker(Attempt)
step_from = _maker(Step)
