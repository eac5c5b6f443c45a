"""One look through the inbox: starts what is due, and writes beside each sheet what became of it.

Two launchers may work at the same time. Each claims a sheet by a conditional write before it works on it, and leaves
alone what the other has claimed.
"""

import dataclasses
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from terraflow.errors import UserError, explain_aws
from terraflow.heads import submit
from terraflow.heads.about import About
from terraflow.heads.objects import AboutObject, ChangedError
from terraflow.heads.submit import UnderWayError
from terraflow.inbox import entries as inbox
from terraflow.inbox.due import PATIENCE, Sheet, is_due
from terraflow.inbox.entry import INCOMPLETE, LAUNCHED, LAUNCHING, REFUSED, WAITING, Entry
from terraflow.launch.inputs import MissingError
from terraflow.launch.launcher import Launched
from terraflow.launch.rehearse import RefusedError
from terraflow.runs.find import NAME
from terraflow.runs.words import counted, now_ms
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_s3.client import S3Client

BAD_NAME = (
    "The folder's name is to be the name of the run: up to 40 letters, digits, '-' and '_', with a letter or digit "
    "first. Upload the sheet below another name."
)


class Launcher:
    """Works through the inbox of a stack for an upload or for the clock (`by`)."""

    def __init__(
        self,
        stack: Stack,
        s3: "S3Client",
        batch: "BatchClient",
        launch: Callable[[Sheet], Launched],
        *,
        by: str,
        budget: float,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Take what it works with. `launch` starts a sheet's run, or raises UserError; `budget` is its limit."""
        self._stack, self._s3, self._batch, self._launch = stack, s3, batch, launch
        self._by, self._budget, self._clock = by, budget, clock
        self._entries = inbox.Entries(s3, stack.bucket)

    def work(self, names: Iterable[str] = ()) -> tuple[list[str], list[str]]:
        """Look at all sheets, or at those of some runs; return lines of what was done and of what could not be done."""
        done: list[str] = []
        failed: list[str] = []
        for sheet in inbox.look(self._s3, self._stack.bucket, names):
            try:
                if said := self._look_at(sheet):
                    done.append(f"{sheet.key}: {said}")
            except ChangedError:
                done.append(f"{sheet.key}: another launcher works on it")
            except Exception as error:
                # Whatever it is, the other sheets are looked at.
                failed.append(f"{sheet.key}: {explain_aws(error) or f'{type(error).__name__}: {error}'}")
        return done, failed

    def _look_at(self, sheet: Sheet) -> str | None:
        """Work on a sheet if it is due; return what was done."""
        now = self._clock()
        entry, etag = self._entries.read(sheet.name)
        named = NAME.fullmatch(sheet.name) is not None
        about, under_way = self._run(sheet.name) if named else (None, False)
        if not is_due(sheet, entry, about, under_way, self._by, self._budget, now):
            return None
        again = entry is not None and (entry.etag, entry.modified) == (sheet.etag, sheet.modified)
        claim = Entry(
            etag=sheet.etag,
            modified=sheet.modified,
            state=LAUNCHING,
            first_seen=entry.first_seen if entry and again else now,
            updated=now,
            config_etag=sheet.config_etag,
            starts=entry.starts if entry and again else 0,
            claim=secrets.token_hex(8),
        )
        etag = self._entries.write(sheet.name, claim, etag)
        try:
            ended = self._started(sheet, claim) if named else _with(claim, REFUSED, BAD_NAME)
        except (ChangedError, BotoCoreError, ClientError, OSError) as error:
            # The next launcher tries again.
            self._entries.write(sheet.name, _with(claim, WAITING, f"{type(error).__name__}: {error}"), etag)
            raise
        except Exception as error:
            # Another try would end the same way: people are told.
            said = f"It could not be checked ({type(error).__name__}: {error})."
            self._entries.write(sheet.name, _with(claim, REFUSED, said), etag)
            raise
        self._entries.write(sheet.name, dataclasses.replace(ended, updated=self._clock()), etag)
        return f"{ended.state}: {ended.message}" if ended.message else ended.state

    def _run(self, name: str) -> tuple[About | None, bool]:
        """Return what is known of a run, and whether a head of it is submitted or works."""
        written = AboutObject(self._s3, self._stack.bucket, name).read()
        about = written.about if written else None
        return about, bool(submit.active_heads(self._stack, name, self._batch, [about.head_job] if about else []))

    def _started(self, sheet: Sheet, claim: Entry) -> Entry:
        """Start the run of a sheet; return the entry that says what became of it."""
        try:
            launched = self._launch(sheet)
        except UnderWayError as error:
            # Its end calls the next launcher.
            return _with(claim, WAITING, str(error))
        except MissingError as error:
            count = f"{counted(len(error.addresses), 'file')} that sheet and configuration name"
            late = self._is_late(claim)
            said = f"{count} did not come within a day." if late else f"{count} can't be found; looked for each hour."
            return dataclasses.replace(_with(claim, INCOMPLETE if late else WAITING, said), missing=error.addresses)
        except RefusedError as error:
            # The stack may be mended, or be in the middle of a change.
            waits = error.is_passing and not self._is_late(claim)
            return _with(claim, WAITING if waits else REFUSED, str(error))
        except UserError as error:
            return _with(claim, REFUSED, str(error))
        if launched.head_job is None:
            return _with(claim, LAUNCHED, "nothing is to be done")
        return dataclasses.replace(_with(claim, LAUNCHED, f"Batch job {launched.head_job}"), starts=claim.starts + 1)

    def _is_late(self, claim: Entry) -> bool:
        """Return whether a sheet has been waited for long enough."""
        return self._clock() - claim.first_seen >= PATIENCE


def _with(claim: Entry, state: str, message: str) -> Entry:
    return dataclasses.replace(claim, state=state, message=message)
