"""The settings of the executor, and what their values mean."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from snakemake_aws_common import lease, prices, tags

PREFIX = "--aws-batch-fargate-"
DEFAULT_RUN = "main"
LONGEST_TAG_PREFIX = 64
# Names of tags that each job has, after the prefix.
OF_EACH_JOB = ("run", "rule")


@dataclass
class ExecutorSettings(ExecutorSettingsBase):  # type: ignore[misc]
    """The settings that the command line and the profile give."""

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
        metadata={"type": str, "help": "How to set any-data, for messages. Default: the setting itself."},
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
            "help": "Tags for all jobs, besides run and rule: 'project=heart owner=\"A. Smith\"'.",
        },
    )
    tag_prefix: str = field(
        default="snakemake:",
        metadata={"help": "What the names of the tags begin with that give a job's run, rule and wildcards."},
    )
    tag_wildcards: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "Wildcards whose values become tags of jobs: 'sample' or 'sample,lane'.",
        },
    )
    temporary_tags: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "Tags of objects on S3 that nobody needs after the run (long commands), for a lifecycle rule of "
            "the bucket: 'lifetime=temporary'.",
        },
    )
    stack_hint: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "How queues, job definitions, image and bucket are made or repaired, for the message about what is "
            "wrong with them before the first job.",
        },
    )
    budget: float | None = field(
        default=None,
        metadata={
            "type": float,
            "help": "US dollars that the jobs of the run may cost, in all of its starts together: when what is spent "
            "and what runs would pass it, no further job is submitted, what runs is finished, and the run ends. "
            "Default: no limit.",
        },
    )
    prices: str | None = field(
        default=None,
        metadata={
            "type": str,
            "help": "File with the prices of your own contract (JSON), for what jobs cost. Default: AWS's list prices.",
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


def prices_of(given: ExecutorSettings, region: str) -> tuple[prices.Prices, str]:
    """Return the prices of the region, and what has to be known of them if they are none of its own.

    Raises WorkflowError for a file of prices that can't be used, and for a budget that is not positive.
    """
    if given.budget is not None and not given.budget > 0:
        raise WorkflowError(f"{PREFIX}budget is {given.budget:g}: it has to be more than 0 US dollars.")
    if given.prices is None:
        return prices.load_or_stand_in(region)
    try:
        return prices.load(region, given.prices), ""
    except prices.PricesError as error:
        raise WorkflowError(f"{PREFIX}prices: {error}") from error


def parse_definitions(text: str | None) -> dict[int, str]:
    """Return the job definitions in '20=name 50=name', by GiB of disk.

    Raises WorkflowError, naming the part that is wrong.
    """
    definitions: dict[int, str] = {}
    for key, value in tags.pairs(f"{PREFIX}job-definitions", text):
        if not key.isdigit() or not 20 <= int(key) <= 200:
            raise WorkflowError(
                f"{PREFIX}job-definitions has {key}={value}: the number before '=' is the disk of the "
                "definition, in GiB, from 20 to 200."
            )
        definitions[int(key)] = value
    if not definitions:
        raise WorkflowError(f"{PREFIX}job-definitions names no job definition. Write '20=name 50=name'.")
    return definitions


def parse_tags(text: str | None) -> dict[str, str]:
    """Return the tags of all jobs in 'key=value key="some value"'. Raises WorkflowError for what AWS does not take."""
    return tags.parse(f"{PREFIX}tags", text, tags.MOST_OF_JOB)


def parse_temporary_tags(text: str | None) -> dict[str, str]:
    """Return the tags of objects that nobody needs after the run. Raises WorkflowError for what S3 does not take."""
    return tags.parse(f"{PREFIX}temporary-tags", text, tags.MOST_OF_OBJECT)


def parse_wildcards(text: str | None, prefix: str = "") -> list[str]:
    """Return the names in 'sample,lane', each once.

    Raises WorkflowError if one of them can't be a wildcard, or can't be a tag with this prefix in front.
    """
    found = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in found:
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise WorkflowError(
                f"{PREFIX}tag-wildcards has '{name}', which is no name of a wildcard. Write 'sample' or 'sample,lane'."
            )
        if name in OF_EACH_JOB:
            raise WorkflowError(
                f"{PREFIX}tag-wildcards has '{name}', but the tag {prefix}{name} gives the {name} of each job. Leave "
                "it out, or give the wildcard another name."
            )
        if not tags.is_taken(prefix + name, tags.LONGEST_KEY):
            raise WorkflowError(
                f"{PREFIX}tag-wildcards has '{name}', but AWS does not take {prefix}{name} as the name of a tag: it "
                f"may have {tags.LONGEST_KEY} {tags.ALLOWED}."
            )
    return list(dict.fromkeys(found))


def checked_tag_prefix(prefix: str) -> str:
    """Return what the names of tags begin with. Raises WorkflowError if AWS does not take such names."""
    if len(prefix) > LONGEST_TAG_PREFIX or not all(
        tags.is_taken(prefix + name, tags.LONGEST_KEY) for name in OF_EACH_JOB
    ):
        raise WorkflowError(
            f"{PREFIX}tag-prefix is '{prefix}', which AWS does not take: it may have {LONGEST_TAG_PREFIX} letters, "
            "digits, spaces and _.:/=+-@, and may neither start with a space nor with 'aws:'."
        )
    return prefix


def check_number_of_tags(prefix: str, wildcards: Collection[str], more: Collection[str]) -> None:
    """Raise WorkflowError if a job could get more tags than AWS Batch takes."""
    number = len({*(prefix + name for name in (*OF_EACH_JOB, *wildcards)), *more})
    if number > tags.MOST_OF_JOB:
        raise WorkflowError(
            f"A job would get {number} tags ({', '.join(OF_EACH_JOB)}, {len(wildcards)} of {PREFIX}tag-wildcards and "
            f"{len(more)} of {PREFIX}tags); AWS Batch takes {tags.MOST_OF_JOB}. Leave some out."
        )


def checked_run_name(name: str) -> str:
    """Return the run's name. Raises WorkflowError if it can't stand in a job's name."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
        return name
    raise WorkflowError(
        f"{PREFIX}run-name is '{name}': a run's name starts with a letter or digit, has up to 40 letters, digits, "
        "'-' and '_', and nothing else."
    )
