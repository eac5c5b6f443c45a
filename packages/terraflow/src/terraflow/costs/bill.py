"""The bill of a run: each attempt's cost, shared out to rules, samples, days and queues, in billionths of a dollar.

Whole numbers, so that the sums by rule, by sample, by day and by queue are one number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from snakemake_aws_common.prices import Cost, Prices, cost_of
from snakemake_aws_common.record.attempt import Attempt, Step
from terraflow import samples as names

# Billionths of a dollar.
NANO = 1_000_000_000
PARTS = ("vcpu", "memory", "disk", "address")
KEYS = ("rule", "sample", "day", "queue")


class Line(NamedTuple):
    """A part of an attempt's cost, in billionths of a dollar by what is paid for, and what it is counted under."""

    rule: str
    sample: str
    day: str
    queue: str
    parts: tuple[int, ...]
    # The Batch job and the number of its attempt.
    attempt: tuple[str, int]
    # Whether the rule's share of its group is a guess: its seconds were not measured.
    guessed: bool = False

    @property
    def nano(self) -> int:
        """The line's cost."""
        return sum(self.parts)


@dataclass(frozen=True)
class Row:
    """All that is counted under one key: attempts that have a part in it, and what is paid for."""

    key: str
    attempts: int
    parts: tuple[int, ...]

    @property
    def nano(self) -> int:
        """The row's cost in billionths of a dollar."""
        return sum(self.parts)


def lines_of(attempts: Iterable[Attempt], prices: Prices, now_ms: int | None = None) -> list[Line]:
    """Return the lines of a bill: one for each rule in each attempt, whatever became of the attempt."""
    given = list(attempts)
    samples = names.names_of(
        wildcards for one in given for wildcards in (one.wildcards, *(step.wildcards for step in one.steps))
    )
    return [line for one in given for line in _lines(one, cost_of(one, prices, now_ms), samples, now_ms)]


def rows_by(key: str, lines: Iterable[Line]) -> list[Row]:
    """Return the sums of lines by `rule`, `sample`, `day` or `queue`: days in order, else the most expensive first."""
    sums: dict[str, list[int]] = {}
    attempts: dict[str, set[tuple[str, int]]] = {}
    for line in lines:
        name = getattr(line, key)
        found = sums.setdefault(name, [0] * len(PARTS))
        for number, part in enumerate(line.parts):
            found[number] += part
        attempts.setdefault(name, set()).add(line.attempt)
    rows = [Row(name, len(attempts[name]), tuple(found)) for name, found in sums.items()]
    return sorted(rows, key=lambda row: row.key if key == "day" else (-row.nano, row.key))


def _lines(attempt: Attempt, cost: Cost, samples: set[str], now_ms: int | None) -> list[Line]:
    # A job of one rule may have been lost before its worker measured anything; its own name and wildcards are known.
    steps = attempt.steps if attempt.is_group else ()
    steps = steps or (Step(attempt.process, attempt.wildcards),)
    weights, guessed = weights_of(steps, _seconds(attempt, now_ms))
    # For each rule, its share of what is paid for.
    shares = zip(*(split(round(getattr(cost, part) * NANO), weights) for part in PARTS), strict=True)
    began = next((one for one in (attempt.start, attempt.starting) if one is not None), attempt.submit)
    day = f"{datetime.fromtimestamp(began / 1000, UTC):%Y-%m-%d}"
    return [
        Line(
            rule=step.process,
            sample=names.group_of(names.sample_of(step.wildcards, samples)),
            day=day,
            queue=attempt.queue,
            parts=share,
            attempt=(attempt.native_id, attempt.attempt),
            guessed=len(steps) > 1 and guess,
        )
        for step, share, guess in zip(steps, shares, guessed, strict=True)
    ]


def _seconds(attempt: Attempt, now_ms: int | None) -> float:
    end = attempt.complete if attempt.complete is not None else now_ms
    return 0.0 if attempt.start is None or end is None else max(0, end - attempt.start) / 1000


def weights_of(steps: Sequence[Step], seconds: float) -> tuple[list[float], list[bool]]:
    """Return the weight of each rule in a group that ran for so long, and which of them were not measured.

    Measured rules have their seconds (fetching, tool, storing). The time that none of them took goes to the others in
    equal parts: a worker that lost its capacity could not say what its last rule took.
    """
    measured = [_measured(step) for step in steps]
    missing = [one is None for one in measured]
    rest = max(0.0, seconds - sum(one or 0.0 for one in measured))
    each = rest / sum(missing) if any(missing) else 0.0
    weights = [each if one is None else one for one in measured]
    return (weights, missing) if sum(weights) > 0 else ([1.0] * len(steps), [True] * len(steps))


def _measured(step: Step) -> float | None:
    """Return the seconds of a rule; None if its worker could not say how long its tool took."""
    if step.realtime is not None:
        return sum(one or 0 for one in (step.fetch_time, step.realtime, step.store_time)) / 1000
    if step.start is not None and step.complete is not None:
        return max(0, step.complete - step.start) / 1000
    return None


def split(amount: int, weights: Sequence[float]) -> list[int]:
    """Return whole shares of an amount, by weights whose sum is not 0; their sum is the amount."""
    whole, shares, seen, given = sum(weights), [], 0.0, 0
    for weight in weights[:-1]:
        seen += weight
        shares.append(round(amount * seen / whole) - given)
        given += shares[-1]
    return [*shares, amount - given]
