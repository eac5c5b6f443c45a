"""What is left when a run has ended: the timeline, and then the receipt, which has it."""

import sys
from collections.abc import Callable

from terraflow.stack import Stack


def leave(stack: Stack, run: str) -> None:
    """Write both beside the results once run.json says how the run has ended; what fails is printed."""
    _try("timeline", f"terraflow timeline {run}", lambda: _timeline(stack, run))
    _try("receipt", f"terraflow verify {run} --write", lambda: _receipt(stack, run))


def _timeline(stack: Stack, run: str) -> str:
    # Imported late, as the receipt's: only the end of a run needs them.
    from terraflow.runs import find
    from terraflow.timeline import write

    return write.write(find.client("s3", stack), stack, run)


def _receipt(stack: Stack, run: str) -> str:
    from terraflow import receipt

    return receipt.write(stack, run)


def _try(what: str, command: str, make: Callable[[], str]) -> None:
    try:
        print(f"The {what} of the run: {make()}")
    except Exception as error:  # whatever it is, the run has ended as it has
        print(
            f"The {what} of the run could not be written ({type(error).__name__}: {error}). `{command}` makes it.",
            file=sys.stderr,
        )
