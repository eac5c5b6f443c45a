"""Snakemake logger plugin that shows each job in one line instead of a block with all its files.

`snakemake --logger brief` shows the time, the rule, its wildcards and the first output of each job, with short paths.
`--dry-run --quiet` shows the number of jobs of each rule instead: Snakemake itself shows nothing then.
Errors, warnings and all other messages are Snakemake's own, and so is the log file, which has every file and reason.
"""

import sys
from dataclasses import dataclass, field
from logging import LogRecord
from typing import Any, Optional

from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from .words import REMOVING, done, job_line, removed

__all__ = ["LogHandler", "LogHandlerSettings"]


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Settings of the plugin."""

    hide: Optional[str] = field(  # noqa: UP045  # Snakemake makes an argument of it, and knows no other spelling
        default=None,
        metadata={
            "help": "Prefix to leave out of paths, such as the default storage prefix "
            "(example: --logger-brief-hide s3://bucket/runs/main/)",
            "env_var": False,
            "required": False,
        },
    )


class LogHandler(LogHandlerBase):
    """Writes to the terminal as Snakemake's own handler does, except that each job is one line."""

    def __post_init__(self) -> None:
        """Write to stderr, or to stdout if Snakemake was asked to."""
        given = self.common_settings
        formatter = Formatter(given.quiet, given.show_failed_logs)
        formatter.hide = getattr(self.settings, "hide", None) or ""
        formatter.with_reasons = bool(given.dryrun)
        # --verbose shows Snakemake's own blocks.
        self._terminal = ColorizingTextHandler(
            nocolor=given.nocolor,
            stream=sys.stdout if given.stdout else sys.stderr,
            formatter=DefaultFormatter(given.quiet, given.show_failed_logs) if given.verbose else formatter,
        )
        # Snakemake's handler puts an empty line before a job unless the last message was about a job, too.
        self._terminal.last_msg_was_job_info = True

    def filter(self, record: LogRecord) -> bool:
        """Return whether a message is shown: by Snakemake's filter, but a quiet dry run shows the jobs of each rule.

        With `--quiet` alone, which means `rules progress`, Snakemake ends a dry run before it works out commands and
        resources of each job, half the time of a large plan. Its filter then hides the counts, too.
        """
        given = self.common_settings
        if (
            getattr(record, "event", None) == LogEvent.RUN_INFO
            and given.dryrun
            and {Quietness.RULES, Quietness.PROGRESS} <= set(given.quiet or ())
        ):
            return True
        return bool(super().filter(record))

    def emit(self, record: LogRecord) -> None:
        """Write a message."""
        self._terminal.emit(record)
        self._terminal.last_msg_was_job_info = True

    @property
    def writes_to_stream(self) -> bool:
        """Replace Snakemake's own handler of the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Leave the log file to Snakemake."""
        return False

    @property
    def has_filter(self) -> bool:
        """Let Snakemake filter by --quiet and the like."""
        return False

    @property
    def has_formatter(self) -> bool:
        """Keep the formatter from being replaced."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Do without the graph of the rules."""
        return False


class Formatter(DefaultFormatter):  # type: ignore[misc]
    """Formats each message about a job as one line."""

    hide = ""
    with_reasons = False

    def __init__(self, *given: Any) -> None:  # noqa: ANN401
        """Take what Snakemake's formatter takes."""
        super().__init__(*given)
        self._names: dict[int, str] = {}
        self._removals: set[str] = set()

    def format(self, record: LogRecord) -> str:
        """Return the text of a message; nothing for those that only say that the scheduler is at work."""
        text = str(record.msg)
        if text == "Select jobs to execute..." or hasattr(record, "jobs"):
            return ""
        if text.startswith(REMOVING):
            return self._removed(text)
        return str(super().format(record))

    def _removed(self, text: str) -> str:
        """Return the line about a temporary file, once: Snakemake repeats the message for each job of a group."""
        line = removed(text, self.hide)
        if line[8:] in self._removals:
            return ""
        self._removals.add(line[8:])
        return line

    def format_job_info(self, msg: dict[str, Any]) -> str:
        """Return one line about a job, in a dry run followed by a line with its reason."""
        name, line = job_line(msg, self.hide, self.with_reasons)
        self._names[msg["jobid"]] = name
        return line

    def format_group_info(self, msg: dict[str, Any]) -> str:
        """Return nothing: each job of the group has a line of its own."""
        return ""

    def format_job_finished(self, msg: dict[str, Any]) -> str:
        """Return the line about a finished job, with its name instead of its number."""
        return done(self._names.get(msg.get("job_id", -1)), msg["msg"])
