"""Heads in containers on the strict AWS, and the tiny workflow that they conduct."""

import shutil
import time
from collections.abc import Callable
from typing import Any

from laboratory import Laboratory

from terraflow.heads import archive, submit
from terraflow.heads.about import About
from terraflow.heads.objects import AboutObject
from terraflow.stack import Stack, from_outputs

# Short leases, so that a head that is started again need not wait for minutes.
ARGUMENTS = ("--aws-batch-fargate-lock-seconds", "8", "--aws-batch-fargate-poll-seconds", "1")
SECONDS = 600.0
SNAKEFILE = """
rule all:
    input: "results/all.txt"

rule make:
    output: "results/{n}.txt"
    resources: mem_mb=1000, runtime=10
    shell: "sleep {config[seconds]}; date +%s%N > {output}"

rule gather:
    input: [f"results/{n}.txt" for n in range(config["jobs"])]
    output: "results/all.txt"
    resources: mem_mb=1000, runtime=10
    shell: "cat {input} > {output}"
"""


class Site(Laboratory):
    """A stack, and a project of a few files, whose heads are started by people with the submit policy alone."""

    def __post_init__(self) -> None:
        """Lay the project out."""
        super().__post_init__()
        self.stack: Stack = from_outputs(self.outputs, "the stack's outputs")
        self.people = self.aws.keys_of(self.outputs["submit_policy_arn"])
        self.as_people = {name: self.aws.client(name, keys=self.people) for name in ("s3", "batch")}
        shutil.rmtree(self.folder / "workflow")
        (self.folder / "workflow").mkdir()
        (self.folder / "workflow/Snakefile").write_text(SNAKEFILE)
        (self.folder / "cohort").mkdir()

    def submit(self, run: str, seconds: int, jobs: int = 4) -> str:
        """Start a head from a working directory of the run's own, and return its job.

        The run has so many jobs that take `seconds` and a bit, and one that gathers what they make.
        """
        configured = (*ARGUMENTS, "--config", f"seconds={seconds}", f"jobs={jobs}")
        packed = archive.build(run, self.stack, self.folder, self.folder / "cohort", arguments=configured)
        key = submit.store(self.stack, run, packed, self.as_people["s3"])
        return submit.submit(self.stack, About(run, "ada", "terraflow run", 0), key, **self.as_people)

    def about(self, run: str) -> About:
        """Return what run.json says."""
        found = AboutObject(self.s3, self.bucket, run).read()
        assert found is not None
        return found.about

    def head(self, job: str) -> dict[str, Any]:
        """Return Batch's description of a head."""
        found: dict[str, Any] = self.batch.describe_jobs(jobs=[job])["jobs"][0]
        return found

    def tasks(self, run: str) -> list[dict[str, Any]]:
        """Return the run's jobs but for its heads."""
        return [job for job in self.jobs(run) if job["tags"]["terraflow:rule"] != submit.RULE]

    def until(self, true: Callable[[], object], job: str) -> None:
        """Wait for something to become true while a head lives."""
        limit = time.monotonic() + SECONDS
        while not true():
            head = self.head(job)
            said = self.said(head)
            assert head["status"] not in ("SUCCEEDED", "FAILED"), f"{head['status']}\n{said}"
            assert time.monotonic() < limit, said
            time.sleep(0.3)

    def ended(self, job: str) -> dict[str, Any]:
        """Wait for the end of a head, and return its description."""
        limit = time.monotonic() + SECONDS
        while (head := self.head(job))["status"] not in ("SUCCEEDED", "FAILED"):
            assert time.monotonic() < limit, self.said(head)
            time.sleep(0.3)
        return head

    def said(self, head: dict[str, Any]) -> str:
        """Return what the attempts of a head have said in CloudWatch."""
        containers = [*(attempt["container"] for attempt in head["attempts"]), head["container"]]
        streams = dict.fromkeys(one["logStreamName"] for one in containers if one.get("logStreamName"))
        logs, events = self.aws.client("logs"), []
        for stream in streams:
            answer = logs.get_log_events(logGroupName=self.outputs["log_group"], logStreamName=stream)
            events += [event["message"] for event in answer["events"]]
        return "\n".join(events)
