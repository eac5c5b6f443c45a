"""A file by which other processes of this machine know, without asking S3, that the lock of a run is held.

Nobody takes a lock before its lease has ended, whatever has become of its holder; only what stops the run does.
"""

import contextlib
import json
from pathlib import Path

from .lease import SAFE, SECONDS, Stopwatch


class Proof:
    """The file of one lease, which its holder writes at each renewal."""

    def __init__(self, path: Path, seconds: float = SECONDS) -> None:
        """Write nothing yet. `seconds` is the length of the lease."""
        self._path, self._seconds = path, seconds

    def note(self, renewed: Stopwatch | None) -> None:
        """Write that the lock was renewed then; None if it is lost, or about to be released."""
        # On a disk that takes no change, the proof of before stays, and ends in its time.
        with contextlib.suppress(OSError):
            if renewed is None:
                self._path.unlink()
                return
            written = self._path.with_suffix(".new")
            written.write_text(json.dumps(renewed.start))
            written.replace(self._path)

    def holds(self) -> bool:
        """Return whether the lock is certainly held; False if only S3 knows."""
        try:
            return Stopwatch(list(json.loads(self._path.read_text()))).elapsed() < self._seconds * SAFE
        except (OSError, ValueError, TypeError):
            return False
