"""Holds calls with a role's credentials against the role's policies (setting `enforce_roles`), as AWS does.

moto can do so for users, by signature; here the key alone tells who calls. Only S3, Batch, CloudWatch Logs, ECR and
IAM's GetRole are judged: what jobs and heads call. Keys that no role was given for are the account's owner: all goes.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.iam.models import ManagedPolicy, iam_backends
from moto.s3.models import s3_backends

from strict_aws import jobs, policies
from strict_aws.faults import error
from strict_aws.state import STATE

ACCOUNT = "123456789012"
BATCH = f"arn:aws:batch:us-east-1:{ACCOUNT}"
Environ = dict[str, Any]

# S3's operations whose permission has another name.
S3_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "ListParts": "s3:ListMultipartUploadParts",
    "CopyObject": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject",
}


def documents(arn: str) -> list[policies.Policy]:
    """All policies of a role, or the one policy that the ARN names."""
    iam = iam_backends[ACCOUNT]["aws"]
    if ":policy/" in arn:
        return [_document(iam.managed_policies[arn])]
    role = iam.get_role_by_arn(arn)
    inline = [policies.parse(unquote(document)) for document in role.policies.values()]
    return inline + [_document(policy) for policy in role.managed_policies.values()]


def _document(policy: ManagedPolicy) -> policies.Policy:
    [current] = [version for version in policy.versions if version.version_id == policy.default_version_id]
    return policies.parse(unquote(current.document))


def bucket_policies(bucket: str) -> list[policies.Policy]:
    """The policy of a bucket, if it has one."""
    found = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    return [policies.parse(found.policy.decode())] if found and found.policy else []


def needs(record: dict[str, Any], environ: Environ, body: bytes) -> Iterator[tuple[str, str, policies.Context]]:
    """Action, resource and condition keys of everything that a call needs."""
    service, operation = record["service"], record["operation"]
    if service == "s3":
        yield from _needs_of_s3(record, environ, body)
    elif service == "batch":
        yield from _needs_of_batch(operation, json.loads(body or b"{}"))
    elif service == "logs":
        group = json.loads(body or b"{}").get("logGroupName", "*")
        yield f"logs:{operation}", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}:log-stream:", {}
    elif service == "ecr":
        name = json.loads(body or b"{}").get("repositoryName", "*")
        yield f"ecr:{operation}", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}", {}
    elif service == "iam":
        name = parse_qs(body.decode()).get("RoleName", ["*"])[0]
        yield f"iam:{operation}", f"arn:aws:iam::{ACCOUNT}:role/{name}", {}
    elif service != "sts":
        yield f"{service}:{operation}", "*", {}


def _needs_of_s3(record: dict[str, Any], environ: Environ, body: bytes) -> Iterator[tuple[str, str, policies.Context]]:
    operation, bucket = record["operation"], f"arn:aws:s3:::{record['bucket']}"
    action = S3_ACTIONS.get(operation, f"s3:{operation}")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if operation == "DeleteObjects":
        for key in re.findall(rb"<Key>(.*?)</Key>", body):
            yield "s3:DeleteObject", f"{bucket}/{key.decode()}", {}
        return
    if action.startswith(("s3:ListBucket", "s3:GetBucket")) or operation.endswith("Bucket"):
        yield action, bucket, {f"s3:{name}": query[name][0] for name in ("prefix", "delimiter") if name in query}
        return
    if "versionId" in query:
        action = {"s3:GetObject": "s3:GetObjectVersion", "s3:DeleteObject": "s3:DeleteObjectVersion"}.get(
            action, action
        )
    yield action, f"{bucket}/{record['key']}", {}
    if environ.get("HTTP_X_AMZ_TAGGING"):
        yield "s3:PutObjectTagging", f"{bucket}/{record['key']}", {}
    if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
        yield "s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}", {}


def _needs_of_batch(operation: str, request: dict[str, Any]) -> Iterator[tuple[str, str, policies.Context]]:
    action = f"batch:{operation}"
    if operation == "SubmitJob":
        context = _tags_of_request(request)
        for resource in _submitted_with(request):
            yield action, resource, context
            # AWS asks for it on what a tagged job is submitted with, not on the job.
            if context:
                yield "batch:TagResource", resource, context
    elif operation in ("TerminateJob", "CancelJob"):
        yield action, f"{BATCH}:job/{request['jobId']}", _tags_of_job(request["jobId"])
    elif operation == "TerminateJobs":
        for job_id in request.get("jobs") or []:
            yield "batch:TerminateJob", f"{BATCH}:job/{job_id}", _tags_of_job(job_id)
    else:
        yield action, "*", {}


def _submitted_with(request: dict[str, Any]) -> Iterator[str]:
    """ARNs of a submission's queue and definition; of the latter with and without revision: AWS may ask for either."""
    queue, definition = request["jobQueue"], request["jobDefinition"]
    yield queue if queue.startswith("arn:") else f"{BATCH}:job-queue/{queue}"
    name, _, revision = definition.rpartition("/")[2].partition(":")
    yield f"{BATCH}:job-definition/{name}"
    yield f"{BATCH}:job-definition/{name}:{revision or 1}"


