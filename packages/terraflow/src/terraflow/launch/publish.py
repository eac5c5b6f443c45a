"""The workflow in the bucket, from which runs are started that no laptop starts. `make deploy` publishes it.

workflow/<SHA-256>.tar.xz   the project's workflow/, envs/ and profiles/, the stack's outputs, and the configuration
                            of runs that bring none of their own
workflow/current.json       which of these is in use
"""

import base64
import dataclasses
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from snakemake_aws_common import packing
from snakemake_aws_common.conditional import MISSING, error_code
from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.heads import archive
from terraflow.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FOLDER = "workflow/"
CURRENT = f"{FOLDER}current.json"
# What `terraflow stage` writes: it names a reference in the bucket.
CONFIG = Path("config/aws.yaml")


@dataclass(frozen=True)
class Current:
    """Which workflow is in use: its archive's key and SHA-256, terraflow's version, and its configuration's path in it.

    `config` is empty if runs have to bring a configuration.
    """

    archive: str
    sha256: str
    version: str
    config: str = ""


@dataclass(frozen=True)
class Published:
    """A published workflow, unpacked: the project, the stack, and the configuration of runs that bring none."""

    project: Path
    stack: Stack
    config: Path | None
    version: str


@dataclass(frozen=True)
class Publication:
    """What was published; `changed` says whether it was sent, `problems` why there is no default configuration."""

    current: Current
    changed: bool
    problems: tuple[str, ...] = ()


def publish(s3: "S3Client", stack: Stack, project: Path) -> Publication:
    """Store the project's workflow as the one in use; one that has not changed is not sent again."""
    files: dict[str, Path | bytes] = {
        path.relative_to(project).as_posix(): path
        for folder in archive.FOLDERS
        for path in archive.below(project / folder)
    }
    files[archive.STACK] = _json(asdict(stack))
    config, problems = _config(project, files)
    body, sha256 = packing.pack(dict(sorted(files.items())))
    current = Current(f"{FOLDER}{sha256}{packing.SUFFIX}", sha256, version("terraflow"), config)
    if read_current(s3, stack.bucket) == current and _is_there(s3, stack.bucket, current.archive):
        return Publication(current, False, problems)
    checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
    s3.put_object(Bucket=stack.bucket, Key=current.archive, Body=body, ChecksumSHA256=checksum)
    # Last: a launcher that reads it finds what it names.
    s3.put_object(Bucket=stack.bucket, Key=CURRENT, Body=_json(asdict(current)), ContentType="application/json")
    return Publication(current, True, problems)


def read_current(s3: "S3Client", bucket: str) -> Current | None:
    """Return which workflow is in use; None if there is none. Raise UserError for an object that does not say it."""
    try:
        body = s3.get_object(Bucket=bucket, Key=CURRENT)["Body"].read()
    except ClientError as error:
        if error_code(error) in MISSING:
            return None
        raise
    try:
        given = json.loads(body)
        return Current(**{field.name: given[field.name] for field in dataclasses.fields(Current)})
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"s3://{bucket}/{CURRENT} is not what `make deploy` writes ({type(error).__name__}: {error}). "
            "`make deploy` writes it anew."
        ) from None


def fetch(s3: "S3Client", bucket: str, into: Path) -> Published:
    """Unpack the workflow in use into an empty folder, and let this process import its Python.

    Raise UserError if there is none, or if it is damaged.
    """
    current = read_current(s3, bucket)
    if current is None:
        raise UserError(f"No workflow was published in s3://{bucket}/{FOLDER}: `make deploy` publishes it.")
    body = s3.get_object(Bucket=bucket, Key=current.archive)["Body"].read()
    try:
        packing.unpack(body, current.sha256, into)
        stack = stacks.from_outputs(json.loads((into / archive.STACK).read_text()), f"s3://{bucket}/{current.archive}")
    except packing.ArchiveError as error:
        raise UserError(f"s3://{bucket}/{current.archive}: {error} `make deploy` publishes it anew.") from None
    # The worker image has no workflow, since each run brings its own.
    library = str(into / "workflow" / "lib")
    if library not in sys.path:
        sys.path.append(library)
    return Published(into, stack, into / current.config if current.config else None, current.version)


def _config(project: Path, files: dict[str, Path | bytes]) -> tuple[str, tuple[str, ...]]:
    """Add the configuration files and what they name; return the default one's path, and why there is none."""
    # Imported late: it imports the workflow's Python, which a launcher in the cloud has only after `fetch`.
    from terraflow.heads import named
    from terraflow.readers import WORKFLOW_CONFIG

    there = [path for path in (WORKFLOW_CONFIG, CONFIG) if (project / path).is_file()]
    files.update({path.as_posix(): project / path for path in there})
    if CONFIG not in there:
        return "", (f"{CONFIG} is missing; `terraflow stage` writes it",)
    try:
        # A run has a sheet of its own.
        config = {**named.config_of(project, [project / CONFIG]), "samples": ""}
    except UserError as error:
        return "", (str(error),)
    found, problems = named.small(project, config)
    problems += [f"{path}: lies outside {project}" for path in found if not path.is_relative_to(project)]
    if problems:
        return "", tuple(problems)
    files.update({path.relative_to(project).as_posix(): path for path in found})
    return CONFIG.as_posix(), ()


def _is_there(s3: "S3Client", bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in MISSING:
            return False
        raise
    return True


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, default=dict) + "\n").encode()
