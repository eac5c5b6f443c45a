"""Which jobs of a head's list have ended by the record: a head records a job before it takes it off the list."""

from .attempt import ABORTED, COMPLETED, Attempt
from .live import Live, LiveJob


def has_ended(job: LiveJob, last: Attempt | None, live: Live) -> bool:
    """Return whether a job that `live` lists has ended since; `last` is the last attempt at it in the record."""
    if last is None:
        return False
    return last.status in (COMPLETED, ABORTED) or (last.complete or 0) >= min(job.since, live.updated)
