"""Which sheets a launcher has to work on: pure decisions from what S3 and AWS Batch say.

A sheet is looked at once, and again when it is written anew, when its files were missing, or when its head has ended.
Events may be lost, come twice or late: nothing is decided by an event.
"""

from dataclasses import dataclass

from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.inbox.entry import LAUNCHED, LAUNCHING, WAITING, Entry

# Who has called the launcher: an upload and the clock for whatever is due, Airflow for a run that somebody asked for.
UPLOAD, CLOCK, AIRFLOW = "upload", "clock", "airflow"
# Milliseconds for which missing files are looked for.
PATIENCE = 24 * 3_600_000
# Milliseconds after which a launcher that has not said how it ended is taken for dead: the time limit of its job.
LAUNCH = 3_600_000
# Starts of one sheet that the clock makes; a run that has failed so often fails for a reason.
STARTS = 3


@dataclass(frozen=True)
class Sheet:
    """A sheet in the inbox; `modified` is in milliseconds since 1970, `config_etag` empty without a configuration."""

    name: str
    etag: str
    modified: int
    config_etag: str = ""

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return f"raw/{self.name}/samples.tsv"


def is_due(
    sheet: Sheet, entry: Entry | None, about: About | None, under_way: bool, by: str, budget: float, now: int
) -> bool:
    """Return whether a launcher has to check the sheet and start its run.

    `under_way` says whether a head of the run is submitted or works: the end of it calls the next launcher, which then
    finds a sheet that has changed meanwhile.
    """
    if under_way:
        return False
    if entry is None or entry.etag != sheet.etag:
        # An entry may be lost, run.json may know better.
        if about is None or about.sheet_etag != sheet.etag or sheet.modified > about.submitted:
            return True
        return by == AIRFLOW and about.state != abouts.DONE
    if entry.state == LAUNCHING:
        return now - entry.updated >= LAUNCH
    if entry.state == WAITING:
        return True
    written_again = sheet.modified > entry.modified
    if by == AIRFLOW:
        # Airflow knows what to start again, and how often; what is done stays so until somebody writes it anew.
        is_done = about is not None and about.state == abouts.DONE and about.sheet_etag == sheet.etag
        return not is_done or written_again or sheet.config_etag != entry.config_etag
    if entry.state != LAUNCHED:
        return written_again or sheet.config_etag != entry.config_etag
    if about is None or about.sheet_etag != sheet.etag:
        # Removed, or started since by a person.
        return written_again
    if about.state == abouts.DONE:
        return False
    if about.state == abouts.OVER_BUDGET:
        return written_again or (by == CLOCK and budget > (about.budget or 0))
    if about.state == abouts.STOPPED:
        return written_again
    if about.exit_code == abouts.EXIT_HELD:
        # Another head had the run, perhaps for another sheet.
        return True
    return written_again or (by == CLOCK and entry.starts < STARTS)
