"""Sums up what jobs do at a time, for a number of equal parts of the run's time, however many jobs there are."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from terraflow.timeline.phases import Span


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


def over(start: int, end: int, parts: int) -> Grid:
    """Return a grid over a time; at least a millisecond for each part."""
    return Grid(start, max(end, start + parts), parts)


def highest(grid: Grid, uses: Iterable[tuple[int, int, float]]) -> list[float]:
    """Return the highest sum of uses, each (start, end, amount), that there was at any time in each part."""
    # Where one ends as another begins, the end comes first.
    some = [one for one in uses if one[1] > one[0]]
    changes = sorted([(start, used) for start, _, used in some] + [(end, -used) for _, end, used in some])
    found = [0.0] * grid.parts
    start, width = grid.start, grid.width
    level, last = 0.0, 0
    for time, amount in changes:
        part = min(int((time - start) / width), grid.parts - 1)
        if part != last:
            # Up to here the level was that of the change before.
            reached = part + (time > start + part * width)
            for one in range(last + 1, reached):
                found[one] = max(found[one], level)
            last = part
        level += amount
        if level > found[part]:
            found[part] = level
    return found


class Counts:
    """Counts how many jobs are in each phase in the middle of each part."""

    def __init__(self, grid: Grid, phases: int) -> None:
        """Begin with no job."""
        self._start, self._width, self._parts = grid.start, grid.width, grid.parts
        self._changes = [[0] * (grid.parts + 1) for _ in range(phases)]
        # A little before the middle of each part, to be on the safe side of what floating point rounds away.
        self._middles = [math.floor(grid.start + (part + 0.5) * grid.width) - 1 for part in range(grid.parts + 1)]

    def add(self, begin: int, spans: Iterable[Span]) -> None:
        """Add a job, which begins then, and goes through these phases."""
        part = self._after(begin)
        middle = self._middles[part]
        for phase, end, _ in spans:
            # Most spans of a large run end before the next middle.
            if end > middle and (after := self._after(end)) != part:
                changes = self._changes[phase]
                changes[part] += 1
                changes[after] -= 1
                part, middle = after, self._middles[after]

    def _after(self, time: int) -> int:
        """Return the first part whose middle lies at or after a time."""
        return min(math.ceil((time - self._start) / self._width - 0.5), self._parts)

    def totals(self) -> list[list[int]]:
        """Return the numbers of jobs in each part, for each phase."""
        return [list(accumulate(changes[:-1])) for changes in self._changes]


def spent(grid: Grid, costs: Iterable[tuple[int, int, float]]) -> list[float]:
    """Return what was spent until the end of each part, of costs (start, end, amount) that accrue evenly."""
    # For the parts that a cost accrues in: what it adds in each whole one, and in those where it begins and ends.
    rates, edges = [0.0] * (grid.parts + 1), [0.0] * grid.parts
    width, most = grid.width, grid.parts - 1
    for start, end, amount in costs:
        first = min(int((start - grid.start) / width), most)
        last = min(int((end - grid.start) / width), most)
        if first == last:
            edges[first] += amount
            continue
        rate = amount / (end - start)
        edges[first] += rate * (grid.start + (first + 1) * width - start)
        edges[last] += rate * (end - grid.start - last * width)
        rates[first + 1] += rate * width
        rates[last] -= rate * width
    return list(accumulate(map(sum, zip(accumulate(rates[:-1]), edges, strict=True))))
