"""When a run will be done, from what its jobs have taken so far."""

from collections import defaultdict
from collections.abc import Iterable

from snakemake_aws_common.record import attempt as attempts
from snakemake_aws_common.record.attempt import Attempt, Step
from snakemake_aws_common.record.live import Live

# A job that runs is taken to be half done.
HALF = 0.5


def milliseconds_left(live: Live, ended: Iterable[Attempt], now: int) -> int | None:
    """Return how long the jobs that are left will take if work goes on as fast as of late; None while nothing is done.

    `ended` are the last attempts that have ended. Work is vCPU-milliseconds. A rule's job takes what those of the rule
    have taken in the mean, and a rule of which nothing is known what all others take. The speed is what was done since
    the first of these attempts, or this head, began.
    """
    work: dict[str, list[float]] = defaultdict(list)
    done, begin = 0.0, now
    for one in ended:
        if one.status != attempts.COMPLETED or one.start is None:
            continue
        of_this_head = (one.complete or 0) >= live.started
        begin = min(begin, one.start) if of_this_head else begin
        for step in one.steps or (Step(one.process, one.wildcards),):
            took = _took(step, one) * one.cpus
            work[step.process].append(took)
            done += took if of_this_head else 0.0
    elapsed = now - max(begin, live.started)
    if not done or elapsed <= 0:
        return None
    means = {rule: sum(found) / len(found) for rule, found in work.items()}
    usual = sum(means.values()) / len(means)
    left = sum((count.waiting + HALF * count.running) * means.get(rule, usual) for rule, count in live.rules.items())
    return round(left * elapsed / done)


def _took(step: Step, one: Attempt) -> float:
    """Return the milliseconds of a rule's work, or its share of the attempt if the worker measured nothing."""
    if step.realtime is not None:
        return step.realtime + (step.fetch_time or 0) + (step.store_time or 0)
    return ((one.complete or 0) - (one.start or one.complete or 0)) / max(1, len(one.steps))
