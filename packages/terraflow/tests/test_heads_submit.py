"""One head for a run: what is submitted, and what follows the head that there is."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError, SSLError

from run_objects import ABOUT, BUCKET, STACK, about_of, put
from snakemake_aws_common import head
from snakemake_aws_common.lock_object import Holder
from terraflow.errors import UserError, explain_aws
from terraflow.heads import about as abouts
from terraflow.heads import archive, submit
from terraflow.heads.about import About
from terraflow.heads.objects import AboutObject

HEADS = dataclasses.replace(STACK, head_job_definition="terraflow-head")
PACKED = archive.Packed(b"archive", "0eb1fb1da19eb4a0ca01d0d8a05d0a4e4c7a3d24ccd6a3b4b9b0bc5a6f5b0a11")
KEY = f"runs/cohort7/head/{PACKED.sha256}.tar.xz"
NEXT = dataclasses.replace(ABOUT, state=abouts.SUBMITTED, who="ben", head_job="", started=None, ended=None)


class Batch:
    """Batch's jobs, and what was submitted. `listing` is called before each list of jobs."""

    def __init__(self, **statuses: str) -> None:
        self.statuses = statuses
        self.submitted: list[dict[str, Any]] = []
        self.listing: Callable[[], object] = lambda: None
        self.error: Exception | None = None
        # Jobs that a list does not show yet.
        self.unseen: set[str] = set()
        self.name = "cohort7-head"

    def get_paginator(self, _: str) -> "Batch":
        return self

    def paginate(self, jobQueue: str, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.listing()
        assert (jobQueue, filters) == ("terraflow-head", [{"name": "JOB_NAME", "values": ["cohort7-head"]}])
        seen = {job: status for job, status in self.statuses.items() if job not in self.unseen}
        return [{"jobSummaryList": [{"jobId": job, "jobName": self.name, "status": one} for job, one in seen.items()]}]

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        return {"jobs": [{"jobId": job, "status": self.statuses[job]} for job in jobs if job in self.statuses]}

    def submit_job(self, **given: Any) -> dict[str, str]:
        if self.error:
            raise self.error
        self.submitted.append(given)
        job = f"job-{len(self.submitted)}"
        self.statuses[job] = "SUBMITTED"
        return {"jobId": job}


def test_a_head_is_one_job_with_its_archive_and_the_stack_s_tags(s3: Any) -> None:
    packed = archive.Packed(b"archive", hashlib.sha256(b"archive").hexdigest())
    key = submit.store(HEADS, "cohort7", packed, s3)
    assert key == f"runs/cohort7/head/{packed.sha256}.tar.xz"
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"archive"
    batch = Batch()
    assert submit.submit(HEADS, NEXT, key, s3=s3, batch=batch) == "job-1"  # type: ignore[arg-type]
    assert batch.submitted == [
        {
            "jobName": "cohort7-head",
            "jobQueue": "terraflow-head",
            "jobDefinition": "terraflow-head",
            "containerOverrides": {
                "command": ["python", "-m", "terraflow.heads.process", f"s3://data/{key}", packed.sha256],
                "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
            },
            "tags": {"stack": "terraflow", "terraflow:run": "cohort7", "terraflow:rule": "head"},
            "propagateTags": True,
        }
    ]
    about = about_of(s3)
    assert about is not None
    assert (about.state, about.archive, about.head_job, about.who) == ("submitted", key, "job-1", "ben")
    assert abs(about.submitted / 1000 - time.time()) < 60


@pytest.mark.parametrize(
    ("statuses", "unseen", "about", "words"),
    [
        ({"head-1": "RUNNING"}, False, dataclasses.replace(ABOUT, state="running"), "under way .Batch job head-1"),
        ({"head-1": "RUNNABLE"}, False, None, "under way .Batch job head-1"),
        ({"head-1": "SUBMITTED"}, True, dataclasses.replace(ABOUT, state="submitted"), "under way"),
        ({}, False, dataclasses.replace(ABOUT, state="submitted", head_job=""), "submitted . s ago by ada"),
        # Batch may not know a job that was just submitted, by its id neither.
        ({}, False, dataclasses.replace(ABOUT, state="submitted"), "submitted . s ago by ada"),
        ({"head-1": "FAILED"}, False, dataclasses.replace(ABOUT, state="submitted"), None),
        ({"head-1": "FAILED"}, False, dataclasses.replace(ABOUT, state="running"), None),
        ({"head-1": "SUCCEEDED"}, False, ABOUT, None),
        ({}, False, dataclasses.replace(ABOUT, state="running"), None),
        ({}, False, None, None),
    ],
)
def test_a_second_submission_follows_a_head_that_is_under_way(
    s3: Any, statuses: dict[str, str], unseen: bool, about: About | None, words: str | None
) -> None:
    """A head that has died or ended is followed by the next; run.json alone says nothing about who works."""
    put(s3, "cohort7", about)
    batch = Batch(**statuses)
    batch.unseen = set(statuses) if unseen else set()
    if words is None:
        assert submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch) == "job-1"  # type: ignore[arg-type]
        found = about_of(s3)
        assert found is not None and (found.who, found.head_job) == ("ben", "job-1")
        return
    with pytest.raises(submit.UnderWayError, match=words) as raised:
        submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch)  # type: ignore[arg-type]
    assert raised.value.about == about and not batch.submitted
    assert about_of(s3) == about


