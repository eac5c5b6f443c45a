"""Times, durations, money and tables as people read them, and the exit codes of commands that look at runs."""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FINE = 0
# The run has ended without being done, or its head is lost.
RUN_FAILED = 3
# For where a value is unknown.
UNKNOWN = "-"
# Without a terminal no line is cut or broken.
UNBROKEN = 10_000


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return round(time.time() * 1000)


def clock(milliseconds: int | None) -> str:
    """Return a moment: `2026-03-01 12:00 UTC`."""
    if milliseconds is None:
        return UNKNOWN
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def duration(milliseconds: float | None) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `2 h 05 min`, `7 min`, `40 s`."""
    if milliseconds is None:
        return UNKNOWN
    seconds = max(0, round(milliseconds / 1000))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 24:
        return f"{hours} h {minutes % 60:02} min"
    return f"{hours // 24} d {hours % 24} h"


def dollars(amount: float | None) -> str:
    """Return an amount of US dollars; less than a cent is said to be so."""
    if amount is None:
        return UNKNOWN
    return "< $0.01" if 0 < amount < 0.005 else f"${amount:,.2f}"


def counted(number: int, thing: str) -> str:
    """Return '1 job', '2,000 jobs'."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def console() -> "Console":
    """Return the terminal, or a place for plain text that is read by programs."""
    # Imported late: the function that mails news has no rich.
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(width=None if terminal else UNBROKEN, highlight=False, emoji=False, markup=False)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> "Table":
    """Return a table without lines; columns named in `right` are aligned to the right."""
    from rich import box
    from rich.table import Table

    made = Table(
        box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False, show_edge=False, header_style="bold"
    )
    for head in heads:
        made.add_column(head, justify="right" if head in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made
