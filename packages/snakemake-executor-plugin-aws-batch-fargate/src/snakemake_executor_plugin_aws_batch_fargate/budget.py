"""The budget of a run: what all of its attempts have cost, what its jobs are going to cost, and whether there is more.

A job counts with what it has cost so far, and at least with what one of its rule takes on average, by the attempts in
the record that ended well. While none has, it counts as if it took as long again as it has run, one minute at least.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from snakemake_aws_common.prices import LEAST_SECONDS, Prices, cost_of, price_of
from snakemake_aws_common.record.attempt import COMPLETED, Attempt

from .attempts import Known


@dataclass(frozen=True)
class Running:
    """A job that is in Batch, or is about to be; milliseconds since 1970."""

    of: Known
    spot: bool
    # When it began to run.
    start: int | None = None


class Budget:
    """Dollars of one run. Not for several threads at once: the journal's lock guards it."""

    def __init__(self, limit: float | None, prices: Prices | None) -> None:
        """Without a limit nothing is refused; without prices nothing is known."""
        self.limit, self._prices = limit, prices
        self._ended = 0.0
        # Seconds and number of attempts that ended well, by rule or group.
        self._took: dict[str, tuple[float, int]] = {}

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Count attempts that have ended, each of which is given once."""
        for one in attempts:
            if self._prices is not None:
                self._ended += cost_of(one, self._prices).total
            if one.status == COMPLETED and one.start is not None and one.complete is not None:
                seconds, number = self._took.get(one.process, (0.0, 0))
                self._took[one.process] = seconds + (one.complete - one.start) / 1000, number + 1

    def spent(self, jobs: Iterable[Running], now: int) -> float | None:
        """Return what all attempts have cost, with those that run until now; None without prices."""
        if self._prices is None:
            return None
        ran = (self._cost(job, (now - job.start) / 1000) for job in jobs if job.start is not None)
        return self._ended + sum(ran)

    def committed(self, jobs: Iterable[Running], now: int) -> float:
        """Return what all attempts will have cost when these jobs are done."""
        return self._ended + sum(self.expected(job, now) for job in jobs)

    def expected(self, job: Running, now: int) -> float:
        """Return what a job is going to cost in all."""
        ran = 0.0 if job.start is None else max(0.0, (now - job.start) / 1000)
        seconds, number = self._took.get(job.of.process, (0.0, 0))
        return self._cost(job, max(ran, seconds / number) if number else max(2 * ran, LEAST_SECONDS))

    def _cost(self, job: Running, seconds: float) -> float:
        """Return the price of an attempt of a job that takes so many seconds."""
        if self._prices is None:
            return 0.0
        of = job.of
        return price_of(
            max(LEAST_SECONDS, math.ceil(max(0.0, seconds) + self._prices.pull_seconds)),
            self._prices,
            cpus=of.cpus,
            memory=of.memory,
            disk=of.disk,
            spot=job.spot,
            architecture=of.architecture,
            public_address=of.public_address,
        ).total
