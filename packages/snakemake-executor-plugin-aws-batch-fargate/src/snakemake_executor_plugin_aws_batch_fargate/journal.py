"""What this head writes about the run, for whoever follows it: the record of attempts.

The one door to it for the rest of the executor. Nothing here waits for S3, but for `finish`.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from .attempts import ENDED, known
from .messages import counted
from .recorder import Recorder
from .request import submission_of
from .untyped import Client

# Seconds for the last writes, at the end of a run and when it is interrupted.
AT_THE_END = 60.0
IN_HASTE = 4.0


def head_name() -> str:
    """Return a name for this head: it begins with the time, so that names sort by it."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"


class Journal:
    """The record of the run as this head keeps it; without a prefix on S3 nothing is kept."""

    def __init__(
        self, s3_of: Callable[[], Client], prefix: str, is_spot: Mapping[str, bool], warn: Callable[[str], None]
    ) -> None:
        """Write below `prefix`; `s3_of` makes the client, which changes nothing without the lock of the run."""
        self.head = head_name()
        self._warn = warn
        self._recorder: Recorder | None = None
        if prefix.startswith("s3://"):
            parts = urlsplit(prefix)
            self._recorder = Recorder(s3_of(), parts.netloc, parts.path, self.head, is_spot, warn)

    def looked(self, jobs: Iterable[SubmittedJobInfo], found: Mapping[str, Mapping[str, Any]]) -> None:
        """Take what a look at jobs has found, by their ids, before anything is done about it."""
        if self._recorder is None:
            return
        for info in jobs:
            description = found.get(str(info.external_jobid))
            if description is not None and (description["status"] in ENDED or description.get("attempts")):
                self._recorder.note(description, known(info.job, submission_of(info)))
        self._recorder.write_soon()

    def finish(self, within: float) -> None:
        """Write what is left, within so many seconds, and say what could not be written."""
        if self._recorder is None:
            return
        lacking = self._recorder.finish(within)
        if lacking:
            self._warn(
                f"The record of the run lacks {counted(lacking, 'attempt')} that could not be written. The next start "
                "of the run adds them, as long as AWS Batch remembers them (a week at least)."
            )
        self._recorder = None
