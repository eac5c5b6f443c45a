"""Parts of the executor by themselves.

Names and tags; settings; commands and their limit; failures in plain words; log streams and secrets; preflight;
ending jobs; jobs that wait for long; what the package's wheel holds.
"""

import dataclasses
import datetime
import functools
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    MetadataRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
    UnauthorizedSSOTokenError,
)
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from snakemake_interface_common.exceptions import WorkflowError

from executor_fakes import REGION, FakeBatch, FakeGroup, FakeJob
from snakemake_aws_common.patience import EXPIRED, UNREACHABLE, Outage, retry_seconds
from snakemake_executor_plugin_aws_batch_fargate import (
    command,
    failures,
    logs,
    messages,
    names,
    preflight,
    rule_logs,
    settings,
    signals,
    status,
    submission,
)
from snakemake_executor_plugin_aws_batch_fargate.shapes import Shape

PACKAGE = Path(command.__file__).parent
STACK = submission.Stack("spot", "ondemand", {20: "worker-20gib", 50: "worker-50gib"}, "main", {}, lambda name: 20)


def client(service: str) -> Any:
    session = botocore.session.get_session()
    session.set_credentials("tests", "tests")
    return session.create_client(service, region_name=REGION)


# Names and tags

text = st.text(min_size=1, max_size=200)


@given(rule=st.from_regex(r"[A-Za-z_]\w{0,80}", fullmatch=True), wildcards=st.dictionaries(text, text, max_size=4))
def test_names_are_legal_and_carry_the_identity(rule: str, wildcards: dict[str, str]) -> None:
    job = FakeJob(name=rule, wildcards_dict=wildcards, output=[json.dumps(wildcards)])
    identity = names.identity("main", job)
    name = names.job_name("main", job, identity)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", name)
    assert names.identity_in(name) == identity


def test_names_are_readable() -> None:
    job = FakeJob()
    assert names.job_name("main", job, names.identity("main", job)).startswith("main-bwa_mem-A-1-")


def test_the_same_job_has_the_same_identity_and_others_do_not() -> None:
    identity = names.identity("main", FakeJob())
    assert names.identity("main", FakeJob(attempt=2, resources={"mem_mb": 9}, threads=8)) == identity
    changed = [{"shellcmd": "other"}, {"input": ["B.fastq"]}, {"non_derived_params": [{"a": 1}]}]
    for change in changed:
        other = names.identity("main", FakeJob(**change))  # type: ignore[arg-type]
        assert other.outputs == identity.outputs and other.content != identity.content
    assert names.identity("main", FakeJob(output=["B"])).outputs != identity.outputs
    assert names.identity("other", FakeJob()).outputs != identity.outputs


def test_a_script_that_has_changed_makes_another_job(tmp_path: Path) -> None:
    def identity(folder: str, text: str) -> names.Identity:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plot.py").write_text(text)
        place = SimpleNamespace(get_path_or_uri=lambda secret_free: tmp_path / folder)
        parts = {"name": "plot", "shellcmd": None, "run_func_src": None, "notebook": None, "wrapper": None}
        rule = SimpleNamespace(**parts, script="plot.py", basedir=place)
        return names.identity("main", dataclasses.replace(FakeJob(), script=rule))

    first = identity("a", "one")
    assert identity("b", "one") == first
    assert identity("c", "two").content != first.content
    assert identity("d", "two").outputs == first.outputs


