"""What a head tells of its run: run.json, written only by the head that it names."""

import dataclasses
import time
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from snakemake_aws_common.patience import Patience
from snakemake_aws_common.record import store
from snakemake_aws_common.record.live import Live
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.heads.objects import AboutObject, ChangedError, UnreadableError
from terraflow.heads.outcome import Outcome

# Writers of one run.json that meet: its launcher and this head.
TRIES = 5
# Seconds for which calls are repeated while S3 is out of reach: what is not written stays wrong.
LONGEST = 120.0


class Told:
    """The run.json of one run, as the head of one Batch job writes it.

    Trouble with S3 is waited for a while, then printed, and ends no run.
    """

    def __init__(self, s3: Any, bucket: str, run: str, job: str) -> None:  # noqa: ANN401
        """Ask S3 nothing yet. `job` is the id of the head's Batch job."""
        self._s3, self._bucket, self._run, self._job = s3, bucket, run, job
        self._object = AboutObject(s3, bucket, run)
        self._patiently = Patience(print, longest=LONGEST)

    def hurry(self) -> None:
        """Wait for S3 no more: this process has seconds left."""
        self._patiently.close()

    def is_ours(self) -> bool:
        """Return whether run.json names this head, or the head is being submitted. Raise what S3 says."""
        found = self._object.read()
        return found is not None and found.about.head_job in ("", self._job)

    def begun(self) -> None:
        """Write that this head works. When Batch starts it again, the run began with its first start."""

        def change(about: About) -> About:
            again = about.head_job == self._job and about.state == abouts.RUNNING and about.started
            return dataclasses.replace(
                about,
                state=abouts.RUNNING,
                head_job=self._job,
                started=about.started if again else _now(),
                ended=None,
                exit_code=None,
                message="",
            )

        self._change(change, whoever=True)

    def ended(self, outcome: Outcome) -> None:
        """Write how the run has ended; a head that found another one at work tells only what no head has begun.

        The other one may be an attempt of the same Batch job.
        """

        def change(about: About) -> About:
            if outcome.exit_code == abouts.EXIT_HELD and about.state != abouts.SUBMITTED:
                return about
            return dataclasses.replace(
                about,
                state=outcome.state,
                head_job=self._job,
                ended=_now(),
                exit_code=outcome.exit_code,
                message=outcome.message,
            )

        self._change(change)

    def live(self, since: int) -> Live | None:
        """Return what the executor has written of this head, which began then; None if it has written nothing."""
        try:
            found = self._patiently(lambda: store.read_live(self._s3, self._bucket, f"runs/{self._run}"))
        except (ClientError, BotoCoreError, ValueError, TypeError) as error:
            print(f"What the run did last can't be read: {error}")
            return None
        return found if found is not None and found.updated >= since else None

    def _change(self, change: Any, whoever: bool = False) -> None:  # noqa: ANN401
        """Write a changed run.json, unless it names another head; `whoever` holds the lock writes in any case."""
        for _ in range(TRIES):
            try:
                found = self._patiently(self._object.read)
                about = found.about if found else About(self._run, "", "", _now())
                if not whoever and about.head_job not in ("", self._job):
                    return
                if (changed := change(about)) != about:
                    self._patiently(partial(self._object.write, changed, found.etag if found else None))
                return
            except ChangedError:
                continue
            except (ClientError, BotoCoreError, UnreadableError) as error:
                print(f"{self._object.address} could not be written: {error}")
                return


def _now() -> int:
    return round(time.time() * 1000)