def test_a_run_whose_name_differs_in_its_capitals_is_another_one(s3: Any) -> None:
    """To Batch's filter they are the same."""
    batch = Batch(other="RUNNING")
    batch.name = "Cohort7-head"
    assert submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch) == "job-1"  # type: ignore[arg-type]


OUT_OF_REACH = EndpointConnectionError(endpoint_url="https://s3")
SLOW_DOWN = ClientError({"Error": {"Code": "SlowDown", "Message": "slow down"}}, "PutObject")


@pytest.mark.parametrize("trouble", [OUT_OF_REACH, SLOW_DOWN])
def test_a_head_that_is_submitted_is_told_whatever_s3_says_then(
    s3: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """The head writes its id itself."""
    batch, put_object = Batch(), s3.put_object

    def fail_later(**given: Any) -> Any:
        if batch.submitted:
            raise trouble
        return put_object(**given)

    monkeypatch.setattr(s3, "put_object", fail_later)
    assert submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch) == "job-1"  # type: ignore[arg-type]
    assert len(batch.submitted) == 1


@pytest.mark.parametrize("about", [None, ABOUT])
@pytest.mark.parametrize("trouble", [OUT_OF_REACH, SLOW_DOWN])
def test_a_refused_submission_is_told_whatever_s3_says_then(
    s3: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception, about: About | None
) -> None:
    put(s3, "cohort7", about)

    class Refusing(Batch):
        def submit_job(self, **_: Any) -> dict[str, str]:
            for name in ("put_object", "delete_object"):
                monkeypatch.setattr(s3, name, self.refuse)
            raise ClientError({"Error": {"Code": "ClientException", "Message": "no such queue"}}, "SubmitJob")

        def refuse(self, **_: Any) -> None:
            raise trouble

    with pytest.raises(ClientError, match="no such queue"):
        submit.submit(HEADS, NEXT, KEY, s3=s3, batch=Refusing())  # type: ignore[arg-type]


def test_a_claim_without_a_job_is_void_after_a_while(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "cohort7", dataclasses.replace(ABOUT, state="submitted", head_job=""))
    monkeypatch.setattr(submit, "CLAIM", -1.0)
    assert submit.submit(HEADS, NEXT, KEY, s3=s3, batch=Batch()) == "job-1"  # type: ignore[arg-type]


@pytest.mark.parametrize(("renewed_ago", "refused"), [(0, True), (100, False), (1000, False)])
def test_a_head_elsewhere_is_told_by_its_lock(s3: Any, renewed_ago: float, refused: bool) -> None:
    """A lock that was not renewed in time is a dead head's: the next head waits for its end."""
    holder = Holder("id", "ada@laptop", 1, "place", "start", "/work", 0, 150)
    s3.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{head.NAME}", Body=json.dumps(asdict(holder)).encode())
    real = s3.get_object

    class Later:
        """S3 whose clock has gone on."""

        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def get_object(self, **given: Any) -> Any:
            answer = real(**given)
            answer["LastModified"] = answer["LastModified"].fromtimestamp(
                answer["LastModified"].timestamp() - renewed_ago, answer["LastModified"].tzinfo
            )
            return answer

    batch = Batch()
    if not refused:
        assert submit.submit(HEADS, NEXT, KEY, s3=Later(), batch=batch) == "job-1"  # type: ignore[arg-type]
        return
    with pytest.raises(submit.UnderWayError, match=r"ada@laptop(.*\n){4}If it has died, its lock ends in 1"):
        submit.submit(HEADS, NEXT, KEY, s3=Later(), batch=batch)  # type: ignore[arg-type]
    assert not batch.submitted


@pytest.mark.parametrize("about", [None, ABOUT])
def test_of_two_submissions_in_one_moment_one_makes_a_head(s3: Any, about: About | None) -> None:
    """The second one has looked at everything before the first one claims the run."""
    put(s3, "cohort7", about)
    first, second = Batch(), Batch()
    made: list[str] = []
    second.listing = lambda: made.append(submit.submit(HEADS, NEXT, KEY, s3=s3, batch=first))  # type: ignore[arg-type]
    late = dataclasses.replace(NEXT, who="late")
    with pytest.raises(submit.UnderWayError, match="was just submitted") as raised:
        submit.submit(HEADS, late, KEY, s3=s3, batch=second)  # type: ignore[arg-type]
    assert made == ["job-1"] and not second.submitted
    assert raised.value.about is not None and raised.value.about.who == "ben"
    found = about_of(s3)
    assert found is not None and (found.who, found.head_job) == ("ben", "job-1")


