"""What a head leaves when its run has ended: its cost in the log, the timeline, and then the receipt, which has it."""

import sys
from collections.abc import Callable
from pathlib import Path

from terraflow.stack import Stack


def leave(stack: Stack, run: str, prices_file: Path | None = None) -> None:
    """Print the cost beside the estimate, and write both others, once run.json says how the run has ended.

    `prices_file` has the user's own prices. What fails is printed.
    """
    _try(
        "cost of the run could not be found out",
        f"`terraflow cost {run}` shows it",
        lambda: _cost(stack, run, prices_file),
    )
    _try(
        "timeline of the run could not be written",
        f"`terraflow timeline {run}` makes it",
        lambda: _timeline(stack, run, prices_file),
    )
    _try(
        "receipt of the run could not be written",
        f"`terraflow verify {run} --write` makes it",
        lambda: _receipt(stack, run, prices_file),
    )


def _cost(stack: Stack, run: str, prices_file: Path | None) -> str:
    # Imported late, as all below: only the end of a run needs them.
    from terraflow.costs import command, compare
    from terraflow.runs import find

    found = find.find(run, stack)
    total = command.bill_of(found, stack, prices_file).total
    return compare.compare(found.about.estimate if found.about else None, total)


def _timeline(stack: Stack, run: str, prices_file: Path | None) -> str:
    from terraflow.runs import find
    from terraflow.timeline import write

    return f"The timeline of the run: {write.write(find.client('s3', stack), stack, run, prices_file)}"


def _receipt(stack: Stack, run: str, prices_file: Path | None) -> str:
    from terraflow import receipt

    return f"The receipt of the run: {receipt.write(stack, run, prices_file=prices_file)}"


def _try(trouble: str, remedy: str, make: Callable[[], str]) -> None:
    try:
        print(make())
    except Exception as error:  # whatever it is, the run has ended as it has
        print(f"The {trouble} ({type(error).__name__}: {error}). {remedy}.", file=sys.stderr)
