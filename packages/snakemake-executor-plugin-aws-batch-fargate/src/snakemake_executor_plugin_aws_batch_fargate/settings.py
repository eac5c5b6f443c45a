"""The settings of the executor, and what their values mean."""

import re
import shlex
from dataclasses import dataclass, field

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from snakemake_aws_common import lease

PREFIX = "--aws-batch-fargate-"
DEFAULT_RUN = "main"
_TAG = re.compile(r"(?!(?i:aws):)[\w .:/=+@-]+")


@dataclass
class ExecutorSettings(ExecutorSettingsBase):  # type: ignore[misc]
    """What the command line and the profile say."""

    region: str | None = field(
        default=None,
        metadata={"type": str, "help": "AWS region of the queues. Default: that of the AWS environment."},
    )
    queue: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "Job queue (name or ARN) that jobs go to, usually of Fargate Spot.",
            "required": True,
        },
    )
    ondemand_queue: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "Job queue (name or ARN) for the last attempt of a job that lost its Spot capacity. "
            "Default: such a job fails.",
        },
    )
    job_definitions: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "Job definitions, one for each size of disk in GiB: '20=name 50=name'. "
            "A rule's resource batch_job_definition names another one.",
            "required": True,
        },
    )
    run_name: str = field(
        default=DEFAULT_RUN,
        metadata={
            "help": "Name of the run: first part of its jobs' names, and how a head that is started again finds "
            "the jobs of one that was killed."
        },
    )
    run_hint: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "How a run is given another name, for messages; for profiles that set name and prefix together.",
        },
    )
    any_data: bool = field(
        default=False,
        metadata={
            "help": "Go on with a run of the default name also if its earlier starts have read none of the data that "
            "this one reads. Of other names that is taken for granted."
        },
    )
    any_data_hint: str | None = field(
        default=None,
        metadata={"type": str, "help": "How that is said, for messages. Default: the setting itself."},
    )
    lock_seconds: float = field(
        default=lease.SECONDS,
        metadata={
            "type": float,
            "help": "Seconds after which the lock of a head that died ends. It lies below the default storage's prefix "
            "on S3, and keeps a second head out of the run. 0: no lock.",
        },
    )
    tags: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "Tags for all jobs, besides run, rule and sample: 'project=heart owner=\"A. Smith\"'.",
        },
    )
    log_group: str | None = field(
        default=None,
        metadata={"type": str, "help": "CloudWatch log group of the jobs. Default: what the job definition says."},
    )
    poll_seconds: float = field(
        default=2,
        metadata={
            "type": float,
            "help": "Seconds between two looks at the jobs. While nothing changes they grow to three, if it is less.",
        },
    )


def parse_definitions(text: str | None) -> dict[int, str]:
    """GiB of disk: job definition, from '20=name 50=name'.

    Raises WorkflowError, naming the part that is wrong.
    """
    definitions: dict[int, str] = {}
    for key, value in _pairs("job-definitions", text):
        if not key.isdigit() or not 20 <= int(key) <= 200:
            raise WorkflowError(
                f"{PREFIX}job-definitions has {key}={value}: before '=' has to stand the disk of the definition, "
                "in GiB, from 20 to 200."
            )
        definitions[int(key)] = value
    if not definitions:
        raise WorkflowError(f"{PREFIX}job-definitions names no job definition. Write '20=name 50=name'.")
    return definitions


def parse_tags(text: str | None) -> dict[str, str]:
    """Tags from 'key=value key="some value"'. Raises WorkflowError, naming the part that is wrong."""
    tags = dict(_pairs("tags", text))
    for key, value in tags.items():
        if not _TAG.fullmatch(key) or len(key) > 128 or not _TAG.fullmatch(value) or len(value) > 256:
            raise WorkflowError(
                f"{PREFIX}tags has {key}={value}, which AWS does not take: keys may have 128 characters and values "
                "256, of letters, digits, spaces and _.:/=+-@, and neither may start with 'aws:'."
            )
    return tags


def checked_run_name(name: str) -> str:
    """The run's name, if it can stand in a job's name. Raises WorkflowError if not."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
        return name
    raise WorkflowError(
        f"{PREFIX}run-name is '{name}': a run's name starts with a letter or digit, has up to 40 letters, digits, "
        "'-' and '_', and nothing else."
    )


def _pairs(setting: str, text: str | None) -> list[tuple[str, str]]:
    try:
        items = shlex.split(text or "")
    except ValueError as error:
        raise WorkflowError(f"{PREFIX}{setting} can't be read ({error}): {text}") from error
    pairs = []
    for item in items:
        key, equals, value = item.partition("=")
        if not key or not equals or not value:
            raise WorkflowError(f"{PREFIX}{setting} has '{item}', which is not of the form key=value.")
        pairs.append((key, value))
    return pairs
