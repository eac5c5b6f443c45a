"""What the page's script draws: columns of the jobs, and sums for each part of the run's time.

One pass over the bars makes both: the phases of 50,000 attempts would take 100 MB if all were kept.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from snakemake_aws_common.record.attempt import Attempt, Step
from terraflow.timeline import bars, curves, figures, phases
from terraflow.timeline.bars import Bar

# Numbers that a phase is written as: its own, and its number of phases for each step before the one that it belongs to.
STRIDE = len(phases.PHASES)


# What is written of each job, in the order of a row.
COLUMNS = (
    "process", "sample", "status", "reason", "queue", "id", "attempt", "rest", "spot", "failed", "exit", "cpus",
    "memory", "disk", "peak", "cost", "begin", "length", "spans", "steps",
)  # fmt: skip


def drawn(found: Sequence[Bar], grid: curves.Grid) -> dict[str, Any]:
    """Return `jobs`, `names` (the texts that their numbers stand for) and `curves` of a run that has bars."""
    counts = curves.Counts(grid, STRIDE)
    names = {name: _numbers() for name in ("process", "sample", "status", "reason", "queue", "step")}
    process, sample, status, reason, queue, step = names.values()
    rows = []
    # All of a bar at a time: a pass for each column would fetch all bars from memory as often.
    for bar, rest in zip(found, bars.labels(found), strict=True):
        one, spans = bar.one, phases.spans_of(bar.one, bar.begin, bar.end)
        counts.add(bar.begin, spans)
        rows.append(
            (
                process[one.process],
                sample[bar.sample],
                status[one.status],
                reason[one.reason],
                queue[one.queue],
                one.native_id,
                one.attempt,
                rest,
                int(one.spot),
                int(bar.failed),
                one.exit,
                one.cpus,
                one.memory,
                one.disk,
                bar.peak_rss,
                None if bar.cost is None else round(bar.cost, 6),
                bar.begin - grid.start,
                bar.end - bar.begin,
                _written(bar.begin, spans),
                [step[_named(part, one)] for part in one.steps],
            )
        )
    jobs: dict[str, Any] = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    return {
        "names": {name: list(numbers) for name, numbers in names.items()},
        "jobs": jobs | _places(list(sample), jobs["sample"], jobs["process"]),
        "curves": dict(zip(phases.PHASES, counts.totals(), strict=True)) | _curves(found, grid),
    }


def _numbers() -> defaultdict[str, int]:
    """Return numbers for texts, each given when it is first asked for."""
    return defaultdict(count().__next__)


def _named(step: Step, one: Attempt) -> str:
    """Return the rule, and those of its wildcards that the job as a whole has not."""
    if step.wildcards == one.wildcards:
        return step.process
    own = [value for name, value in step.wildcards.items() if one.wildcards.get(name) != value]
    return " ".join([step.process, *own])


def _places(names: Sequence[str], samples: Iterable[int], rules: Iterable[int]) -> dict[str, Any]:
    """Return the places of samples and rules in their orders; within one, bars are in the order of their beginnings."""
    places = {name: place for place, name in enumerate(bars.ordered(names))}
    order = [places[name] for name in names]
    # Rules are numbered in the order of their first bars.
    return {"by_sample": [order[number] for number in samples], "by_rule": rules}


def _curves(found: Sequence[Bar], grid: curves.Grid) -> dict[str, list[float]]:
    columns = {}
    for name, spot in figures.SPOT_OF.items():
        uses = [(bar.taken, bar.end, bar.one.cpus) for bar in found if bar.taken is not None and bar.one.spot == spot]
        columns[name] = curves.highest(grid, uses)
    costs = [(bar.begin if bar.taken is None else bar.taken, bar.end, bar.cost) for bar in found if bar.cost]
    columns["spent"] = [round(amount, 6) for amount in curves.spent(grid, costs)]
    return columns


def _written(begin: int, spans: Iterable[phases.Span]) -> str:
    """Return, for each span in turn, its number and its length: one text, not a list.

    JSON's encoder keeps every number of a list as a text of its own, which would take 150 MB for 50,000 jobs.
    """
    numbers = []
    for phase, end, step in spans:
        numbers.append(f"{phase + STRIDE * (step + 1)} {end - begin}")
        begin = end
    return " ".join(numbers)
