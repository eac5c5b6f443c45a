"""Sums up what jobs do at a time, for a number of equal parts of the run's time, however many jobs there are."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from terraflow.timeline.phases import PHASES, Span


@dataclass(frozen=True)
class Grid:
    """Equal parts of the time from `start` to `end`, in milliseconds since 1970."""

    start: int
    end: int
    parts: int

    @property
    def width(self) -> float:
        """Milliseconds of a part."""
        return (self.end - self.start) / self.parts

    def part(self, time: float) -> int:
        """Return the part that a time lies in."""
        return min(max(int((time - self.start) / self.width), 0), self.parts - 1)


def over(start: int, end: int, parts: int) -> Grid:
    """Return a grid over a time; at least a millisecond for each part."""
    return Grid(start, max(end, start + parts), parts)


def highest(grid: Grid, uses: Iterable[tuple[int, int, float]]) -> list[float]:
    """Return the highest sum of uses, each (start, end, amount), that there was at any time in each part."""
    # Where one ends as another begins, the end comes first.
    changes = sorted(
        (time, amount) for start, end, used in uses if end > start for time, amount in ((start, used), (end, -used))
    )
    found = [0.0] * grid.parts
    level, last = 0.0, 0
    for time, amount in changes:
        part = grid.part(time)
        if part != last:
            # Up to here the level was that of the change before.
            reached = part + (time > grid.start + part * grid.width)
            for one in range(last + 1, reached):
                found[one] = max(found[one], level)
            last = part
        level += amount
        found[part] = max(found[part], level)
    return found


def counts(grid: Grid, chains: Iterable[tuple[int, Sequence[Span]]]) -> dict[str, list[int]]:
    """Return how many chains are in each phase in the middle of each part; a chain is its beginning and its spans."""
    changes = {phase: [0] * (grid.parts + 1) for phase in PHASES}
    start, width, last = grid.start, grid.width, grid.parts
    for begin, spans in chains:
        # The first part whose middle lies at or after a time. Most spans of a large run end before the next middle.
        part = math.ceil((begin - start) / width - 0.5)
        for phase, end, _ in spans:
            after = math.ceil((end - start) / width - 0.5)
            if after != part:
                changed = changes[phase]
                changed[min(part, last)] += 1
                changed[min(after, last)] -= 1
                part = after
    return {phase: list(accumulate(changed[:-1])) for phase, changed in changes.items()}


def spent(grid: Grid, costs: Iterable[tuple[int, int, float]]) -> list[float]:
    """Return what was spent until the end of each part, of costs (start, end, amount) that accrue evenly."""
    # For the parts that a cost accrues in: what it adds in each whole one, and in those where it begins and ends.
    rates, edges = [0.0] * (grid.parts + 1), [0.0] * grid.parts
    for start, end, amount in costs:
        first, last = grid.part(start), grid.part(end)
        if first == last:
            edges[first] += amount
            continue
        rate = amount / (end - start)
        before, after = grid.start + (first + 1) * grid.width - start, end - grid.start - last * grid.width
        edges[first] += rate * before
        edges[last] += rate * after
        rates[first + 1] += rate * grid.width
        rates[last] -= rate * grid.width
    return list(accumulate(map(sum, zip(accumulate(rates[:-1]), edges, strict=True))))
