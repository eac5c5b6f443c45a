"""Commands of containers: within the length that ECS takes, through S3 if longer, and without credentials."""

import functools
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common.patience import Outage
from snakemake_executor_plugin_aws_batch_fargate import command, submitter
from snakemake_executor_plugin_aws_batch_fargate.shapes import Shape


class S3:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, Tagging: str) -> None:
        assert Tagging == "lab%3Alifetime=a+day&kind=command"
        self.objects[f"s3://{Bucket}/{Key}"] = Body


TAGS = {"lab:lifetime": "a day", "kind": "command"}


REQUIREMENTS = Shape(1, 2048, 20).requirements


@given(st.integers(min_value=0, max_value=20000), st.sampled_from(["x", '"', "é"]))
def test_a_submission_is_never_too_long(length: int, letter: str) -> None:
    s3 = S3()
    wanted = letter * length
    made = command.overrides(wanted, REQUIREMENTS, {"A": "b"}, command.Sender(s3, "s3://data/runs/main", TAGS))
    assert len(json.dumps(made)) <= command.LONGEST_OVERRIDES
    if made["command"][0] == "/bin/bash":
        assert made["command"][2] == wanted
    else:
        *_, address, checksum = made["command"]
        assert s3.objects[address].decode() == wanted and checksum == command.checksum(wanted)
        assert address.startswith("s3://data/runs/main/.commands/")


def test_a_long_command_waits_for_a_storage_that_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitter, "PAUSE", 0.01)
    s3, tries = S3(), iter([EndpointConnectionError(endpoint_url="https://s3"), NoCredentialsError()])
    put = s3.put_object

    def fails_twice(**asked: Any) -> None:
        for error in tries:
            raise error
        put(**asked)

    s3.put_object = fails_twice  # type: ignore[method-assign]
    patiently = submitter.Submitter(SimpleNamespace(), warn=lambda _: None).patiently
    sender = command.Sender(s3, "s3://data/runs", TAGS, functools.partial(patiently, Outage()))
    *_, address, checksum = command.overrides("x" * 9000, REQUIREMENTS, {}, sender)["command"]
    assert command.checksum(s3.objects[address].decode()) == checksum


def test_a_command_may_be_longer_than_an_argument(tmp_path: Path) -> None:
    """Linux takes no argument of more than 128 KiB."""
    text = f"printf '%s ' {' '.join(f'file{n}' for n in range(40_000))}"
    (tmp_path / "command").write_text(text)
    program = (
        "import boto3, io, pathlib, runpy, types\n"
        f"body = io.BytesIO(pathlib.Path({str(tmp_path / 'command')!r}).read_bytes())\n"
        "answer = types.SimpleNamespace(get_object=lambda Bucket, Key: {'Body': body})\n"
        "boto3.client = lambda service: answer\n"
        f"runpy.run_module({command.__name__!r}, run_name='__main__')\n"
    )
    run = [sys.executable, "-c", program, "s3://data/a", command.checksum(text)]
    done = subprocess.run(run, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.stdout.split()[-1:] == ["file39999"], done.stderr


def test_a_long_command_without_storage_is_refused() -> None:
    with pytest.raises(WorkflowError, match=r"9000 characters.*--default-storage-prefix"):
        command.overrides("x" * 9000, REQUIREMENTS, {}, None)


def test_a_large_environment_is_refused() -> None:
    with pytest.raises(WorkflowError, match=r"environment variables that jobs are given .LARGE.*Give large values"):
        command.overrides("x", REQUIREMENTS, {"LARGE": "x" * 9000}, command.Sender(S3(), "s3://data", TAGS))


def test_another_command_than_the_one_that_was_sent_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = SimpleNamespace(get_object=lambda Bucket, Key: {"Body": io.BytesIO(b"rm -rf /")})
    monkeypatch.setattr("boto3.client", lambda service: answer)
    assert command.fetch("s3://data/a", command.checksum("rm -rf /")) == "rm -rf /"
    with pytest.raises(SystemExit, match="is not the command that was sent"):
        command.fetch("s3://data/a", command.checksum("true"))


def test_credentials_are_never_passed() -> None:
    given_ = ["AWS_SESSION_TOKEN", "AWS_PROFILE", "SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "SNAKEMAKE_STORAGE_S3_TOKEN"]
    given_ += ["SNAKEMAKE_STORAGE_HTTP_AUTH"]
    kept, dropped = command.passed({name: "x" for name in [*given_, "SNAKEMAKE_STORAGE_S3_REGION", "LICENCE"]})
    assert set(kept) == {"SNAKEMAKE_STORAGE_S3_REGION", "LICENCE"} and dropped == sorted(given_)