def test_the_identity_is_the_same_in_another_process() -> None:
    code = (
        "from executor_fakes import FakeJob; from snakemake_executor_plugin_aws_batch_fargate import names;"
        "print(names.identity('main', FakeJob(non_derived_params=[{'b', 'a', 'c'}, {'x': {3, 2, 1}}, print])).suffix)"
    )
    run = [sys.executable, "-c", code]
    folder = Path(__file__).parent
    found = {
        subprocess.run(run, cwd=folder, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_group_is_named_for_what_its_jobs_share() -> None:
    jobs = [FakeJob(wildcards_dict={"sample": "A", "unit": str(n)}, output=[f"{n}"]) for n in range(3)]
    group = FakeGroup(jobs=jobs, groupid="mapping")
    assert names.job_name("main", group, names.identity("main", group)).startswith("main-mapping-A-")
    assert names.identity("main", group) == names.identity("main", FakeGroup(jobs=jobs[::-1], groupid="mapping"))


def test_tags_are_legal() -> None:
    job = FakeJob(wildcards_dict={"sample": "père\tnoël" + "x" * 300})
    tags = names.job_tags("main", job, {"owner": "me"})
    assert tags["terraflow:sample"].startswith("père_noël") and len(tags["terraflow:sample"]) == 256
    assert tags["owner"] == "me"
    assert "terraflow:sample" not in names.job_tags("main", FakeJob(wildcards_dict={"window": "1"}), {})


# Settings


def test_settings_are_read() -> None:
    assert settings.parse_definitions("20=a 50=b") == {20: "a", 50: "b"}
    assert settings.parse_tags("project=heart owner='A. Smith'") == {"project": "heart", "owner": "A. Smith"}
    assert settings.parse_tags(None) == {}


@pytest.mark.parametrize("wrong", ["", "19=a", "201=a", "20", "20=", "'20=a"])
def test_wrong_definitions_are_refused(wrong: str) -> None:
    with pytest.raises(WorkflowError, match="--aws-batch-fargate-job-definitions"):
        settings.parse_definitions(wrong)


@pytest.mark.parametrize("wrong", ["aws:run=1", "a*=b", "a='b;c'", f"{'k' * 129}=v", f"k={'v' * 257}", "a='b\tc'"])
def test_tags_that_aws_does_not_take_are_refused(wrong: str) -> None:
    with pytest.raises(WorkflowError, match="--aws-batch-fargate-tags"):
        settings.parse_tags(wrong)


@pytest.mark.parametrize("wrong", [float("inf"), float("nan"), "much"])
def test_a_resource_that_is_no_number_is_named(wrong: object) -> None:
    with pytest.raises(WorkflowError, match=r"Rule bwa_mem .*mem_mb=.* not a number"):
        submission.shape_of(FakeJob(resources={"mem_mb": wrong}), STACK)


# Commands


class S3:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, Tagging: str) -> None:
        assert Tagging == "terraflow%3Alifetime=intermediate"
        self.objects[f"s3://{Bucket}/{Key}"] = Body


REQUIREMENTS = Shape(1, 2048, 20).requirements


@given(st.integers(min_value=0, max_value=20000), st.sampled_from(["x", '"', "é"]))
def test_a_submission_is_never_too_long(length: int, letter: str) -> None:
    s3 = S3()
    wanted = letter * length
    made = command.overrides(wanted, REQUIREMENTS, {"A": "b"}, command.Sender(s3, "s3://data/runs/main"))
    assert len(json.dumps(made)) <= command.LONGEST_OVERRIDES
    if made["command"][0] == "/bin/bash":
        assert made["command"][2] == wanted
    else:
        *_, address, checksum = made["command"]
        assert s3.objects[address].decode() == wanted and checksum == command.checksum(wanted)
        assert address.startswith("s3://data/runs/main/.commands/")


def test_a_long_command_waits_for_a_storage_that_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "PAUSE", 0.01)
    s3, tries = S3(), iter([EndpointConnectionError(endpoint_url="https://s3"), NoCredentialsError()])
    put = s3.put_object

    def fails_twice(**asked: Any) -> None:
        for error in tries:
            raise error
        put(**asked)

    s3.put_object = fails_twice  # type: ignore[method-assign]
    submitter = submission.Submitter(SimpleNamespace(), warn=lambda _: None)
    sender = command.Sender(s3, "s3://data/runs", functools.partial(submitter.patiently, Outage()))
    *_, address, checksum = command.overrides("x" * 9000, REQUIREMENTS, {}, sender)["command"]
    assert command.checksum(s3.objects[address].decode()) == checksum


def test_trouble_lasts_through_calls_that_take_minutes_and_ends_with_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    trouble = Outage()
    lasted = []
    for now in (100.0, 500.0, 900.0):  # noqa: B007  (the clock reads it)
        lasted.append(trouble.record_failure())
    assert lasted == [0, 400, 800]
    trouble.record_success()
    assert trouble.record_failure() == 0
    now += 3600
    assert trouble.record_failure() == 0


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
        command.overrides("x", REQUIREMENTS, {"LARGE": "x" * 9000}, command.Sender(S3(), "s3://data"))


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


# Failures

