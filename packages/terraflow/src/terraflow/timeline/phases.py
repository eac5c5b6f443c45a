"""Divides the time of each attempt of a job into phases that follow each other without a gap.

Times are milliseconds since 1970.
"""

from typing import TypeAlias

from snakemake_aws_common.record.attempt import Attempt, Step

# In OTHER the container runs, and none of the steps that were measured does: Snakemake starts, or the worker measured
# nothing.
PHASES = ("waiting", "starting", "fetching", "tool", "storing", "other")
WAITING, STARTING, FETCHING, TOOL, STORING, OTHER = range(len(PHASES))
# A phase, when it ends, and the index of the attempt's step that it belongs to, -1 for none. It begins where the one
# before it ends. There are a million of them in a large run: plain tuples.
Span: TypeAlias = tuple[int, int, int]


def spans_of(attempt: Attempt, begin: int, end: int) -> list[Span]:
    """Return the phases of an attempt, from `begin` (its submission, or the end of the one before it) to its end.

    An attempt that was not seen starting has waited until it ran. Of steps that run at the same time, the one that
    began first is shown.
    """
    start = end if attempt.start is None else min(max(attempt.start, begin), end)
    starting = start if attempt.starting is None else min(max(attempt.starting, begin), start)
    found = [(WAITING, starting, -1)] if starting > begin else []
    if start > starting:
        found.append((STARTING, start, -1))
    at = start
    steps = [(step.start, number) for number, step in enumerate(attempt.steps) if step.start is not None]
    for first, number in sorted(steps) if len(steps) > 1 else steps:
        step = attempt.steps[number]
        first, finish = max(first, at), end if step.complete is None else min(step.complete, end)
        if finish > first:
            if first > at:
                found.append((OTHER, first, -1))
            _add_step(found, step, number, first, finish)
            at = finish
    if end > at:
        found.append((OTHER, end, -1))
    return found


def _add_step(found: list[Span], step: Step, number: int, first: int, finish: int) -> None:
    """Add the phases of a step from its beginning to its end; what none of them took is OTHER, before it stores."""
    fetched = min(first + (step.fetch_time or 0), finish)
    store = max(finish - (step.store_time or 0), fetched)
    ran = min(fetched + (step.realtime or 0), store)
    if fetched > first:
        found.append((FETCHING, fetched, number))
    if ran > fetched:
        found.append((TOOL, ran, number))
    if store > ran:
        found.append((OTHER, store, number))
    if finish > store:
        found.append((STORING, finish, number))


def end_of(attempt: Attempt) -> int:
    """Return when an attempt ended, or the last that is known of one without an end."""
    if attempt.complete is not None:
        return attempt.complete
    known = [attempt.submit, attempt.starting, attempt.start, *(step.complete for step in attempt.steps)]
    return max(time for time in known if time is not None)
