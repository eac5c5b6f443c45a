"""Submission: the requests that Batch gets, how fast they come, and jobs that can't be submitted."""

import json
import threading
import time
from typing import Any

import pytest

from fake_batch import FakeAws
from fake_head import Make, ended, jobs, until
from fake_jobs import ARCHIVE, FakeGroup, FakeJob
from snakemake_executor_plugin_aws_batch_fargate import client, preflight


def test_what_is_asked_of_batch(make: Make, aws: FakeAws) -> None:
    job = FakeJob(threads=3, resources={"mem_mb": 9000, "disk_mb": 30000, "runtime": 90})
    make().run_jobs([job])
    (asked,) = aws.batch.submitted()
    assert (asked["jobQueue"], asked["jobDefinition"]) == ("spot", "worker-50gib")
    assert asked["containerOverrides"]["resourceRequirements"] == [
        {"type": "VCPU", "value": "4"},
        {"type": "MEMORY", "value": "9216"},
    ]
    assert asked["timeout"] == {"attemptDurationSeconds": 5400}
    assert asked["propagateTags"] is True
    assert asked["tags"] == {
        "snakemake:run": "main",
        "snakemake:rule": "bwa_mem",
        "snakemake:sample": "A",
        "project": "heart and lung",
    }
    assert asked["jobName"].startswith("main-bwa_mem-A-1-")
    assert "environment" not in asked["containerOverrides"] and "retryStrategy" not in asked
    shell, option, command = asked["containerOverrides"]["command"]
    assert (shell, option) == ("/bin/bash", "-c")
    assert "--cores 3" in command and "--target-jobs 'bwa_mem:sample=A,unit=1'" in command
    assert command.startswith(f"{ARCHIVE.python} -m snakemake --snakefile ")
    assert "pip install" not in command
    assert job.registered == [asked["jobId"]]


def test_a_timeout_is_at_least_a_minute_and_absent_without_runtime(make: Make, aws: FakeAws) -> None:
    make().run_jobs([FakeJob(name="short", resources={"runtime": 0.1}), FakeJob(name="endless", resources={})])
    (short,), (endless,) = aws.batch.submitted("short"), aws.batch.submitted("endless")
    assert short["timeout"] == {"attemptDurationSeconds": 60}
    assert "timeout" not in endless


def test_jobs_get_what_the_workflow_declares_and_no_credentials(make: Make, aws: FakeAws) -> None:
    one = make()
    declared = {"LICENCE": "abc123", "AWS_SECRET_ACCESS_KEY": "never", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "never"}
    one.workflow.spawned_job_args_factory.envvars = lambda: declared
    one.run_jobs([FakeJob()])
    assert aws.batch.submitted()[0]["containerOverrides"]["environment"] == [{"name": "LICENCE", "value": "abc123"}]
    assert "never" not in json.dumps(aws.batch.submitted())
    assert "Jobs are not given AWS_SECRET_ACCESS_KEY, SNAKEMAKE_STORAGE_S3_SECRET_KEY" in one.logger.text


def busiest(aws: FakeAws) -> int:
    """The most SubmitJob that arrived in any second."""
    times = [at for at, operation, _ in aws.batch.calls if operation == "submitjob"]
    return max(sum(1 for later in times[n : n + 100] if later < at + 1) for n, at in enumerate(times))


def test_a_thousand_ready_jobs_are_submitted_at_once_and_never_over_fifty_a_second(make: Make, aws: FakeAws) -> None:
    one = make(poll_seconds=60)
    start = time.monotonic()
    one.run_jobs(jobs(1000))
    took = time.monotonic() - start
    print(f"1,000 jobs submitted in {took:.1f} s, at most {busiest(aws)} in a second")
    assert len({job["jobName"] for job in aws.batch.submitted()}) == 1000 == len(one.active_jobs)
    # 25 s on a machine that does nothing else; with a pause of half a second for each, 500.
    assert took < 250
    assert busiest(aws) <= 50


def test_submissions_do_not_wait_for_each_other_s_answers(make: Make, aws: FakeAws) -> None:
    under_way = threading.Barrier(client.SUBMITTERS)

    def meet(operation: str, _: object) -> None:
        if operation == "submitjob":
            under_way.wait(120)

    aws.batch.fault = meet
    make().run_jobs(jobs(2 * client.SUBMITTERS))
    assert len(aws.batch.submitted()) == 2 * client.SUBMITTERS


