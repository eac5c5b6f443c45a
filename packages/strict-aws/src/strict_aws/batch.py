"""AWS Batch: refuses what AWS refuses (`fargate.py`) and describes definitions, queues and jobs as AWS does."""

import json
from typing import Any

from moto.batch.exceptions import ClientException
from moto.batch.models import BatchBackend, ComputeEnvironment, Job, JobDefinition, JobQueue
from moto.batch.responses import BatchResponse
from moto.batch.urls import url_paths as batch_urls

from strict_aws import fargate, jobs
from strict_aws.capacity import LIMITS
from strict_aws.faults import take_for_job


def refuse(problems: list[str]) -> None:
    """Raise AWS's error with all problems in its message, if there are any."""
    if problems:
        raise ClientException("Error executing request, Exception : " + "; ".join(problems))


def kinds(queue: JobQueue) -> list[str]:
    """Return the types of a queue's compute environments, in order."""
    return [environment.compute_resources["type"] for environment in queue.environments]


def active_definition(backend: BatchBackend, identifier: str) -> JobDefinition:
    """Return the definition of a name, `name:revision` or ARN; without a revision the newest that is active."""
    name = identifier.rpartition("/")[2]
    name, _, revision = name.partition(":")
    # A copy: others may be registered meanwhile.
    known = list(backend._job_definitions.values())
    found = [d for d in known if d.name == name and revision in ("", str(d.revision))]
    active = [definition for definition in found if definition.status == "ACTIVE"]
    if not active:
        state = "is INACTIVE" if found else "does not exist"
        raise ClientException(f"Error executing request, Exception : Job definition {identifier} {state}")
    return max(active, key=lambda definition: int(definition.revision))


def submit(self: BatchResponse) -> str:
    """SubmitJob: start a job that heeds all of its request."""
    job = start(self.batch_backend, json.loads(self.body))
    return json.dumps({"jobId": job.job_id, "jobName": job.job_name, "jobArn": job.arn})


def start(backend: BatchBackend, request: dict[str, Any]) -> jobs.FargateJob:
    """Check a request of SubmitJob, and start its job. Raises ClientException for one that AWS refuses."""
    queue = backend.get_job_queue(request.get("jobQueue", ""))
    if queue is None:
        raise ClientException(f"Error executing request, Exception : Job queue {request.get('jobQueue')} not found")
    definition = active_definition(backend, request.get("jobDefinition", ""))
    refuse(fargate.check_submission(request, definition.describe(), queue.describe(), kinds(queue)))
    if request.get("arrayProperties"):
        raise ClientException("strict-aws has no array jobs")
    job = jobs.FargateJob(request, definition, queue, backend)
    backend._jobs[job.job_id] = job
    job.start()
    return job


def describe_jobs(self: BatchResponse) -> str:
    """DescribeJobs: at most 100 jobs, without those that Batch has lost or does not know yet."""
    ids = json.loads(self.body).get("jobs", [])
    if len(ids) > 100:
        raise ClientException(f"{len(ids)} jobs in one call, at most 100")
    known = [self.batch_backend._jobs.get(job_id.rpartition("/")[2]) for job_id in ids]
    return json.dumps(
        {"jobs": [job.describe() for job in known if isinstance(job, jobs.FargateJob) and not job.invisible]}
    )


def _name_of(backend: BatchBackend, job_id: str) -> str:
    job = backend._jobs.get(job_id)
    return str(job.job_name) if job else ""


def _known(backend: BatchBackend, found: list[Job]) -> list[jobs.FargateJob]:
    """Return the jobs that Batch shows; moto lists a job already while it is being made."""
    made = [job for job in found if isinstance(job, jobs.FargateJob) and job.job_id in backend._jobs]
    return [job for job in made if not job.invisible]


def terminate_jobs(self: BatchResponse) -> str:
    """TerminateJobs: 1 to 50 jobs, each with a result of its own in an answer of status 200.

    Unknown jobs count as ended, as AWS documents.
    """
    body = json.loads(self.body)
    ids, reason = body.get("jobs") or [], body.get("reason")
    if not 1 <= len(ids) <= 50 or not reason:
        raise ClientException(f"{len(ids)} jobs in one call with reason {reason!r}: 1 to 50, and a reason")
    errors = [
        {"job": job_id, "code": "ServerException", "message": "made to fail by a test"}
        for job_id in ids
        if take_for_job(_name_of(self.batch_backend, job_id), "unending")
    ]
    done = [job_id for job_id in ids if job_id not in [error["job"] for error in errors]]
    for job_id in done:
        self.batch_backend.terminate_job(job_id, reason)
    return json.dumps({"successful": done, "errors": errors})


def list_jobs(self: BatchResponse) -> str:
    """ListJobs: running jobs unless a status or a filter is given; 1,000 to a page, or 100 with a filter.

    With a filter the latest come first.
    """
    body = json.loads(self.body)
    status, filters = body.get("jobStatus"), body.get("filters")
    found = self.batch_backend.list_jobs(
        job_queue_name=body.get("jobQueue"),
        array_job_id=body.get("arrayJobId"),
        job_status=None if filters else status or "RUNNING",
        filters=filters,
    )
    known = [job.describe_short() for job in _known(self.batch_backend, found)]
    if filters:
        known.sort(key=lambda job: job["createdAt"], reverse=True)
    most = 100 if filters else 1000
    start, size = int(body.get("nextToken") or 0), min(int(body.get("maxResults") or most), most)
    more = {"nextToken": str(start + size)} if start + size < len(known) else {}
    return json.dumps({"jobSummaryList": known[start : start + size], **more})