SAID: list[tuple[str, dict[str, Any], list[str], str, failures.Again]] = [
    (
        "oom by AWS",
        {"container": {"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}},
        [],
        "out of memory",
        failures.Again.SNAKEMAKE,
    ),
    ("oom by code", {"container": {"exitCode": 137}}, [], "out of memory", failures.Again.SNAKEMAKE),
    (
        "oom in a pipe",
        {"container": {"exitCode": 1}, "statusReason": "Essential container in task exited"},
        ["exit codes of the parts of what failed, in order: 0 137 0"],
        "out of memory",
        failures.Again.SNAKEMAKE,
    ),
    ("spot", {"statusReason": "Your Spot Task was interrupted."}, [], "Spot reclaim", failures.Again.ON_DEMAND),
    (
        "spot, in the last attempt only",
        {"statusReason": "", "attempts": [{"statusReason": "Your Spot Task was interrupted."}]},
        ["Killed"],
        "Spot reclaim",
        failures.Again.ON_DEMAND,
    ),
    (
        "pull",
        {"container": {"reason": "CannotPullContainerError: pull image manifest has been retried 5 time(s)"}},
        [],
        "image pull",
        failures.Again.NO,
    ),
    (
        "start",
        {"statusReason": "ResourceInitializationError: unable to pull secrets or registry auth"},
        [],
        "start-up",
        failures.Again.SNAKEMAKE,
    ),
    (
        "time",
        {"statusReason": "Job attempt duration exceeded timeout", "container": {"exitCode": 137}},
        ["No space left on device"],
        "time limit",
        failures.Again.SNAKEMAKE,
    ),
    (
        "disk",
        {"container": {"exitCode": 1}},
        ["samtools: error: No space left on device"],
        "no disk space",
        failures.Again.SNAKEMAKE,
    ),
    (
        "not found",
        {"container": {"exitCode": 1}},
        ["/bin/bash: line 1: bwa: command not found"],
        "command not found",
        failures.Again.NO,
    ),
    ("not found by code", {"container": {"exitCode": 127}}, [], "command not found", failures.Again.NO),
    ("ended", {"isTerminated": True, "container": {"exitCode": 137}}, [], "ended", failures.Again.NO),
    (
        "denied",
        {"container": {"exitCode": 1}},
        ["ClientError: AccessDenied on PutObject"],
        "no permission",
        failures.Again.NO,
    ),
    (
        "time, terminated by Batch",
        {"isTerminated": True, "statusReason": "Job attempt duration exceeded timeout"},
        [],
        "time limit",
        failures.Again.SNAKEMAKE,
    ),
    (
        "ended in ECS",
        {"statusReason": "Task stopped by user", "container": {"exitCode": 137}},
        [],
        "ended",
        failures.Again.NO,
    ),
    (
        "ended while it waited for a second attempt on Spot",
        {"isTerminated": True, "attempts": [{"statusReason": "Your Spot Task was interrupted."}]},
        [],
        "ended",
        failures.Again.NO,
    ),
    (
        "image larger than the disk",
        {"container": {"reason": "CannotPullContainerError: failed to extract layer: no space left on device"}},
        [],
        "no disk space",
        failures.Again.SNAKEMAKE,
    ),
    (
        "runtime",
        {"container": {"reason": "ContainerRuntimeTimeoutError: Could not transition to running; timed out"}},
        [],
        "start-up",
        failures.Again.SNAKEMAKE,
    ),
    (
        "quota",
        {"statusReason": "You've reached the limit on the number of vCPUs you can run concurrently"},
        [],
        "vCPU quota",
        failures.Again.SNAKEMAKE,
    ),
    (
        "maintenance",
        {"statusReason": "ECS is performing maintenance on the underlying infrastructure hosting the task."},
        [],
        "maintenance",
        failures.Again.SNAKEMAKE,
    ),
    (
        "killed, whatever was written before",
        {"container": {"exitCode": 137}, "statusReason": "Essential container in task exited"},
        ["warning: AccessDenied on GetBucketTagging, which can be done without"],
        "out of memory",
        failures.Again.SNAKEMAKE,
    ),
    (
        "no exit code and words that are not known",
        {"statusReason": "Something that AWS has never said before"},
        ["bwa: 1000 reads done"],
        "stopped",
        failures.Again.SNAKEMAKE,
    ),
    (
        "no exit code",
        {"statusReason": "Essential container in task exited"},
        ["ValueError: reads are damaged"],
        "error",
        failures.Again.NO,
    ),
    (
        "not found, but no command",
        {"container": {"exitCode": 1}},
        ["ValueError: contig chr1: not found"],
        "error",
        failures.Again.NO,
    ),
    (
        "not found by dash",
        {"container": {"exitCode": 1}},
        ["sh: 1: bwa: not found"],
        "command not found",
        failures.Again.NO,
    ),
    (
        "S3 that takes nothing",
        {"container": {"exitCode": 1}},
        ["An error occurred (SlowDown) when calling the PutObject operation (reached max retries: 4): Please reduce"],
        "network",
        failures.Again.SNAKEMAKE,
    ),
    ("crash", {"container": {"exitCode": 139}}, [], "crash", failures.Again.NO),
    *(
        (f"missing input: {lines[0]}", {"container": {"exitCode": 1}}, lines, "missing input", failures.Again.NO)
        for lines in (
            ["MissingInputException in rule gather in file Snakefile, line 3:"],
            ["Missing input files for rule gather:", "    output: all.txt"],
            [
                "    Failed to retrieve storage object from s3://data/a",
                "    WorkflowError:",
                "        s3://data/a does not exist.",
            ],
            [
                "    Failed to retrieve storage object from s3://data/a",
                "    ClientError:",
                "        An error occurred (404) when calling the HeadObject operation: Not Found",
            ],
            [
                "    Failed to get expected local footprint (i.e. size) of s3://data/a",
                "    ClientError: An error occurred (404) when calling the HeadObject operation: Not Found",
            ],
            ["    FileOrDirectoryNotFoundError:", "        Storage object s3://data/a not found in storage"],
        )
    ),
    (
        "an object that can't be read",
        {"container": {"exitCode": 1}},
        [
            "Failed to retrieve storage object from s3://data/a",
            "An error occurred (AccessDenied) when calling GetObject",
        ],
        "no permission",
        failures.Again.NO,
    ),
    (
        "an input that was replaced",
        {"container": {"exitCode": 1}},
        ["s3://lab/raw/A.fq is another object than the one that the run was planned with (planned: ETag 1; found: 2)."],
        "input replaced",
        failures.Again.NO,
    ),
    (
        "arch",
        {"container": {"exitCode": 1}},
        ["exec /bin/bash: exec format error"],
        "image architecture",
        failures.Again.NO,
    ),
    (
        "tool",
        {"container": {"exitCode": 1}, "statusReason": "Essential container in task exited"},
        ["ValueError: reads are damaged"],
        "error",
        failures.Again.NO,
    ),
]


@pytest.mark.parametrize(
    ("described", "lines", "cause", "again"), [row[1:] for row in SAID], ids=[row[0] for row in SAID]
)
def test_causes(described: dict[str, Any], lines: list[str], cause: str, again: failures.Again) -> None:
    failure = failures.explain(described, lines)
    assert (failure.cause.name, failure.cause.again) == (cause, again)


def test_every_row_of_the_table_can_be_reached_and_says_what_to_do() -> None:
    reached = {failures.explain(described, lines).cause.name for _, described, lines, *_ in SAID}
    table = {cause.name for cause in failures.CAUSES}
    # Those of a real account are in test_executor_reasons.py.
    account = {"overrides too long", "too many tags", "misconfigured"}
    assert table - reached == {"no credentials", "not executable"} | account
    assert failures.explain({"container": {"exitCode": 126}}, []).cause.name == "not executable"
    assert failures.explain({}, ["NoCredentialsError: Unable to locate"]).cause.name == "no credentials"
    assert failures.explain({}, ["Could not connect to the endpoint URL: s3"]).cause.name == "network"
    assert all(cause.meaning.endswith(".") and cause.advice.endswith(".") for cause in failures.CAUSES)


def message(job: FakeJob, failure: failures.Failure, log: logs.Log | None = None, secrets: tuple[str, ...] = ()) -> str:
    sent = submission.prepare(job, STACK, "command", {}, None)
    return messages.failure_message(job, "00-1", sent, failure, log, secrets=secrets)


def test_the_message_has_all_that_is_known() -> None:
    failure = failures.explain({"container": {"exitCode": 137, "reason": "OutOfMemoryError"}, "attempts": [{}, {}]}, [])
    log = logs.Log([f"line {n}" for n in range(30)], "/terraflow/t", "worker/default/1", REGION)
    said = message(FakeJob(restart_times=2), failure, log)
    for part in (
        "Rule bwa_mem (sample=A, unit=1) failed on AWS Batch. It ran out of memory.",
        "mem_mb=lambda wildcards, attempt",
        "Batch job: 00-1 (main-bwa_mem-A-1-",
        "queue: spot, 2 attempts there",
        "size: 1 vCPU, 2048 MiB of memory, 20 GiB of disk",
        "exit code: 137",
        "reason: OutOfMemoryError",
        "run again: yes, as attempt 2 of 3",
        "last 30 lines of its log stream:",
        "    | line 29",
        "aws logs tail /terraflow/t --log-stream-names worker/default/1 --since 14d --region us-east-1",
        "#logsV2:log-groups/log-group/$252Fterraflow$252Ft/log-events/worker$252Fdefault$252F1",
    ):
        assert part in said
    assert "run again: no, this was attempt 3 of 3" in message(FakeJob(restart_times=2, attempt=3), failure)
    assert "run again: no, since `retries` is 0" in message(FakeJob(), failure)


# Logs


def test_the_end_of_a_log_stream() -> None:
    stubbed = client("logs")
    with Stubber(stubbed) as stub:
        asked = {"logStreamName": "s", "limit": 300, "startFromHead": False}
        stub.add_client_error(
            "get_log_events", "ResourceNotFoundException", expected_params={"logGroupName": "/g", **asked}
        )
        stub.add_response(
            "get_log_events",
            {"events": [{"message": f"a {n}\nb {n}", "timestamp": n} for n in range(30)]},
            {"logGroupName": "/aws/batch/job", **asked},
        )
        log = logs.tail(stubbed, {"container": {"logStreamName": "s"}}, REGION, "/g")
    assert (len(log.lines), log.lines[-1], log.group) == (30, "b 29", "/aws/batch/job")


def test_a_log_that_comes_late() -> None:
    answers: list[list[dict[str, str]]] = [[], [{"message": "late"}]]
    late = SimpleNamespace(get_log_events=lambda **_: {"events": answers.pop(0)})
    described = {
        "container": {"logStreamName": "s", "logConfiguration": {"options": {"awslogs-group": "/aws/batch/job"}}}
    }
    log = logs.tail(late, described, REGION, patience=0.1)
    assert log.lines == ["late"]


def test_pages_without_lines_are_turned() -> None:
    pages: dict[str | None, Any] = {
        None: {"events": [], "nextBackwardToken": "1"},
        "1": {"events": [], "nextBackwardToken": "2"},
        "2": {"events": [{"message": "there"}], "nextBackwardToken": "3"},
    }
    asked = SimpleNamespace(get_log_events=lambda nextToken=None, **_: pages[nextToken])
    assert logs.tail(asked, {"container": {"logStreamName": "s"}}, REGION).lines == ["there"]


def test_a_log_out_of_reach_is_not_asked_for_again() -> None:
    asked: list[str] = []

    def unreachable(logGroupName: str, **_: Any) -> None:
        asked.append(logGroupName)
        raise EndpointConnectionError(endpoint_url="https://logs")

    log = logs.tail(SimpleNamespace(get_log_events=unreachable), {"container": {"logStreamName": "s"}}, REGION, "/g")
    assert "can't be read" in log.trouble and asked == ["/g"]


def test_no_log() -> None:
    log = logs.tail(None, {"container": {}}, REGION)
    assert log.where() == [] and "did not start" in log.trouble
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetLogEvents")

    def refuse(**_: object) -> None:
        raise denied

    log = logs.tail(SimpleNamespace(get_log_events=refuse), {"container": {"logStreamName": "s"}}, REGION, patience=0)
    assert "AccessDenied" in log.trouble and log.where()


def test_a_secret_that_begins_like_another_hides_none_of_it() -> None:
    assert logs.redact("abcdef1 abcdef1XYZ9", ["abcdef1", "abcdef1XYZ9"]) == f"{logs.HIDDEN} {logs.HIDDEN}"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (NoCredentialsError(), EXPIRED),
        (UnauthorizedSSOTokenError(), EXPIRED),
        (MetadataRetrievalError(error_msg="no"), EXPIRED),
        (EndpointConnectionError(endpoint_url="https://batch"), UNREACHABLE),
        (ParamValidationError(report="no"), 0),
    ],
)
def test_for_how_long_a_call_is_repeated(error: Exception, seconds: float) -> None:
    assert retry_seconds(error) == seconds


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG",
        '"password": "hunter22"',
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=abcdef0123&X-Amz-Credential=AKIA/x",
        "Authorization: Bearer abcdef",
        "https://me:hunter22@example.org",
        "API_KEY=abcdef",
        "x-api-key: abcdef",
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature=abcdef0123",
        "https://b.s3.amazonaws.com/k?AWSAccessKeyId=ASIAIOSFODNN7EXAMPLE&Signature=abcdef0123",
        "curl -H 'Authorization: Bearer abcdef' --token abcdef --password 'hunter22 hunter22'",
        'password="hunter22 and hunter22"',
        "password=one,hunter22",
        r"{\"password\": \"hunter22\"}",
        "password='hunter22",
        "<SessionToken>abcdef</SessionToken>",
        "redis://:hunter22@cache https://hunter22@example.org https://me:hunter@22hunter22@example.org",
        "got eyJhbGciOiJI.abcdef.abcdef and ghp_abcdefabcdefabcdef12",
        "-----BEGIN RSA PRIVATE KEY-----\n | abcdef\n-----END RSA PRIVATE KEY-----",
        "pass\x1b[31mword=\x1b[0mhunter22",
        "the-known-secret",
    ],
)
def test_secrets_are_hidden(secret: str) -> None:
    shown = logs.redact(f"before {secret} after", ["the-known-secret"])
    for part in ("IOSFODNN7", "wJalr", "hunter22", "abcdef", "known-secret"):
        assert part not in shown
    assert shown.startswith("before ") and "[hidden]" in shown