def test_throttled_submissions_are_repeated_within_the_same_limit(make: Make, aws: FakeAws) -> None:
    def throttle(operation: str, body: dict[str, Any]) -> tuple[int, str] | None:
        due = operation == "submitjob" and aws.batch.count("submitjob") % 40 == 39
        return (429, "TooManyRequestsException") if due else None

    aws.batch.fault = throttle
    make(poll_seconds=60).run_jobs(jobs(90))
    assert len({job["jobName"] for job in aws.batch.submitted()}) == 90 == len(aws.batch.submitted())
    assert aws.batch.count("submitjob") > 90
    assert busiest(aws) <= 50


def test_a_job_that_fits_nothing_fails_before_submission(make: Make, aws: FakeAws) -> None:
    one = make()
    job = FakeJob(resources={"mem_mb": 300000}, restart_times=3)
    one.run_jobs([job, FakeJob(output=["other"])])
    assert ended(one) == [(job, False)]
    assert len(aws.batch.submitted()) == 1
    assert job.attempt == 4, "Snakemake does not try it again"
    assert "300000 MiB" in str(job.errors[0])


def test_an_inactive_definition_is_said_once(make: Make, aws: FakeAws) -> None:
    aws.batch.fault = lambda operation, _: (400, "ClientException") if operation == "submitjob" else None
    one = make()
    one.run_jobs(jobs(5))
    assert len(ended(one)) == 5
    texts = [str(job.errors[0]) for job, _ in ended(one)]
    assert sum("queue spot and job definition worker-20gib" in text for text in texts) == 1
    assert sum("same reason" in text for text in texts) == 4


@pytest.mark.parametrize(("code", "named"), [("AccessDeniedException", True), ("ClientException", False)])
def test_a_submission_that_is_denied_names_its_tags(make: Make, aws: FakeAws, code: str, named: bool) -> None:
    aws.batch.fault = lambda operation, _: (403, code) if operation == "submitjob" else None
    one = make()
    one.run_jobs(jobs(2))
    first, second = (str(job.errors[0]) for job, _ in ended(one))
    words = (
        "The job carries the tags snakemake:run, snakemake:rule, snakemake:sample, project: if the policy allows tags "
        "of other names, set --aws-batch-fargate-tag-prefix and --aws-batch-fargate-tag-wildcards."
    )
    assert (words in first) is named and "same reason" in second


def test_a_group_has_one_job_and_its_message(make: Make, aws: FakeAws) -> None:
    one = make()
    members = jobs(3)
    group = FakeGroup(name="group", jobs=members, threads=2, resources={"mem_mb": 5000}, groupid="mapping")
    one.run_jobs([group])
    (asked,) = aws.batch.submitted()
    assert asked["jobName"].startswith("main-mapping-") and asked["tags"]["snakemake:rule"] == "mapping"
    aws.batch.end(asked, "FAILED", 1, "Essential container in task exited")
    until(lambda: ended(one) == [(group, False)])
    assert "error: Group mapping failed on AWS Batch" in one.logger.text


def test_a_fair_share_queue_gets_a_share_identifier(make: Make, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check", lambda *_: preflight.Report(fair_share={"spot": True}))
    make(run_name="heart-1").run_jobs([FakeJob()])
    assert aws.batch.submitted()[0]["shareIdentifier"] == "heart1"


def test_a_definition_of_its_own(make: Make, aws: FakeAws) -> None:
    aws.batch.define("report", 20)
    one = make()
    small = FakeJob(resources={"batch_job_definition": "report"})
    large = FakeJob(resources={"batch_job_definition": "report", "disk_mb": 25000}, output=["large"])
    none = FakeJob(resources={"batch_job_definition": "absent"}, output=["none"])
    one.run_jobs([small, large, none])
    assert [job["jobDefinition"] for job in aws.batch.submitted()] == ["report"]
    assert "25 GiB of disk were asked for" in str(large.errors)
    assert "Job definition absent has no active revision" in str(none.errors)


def test_nothing_is_asked_before_the_first_job(make: Make, aws: FakeAws) -> None:
    one = make()
    time.sleep(0.3)
    one.cancel()
    assert aws.batch.calls == []
