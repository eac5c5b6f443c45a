"""What a run is expected to take. `costs.estimate` makes it, `terraflow run` shows it, and run.json keeps it:

    estimate(rehearsal: Rehearsal, stack: Stack, vcpus: float | None) -> Expected

`vcpus` is how many may work at a time; None is unknown, and then nothing waits.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RuleRow:
    """All planned jobs of a rule: vCPU-hours of their containers, and US dollars on Spot and on demand.

    A container that several rules share is split over them by their seconds.
    """

    rule: str
    jobs: int
    vcpu_hours: float
    spot: float
    on_demand: float


@dataclass(frozen=True)
class Expected:
    """A run: `hours` from its first job to its last, and US dollars, those of its head in `head`.

    `spot` and `on_demand` are sums of all rows and the head; `low` and `high` are what Spot may come to, given what is
    uncertain. That, and what is left out, is said in `notes`.
    """

    rows: tuple[RuleRow, ...]
    hours: float
    head: float
    spot: float
    on_demand: float
    low: float = 0.0
    high: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def jobs(self) -> int:
        """The number of jobs."""
        return sum(row.jobs for row in self.rows)

    @property
    def vcpu_hours(self) -> float:
        """The vCPU-hours of all jobs, without the head's."""
        return sum(row.vcpu_hours for row in self.rows)

    def mapping(self) -> Mapping[str, Any]:
        """Return it for run.json."""
        return {**asdict(self), "jobs": self.jobs, "vcpu_hours": self.vcpu_hours}