def test_what_is_no_secret_is_shown() -> None:
    line = "samtools sort: 12 reads in s3://data/runs/main/a.bam; see https://example.org/tokens?page=1#x"
    assert logs.redact(line) == line


def test_orders_to_a_terminal_are_left_out() -> None:
    shown = logs.redact("\x1b[1;31merror\x1b[0m:\tbad\x1b]0;title\x07 reads\x07\x1b]0;no end\nnext\x00 line")
    assert shown == "error:\tbad reads\nnext line"


def test_long_lines_are_shortened_and_cost_no_time() -> None:
    start = time.monotonic()
    shown = logs.redact("\n".join(["token" * 50_000, "x" * 200_000, "AKIAIOSFODNN7EXAMPLE" + "y" * 5000]))
    assert time.monotonic() - start < 5
    assert len(shown) < 4000 and "… (199000 more characters)" in shown and "IOSFODNN7" not in shown


def test_ends_of_rule_logs() -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    bodies = {
        "runs/a.log": (now, io.BytesIO(b"one\n\ntwo\n")),
        "runs/old.log": (now - datetime.timedelta(hours=1), io.BytesIO(b"old\n")),
    }

    def get_object(Bucket: str, Key: str, Range: str) -> dict[str, Any]:
        assert Range == "bytes=-16384"
        if Key not in bodies:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": ""}}, "GetObject")
        return {"LastModified": bodies[Key][0], "Body": bodies[Key][1]}

    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise ResponseStreamingError(error="cut")

    bodies["runs/cut.log"] = (now, Broken())
    job = FakeJob(
        log=[
            "s3://data/runs/cut.log",
            "s3://data/runs/a.log",
            "s3://data/runs/old.log",
            "s3://data/runs/none.log",
            "local.log",
        ]
    )
    found = rule_logs.rule_logs(SimpleNamespace(get_object=get_object), job, {"startedAt": now.timestamp() * 1000})
    assert found == [rule_logs.RuleLog("s3://data/runs/a.log", ["one", "two"])]