def _tags_of_request(request: dict[str, Any]) -> policies.Context:
    tags = request.get("tags") or {}
    keys: policies.Context = {"aws:TagKeys": list(tags)} if tags else {}
    return {**keys, **{f"aws:RequestTag/{key}": value for key, value in tags.items()}}


def _tags_of_job(job_id: str) -> dict[str, str]:
    from moto.batch.models import batch_backends

    backend = batch_backends[ACCOUNT]["us-east-1"]
    job = backend._jobs.get(job_id)
    tags = backend.list_tags_for_resource(job.arn) if job else {}
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def allowed(arn: str, need: tuple[str, str, policies.Context]) -> bool:
    """Whether a role may; TLS is taken as given, since tests speak plainly on loopback."""
    action, resource, context = need
    own = bucket_policies(resource.rpartition(":")[2].partition("/")[0]) if action.startswith("s3:") else []
    context = {**context, "aws:SecureTransport": "true"}
    verdict = policies.judge(documents(arn), action, resource, context, resource_policies=own, principal=arn)
    return verdict is policies.Verdict.ALLOWED


class Roles:
    """WSGI layer that refuses."""

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        record = environ["aws.record"]
        arn = jobs.role_of(record["caller"])
        if arn is None or not STATE.setting("enforce_roles"):
            return self.application(environ, start_response)
        small = record["service"] != "s3" or record["operation"] == "DeleteObjects"
        body = self._body(environ) if small else b""
        for need in needs(record, environ, body):
            if not allowed(arn, need):
                # A client that still sends would not hear the answer.
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                return self._refuse(record, arn, need, start_response)
        if record["service"] == "s3" and record["operation"] in ("HeadObject", "GetObject"):
            return self._hiding(environ, start_response, arn)
        return self.application(environ, start_response)

    @staticmethod
    def _body(environ: Environ) -> bytes:
        import io

        body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        return body

    @staticmethod
    def _refuse(record: dict[str, Any], arn: str, need: Any, start_response: Any) -> Iterable[bytes]:
        code = "AccessDenied" if record["service"] in ("s3", "iam") else "AccessDeniedException"
        message = f"User: {arn} is not authorized to perform: {need[0]} on resource: {need[1]}"
        headers, answer = error(record["service"], 403, code, message)
        start_response("403 Forbidden", [*headers, ("Content-Length", str(len(answer)))])
        return [] if record["operation"].startswith("Head") else [answer]

    def _hiding(self, environ: Environ, start_response: Any, arn: str) -> Iterable[bytes]:
        """S3 tells that an object is missing only to those who may list the bucket; others get 403."""
        bucket = f"arn:aws:s3:::{environ['aws.record']['bucket']}"
        if allowed(arn, ("s3:ListBucket", bucket, {})):
            return self.application(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response("403 Forbidden" if status.startswith("404") else status, headers, *rest)

        return self.application(environ, start)


def lend(arn: str) -> dict[str, str]:
    """Keys that act with a role's policies, or with one policy: for a test that wants to be held to them."""
    return {name: value for name, value in jobs.ROLES[jobs.new_role(arn)].items() if name != "RoleArn"}
