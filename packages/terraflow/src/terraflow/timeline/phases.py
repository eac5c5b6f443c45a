"""Divides the time of each attempt of a job into phases that follow each other without a gap.

Times are milliseconds since 1970.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from snakemake_aws_common.record.attempt import Attempt, Step
from snakemake_aws_common.record.live import LiveJob

WAITING = "waiting"
STARTING = "starting"
FETCHING = "fetching"
TOOL = "tool"
STORING = "storing"
# The container runs, and none of the steps that were measured does: Snakemake starts, or the worker measured nothing.
OTHER = "other"
PHASES = (WAITING, STARTING, FETCHING, TOOL, STORING, OTHER)


class Span(NamedTuple):
    """A phase until its end; it begins where the one before it ends.

    `step` is the index of the attempt's step that it belongs to, -1 for none.
    """

    phase: str
    end: int
    step: int = -1


def spans_of(attempt: Attempt, begin: int) -> list[Span]:
    """Return the phases of an attempt, from `begin` to its end: its submission, or the end of the attempt before it.

    An attempt that was not seen starting has waited until it ran. Of steps that run at the same time, the one that
    began first is shown.
    """
    end = max(begin, end_of(attempt))
    start = end if attempt.start is None else min(max(attempt.start, begin), end)
    starting = start if attempt.starting is None else min(max(attempt.starting, begin), start)
    found = [Span(WAITING, starting), Span(STARTING, start)]
    at = start
    numbered = [(step.start, number, step) for number, step in enumerate(attempt.steps) if step.start is not None]
    for first, number, step in sorted(numbered, key=lambda one: one[:2]):
        first, finish = max(first, at), min(end if step.complete is None else step.complete, end)
        if finish > first:
            found += [Span(OTHER, first), *_of_step(step, number, first, finish)]
            at = finish
    return _without_empty(begin, [*found, Span(OTHER, end)])


def spans_of_live(job: LiveJob, begin: int, now: int) -> list[Span]:
    """Return the phases, until `now`, of a job that has not ended: what it did before its status is not known."""
    since = min(max(job.since, begin), now)
    phase = {"STARTING": STARTING, "RUNNING": OTHER}.get(job.status)
    found = [Span(WAITING, since), Span(phase, now)] if phase else [Span(WAITING, now)]
    return _without_empty(begin, found)


def end_of(attempt: Attempt) -> int:
    """Return when an attempt ended, or the last that is known of one without an end."""
    if attempt.complete is not None:
        return attempt.complete
    known = [attempt.submit, attempt.starting, attempt.start, *(step.complete for step in attempt.steps)]
    return max(time for time in known if time is not None)


def _of_step(step: Step, number: int, begin: int, finish: int) -> Iterator[Span]:
    fetched = min(begin + (step.fetch_time or 0), finish)
    store = max(finish - (step.store_time or 0), fetched)
    yield Span(FETCHING, fetched, number)
    yield Span(TOOL, min(fetched + (step.realtime or 0), store), number)
    yield Span(OTHER, store, number)
    yield Span(STORING, finish, number)


def _without_empty(begin: int, spans: Sequence[Span]) -> list[Span]:
    """Return the spans that take time."""
    kept = []
    for span in spans:
        if span.end > begin:
            kept.append(span)
            begin = span.end
    return kept