def get_job_queue_snapshot(self: BatchResponse) -> str:
    """GetJobQueueSnapshot: the first hundred jobs that wait in RUNNABLE, by their submission."""
    name = json.loads(self.body).get("jobQueue", "")
    queue = self.batch_backend.get_job_queue(name)
    if queue is None:
        raise ClientException(f"Error executing request, Exception : Job queue {name} not found")
    found = self.batch_backend.list_jobs(job_queue_name=name, array_job_id=None, job_status="RUNNABLE", filters=None)
    front = [
        {"jobArn": job.arn, "earliestTimeAtPosition": job.milliseconds["createdAt"]}
        for job in sorted(_known(self.batch_backend, found), key=lambda job: job.milliseconds["createdAt"])[:100]
    ]
    return json.dumps({"frontOfQueue": {"jobs": front, "lastUpdatedAt": jobs.now()}})


def patch() -> None:
    """Check requests before moto has them, and replace moto's jobs."""
    register, create_environment = BatchResponse.registerjobdefinition, BatchResponse.createcomputeenvironment
    create_queue, describe_definitions = BatchResponse.createjobqueue, BatchBackend.describe_job_definitions
    update_queue, describe_a_queue = BatchResponse.updatejobqueue, JobQueue.describe
    describe_definition = JobDefinition.describe

    def registerjobdefinition(self: BatchResponse) -> str:
        request = json.loads(self.body)
        refuse(fargate.check_definition(request))
        answer = json.loads(register(self))
        # A revision is as its own request describes it; moto copies these from the revision before.
        definition = self.batch_backend._job_definitions[answer["jobDefinitionArn"]]
        definition.platform_capabilities = request.get("platformCapabilities") or ["EC2"]
        definition.propagate_tags = request.get("propagateTags", False)
        definition.timeout = request.get("timeout")
        definition.retry_strategy = request.get("retryStrategy")
        return json.dumps(answer)

    def createcomputeenvironment(self: BatchResponse) -> str:
        refuse(fargate.check_environment(json.loads(self.body)))
        return create_environment(self)

    def createjobqueue(self: BatchResponse) -> str:
        request, backend = json.loads(self.body), self.batch_backend
        named = [entry.get("computeEnvironment", "") for entry in request.get("computeEnvironmentOrder") or []]
        found: list[ComputeEnvironment | None] = [backend.get_compute_environment(name) for name in named]
        refuse(fargate.check_queue(request, [e.compute_resources["type"] for e in found if e]))
        answer = create_queue(self)
        LIMITS[json.loads(answer)["jobQueueArn"]] = request.get("jobStateTimeLimitActions") or []
        return answer

    def updatejobqueue(self: BatchResponse) -> str:
        request = json.loads(self.body)
        if "jobStateTimeLimitActions" in request:
            refuse(list(fargate.check_limits(request["jobStateTimeLimitActions"])))
        answer = update_queue(self)
        if "jobStateTimeLimitActions" in request:
            LIMITS[json.loads(answer)["jobQueueArn"]] = request["jobStateTimeLimitActions"]
        return answer

    def describe_queue(self: JobQueue) -> dict[str, Any]:
        return {**describe_a_queue(self), "jobStateTimeLimitActions": LIMITS.get(self.arn, [])}

    def describe_job_definitions(
        self: BatchBackend,
        job_def_name: str | None = None,
        job_def_list: list[str] | None = None,
        status: str | None = None,
    ) -> list[JobDefinition]:
        # moto takes names only, not name:revision.
        if job_def_list:
            found = [self.get_job_definition(identifier) for identifier in job_def_list if ":" in identifier]
            if found:
                return [definition for definition in found if definition and status in (None, definition.status)]
        return describe_definitions(self, job_def_name, job_def_list, status)

    def describe(self: JobDefinition) -> dict[str, Any]:
        described = describe_definition(self)
        # AWS leaves out the fields that a definition does not have.
        return {name: value for name, value in described.items() if value is not None}

    BatchResponse.registerjobdefinition = registerjobdefinition  # type: ignore[method-assign]
    BatchResponse.createcomputeenvironment = createcomputeenvironment  # type: ignore[method-assign]
    BatchResponse.createjobqueue = createjobqueue  # type: ignore[method-assign]
    BatchResponse.updatejobqueue = updatejobqueue  # type: ignore[method-assign]
    JobQueue.describe = describe_queue  # type: ignore[method-assign]
    BatchResponse.terminatejobs = terminate_jobs  # type: ignore[attr-defined]
    batch_urls["{0}/v1/terminatejobs$"] = BatchResponse.dispatch
    BatchResponse.getjobqueuesnapshot = get_job_queue_snapshot  # type: ignore[attr-defined]
    batch_urls["{0}/v1/getjobqueuesnapshot$"] = BatchResponse.dispatch
    BatchResponse.submitjob = submit  # type: ignore[method-assign]
    BatchResponse.describejobs = describe_jobs  # type: ignore[method-assign]
    BatchResponse.listjobs = list_jobs  # type: ignore[method-assign]
    BatchBackend.describe_job_definitions = describe_job_definitions  # type: ignore[method-assign]
    JobDefinition.describe = describe  # type: ignore[method-assign]
