"""`terraflow run`: starts a run whose head works in the cloud, so that no laptop has to stay awake."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from terraflow import checkout, readers
from terraflow import stack as stacks
from terraflow.approval import confirm
from terraflow.errors import UserError
from terraflow.heads.submit import UnderWayError
from terraflow.launch import follow, table
from terraflow.launch.launcher import Prepared, launch
from terraflow.launch.next_steps import next_commands
from terraflow.launch.rehearse import NAME_VARIABLE
from terraflow.launch.request import Request, checked_arguments, checked_name, dollars, who
from terraflow.runs import words
from terraflow.stack import Stack
from terraflow.stage import OUT_CONFIG

# The name that `snakemake --profile aws` gives a run, too.
DEFAULT_NAME = "main"
EXIT_CODES = """exit codes:
  0  the head was submitted, or there is nothing to do; with --follow: the run is done
  1  nothing was submitted; the message says why
  2  the command line is wrong
  with --follow also those of the head: 60 a job failed, 61 over budget, 62 stopped; 130 for Ctrl-C, which ends only
  the following
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = "terraflow run [CONFIG] [options] [-- SNAKEMAKE ARGUMENTS]"
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    parser.add_argument(
        "config",
        nargs="?",
        type=Path,
        metavar="CONFIG",
        help=f"configuration of the run (default: {OUT_CONFIG}, which `terraflow stage` writes, if it is there)",
    )
    parser.add_argument(
        "--name", default=None, help=f"name of the run (default: {NAME_VARIABLE}, or {DEFAULT_NAME}); results go to "
        "runs/NAME in the bucket"
    )  # fmt: skip
    parser.add_argument("--follow", action="store_true", help="show the head's log until the run ends")
    parser.add_argument("--yes", action="store_true", help="submit without a question")
    parser.add_argument(
        "--budget",
        type=dollars,
        metavar="USD",
        help="refuse a run that is expected to cost more, and submit no further job when this much is used up",
    )
    parser.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="prices of your own contract as JSON, for the estimate and the budget",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="working directory of the run: relative paths start there (default: this one)",
    )
    parser.add_argument(
        "--snakefile", type=Path, metavar="FILE", help="Snakefile, relative to DIR (default: the project's own)"
    )


def run(options: argparse.Namespace) -> int:
    """Check, estimate, ask, submit, and say what to type next."""
    stack = stacks.deployed()
    name = options.name or os.environ.get(NAME_VARIABLE)
    request = Request(
        name=checked_name(name or DEFAULT_NAME),
        is_named=bool(name),
        project=checkout.root(),
        directory=options.directory,
        configfiles=_configfiles(options.config, options.directory),
        arguments=checked_arguments(options.passed_on),
        snakefile=options.snakefile,
        budget=options.budget,
        prices=options.prices,
        who=who(stack.region),
    )
    out = words.console()
    try:
        launched = launch(request, stack, lambda prepared: _ask(prepared, stack, out, options.yes))
    except UnderWayError as other:
        if not options.follow:
            raise UserError(f"{other} `terraflow run --name {request.name} --follow` follows it.") from None
        out.print(str(other))
        return follow.follow(request.name, stack, out)
    if launched.head_job is None:
        out.print(f"Run {request.name} has nothing to do: all that it makes is there. Nothing was submitted.")
        return 0
    out.print(f"Run {request.name} was submitted: Batch job {launched.head_job}. This machine may be switched off.")
    if options.follow:
        return follow.follow(request.name, stack, out)
    out.print(f"\nNext:\n{next_commands(request.name)}")
    return 0


def _configfiles(config: Path | None, directory: Path) -> tuple[Path, ...]:
    """Return the configuration, relative to the working directory of the run if it lies there."""
    if config is None:
        return (OUT_CONFIG,) if (directory / OUT_CONFIG).is_file() else ()
    if not config.is_file():
        raise UserError(f"{config}: no such file; expected the configuration of a run, such as {OUT_CONFIG}")
    if config.resolve() == (directory / readers.WORKFLOW_CONFIG).resolve():
        # The workflow reads it in any case.
        return ()
    return (Path(os.path.relpath(config, directory)),)


def _ask(prepared: Prepared, stack: Stack, out: Console, approved: bool) -> None:
    """Show what the run would take, and ask whether to submit it."""
    request = prepared.request
    out.print(f"Run {request.name}: s3://{stack.bucket}/runs/{request.name}")
    out.print(table.shown(prepared.expected, prepared.capacity, request.budget, prepared.spent))
    for unknown in prepared.rehearsal.unknown:
        out.print(f"Note: not checked: {unknown}")
    sys.stdout.flush()
    confirm("Submit it?", "yes", approved=approved, option="--yes", refused="Nothing was submitted")
