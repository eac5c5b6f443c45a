"""Sums up what jobs do at a time, for a number of equal parts of the run's time, however many jobs there are."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter


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
    changes = sorted(
        (time, amount) for start, end, used in uses if end > start for time, amount in ((start, used), (end, -used))
    )
    found = [0.0] * grid.parts
    level, last = 0.0, 0
    for time, group in groupby(changes, key=itemgetter(0)):
        part = grid.part(time)
        # Up to here the level was that of the change before.
        reached = part + (time > grid.start + part * grid.width)
        for one in range(last + 1, reached):
            found[one] = max(found[one], level)
        level = max(0.0, math.fsum((level, *(amount for _, amount in group))))
        found[part] = max(found[part], level)
        last = part
    return found


def mean(grid: Grid, uses: Iterable[tuple[int, int, float]]) -> list[float]:
    """Return the mean sum of uses, each (start, end, amount), in each part."""
    # What a use adds to parts wholly within it is kept as changes, so that long uses cost no more than short ones.
    whole, edges = [0.0] * (grid.parts + 1), [0.0] * grid.parts
    for start, end, amount in uses:
        first, last = grid.part(start), grid.part(end)
        if first == last:
            edges[first] += amount * (end - start)
            continue
        edges[first] += amount * (grid.start + (first + 1) * grid.width - start)
        edges[last] += amount * (end - grid.start - last * grid.width)
        whole[first + 1] += amount
        whole[last] -= amount
    found, level = [], 0.0
    for part in range(grid.parts):
        level += whole[part]
        found.append(max(0.0, level + edges[part] / grid.width))
    return found


def spent(grid: Grid, costs: Iterable[tuple[int, int, float]]) -> list[float]:
    """Return what was spent until the end of each part, of costs (start, end, amount) that accrue evenly."""
    each = mean(grid, ((start, max(end, start + 1), amount / max(end - start, 1)) for start, end, amount in costs))
    total, found = 0.0, []
    for rate in each:
        total += rate * grid.width
        found.append(total)
    return found
