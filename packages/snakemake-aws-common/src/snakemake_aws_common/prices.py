"""What an attempt of a job costs on Fargate: by the second, one minute at least, from the start of the image's pull.

Source: https://aws.amazon.com/fargate/pricing/ (charged from the start of the image's download until the task ends, by
the second, one minute at least). Batch says when a task has started, not when it began to pull its image; the file of
prices states an allowance for that. Storage, requests, logs and what a stack costs while nothing runs are no part of
it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from .price_list import Prices, PricesError, Rates, load, load_or_stand_in
from .record.attempt import Attempt

__all__ = [
    "Cost",
    "Prices",
    "PricesError",
    "Rates",
    "billed_seconds",
    "cost_of",
    "load",
    "load_or_stand_in",
    "price_of",
    "total",
]

GIB = 2**30
# Disk that costs nothing, in GiB.
FREE_DISK = 20
LEAST_SECONDS = 60
HOUR = 3600


@dataclass(frozen=True)
class Cost:
    """US dollars, by what they are paid for; `address` is the public address, or what goes through endpoints."""

    vcpu: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    address: float = 0.0

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return self.vcpu + self.memory + self.disk + self.address

    def __add__(self, other: "Cost") -> "Cost":
        """Return the sum, part by part."""
        return Cost(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Cost)))

    def __mul__(self, share: float) -> "Cost":
        """Return a share of each part."""
        return Cost(*(getattr(self, one.name) * share for one in fields(Cost)))


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum of costs."""
    return sum(costs, Cost())


def billed_seconds(attempt: Attempt, prices: Prices, now_ms: int | None = None) -> int:
    """Return the seconds that AWS bills for an attempt, up to `now_ms` while it runs.

    A task that never began to start costs nothing. One that was seen starting, but never ran, pulled its image.
    Without an end and without `now_ms`, what is known of the attempt counts: the end of its last step.
    """
    if attempt.start is None:
        return 0 if attempt.starting is None else max(LEAST_SECONDS, math.ceil(prices.pull_seconds))
    end = attempt.complete if attempt.complete is not None else now_ms
    if end is None:
        end = max([attempt.start, *(step.complete for step in attempt.steps if step.complete is not None)])
    ran = max(0, end - attempt.start) / 1000
    return max(LEAST_SECONDS, math.ceil(ran + prices.pull_seconds))


def price_of(
    seconds: float,
    prices: Prices,
    *,
    cpus: float,
    memory: int,
    disk: int,
    spot: bool,
    architecture: str = "X86_64",
    public_address: bool = False,
) -> Cost:
    """Return the price of a task that is billed for so many seconds; memory and disk are bytes.

    Raises PricesError if the prices hold none for the architecture.
    """
    if architecture not in prices.rates:
        raise PricesError(
            f"There are no prices of {architecture} in {prices.region}, but of {', '.join(sorted(prices.rates))}: "
            f"{prices.source}. Give a file with them: --prices FILE"
        )
    rates, hours = prices.rates[architecture], seconds / HOUR
    share = 1 - prices.spot_discount if spot else 1.0
    through_endpoints = prices.endpoint_bytes / 1e9 * prices.endpoint_gb if seconds else 0.0
    return Cost(
        vcpu=cpus * rates.vcpu_hour * hours * share,
        memory=memory / GIB * rates.memory_gb_hour * hours * share,
        disk=max(0.0, disk / GIB - FREE_DISK) * prices.disk_gb_hour * hours,
        address=prices.address_hour * hours if public_address else through_endpoints,
    )


def cost_of(attempt: Attempt, prices: Prices, now_ms: int | None = None) -> Cost:
    """Return what an attempt costs, up to `now_ms` (milliseconds since 1970) while it runs."""
    return price_of(
        billed_seconds(attempt, prices, now_ms),
        prices,
        cpus=attempt.cpus,
        memory=attempt.memory,
        disk=attempt.disk,
        spot=attempt.spot,
        architecture=attempt.architecture,
        public_address=attempt.public_address,
    )
