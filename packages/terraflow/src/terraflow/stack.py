"""The deployed stack: Terraform's outputs, kept in a file for Snakemake's profile and for terraflow."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from terraflow import checkout
from terraflow.errors import UserError

# Variable that names another file.
FILE_VARIABLE = "TERRAFLOW_STACK"


@dataclass(frozen=True)
class Stack:
    """Outputs of the stack (terraform/outputs.tf), by their names."""

    region: str
    account_id: str
    stack: str
    architecture: str
    bucket: str
    repository_url: str
    image_tag: str
    images: Mapping[str, str]
    queues: Mapping[str, str]
    job_definitions: Mapping[str, str]
    report_job_definition: str
    log_group: str
    execution_role_arn: str
    job_role_arn: str
    submit_policy_arn: str
    tags: Mapping[str, str]
    # None in a stack without head_jobs.
    head_job_definition: str | None = None
    head_role_arn: str | None = None
    # None in a stack of version 0.2 or before.
    old_versions_days: int | None = None
    # None without an inbox, and without news. Launchers also start runs for Airflow.
    launcher_job_definition: str | None = None
    inbox_budget: float | None = None
    news_topic_arn: str | None = None
    # None without Airflow.
    airflow: Mapping[str, Any] | None = None


def path() -> Path:
    """Return the file that holds the deployed stack's outputs; TERRAFLOW_STACK names another one."""
    return Path(os.environ.get(FILE_VARIABLE) or checkout.root() / ".terraflow" / "stack.json")


def deployed() -> Stack:
    """Read the deployed stack. Raise UserError, which names the command that makes one, when there is none."""
    file = path()
    try:
        outputs = json.loads(file.read_text())
    except FileNotFoundError:
        raise UserError(f"There is no deployed stack: {file} is missing. `make deploy` makes one.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file} can't be read ({error}). `make deploy` writes it anew.") from None
    return from_outputs(outputs, f"{file} is not whole")


def for_profile() -> Stack:
    """Read the deployed stack, or end Snakemake with the reason alone, since its own error would follow its usage."""
    try:
        return deployed()
    except UserError as error:
        sys.exit(f"snakemake: {error}")


def from_outputs(outputs: object, complaint: str) -> Stack:
    """Make a stack of Terraform's outputs. Raise UserError that begins with `complaint` when one is missing."""
    known = outputs if isinstance(outputs, dict) else {}
    lacking = [field.name for field in fields(Stack) if field.default is MISSING and field.name not in known]
    if lacking:
        raise UserError(f"{complaint}: it lacks {', '.join(lacking)}. `make deploy` brings it up to date.")
    return Stack(**{field.name: known[field.name] for field in fields(Stack) if field.name in known})


def save(outputs: Mapping[str, object]) -> Path:
    """Write the outputs to where `deployed` finds them, whole or not at all, and return the file."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(outputs, indent=2, sort_keys=True) + "\n")
    part.replace(file)
    return file
