"""terraflow status NAME: how a run does, once or as a table that follows it."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict

from rich.console import Console, Group
from rich.live import Live

from terraflow import stack as stacks
from terraflow.runs import find, overview, picture, state, waiting, words
from terraflow.runs.find import Run
from terraflow.runs.overview import Overview

EXIT_CODES = """exit codes:
  0  the run is done, works, or waits for its head to start
  1  it can't be read, or there is none of this name; the message says why
  2  the command line is wrong
  3  the run has failed, was stopped, is over budget, or nobody conducts it any more
"""
# Seconds between two looks, and between two texts where there is no terminal.
LOOK = 5.0
TEXT = 60.0
# Parts of the record that say how fast the run has been of late, a thousand attempts each.
RECENT = 5
BAD = (state.FAILED, state.OVER_BUDGET, state.STOPPED, state.LOST)
UNDER_WAY = (state.SUBMITTED, state.RUNNING)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument("name", metavar="NAME", help="of the run; `terraflow runs` lists them")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--watch", action="store_true", help="until the run ends")
    how.add_argument("--json", action="store_true", help="one object, for programs")


def run(options: argparse.Namespace) -> int:
    """Show how the run does."""
    stack = stacks.deployed()
    s3, batch = find.client("s3", stack), find.client("batch", stack)
    found = find.find(options.name, stack, s3)
    late = find.record(s3, found, RECENT)

    def look() -> Overview:
        return seen(find.read(s3, stack.bucket, options.name))

    def seen(one: Run) -> Overview:
        return overview.of(
            one,
            stack,
            batch,
            late,
            attempts=lambda: find.attempts(s3, one),
            runs=lambda: find.names(s3, stack.bucket),
            now=words.now_ms(),
        )

    if options.watch:
        last = watch(look, words.console())
    else:
        last = seen(found)
        if options.json:
            print(json.dumps(asdict(last), indent=2))
        else:
            words.console().print(picture.of(last))
    return words.RUN_FAILED if last.state in BAD else words.FINE


def watch(look: Callable[[], Overview], console: Console, sleep: Callable[[float], None] = time.sleep) -> Overview:
    """Show a run until it ends, and return its end. What may pass is waited for, and said."""
    seen = look()
    if not console.is_terminal:
        return _texts(seen, look, console, sleep)
    trouble = ""
    with Live(console=console, auto_refresh=False, screen=False) as shown:
        while True:
            shown.update(Group(picture.of(seen, console.height), *([trouble] if trouble else [])), refresh=True)
            if seen.state not in UNDER_WAY:
                return seen
            sleep(LOOK)
            seen, trouble = _patiently(look, seen)


def _texts(seen: Overview, look: Callable[[], Overview], console: Console, sleep: Callable[[float], None]) -> Overview:
    """Print a text a minute, if anything has changed, and at the end."""
    show: Callable[[Overview], None] = lambda one: console.print(picture.of(one))  # noqa: E731
    show(seen)
    shown, waited = seen, 0.0
    while seen.state in UNDER_WAY:
        sleep(LOOK)
        waited += LOOK
        seen, trouble = _patiently(look, seen)
        if trouble:
            console.print(trouble)
        over = seen.state not in UNDER_WAY
        if over or (waited >= TEXT and (seen.updated, seen.head) != (shown.updated, shown.head)):
            console.print()
            show(seen)
            shown, waited = seen, 0.0
    return seen


def _patiently(look: Callable[[], Overview], before: Overview) -> tuple[Overview, str]:
    """Return what is seen now, or what was seen before and why nothing newer is."""
    try:
        return look(), ""
    except waiting.TROUBLE as error:
        return before, waiting.trouble(error)
