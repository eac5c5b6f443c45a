"""Writes what an upload to the inbox is: raw/NAME/config.yaml, what it names, and last the sheet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from terraflow.errors import UserError
from terraflow.launch.inbox_run import OWN_CONFIG, SHEET, WHOLE
from terraflow.launch.request import checked_name
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class Inbox:
    """The place of a run in the inbox; `starts` says whether the sheet is written, too."""

    stack: Stack
    name: str
    starts: bool

    @property
    def folder(self) -> str:
        """The prefix of its keys."""
        return f"raw/{self.name}/"


def inbox(stack: Stack, name: str | None, starts: bool) -> Inbox | None:
    """Return the place that the options --name and --run mean; None without them.

    Raise UserError for a wrong name, and for a start in a stack whose inbox is off.
    """
    if name is None and not starts:
        return None
    if name is None:
        raise UserError("--run needs the name of the run: --name NAME. Nothing was sent.")
    if starts and stack.inbox_budget is None:
        raise UserError(
            "Nothing would start the run, so nothing was sent: the stack's inbox is off. Set inbox_budget in "
            "terraform.tfvars and `make deploy`; or leave --run out, and start it with `terraflow run`."
        )
    return Inbox(stack, checked_name(name), starts)


def bring(
    s3: "S3Client", place: Inbox, sheet: str, config: Mapping[str, Any], settings: Mapping[tuple[str, str], str]
) -> list[str]:
    """Write the files and return their keys, in the order in which they were written.

    `sheet` names reads by addresses; `config` is whole, and `settings` are keys of objects that take the place of paths
    in it, by section and key. A ploidy file on this disk goes along.
    """
    bucket = place.stack.bucket
    whole = {name: dict(part) if isinstance(part, Mapping) else part for name, part in config.items()}
    whole["samples"] = SHEET
    for (section, key), address in settings.items():
        whole[section][key] = f"s3://{bucket}/{address}"
    written: dict[str, bytes] = {}
    if isinstance(ploidy := whole["calling"]["ploidy"], str):
        written[f"{place.folder}{ploidy}"] = Path(ploidy).read_bytes()
    body = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=1000)
    written[f"{place.folder}{OWN_CONFIG}"] = f"{WHOLE}: no other configuration is added to it.\n{body}".encode()
    if place.starts:
        written[f"{place.folder}{SHEET}"] = sheet.encode()
    for key, content in written.items():
        s3.put_object(Bucket=bucket, Key=key, Body=content, ChecksumAlgorithm="SHA256")
    return list(written)