@pytest.mark.parametrize("about", [None, ABOUT])
def test_a_claim_whose_answer_was_lost_is_one_s_own(s3: Any, lost_answers: list[str], about: About | None) -> None:
    put(s3, "cohort7", about)
    batch = Batch()
    assert submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch) == "job-1"  # type: ignore[arg-type]
    assert lost_answers == ["runs/cohort7/head/run.json"] * 2
    found = about_of(s3)
    assert len(batch.submitted) == 1 and found is not None and found.who == "ben"


REFUSED = ClientError({"Error": {"Code": "ClientException", "Message": "no such queue"}}, "SubmitJob")


@pytest.mark.parametrize("about", [None, ABOUT])
@pytest.mark.parametrize("trouble", [REFUSED, OUT_OF_REACH, NoCredentialsError()])
def test_a_submission_that_made_nothing_leaves_the_run_as_it_was(
    s3: Any, about: About | None, trouble: Exception
) -> None:
    put(s3, "cohort7", about)
    batch = Batch()
    batch.error = trouble
    with pytest.raises(type(trouble)):
        submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch)  # type: ignore[arg-type]
    assert about_of(s3) == about


READ_TIMEOUT = ReadTimeoutError(endpoint_url="https://batch")
NO_TLS = SSLError(endpoint_url="https://batch", error="EOF occurred in violation of protocol")
BROKEN = ClientError(
    {"Error": {"Code": "ServerException", "Message": "broken"}, "ResponseMetadata": {"HTTPStatusCode": 500}},  # type: ignore[typeddict-item]
    "SubmitJob",
)


@pytest.mark.parametrize("about", [None, ABOUT])
@pytest.mark.parametrize("trouble", [READ_TIMEOUT, NO_TLS, BROKEN, KeyboardInterrupt()])
def test_a_head_that_may_have_been_submitted_is_not_doubled(
    s3: Any, monkeypatch: pytest.MonkeyPatch, trouble: BaseException, about: About | None
) -> None:
    """Batch shows a job some seconds after its submission: the next try in these would make another one."""
    put(s3, "cohort7", about)
    batch, real = Batch(), Batch.submit_job

    def lose(self: Batch, **given: Any) -> dict[str, str]:
        self.unseen.add(real(self, **given)["jobId"])
        raise trouble

    monkeypatch.setattr(Batch, "submit_job", lose)
    with pytest.raises(type(trouble)) as raised:
        submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch)  # type: ignore[arg-type]
    if isinstance(raised.value, Exception):
        said = explain_aws(raised.value)
        assert said is not None and "A head of run cohort7 may have been submitted all the same." in said
    with pytest.raises(submit.UnderWayError, match=r"was submitted . s ago by ben"):
        submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch)  # type: ignore[arg-type]
    assert len(batch.submitted) == 1
    batch.unseen.clear()
    monkeypatch.setattr(submit, "CLAIM", -1.0)
    with pytest.raises(submit.UnderWayError, match=r"under way .Batch job job-1"):
        submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch)  # type: ignore[arg-type]


def test_a_head_that_begins_before_its_submission_is_noted_has_the_last_word(s3: Any) -> None:
    batch = Batch()
    real = batch.submit_job

    def begins(**given: Any) -> dict[str, str]:
        written = AboutObject(s3, BUCKET, "cohort7")
        claim = written.read()
        assert claim is not None
        written.write(dataclasses.replace(claim.about, state="running", head_job="job-1"), claim.etag)
        return real(**given)

    batch.submit_job = begins  # type: ignore[method-assign]
    assert submit.submit(HEADS, NEXT, KEY, s3=s3, batch=batch) == "job-1"  # type: ignore[arg-type]
    found = about_of(s3)
    assert found is not None and (found.state, found.head_job) == ("running", "job-1")


def test_a_stack_without_heads_is_told_what_to_do(s3: Any) -> None:
    with pytest.raises(UserError, match="head_jobs = true"):
        submit.submit(STACK, NEXT, KEY, s3=s3, batch=Batch())  # type: ignore[arg-type]


@pytest.mark.parametrize(("jobs", "mib"), [(None, 2048), (2000, 2048), (2001, 4096), (50_000, 8192)])
def test_a_head_of_more_jobs_has_more_memory(jobs: int | None, mib: int) -> None:
    assert submit.memory_for(jobs) == mib
