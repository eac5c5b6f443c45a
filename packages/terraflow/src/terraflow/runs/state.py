"""The state of a run, from what its launcher and its heads have written, and from its lock."""

from snakemake_aws_common.record import live as lives
from terraflow.heads import about as abouts
from terraflow.runs.find import Run

SUBMITTED = abouts.SUBMITTED
RUNNING = abouts.RUNNING
DONE = abouts.DONE
FAILED = abouts.FAILED
OVER_BUDGET = abouts.OVER_BUDGET
STOPPED = abouts.STOPPED
# It was at work, and no head works on it any more.
LOST = "lost"
# No head works on it, and none that keeps a record has.
UNKNOWN = "no record"
# What its heads have written can't be understood.
UNREADABLE = "unreadable"
# What has started a run that no launcher has: Snakemake, on somebody's machine.
BY_HAND = "snakemake"


def of(run: Run) -> str:
    """Return the state of a run. A head that works counts more than what others have written."""
    if run.has_head:
        return RUNNING
    written = last_written(run)
    if written is None:
        return UNREADABLE if run.unreadable else UNKNOWN
    return LOST if written.state in (RUNNING, lives.RUNNING) else written.state


def last_written(run: Run) -> "abouts.About | lives.Live | None":
    """Return what tells of the run's last start: run.json, unless a head has begun or ended after what is there."""
    about, live = run.about, run.live
    if about is None or live is None:
        return about or live
    return live if (live.ended or live.started) >= (about.ended or about.submitted) else about


def message(run: Run) -> str:
    """Return why the run ended as it did, in the words of its last start; empty if it said nothing."""
    written = last_written(run)
    return written.message if written else ""


def started(run: Run) -> int | None:
    """Return when the run was last started, in milliseconds since 1970; None if nobody has written it."""
    written = last_written(run)
    if isinstance(written, abouts.About):
        return written.started or written.submitted
    if written is not None:
        return written.started
    return round(run.lock.holder.since * 1000) if run.lock else None


def who(run: Run) -> str:
    """Return who started the run last; empty if nobody has written it. A head in the cloud does not know it itself."""
    about, written = _launched(run), last_written(run)
    if about is not None:
        return about.who
    if written is not None:
        return written.who
    return run.lock.holder.who if run.lock else ""


def started_by(run: Run) -> str:
    """Return how the run was started last, as run.json says; `snakemake` if a head did so without a launcher."""
    about = _launched(run)
    return about.started_by if about else BY_HAND if run.live else ""


def _launched(run: Run) -> "abouts.About | None":
    """Return what a launcher has written of the run's last start; None if that had none."""
    about = run.about
    return about if about is not None and (about is last_written(run) or about.ended is None) else None
