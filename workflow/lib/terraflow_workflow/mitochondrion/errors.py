"""How often sequencing errors show an allele, and which share of the copies is told from them.

Errors of one kind (base read for base, in the direction of the read) are counted in the sample itself: nearly all
bases of a mitochondrion are the same in all its copies, so that what few reads show there are errors. Sites differ in
how often they err: the spread of the counts beyond Poisson's is measured as well, and the number of errors at a site
taken as negative binomial. This is how deepSNV and shearwater see it (Gerstung et al. 2012, doi:10.1038/ncomms1814;
2014, doi:10.1093/bioinformatics/btt750), with the sample's other sites in place of control samples. Base qualities set
a lower limit to the error of each site: none errs less often than the qualities of its bases say.

The negative binomial distribution holds where the rates of sites differ as a gamma distribution. A few sites that err
far more often than their kind, as in a lognormal one, are told from alleles by a second library only.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

# -10 log10 of the probability of so many errors at one site. With three wrong bases at each of 16,569 sites, 60 gives
# one false allele in twenty samples, if the sites' rates differ as a gamma distribution.
CERTAIN = 60
# Alleles below it are not written at all.
SUSPECTED = 40
# An allele that is there is found with this probability, at the stated limit.
POWER = 0.95
MOST = 9999
# Sites that are so unlike errors don't say how often errors happen.
TRIM = 30
ROUNDS = 4
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}

Kind = tuple[str, str]  # the base that is there, the base that is read, both in the direction of the read


@lru_cache(maxsize=1 << 16)
def surprise(count: int, mean: float, spread: float) -> float:
    """Return -10 log10 P(K >= count), at most MOST.

    K is negative binomial with variance mean + spread mean²; a `spread` of 0 is Poisson's distribution.
    """
    if count <= mean or count <= 0:
        return 0.0
    if mean <= 0:
        return float(MOST)
    if spread < 1e-9:
        log_first = count * math.log(mean) - mean - math.lgamma(count + 1)
    else:
        size = 1 / spread
        log_first = math.lgamma(count + size) - math.lgamma(size) - math.lgamma(count + 1)
        log_first += size * math.log(size / (size + mean)) + count * math.log(mean / (size + mean))
    total = term = 1.0
    number = count
    while term > 1e-9 * total:
        if spread < 1e-9:
            term *= mean / (number + 1)
        else:
            term *= (number + 1 / spread) / (number + 1) * mean / (1 / spread + mean)
        total += term
        number += 1
    return min(float(MOST), max(0.0, -10 * (log_first + math.log(total)) / math.log(10)))


@lru_cache(maxsize=1 << 16)
def least_count(mean: float, spread: float, certain: float = CERTAIN) -> int:
    """Return the smallest number of reads that is more than errors of this mean explain."""
    low = high = max(1, math.ceil(mean))
    while surprise(high, mean, spread) < certain:
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        if surprise(middle, mean, spread) < certain:
            low = middle + 1
        else:
            high = middle
    return high


def least_fraction(depth: int, count: int, power: float = POWER) -> float | None:
    """Return the smallest share of the copies that shows `count` of `depth` reads with probability `power`; None: none.

    This is the quantile `power` of the beta distribution with parameters `count` and `depth - count + 1`. A depth of
    more than three digits is rounded down to three, which changes less than a hundredth of the share.
    """
    unit = 10 ** max(0, len(str(depth)) - 3)
    return _least_fraction(depth // unit * unit, count, power)


@lru_cache(maxsize=1 << 16)
def _least_fraction(depth: int, count: int, power: float) -> float | None:
    if count > depth:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if _at_least(count, depth, middle) < power:
            low = middle
        else:
            high = middle
    return high


def _at_least(count: int, depth: int, share: float) -> float:
    """Return P(K >= count) of a binomial distribution."""
    if share <= 0 or share >= 1:
        return float(share >= 1)
    log_ratio = math.log(share) - math.log1p(-share)
    log_term = depth * math.log1p(-share)
    below = 0.0
    for number in range(count):
        below += math.exp(log_term)
        log_term += math.log((depth - number) / (number + 1)) + log_ratio
    return 1 - below


def of_quality(quality: float) -> float:
    """Return how often one of the three wrong bases is read where the mean base quality is this (Phred)."""
    return 10 ** (-quality / 10) / 3


@dataclass(frozen=True)
class Strand:
    """Reads of one direction at one site: all of them, and those that could be errors of this kind."""

    kind: Kind
    reads: int
    count: int


@dataclass(frozen=True)
class Doubt:
    """An allele at one site that could come from errors; `quality` is the mean base quality (Phred)."""

    strands: tuple[Strand, Strand]
    quality: float

    @property
    def count(self) -> int:
        """Reads that show the allele."""
        return sum(strand.count for strand in self.strands)

    @property
    def reads(self) -> int:
        """All reads of the site."""
        return sum(strand.reads for strand in self.strands)


@dataclass
class Errors:
    """The errors of one sample: rate by kind, and spread of the rates between sites."""

    rates: dict[Kind, float] = field(default_factory=dict)
    spread: float = 0.0

    def mean(self, doubt: Doubt) -> float:
        """Return how many errors of this kind are expected at the site."""
        floor = of_quality(round(doubt.quality))
        expected = sum(strand.reads * max(self.rates.get(strand.kind, floor), floor) for strand in doubt.strands)
        return float(f"{expected:.3g}")

    def surprise(self, doubt: Doubt) -> float:
        """Return -10 log10 of the probability that errors show the allele so often."""
        return surprise(doubt.count, self.mean(doubt), self.spread)


def kinds(there: str, read: str) -> tuple[Kind, Kind]:
    """Return the kinds of error that show `read` for `there`, on the forward and the reverse strand."""
    return (there, read), (COMPLEMENT[there], COMPLEMENT[read])


def measure(doubts: Iterable[Doubt]) -> Errors:
    """Return the errors of a sample from all its sites, those that errors can't explain left out.

    A rate is shrunk towards what the base qualities say, with the weight of one error: a sample of few reads has seen
    none of some kinds.
    """
    all_doubts = list(doubts)
    errors = Errors()
    kept = [doubt for doubt in all_doubts if 20 * doubt.count <= max(20, doubt.reads)]
    for _ in range(ROUNDS):
        errors = _measured(kept)
        left = [doubt for doubt in all_doubts if errors.surprise(doubt) < TRIM]
        if len(left) == len(kept):
            break
        kept = left
    return errors


def _measured(doubts: list[Doubt]) -> Errors:
    seen: dict[Kind, int] = {}
    trials: dict[Kind, int] = {}
    weighted = 0.0
    bases = 0
    for doubt in doubts:
        for strand in doubt.strands:
            seen[strand.kind] = seen.get(strand.kind, 0) + strand.count
            trials[strand.kind] = trials.get(strand.kind, 0) + strand.reads
        weighted += doubt.quality * doubt.reads
        bases += doubt.reads
    prior = of_quality(weighted / bases) if bases else 1.0
    rates = {kind: (seen[kind] + 1) / (trials[kind] + 1 / prior) for kind in seen}
    errors = Errors(rates)
    means = [(doubt, errors.mean(doubt)) for doubt in doubts]
    squares = sum(mean * mean for _, mean in means)
    beyond = sum((doubt.count - mean) ** 2 - doubt.count for doubt, mean in means)
    return Errors(rates, float(f"{max(0.0, beyond / squares):.3g}") if squares else 0.0)
