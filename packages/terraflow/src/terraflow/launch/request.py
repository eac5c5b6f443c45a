"""What is to be started: the run's name, and the words that Snakemake would be given on this machine."""

import argparse
import getpass
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from terraflow.errors import UserError
from terraflow.runs.find import NAME

# Options of Snakemake that a head can't be given, with what to do instead.
REFUSED = {
    **dict.fromkeys(("-n", "--dry-run", "--dryrun"), "before it asks, `terraflow run` shows what would be done"),
    **dict.fromkeys(("--profile", "--workflow-profile"), "a head uses the project's own profiles"),
    **dict.fromkeys(("--configfile", "--configfiles"), "name the configuration before `--`"),
    **dict.fromkeys(("-d", "--directory", "-s", "--snakefile"), "name it before `--`"),
    **dict.fromkeys(
        ("-e", "--executor", "--default-storage-provider", "--default-storage-prefix"), "it is the stack's"
    ),
    "--aws-batch-fargate-run-name": "say --name before `--`",
    "--aws-batch-fargate-budget": "say --budget before `--`",
    "--aws-batch-fargate-prices": "say --prices before `--`",
}


@dataclass(frozen=True)
class Request:
    """A run that somebody wants to be started.

    `is_named` says whether the name was chosen: the default one is refused for other data than it had. `project` is
    the checkout or a published workflow; `directory` is the run's working directory. `budget` is US dollars. `sheet` is
    the key of the sheet in the inbox that wants it, `sheet_etag` its ETag. `prices` is a file of the user's own prices.
    """

    name: str
    project: Path
    directory: Path
    configfiles: tuple[Path, ...] = ()
    arguments: tuple[str, ...] = ()
    snakefile: Path | None = None
    budget: float | None = None
    who: str = ""
    started_by: str = "terraflow run"
    sheet: str = ""
    sheet_etag: str = ""
    is_named: bool = True
    prices: Path | None = None


def checked_name(name: str) -> str:
    """Return the name of a run. Raise UserError if the executor would not take it."""
    if NAME.fullmatch(name):
        return name
    raise UserError(
        f"--name: found {name!r}; expected up to 40 letters, digits, '-' and '_', with a letter or digit first. "
        "Nothing was submitted."
    )


def checked_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return Snakemake's arguments. Raise UserError, with what to do instead, for those that a head can't have."""
    named = [word.partition("=")[0] for word in arguments if word.startswith("-")]
    problems = [f"{word}: {REFUSED[word]}" for word in dict.fromkeys(named) if word in REFUSED]
    if problems:
        raise UserError("These arguments of Snakemake can't be given to a head, nothing was submitted:", *problems)
    return tuple(arguments)


def dollars(text: str) -> float:
    """Return a budget, for argparse."""
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = 0.0
    if not 0 < amount < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected US dollars above 0, such as 20 or 7.50")
    return amount


def who(region: str) -> str:
    """Return who calls: the last part of AWS's name for the caller, and the machine's name for them if AWS has none."""
    here = f"{getpass.getuser()}@{socket.gethostname()}"
    session: Any = boto3.session.Session(region_name=region)
    # In a private network nothing answers.
    quickly = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=2, read_timeout=5)
    try:
        return str(session.client("sts", config=quickly).get_caller_identity()["Arn"]).rpartition("/")[2] or here
    except (BotoCoreError, ClientError):
        return here
