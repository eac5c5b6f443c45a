"""Jobs of a run that its Snakemake has left, and an AWS that does not answer."""

import threading
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import EndpointConnectionError

RUN = "cohort7"


class Batch:
    """Jobs of a run on the stack's queues. `late` turn up at the third look; `refused` can't be ended."""

    def __init__(self, jobs: Sequence[str], late: Sequence[str] = (), refused: Sequence[str] = ()) -> None:
        self.jobs, self.late, self.refused = list(jobs), list(late), refused
        self.looks = 0
        self.ended: list[str] = []

    def get_paginator(self, _: str) -> "Batch":
        return self

    def paginate(self, jobQueue: str, jobStatus: str) -> list[dict[str, Any]]:
        if (jobQueue, jobStatus) != ("terraflow-spot", "RUNNING"):
            return []
        self.looks += 1
        if self.looks == 3:
            self.jobs += self.late
        names = [{"jobId": job, "jobName": f"{RUN}-{job}"} for job in [*self.jobs, "head", "other"]]
        return [{"jobSummaryList": names}]

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        def one(job: str) -> dict[str, Any]:
            rule, run = ("head" if job == "head" else "bwa_mem"), ("cohort7-2" if job == "other" else RUN)
            tags = {"terraflow:run": run, "terraflow:rule": rule}
            return {"jobId": job, "jobName": f"{RUN}-{job}", "status": "RUNNING", "tags": tags, "jobQueue": "q"}

        return {"jobs": [one(job) for job in jobs]}

    def terminate_jobs(self, jobs: list[str], reason: str) -> dict[str, Any]:
        self.ended += [job for job in jobs if job not in self.refused]
        return {"errors": [{"job": job, "code": "500", "message": "no"} for job in jobs if job in self.refused]}


class Hangs:
    """AWS that takes calls and does not answer until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __getattr__(self, _: str) -> Any:
        return self

    def __call__(self, *_: object, **__: object) -> Any:
        self.over.wait(120)
        raise EndpointConnectionError(endpoint_url="https://aws")
