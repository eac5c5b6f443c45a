"""Divides the time of each attempt of a job into phases that follow each other without a gap.

Times are milliseconds since 1970.
"""

from operator import itemgetter
from typing import TypeAlias

from snakemake_aws_common.record.attempt import Attempt

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
    steps = [(step.start, number, step) for number, step in enumerate(attempt.steps) if step.start is not None]
    if len(steps) > 1:
        steps.sort(key=itemgetter(0))
    for began, number, step in steps:
        first = began if began > at else at
        finish = end if step.complete is None or step.complete > end else step.complete
        if finish > first:
            # Its inputs are fetched just before the rule's own work, which start and complete enclose.
            fetch = first - (step.fetch_time or 0)
            if fetch > at:
                found.append((OTHER, fetch, -1))
            else:
                fetch = at
            if first > fetch:
                found.append((FETCHING, first, number))
            found.append((TOOL, finish, number))
            at = finish
    # Snakemake stores when the last rule of the container has ended.
    for number, step in enumerate(attempt.steps):
        if (store := step.store_time or 0) > 0 and at < end:
            at = min(at + store, end)
            found.append((STORING, at, number))
    if end > at:
        found.append((OTHER, end, -1))
    return found


def end_of(attempt: Attempt) -> int:
    """Return when an attempt ended, or the last that is known of one without an end."""
    if attempt.complete is not None:
        return attempt.complete
    known = [attempt.submit, attempt.starting, attempt.start, *(step.complete for step in attempt.steps)]
    return max(time for time in known if time is not None)
