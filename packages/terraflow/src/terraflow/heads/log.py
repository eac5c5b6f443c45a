"""Snakemake's own log, which holds more than its terminal shows: copied to S3 while it grows."""

import threading
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

# Seconds between two copies, and how many times as long as a copy takes.
PAUSE = 30.0
SHARE = 20
LOGS = ".snakemake/log"


class LogCopy:
    """The copy of one head's log. Trouble with S3 is printed once, and ends no run."""

    def __init__(self, s3: Any, bucket: str, key: str, directory: Path) -> None:  # noqa: ANN401
        """Copy nothing yet. `directory` is Snakemake's working directory, in which only this head has worked."""
        self._s3, self._place, self._folder = s3, {"Bucket": bucket, "Key": key}, directory / LOGS
        self._copied = -1
        self._due = 0.0
        self._in_trouble = False
        self._one_at_a_time = threading.Lock()

    @property
    def address(self) -> str:
        """Where the copy lies."""
        return f"s3://{self._place['Bucket']}/{self._place['Key']}"

    def now_and_then(self) -> None:
        """Copy the log if it has grown, and the last copy is long enough ago; S3 is not waited for."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PAUSE
            threading.Thread(target=self._copy, daemon=True).start()

    def finish(self, within: float | None = None) -> None:
        """Copy the rest, within so many seconds if given."""
        thread = threading.Thread(target=self._copy, daemon=True)
        thread.start()
        thread.join(within if within is None else max(0.0, within))

    def _copy(self) -> None:
        with self._one_at_a_time:
            files = sorted(self._folder.glob("*.log")) if self._folder.is_dir() else []
            if not files or files[-1].stat().st_size == self._copied:
                return
            begun, body = time.monotonic(), files[-1].read_bytes()
            try:
                self._s3.put_object(**self._place, Body=body, ContentType="text/plain; charset=utf-8")
                self._copied = len(body)
            except (ClientError, BotoCoreError) as error:
                if not self._in_trouble:
                    print(f"Snakemake's log could not be stored as {self.address}: {error}")
                self._in_trouble = True
            self._due = max(self._due, time.monotonic() + SHARE * (time.monotonic() - begun))