def test_of_a_group_the_log_of_what_failed_comes_first() -> None:
    now = datetime.datetime.now(datetime.UTC)
    bucket = SimpleNamespace(get_object=lambda **_: {"LastModified": now, "Body": io.BytesIO(b"line")})
    job = FakeJob(log=[f"s3://data/{n}.log" for n in range(100)])
    said = [
        "    log: s3://data/77.log (send to storage) (check log file(s) for error details)",
        "s3://data/50.log stored",
    ]
    found = rule_logs.rule_logs(bucket, job, {}, said)
    assert [log.address[10:-4] for log in found] == ["77", "0", "1", "2", "3"]


def test_what_a_worker_stores_after_a_failure_does_not_hide_it() -> None:
    stored = [{"message": f"Storing in storage: s3://data/{n}\nFinished upload."} for n in range(100)]
    asked = SimpleNamespace(get_log_events=lambda **_: {"events": [{"message": "reads are damaged"}, *stored]})
    assert logs.tail(asked, {"container": {"logStreamName": "s"}}, REGION).lines == ["reads are damaged"]


# Preflight


class Everything:
    """A stack on which all is well, as AWS tells it; a test changes what it tells."""

    def __init__(self) -> None:
        self.batch = FakeBatch()
        self.errors: dict[str, str | Exception] = {}
        self.asked: list[str] = []
        self.region = REGION

    def client_of(self, service: str) -> Any:
        return SimpleNamespace(
            **{
                operation: self._call(operation)
                for operation in (
                    *("get_caller_identity", "describe_images", "get_role", "head_bucket", "describe_job_queues"),
                    *("describe_compute_environments", "describe_job_definitions"),
                )
            },
            get_paginator=lambda operation: SimpleNamespace(paginate=lambda **given: [self._call(operation)(**given)]),
        )

    def _call(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call(**given: Any) -> dict[str, Any]:
            self.asked.append(operation)
            if isinstance(error := self.errors.get(operation), str):
                raise ClientError({"Error": {"Code": error, "Message": "made to fail"}}, operation)
            if error:
                raise error
            if operation.startswith("describe_job") or operation.startswith("describe_compute"):
                return self.batch.answer(operation.replace("_", ""), given)
            return {"BucketRegion": self.region}

        return call

    def check(self, region: str | None = REGION) -> preflight.Report:
        return preflight.check(self.client_of, STACK, region, "s3://data/runs/main", self.client_of)


def test_nothing_wrong() -> None:
    report = Everything().check()
    assert report.problems == [] and report.unknown == []


def break_queue(site: Everything) -> None:
    site.batch.queues["spot"]["state"] = "DISABLED"


def lose_queue(site: Everything) -> None:
    del site.batch.queues["ondemand"]


def break_environment(site: Everything) -> None:
    site.batch.environments["spot"]["status"] = "INVALID"


def other_platform(site: Everything) -> None:
    site.batch.environments["spot"]["computeResources"] = {"type": "EC2"}


def inactive(site: Everything) -> None:
    site.batch.definitions["worker-50gib"]["status"] = "INACTIVE"


def small_disk(site: Everything) -> None:
    site.batch.define("worker-50gib", 21)


def no_roles(site: Everything) -> None:
    site.batch.define("worker-20gib", 20, jobRoleArn="")


def of_ec2(site: Everything) -> None:
    site.batch.definitions["worker-20gib"]["platformCapabilities"] = ["EC2"]


def elsewhere(site: Everything) -> None:
    site.region = "eu-central-1"


def fails(operation: str, code: str) -> Callable[[Everything], None]:
    return lambda site: site.errors.update({operation: code})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (break_queue, "Job queue spot is DISABLED and VALID"),
        (lose_queue, "There is no job queue ondemand"),
        (break_environment, "Compute environment spot of job queue spot is ENABLED and INVALID"),
        (other_platform, "compute environment spot, which is EC2, not Fargate"),
        (inactive, "Job definition worker-50gib has no active revision"),
        (small_disk, "Job definition worker-50gib has 21 GiB of disk; --aws-batch-fargate-job-definitions says 50"),
        (no_roles, "worker-20gib has no job role"),
        (of_ec2, "worker-20gib is not made for Fargate"),
        (elsewhere, "Bucket data is in eu-central-1 and the queues are in us-east-1"),
        (fails("head_bucket", "404"), "it does not exist"),
        (fails("head_bucket", "403"), "these credentials may not list it"),
        (fails("describe_images", "ImageNotFoundException"), "terraflow:worker-1 is not in its registry"),
        (fails("get_caller_identity", "ExpiredToken"), "AWS does not accept the credentials"),
        (fails("describe_job_queues", "ServerException"), "AWS would not tell about queue spot"),
    ],
)
def test_one_thing_wrong(wrong: Callable[[Everything], None], words: str) -> None:
    site = Everything()
    wrong(site)
    report = site.check()
    assert any(words in problem for problem in report.problems), report.problems
    assert words in report.text()


