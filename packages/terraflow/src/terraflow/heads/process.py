"""The program of a head's container: it fetches the archive, has Snakemake conduct the run, and tells how that went.

    python -m terraflow.heads.process s3://BUCKET/runs/NAME/head/SHA256.tar.xz SHA256

Snakemake is a child (`conduct`). Beside it, this process
- writes run.json when the child has the lock of the run, and at the end;
- stores Snakemake's log below the run while it grows;
- passes SIGTERM on. AWS Batch gives a head 30 seconds to end: Snakemake has most of them to end its jobs; if it does
  not make it, it is killed, and the jobs of the run that are left are ended here, or named.

Exit codes are those of `about`, at which Batch ends the job. Any other code has Batch start the head again: it was
killed, or could not reach S3. A head that is started again takes the lock when the lease of the one before has run out,
and goes on with the jobs that run.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from snakemake_aws_common.conditional import MISSING, error_code
from snakemake_aws_common.packing import ArchiveError
from snakemake_aws_common.proof import Proof
from terraflow import stack as stacks
from terraflow.heads import about as abouts
from terraflow.heads import archive, conduct, leaving
from terraflow.heads.archive import Manifest
from terraflow.heads.log import LogCopy
from terraflow.heads.outcome import Outcome, outcome_of
from terraflow.heads.stopping import Stopping
from terraflow.heads.told import Told

# Seconds between two looks at the child.
TICK = 0.2
# Seconds after SIGTERM at which Snakemake is killed, and at which nothing is tried any more: Batch kills after 30.
GRACE, LAST = 21.0, 27.0
# The variables by which Batch tells a container which job it is.
JOB, ATTEMPT = "AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ATTEMPT"

# Exit codes after which the run has ended, and its timeline and receipt are written.
LEAVING = [abouts.EXIT_CODES[state] for state in (abouts.DONE, abouts.FAILED, abouts.OVER_BUDGET)]


class Signals:
    """When this process was told to end, and the child that is told, too."""

    def __init__(self) -> None:
        """Listen from now on."""
        self.since: float | None = None
        self.child: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        if self.since is None:
            self.since = time.monotonic()
            if self.child is not None:
                self.child.terminate()

    def elapsed(self) -> float:
        """Return the seconds since this process was told to end; below zero if it was not."""
        return -1.0 if self.since is None else time.monotonic() - self.since


def main(arguments: Sequence[str]) -> int:
    """Conduct a run, and return the exit code of the container."""
    query, sha256 = arguments
    signals = Signals()
    s3 = _client("s3")
    with tempfile.TemporaryDirectory(prefix="head-", ignore_cleanup_errors=True) as place:
        try:
            manifest = _fetch(s3, query, sha256, Path(place))
        except ArchiveError as error:
            print(f"The archive of this head, {query}, can't be used: {error}", file=sys.stderr)
            _tell_unusable(s3, query, str(error))
            return abouts.EXIT_UNUSABLE
        return Head(s3, manifest, Path(place), signals).conduct()


class Head:
    """One head, from its unpacked archive to its exit code."""

    def __init__(self, s3: Any, manifest: Manifest, folder: Path, signals: Signals) -> None:  # noqa: ANN401
        """Start nothing yet."""
        self._manifest, self._folder, self._signals = manifest, folder, signals
        os.environ[stacks.FILE_VARIABLE] = str(folder / archive.STACK)
        os.environ["TERRAFLOW_RUN"] = manifest.run
        self._stack = stacks.deployed()
        self._mark = folder / "has-lock"
        self._told = Told(s3, self._stack.bucket, manifest.run, os.environ.get(JOB, ""))
        directory = folder / archive.FILES / manifest.directory
        begun = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = f"{begun}-{os.environ.get(JOB, 'job')[:8]}-{os.environ.get(ATTEMPT, '1')}.log"
        self._log = LogCopy(s3, self._stack.bucket, f"runs/{manifest.run}/{abouts.LOGS}{name}", directory)
        self._begun = round(time.time() * 1000)
        # Of its own: an S3 that hangs then does not keep the head from ending its jobs.
        self._telling = threading.Thread(target=self._told.begun, daemon=True)

    def conduct(self) -> int:
        """Run Snakemake to its end, tell how it ended, and return the exit code."""
        child = self._start()
        has_begun = False
        while (code := _waited(child)) is None:
            if not has_begun and self._mark.exists():
                has_begun = True
                self._telling.start()
            if self._signals.elapsed() > GRACE:
                child.kill()
            elif has_begun and self._signals.since is None:
                self._log.now_and_then()
        if code < 0 and self._signals.since is None:
            print(f"Snakemake was killed by signal {-code}; Batch starts this head again.", file=sys.stderr)
            return 128 - code
        return self._end(code, self._mark.exists())

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "terraflow.heads.conduct", str(self._folder), str(self._mark)]
        child = subprocess.Popen(command, start_new_session=True)
        self._signals.child = child
        if self._signals.since is not None:
            child.terminate()
        return child

    def _end(self, code: int, had_lock: bool) -> int:
        left: Mapping[str, str] = {}
        stopping: Stopping | None = None
        stopped = self._signals.since is not None
        if stopped:
            self._told.hurry()
        if stopped and code != abouts.EXIT_CODES[abouts.DONE]:
            proof = Proof(self._folder / conduct.PROOF, conduct.lock_seconds(self._manifest.arguments))
            stopping = Stopping(self._stack, self._manifest.run, lambda: LAST - self._signals.elapsed(), proof.holds)
            # A head that had the lock may have lost it to another one, whose jobs these are by now.
            left = stopping.end_jobs(lambda: had_lock or self._told.is_ours())
        live = None if stopped else self._told.live(self._begun)
        ended = outcome_of(code, stopped, left, live, self._log.address)
        # Before S3 is asked, which may hang until this process is killed.
        _say(ended)
        if stopping:
            stopping.release_lock()
        if had_lock:
            self._log.finish(within=LAST - self._signals.elapsed() if stopped else None)
        if self._telling.is_alive():
            # Whatever is written last stays.
            self._telling.join(max(0.0, LAST - self._signals.elapsed()) if stopped else None)
        if ended.exit_code in abouts.EXIT_CODES.values() or ended.exit_code == abouts.EXIT_HELD:
            self._told.ended(ended)
        # One that was told to end has no time for it.
        if had_lock and self._signals.since is None and ended.exit_code in LEAVING:
            leaving.leave(self._stack, self._manifest.run, archive.prices_of(self._folder))
        return ended.exit_code


def _waited(child: "subprocess.Popen[bytes]") -> int | None:
    try:
        return child.wait(TICK)
    except subprocess.TimeoutExpired:
        return None


def _fetch(s3: Any, query: str, sha256: str, into: Path) -> Manifest:  # noqa: ANN401
    parts = urlsplit(query)
    try:
        body = s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
        raise ArchiveError("it is not there. `terraflow run` stores it anew.") from error
    return archive.unpack(body, sha256, into)


def _tell_unusable(s3: Any, query: str, why: str) -> None:  # noqa: ANN401
    parts = urlsplit(query)
    run = parts.path.split("/")[2]
    message = f"The head's archive can't be used: {why}"
    Told(s3, parts.netloc, run, os.environ.get(JOB, "")).ended(Outcome(abouts.FAILED, abouts.EXIT_UNUSABLE, message))


def _say(ended: Outcome) -> None:
    if ended.message:
        print(ended.message, file=sys.stderr)


def _client(service: str) -> Any:  # noqa: ANN401
    config = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=20)
    client: Any = boto3.client
    return client(service, config=config)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
