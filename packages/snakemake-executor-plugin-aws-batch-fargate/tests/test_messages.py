"""The message about a failed job, as the user reads it."""

from fake_batch import REGION
from fake_jobs import FakeJob, submission_of
from snakemake_executor_plugin_aws_batch_fargate import failures, logs, messages


def message(job: FakeJob, failure: failures.Failure, log: logs.Log | None = None, secrets: tuple[str, ...] = ()) -> str:
    sent = submission_of(job)
    return messages.failure_message(job, "00-1", sent, failure, log, secrets=secrets)


def test_the_message_has_all_that_is_known() -> None:
    failure = failures.explain({"container": {"exitCode": 137, "reason": "OutOfMemoryError"}, "attempts": [{}, {}]}, [])
    log = logs.Log([f"line {n}" for n in range(30)], "/lab/t", "worker/default/1", REGION)
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
        "aws logs tail /lab/t --log-stream-names worker/default/1 --since 14d --region us-east-1",
        "#logsV2:log-groups/log-group/$252Flab$252Ft/log-events/worker$252Fdefault$252F1",
    ):
        assert part in said
    assert "run again: no, this was attempt 3 of 3" in message(FakeJob(restart_times=2, attempt=3), failure)
    assert "run again: no, since `retries` is 0" in message(FakeJob(), failure)
