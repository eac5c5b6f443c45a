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


def drawn(found: Sequence[Bar], grid: curves.Grid) -> dict[str, Any]:
    """Return `jobs`, `names` (the texts that their numbers stand for) and `curves`."""
    numbered = {
        "process": _numbered(bar.one.process for bar in found),
        "sample": _numbered(bar.sample for bar in found),
        "status": _numbered(bar.one.status for bar in found),
        "reason": _numbered(bar.one.reason for bar in found),
        "queue": _numbered(bar.one.queue for bar in found),
    }
    counts = curves.Counts(grid, STRIDE)
    steps: dict[str, int] = {}
    spans, used = [], []
    for bar in found:
        whole = phases.spans_of(bar.one, bar.begin, bar.end)
        counts.add(bar.begin, whole)
        spans.append(_written(bar.begin, whole))
        used.append([steps.setdefault(_named(step, bar.one), len(steps)) for step in bar.one.steps])
    columns = {name: numbers for name, (numbers, _) in numbered.items()}
    places = _places(numbered["sample"], columns["process"])
    return {
        "names": {name: texts for name, (_, texts) in numbered.items()} | {"step": list(steps)},
        "jobs": columns | _plain(found, grid.start) | places | {"spans": spans, "steps": used},
        "curves": dict(zip(phases.PHASES, counts.totals(), strict=True)) | _curves(found, grid),
    }


def _named(step: Step, one: Attempt) -> str:
    """Return the rule, and those of its wildcards that the job as a whole has not."""
    if step.wildcards == one.wildcards:
        return step.process
    own = [value for name, value in step.wildcards.items() if one.wildcards.get(name) != value]
    return " ".join([step.process, *own])


def _plain(found: Sequence[Bar], start: int) -> dict[str, list[Any]]:
    return {
        "id": [bar.one.native_id for bar in found],
        "attempt": [bar.one.attempt for bar in found],
        "rest": bars.labels(found),
        "spot": [int(bar.one.spot) for bar in found],
        "failed": [int(bar.failed) for bar in found],
        "exit": [bar.one.exit for bar in found],
        "cpus": [bar.one.cpus for bar in found],
        "memory": [bar.one.memory for bar in found],
        "disk": [bar.one.disk for bar in found],
        "peak": [bar.peak_rss for bar in found],
        "cost": [None if bar.cost is None else round(bar.cost, 6) for bar in found],
        "begin": [bar.begin - start for bar in found],
        "length": [bar.end - bar.begin for bar in found],
    }


def _places(samples: tuple[list[int], list[str]], rules: list[int]) -> dict[str, list[int]]:
    """Return the places of samples and rules in their orders; within one, bars are in the order of their beginnings."""
    numbers, names = samples
    places = {name: place for place, name in enumerate(bars.ordered(names))}
    order = [places[name] for name in names]
    # Rules are numbered in the order of their first bars.
    return {"by_sample": [order[number] for number in numbers], "by_rule": rules}


def _curves(found: Sequence[Bar], grid: curves.Grid) -> dict[str, list[float]]:
    columns = {}
    for name, spot in figures.SPOT_OF.items():
        uses = [(bar.taken, bar.end, bar.one.cpus) for bar in found if bar.taken is not None and bar.one.spot == spot]
        columns[name] = curves.highest(grid, uses)
    costs = [(bar.begin if bar.taken is None else bar.taken, bar.end, bar.cost) for bar in found if bar.cost]
    columns["spent"] = [round(amount, 6) for amount in curves.spent(grid, costs)]
    return columns


def _numbered(texts: Iterable[str]) -> tuple[list[int], list[str]]:
    """Return a number for each text, and the texts by their numbers."""
    known: defaultdict[str, int] = defaultdict(count().__next__)
    numbers = [known[text] for text in texts]
    return numbers, list(known)


def _written(begin: int, spans: Iterable[phases.Span]) -> str:
    """Return, for each span in turn, its number and its length: one text, not a list.

    JSON's encoder keeps every number of a list as a text of its own, which would take 150 MB for 50,000 jobs.
    """
    numbers = []
    for phase, end, step in spans:
        numbers.append(f"{phase + STRIDE * (step + 1)} {end - begin}")
        begin = end
    return " ".join(numbers)