def test_an_image_of_another_region_is_not_looked_for_here() -> None:
    site = Everything()
    for name, disk in (("worker-20gib", 20), ("worker-50gib", 50)):
        image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/terraflow:worker-1"
        site.batch.define(name, disk, image=image)
    site.errors["describe_images"] = "RepositoryNotFoundException"
    assert site.check().problems == [] and "describe_images" not in site.asked


def test_a_queue_without_a_name() -> None:
    report = preflight.check(
        Everything().client_of, dataclasses.replace(STACK, queue=""), REGION, None, Everything().client_of
    )
    assert "No job queue is named" in report.text()


def test_roles_that_do_not_exist() -> None:
    site = Everything()
    site.errors["get_role"] = "NoSuchEntity"
    assert sum("of a job definition does not exist" in problem for problem in site.check().problems) == 2


@pytest.mark.parametrize("operation", ["describe_images", "get_role"])
def test_what_may_not_be_looked_at_is_no_problem(operation: str) -> None:
    site = Everything()
    site.errors[operation] = "AccessDeniedException"
    report = site.check()
    assert report.problems == [] and len(report.unknown) >= 1


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://there"),
        ConnectTimeoutError(endpoint_url="https://there"),
        ReadTimeoutError(endpoint_url="https://there"),
        ConnectionClosedError(endpoint_url="https://there"),
    ],
)
def test_services_out_of_reach(error: Exception) -> None:
    site = Everything()
    site.errors = dict.fromkeys(["get_caller_identity", "describe_images", "get_role"], error)
    report = site.check()
    assert report.problems == []
    assert [note.partition(f": {error}")[0].rpartition(" ")[2] for note in report.unknown] == ["STS", "ECR", "IAM"]
    assert site.asked.count("get_role") == 1
    assert "head_bucket" in site.asked


