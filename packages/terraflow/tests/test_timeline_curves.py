"""Sums over all jobs in parts of the run's time agree with sums done the long way."""

import random

import pytest

from terraflow.timeline import curves

GRID = curves.over(1000, 2000, 10)


@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        pytest.param([], [0] * 10, id="nothing"),
        pytest.param([(1000, 2000, 4)], [4] * 10, id="all the time"),
        pytest.param([(1150, 1250, 4)], [0, 4, 4, 0, 0, 0, 0, 0, 0, 0], id="parts"),
        pytest.param([(1100, 1200, 4), (1200, 1300, 2)], [0, 4, 2, 0, 0, 0, 0, 0, 0, 0], id="one after the other"),
        pytest.param([(1110, 1150, 4), (1140, 1160, 2)], [0, 6, 0, 0, 0, 0, 0, 0, 0, 0], id="a short peak"),
        pytest.param([(1950, 2000, 1)], [0] * 9 + [1], id="at the end"),
        pytest.param([(1500, 1500, 8)], [0] * 10, id="no time"),
    ],
)
def test_highest(uses: list[tuple[int, int, float]], expected: list[float]) -> None:
    assert curves.highest(GRID, uses) == expected


def test_highest_of_many() -> None:
    rng = random.Random(2)
    uses = []
    for _ in range(60):
        start, end = sorted(rng.randint(1000, 2000) for _ in range(2))
        uses.append((start, end, float(rng.randint(1, 8))))
    levels = [sum(amount for start, end, amount in uses if start <= time < end) for time in range(1000, 2000)]
    parts = [levels[first : first + 100] for first in range(0, 1000, 100)]
    assert curves.highest(GRID, uses) == [max(part) for part in parts]


def test_phases_are_counted_in_the_middle_of_each_part() -> None:
    rng = random.Random(3)
    chains, phase_at = [], []
    for _ in range(60):
        begin, *ends = sorted(rng.sample(range(1000, 2001), 5))
        spans = [(rng.randrange(6), end, -1) for end in ends]
        chains.append((begin, spans))
        starts = [begin, *ends]
        phase_at += [(start, end, name) for start, (name, end, _) in zip(starts, spans, strict=False)]
    counts = curves.Counts(GRID, 6)
    for begin, spans in chains:
        counts.add(begin, spans)
    middles = range(1050, 2000, 100)
    for name, numbers in enumerate(counts.totals()):
        assert numbers == [sum(n == name and start <= at < end for start, end, n in phase_at) for at in middles]


def test_what_is_spent_adds_up() -> None:
    costs = [(1000, 1500, 5.0), (1250, 1250, 1.0), (1900, 2000, 2.0), (2000, 2000, 0.5)]
    spent = curves.spent(GRID, costs)
    assert spent[-1] == pytest.approx(8.5)
    assert spent[:5] == pytest.approx([1, 2, 4, 5, 6])
    assert spent == sorted(spent)


def test_a_run_of_no_time_has_parts() -> None:
    grid = curves.over(5000, 5000, 10)
    assert grid.width == 1
    assert curves.spent(grid, [(5000, 5000, 1.0)])[-1] == pytest.approx(1)
