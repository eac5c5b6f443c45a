"""AWS Batch as far as commands that look at runs use it: jobs are what a test says, and end when they are ended."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

ENDED = ("SUCCEEDED", "FAILED")


class PretendBatch:
    """Jobs by id, and the calls that were made."""

    def __init__(self) -> None:
        """Begin without jobs."""
        self.jobs: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, Any]] = []
        # Calls that are refused, with the code of their error.
        self.refused: dict[str, str] = {}
        # Jobs that TerminateJobs can't end.
        self.unending: set[str] = set()
        # Called when a job is ended.
        self.when_ended: Callable[[str], None] = lambda _: None

    def add(self, job_id: str, run: str, rule: str, status: str = "RUNNING", queue: str = "spot", **more: Any) -> None:
        """Add a job that is tagged and named as the executor does it."""
        self.jobs[job_id] = {
            "jobId": job_id,
            "jobName": f"{run}-head" if rule == "head" else f"{run}-{rule}-a-0123456789ab-012345",
            "jobQueue": f"arn:aws:batch:us-east-1:123456789012:job-queue/terraflow-{queue}",
            "status": status,
            "tags": {"terraflow:run": run, "terraflow:rule": rule},
            **more,
        }

    def _called(self, name: str, given: Any) -> None:
        self.calls.append((name, given))
        if code := self.refused.get(name):
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, name)

    def get_paginator(self, name: str) -> "PretendBatch":
        """Return the paginator of ListJobs."""
        assert name == "list_jobs"
        return self

    def paginate(
        self, jobQueue: str, jobStatus: str = "", filters: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[Mapping[str, Any]]:
        """Yield a page for each job of a status, or of any status whose name one filter names."""
        self._called("ListJobs", (jobQueue, jobStatus or filters))
        [named] = [one["values"] for one in filters] or [None]
        for job in list(self.jobs.values()):
            chosen = job["status"] == jobStatus if named is None else job["jobName"] in named
            if job["jobQueue"].endswith(f"/{jobQueue}") and chosen:
                yield {"jobSummaryList": [{"jobId": job["jobId"], "jobName": job["jobName"]}]}

    def describe_jobs(self, jobs: Sequence[str]) -> Mapping[str, Any]:
        """Return the jobs that there are."""
        assert len(jobs) <= 100
        self._called("DescribeJobs", list(jobs))
        return {"jobs": [dict(self.jobs[job]) for job in jobs if job in self.jobs]}

    def get_job_queue_snapshot(self, jobQueue: str) -> Mapping[str, Any]:
        """Return the first hundred that wait."""
        self._called("GetJobQueueSnapshot", jobQueue)
        waiting = [job for job in self.jobs.values() if job["status"] == "RUNNABLE"]
        arns = [f"arn:aws:batch:us-east-1:123456789012:job/{job['jobId']}" for job in waiting]
        return {"frontOfQueue": {"jobs": [{"jobArn": arn, "earliestTimeAtPosition": 1} for arn in arns[:100]]}}

    def terminate_jobs(self, jobs: Sequence[str], reason: str) -> Mapping[str, Any]:
        """End jobs."""
        assert 1 <= len(jobs) <= 50
        assert reason
        self._called("TerminateJobs", list(jobs))
        for job in jobs:
            if job in self.jobs and job not in self.unending and self.jobs[job]["status"] not in ENDED:
                self.jobs[job]["status"], self.jobs[job]["statusReason"] = "FAILED", reason
                self.when_ended(job)
        failed = [{"job": job, "code": "ServerException", "message": "broken"} for job in jobs if job in self.unending]
        return {"successful": [job for job in jobs if job not in self.unending], "errors": failed}
