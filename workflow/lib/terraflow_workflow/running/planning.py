"""Make large plans cheaper for Python: the repository's benchmarks/planning.md has where their time goes."""

import gc
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

COLLECT_AFTER = 100_000
"""Objects created before Python's collector looks for garbage.

A plan's objects are needed to the end, and nearly none of them is garbage in a cycle.
"""


def collect_seldom() -> None:
    """Have Python look for garbage less often than after every 700 objects; a limit that is higher already stays."""
    youngest, *older = gc.get_threshold()
    gc.set_threshold(max(youngest, COLLECT_AFTER), *older)


def signed(function: Function) -> Function:
    """Return `function`, which now carries its signature (PEP 362).

    Snakemake asks `inspect.signature` two or three times for each job and function, which works it out each time.
    """
    cast(Any, function).__signature__ = inspect.signature(function)
    return function
