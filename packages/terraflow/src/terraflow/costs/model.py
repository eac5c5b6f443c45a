"""What a job of a rule takes: a fixed part, a part by reads and a part by bases of the reference, as was measured.

model.json has the numbers, and says where and when they were measured; benchmarks/fit.py makes it.
"""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import expm1, log
from typing import Any

MILLION, BILLION = 1e6, 1e9
# Bases of a read.
READ = 150


@dataclass(frozen=True)
class Parts:
    """A job's need: `fixed`, `reads` for a million reads, and `bases` for a billion bases of the reference.

    The latter two are pairs of a reference's bases and the need with it: a read takes longer where the reference, and
    with it the index, is larger. With `covered`, only bases count that a read covers.
    """

    fixed: float
    reads: Sequence[tuple[float, float]]
    bases: Sequence[tuple[float, float]]
    covered: bool = False

    def of(self, reads: float, bases: float, reference: float) -> float:
        """Return the need of a job with so many reads and bases of a reference that has `reference` bases."""
        if self.covered:
            bases = covered(reads, bases)
        return self.fixed + reads / MILLION * at(self.reads, reference) + bases / BILLION * at(self.bases, reference)


def covered(reads: float, bases: float) -> float:
    """Return how many of the bases reads at random places cover (Lander and Waterman 1988)."""
    return bases * -expm1(-reads * READ / bases) if bases else 0.0


def at(needs: Sequence[tuple[float, float]], reference: float) -> float:
    """Return the need with a reference of so many bases.

    Between two sizes, and beyond the last, it follows the logarithm of the bases; below the first it is the first's.
    """
    if len(needs) == 1 or reference <= needs[0][0]:
        return needs[0][1]
    last = min(bisect_left([size for size, _ in needs], reference), len(needs) - 1)
    (low, less), (high, more) = needs[last - 1], needs[last]
    return less + (more - less) * log(reference / low) / log(high / low)


@dataclass(frozen=True)
class RuleModel:
    """CPU seconds of a job of a rule, and bytes that it fetches and stores."""

    cpu: Parts
    bytes: Parts


@dataclass(frozen=True)
class Model:
    """All rules, and what else is assumed; `uncertainty` is a factor, either way."""

    measured: str
    rules: Mapping[str, RuleModel]
    # For a rule that was not measured.
    other: RuleModel
    uncertainty: float
    # Share of its vCPUs that a container keeps busy, if it has several.
    busy: float
    # Seconds: before the tool, with Snakemake's start; from a free place to the start of the container.
    start_seconds: float
    place_seconds: float
    bytes_per_second: float
    # Bytes of a FASTQ file for a read, by the file's ending, and of a reference for a base; "" is any other ending.
    bytes_per_read: Mapping[str, float]
    bytes_per_base: Mapping[str, float]

    def rule(self, name: str, aligner: str = "") -> RuleModel:
        """Return the model of a rule, in a run with that aligner."""
        return self.rules.get(f"{name} {aligner}", self.rules.get(name, self.other))


@cache
def load() -> Model:
    """Return the model in model.json."""
    given = json.loads((resources.files("terraflow.costs") / "model.json").read_text("utf-8"))
    rules = {name: _rule(rule) for name, rule in given.pop("rules").items()}
    return Model(rules=rules, other=_rule(given.pop("other")), **given)


def _rule(given: Mapping[str, Any]) -> RuleModel:
    return RuleModel(*(_parts(given[need]) for need in ("cpu", "bytes")))


def _parts(given: Mapping[str, Any]) -> Parts:
    reads, bases = ([(size, need) for size, need in given[part]] for part in ("reads", "bases"))
    return Parts(given["fixed"], reads, bases, given.get("covered", False))
