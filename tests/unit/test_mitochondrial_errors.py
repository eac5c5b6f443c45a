"""Errors of the mitochondrion's reads: their probabilities, the smallest share that is seen, and their measurement."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terraflow_workflow.mitochondrion.errors import (
    CERTAIN,
    Doubt,
    Errors,
    Strand,
    kinds,
    least_count,
    least_fraction,
    measure,
    of_quality,
    surprise,
)


def poisson_tail(count: int, mean: float) -> float:
    return 1 - sum(math.exp(-mean) * mean**number / math.factorial(number) for number in range(count))


@given(st.integers(1, 12), st.floats(0.01, 5))
def test_without_spread_errors_are_poissons(count: int, mean: float) -> None:
    expected = poisson_tail(count, mean)
    if count > mean and expected > 1e-9:
        assert surprise(count, mean, 0.0) == pytest.approx(-10 * math.log10(expected), rel=1e-4, abs=1e-4)


def test_spread_makes_errors_less_surprising() -> None:
    # Negative binomial of size 1 is geometric: P(K >= n) = (mean / (1 + mean)) ** n.
    assert surprise(6, 0.5, 1.0) == pytest.approx(-60 * math.log10(0.5 / 1.5))
    assert surprise(6, 0.5, 0.0) > surprise(6, 0.5, 0.1) > surprise(6, 0.5, 1.0)


def test_no_count_is_more_surprising_than_the_most() -> None:
    assert surprise(100_000, 0.001, 0.0) == 9999
    assert surprise(3, 0.0, 0.0) == 9999
    assert surprise(0, 0.5, 0.0) == surprise(1, 2.0, 0.0) == 0


@pytest.mark.parametrize("mean", [0.001, 0.02, 0.3, 2.0, 17.0])
@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_the_least_count_is_the_first_that_errors_do_not_explain(mean: float, spread: float) -> None:
    count = least_count(mean, spread)
    assert surprise(count, mean, spread) >= CERTAIN > surprise(count - 1, mean, spread)


def at_least(count: int, depth: int, share: float) -> float:
    return 1 - sum(math.comb(depth, k) * share**k * (1 - share) ** (depth - k) for k in range(count))


@pytest.mark.parametrize(("depth", "count"), [(3, 3), (40, 3), (90, 4), (500, 6), (2000, 9)])
def test_the_least_fraction_is_found_with_the_stated_probability(depth: int, count: int) -> None:
    share = least_fraction(depth, count)
    assert share is not None
    assert at_least(count, depth, share) == pytest.approx(0.95, abs=1e-6)


def test_where_reads_are_too_few_there_is_no_least_fraction() -> None:
    assert least_fraction(2, 3) is None
    assert least_fraction(0, 1) is None


def test_errors_are_counted_in_the_direction_of_the_read() -> None:
    assert kinds("C", "T") == (("C", "T"), ("G", "A"))


def doubt(forward: tuple[int, int], reverse: tuple[int, int], quality: float = 40) -> Doubt:
    """Return T read for C: (reads, of them T) on each strand."""
    there, complement = kinds("C", "T")
    return Doubt((Strand(there, *forward), Strand(complement, *reverse)), quality)


def counted(rate: float, reads: int, sites: int, vary: float = 0.0) -> list[Doubt]:
    """Return sites whose errors are drawn with a rate, which differs between sites by a factor e**(+-vary)."""
    draw = random.Random(1)

    def errors(rate: float) -> int:
        # Poisson's distribution, by Knuth.
        limit, number, product = math.exp(-rate * reads), -1, 1.0
        while product > limit:
            product *= draw.random()
            number += 1
        return number

    made = []
    for _ in range(sites):
        own = rate * math.exp(draw.choice((-vary, vary)))
        made.append(doubt((reads, errors(own)), (reads, errors(own))))
    return made


def test_rates_are_measured_and_variants_are_no_errors() -> None:
    sites = counted(0.002, 1000, 2000)
    variants = [doubt((1000, 400), (1000, 420)), doubt((1000, 30), (1000, 25)), doubt((1000, 0), (1000, 1000))]
    clean, mixed = measure(sites), measure(sites + variants)
    assert clean.rates["C", "T"] == pytest.approx(0.002, rel=0.05)
    assert clean.rates["G", "A"] == pytest.approx(0.002, rel=0.05)
    assert mixed.rates == pytest.approx(clean.rates, rel=0.02)
    assert clean.spread < 0.05
    assert all(mixed.surprise(variant) > CERTAIN for variant in variants)


def test_spread_between_sites_is_measured() -> None:
    assert measure(counted(0.002, 1000, 2000, vary=1.0)).spread > 0.3


def test_a_sample_of_few_reads_has_the_errors_of_its_qualities() -> None:
    measured = measure([doubt((5, 0), (5, 0), quality=30)] * 3)
    assert measured.rates["C", "T"] == pytest.approx(of_quality(30), rel=0.05)


def test_qualities_limit_how_rare_errors_are() -> None:
    errors = Errors({("C", "T"): 1e-6, ("G", "A"): 1e-6})
    assert errors.mean(doubt((100, 1), (100, 1), quality=20)) == pytest.approx(200 * 0.01 / 3, rel=0.01)
    assert errors.surprise(doubt((100, 3), (100, 3), quality=20)) < errors.surprise(doubt((100, 3), (100, 3)))
