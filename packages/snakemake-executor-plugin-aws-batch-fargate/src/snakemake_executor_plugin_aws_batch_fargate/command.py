"""The command of a container. A command that is too long for a submission travels through S3.

As a program, in the container: `python -m snakemake_executor_plugin_aws_batch_fargate.command s3://BUCKET/KEY SHA256`
fetches such a command, compares its checksum and runs it.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from snakemake_interface_common.exceptions import WorkflowError

from .untyped import Client

# ECS takes overrides of 8,192 characters of JSON, counted after Batch has taken the job and added variables of its own
# (AWS_BATCH_JOB_ID and the like, with the names of queue and compute environment): a job with more fails.
LONGEST_OVERRIDES = 7168
# Variables that would give a job other credentials, or another AWS, than its role does: variables of AWS's tools, and
# credentials of Snakemake's storage plugins.
NEVER_PASSED = re.compile(r"AWS_\w+|SNAKEMAKE_STORAGE_\w*(?:KEY|TOKEN|SECRET|PASSWORD|AUTH)")


def overrides(
    command: str, requirements: list[dict[str, str]], environment: Mapping[str, str], through: "Sender | None"
) -> dict[str, Any]:
    """Return the `containerOverrides` of a submission, at most 7,168 characters of JSON.

    Raises WorkflowError if they are longer without the command already, or if there is no bucket to send it through.
    """
    made = _overrides(["/bin/bash", "-c", command], requirements, environment)
    if len(json.dumps(made)) <= LONGEST_OVERRIDES:
        return made
    if through is None:
        raise WorkflowError(
            f"The job's command has {len(command)} characters; a submission may have {LONGEST_OVERRIDES}, and there is "
            "no default storage on S3 to send it through (--default-storage-prefix s3://…)."
        )
    module = __spec__.name if __spec__ else __name__
    short = ["python", "-m", module, through.address(command), checksum(command)]
    made = _overrides(short, requirements, environment)
    if len(json.dumps(made)) > LONGEST_OVERRIDES:
        raise WorkflowError(
            f"The environment variables that jobs are given ({', '.join(environment)}) are longer than a submission "
            f"may be ({LONGEST_OVERRIDES} characters). Give large values as files."
        )
    through.send(command)
    return made


def passed(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables that a job may be given, and the names of those that it must not have.

    Jobs get their credentials from their role; a submission's environment can be read by all who may describe jobs.
    """
    kept = {name: value for name, value in environment.items() if not NEVER_PASSED.fullmatch(name)}
    return kept, sorted(set(environment) - set(kept))


def checksum(command: str) -> str:
    """Return the SHA-256 of a command, in hexadecimal."""
    return hashlib.sha256(command.encode()).hexdigest()


class Sender:
    """Puts long commands below the run's prefix on S3."""

    def __init__(
        self,
        s3: Client,
        prefix: str,
        tags: Mapping[str, str] | None = None,
        patiently: Callable[[Callable[[], object]], object] = lambda call: call(),
    ) -> None:
        """Send below s3://BUCKET/PREFIX, with these tags; `patiently` makes a call, several times if need be."""
        parts = urlsplit(prefix)
        self._s3 = s3
        self._bucket = parts.netloc
        self._folder = parts.path.strip("/")
        # A lifecycle rule of the bucket may take tagged objects away.
        self._tagging = {"Tagging": urlencode(tags)} if tags else {}
        self._patiently = patiently
        self._sent: set[str] = set()

    def address(self, command: str) -> str:
        """Return where a command lies."""
        return f"s3://{self._bucket}/{self._key(command)}"

    def send(self, command: str) -> None:
        """Upload a command, once."""
        key = self._key(command)
        if key not in self._sent:
            self._patiently(lambda: self._put(key, command))

    def _put(self, key: str, command: str) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=command.encode(), **self._tagging)
        self._sent.add(key)

    def _key(self, command: str) -> str:
        return "/".join(filter(None, [self._folder, ".commands", f"{checksum(command)}.sh"]))


def fetch(address: str, expected: str) -> str:
    """Return the command that lies at an address. Raises SystemExit if it is not the one that was sent."""
    import boto3

    parts = urlsplit(address)
    answer = boto3.client("s3").get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
    command = answer["Body"].read().decode()
    if checksum(command) != expected:
        raise SystemExit(f"{address} is not the command that was sent: its checksum is not {expected}.")
    return str(command)


def _overrides(
    command: list[str], requirements: list[dict[str, str]], environment: Mapping[str, str]
) -> dict[str, Any]:
    made: dict[str, Any] = {"command": command, "resourceRequirements": requirements}
    if environment:
        made["environment"] = [{"name": name, "value": value} for name, value in environment.items()]
    return made


if __name__ == "__main__":
    # From a file: Linux takes no argument of more than 128 KiB.
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as script:
        script.write(fetch(*sys.argv[1:3]))
    os.execv("/bin/bash", ["/bin/bash", script.name])