def test_batch_and_the_bucket_out_of_reach() -> None:
    site = Everything()
    error = EndpointConnectionError(endpoint_url="https://there")
    site.errors = dict.fromkeys(["describe_job_queues", "describe_job_definitions", "head_bucket"], error)
    batch, bucket = site.check().problems
    assert "does not reach AWS Batch (asked about queue spot)" in batch
    assert "does not reach S3 (asked about bucket data)" in bucket


def test_a_service_out_of_reach_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener's queue is full: connecting gets no answer, as in a network without a way out."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listener.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{listener.getsockname()[1]}")
        start = time.monotonic()
        site = Everything()
        report = preflight.check(site.client_of, dataclasses.replace(STACK, definitions={}), REGION, None)
    assert report.problems == [] and "STS" in report.unknown[0]
    assert time.monotonic() - start < 15


def test_no_region() -> None:
    assert "No AWS region is set" in Everything().check(region=None).text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_again_does_not_disturb(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with signals.undisturbed():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


# Waiting


@pytest.mark.parametrize("state", status.BEFORE_RUNNING)
def test_a_word_about_jobs_that_wait_for_long(state: str) -> None:
    now = [0.0]
    waiting = status.Waiting(lambda: now[0])
    sent = submission.prepare(FakeJob(threads=8), STACK, "command", {}, None)
    sent.status, sent.since = state, 0.0
    jobs = [("Rule bwa_mem (sample=A)", sent, "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY")]
    assert waiting.word(jobs) is None
    now[0] = status.WAITING + 60
    said = waiting.word(jobs)
    assert said is not None
    for part in (
        f"waited in {state} for more than 15 minutes: 1,",
        "for 16: Rule bwa_mem (sample=A)",
        "needs 8 vCPU",
        "quota",
        "CAPACITY:INSUFFICIENT",
    ):
        assert part in said
    assert waiting.word(jobs) is None
    now[0] += status.WAITING * 3
    assert waiting.word(jobs) is not None


@pytest.mark.parametrize(
    ("code", "seconds", "words"),
    [
        ("TooManyRequestsException", UNREACHABLE, "They run on. Start the same command again"),
        ("AccessDeniedException", UNREACHABLE, "They run on. Start the same command again"),
        ("ExpiredTokenException", EXPIRED, "They run on. Renew the credentials of this machine, then start the same"),
    ],
)
def test_batch_out_of_reach_for_long_ends_the_run_with_a_word(code: str, seconds: float, words: str) -> None:
    now = [0.0]
    failing = SimpleNamespace(
        describe_jobs=lambda jobs: (_ for _ in ()).throw(
            ClientError({"Error": {"Code": code, "Message": ""}}, "DescribeJobs")
        )
    )
    said: list[str] = []
    watch = status.Watch(failing, 5, said.append, lambda: now[0])
    assert watch.look(["a"]) == ({}, {"a"})
    now[0] = seconds - 1
    assert watch.look(["a"]) == ({}, {"a"})
    now[0] = seconds
    with pytest.raises(WorkflowError, match=words):
        watch.look(["a"])
    assert said


# The package
