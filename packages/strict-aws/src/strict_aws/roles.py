"""Permissions: a call with the credentials of a role needs the permissions of the role (setting `enforce_roles`).

The access key alone identifies the caller; signatures are not checked. S3, Batch, CloudWatch Logs,
ECR, SNS, Secrets Manager and IAM's calls about one role have AWS's resources and condition keys; a call to another
service needs its action on `*`, and one to STS nothing. Any other access key is the account's owner, who may do
everything.
Source: Service Authorization Reference, "Actions, resources, and condition keys" of these services.
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.batch.models import batch_backends
from moto.iam.exceptions import NotFoundException
from moto.iam.models import ManagedPolicy, iam_backends
from moto.s3.models import s3_backends

from strict_aws import credentials, policies
from strict_aws.constants import ACCOUNT, REGION
from strict_aws.faults import error
from strict_aws.state import STATE

BATCH = f"arn:aws:batch:{REGION}:{ACCOUNT}"
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
Environ = dict[str, Any]
# Action, resource and condition keys of one permission that a call needs.
Need = tuple[str, str, policies.Context]

# Services that IAM calls by another name than their SDKs.
SERVICES = {"service-quotas": "servicequotas"}
# S3's operations whose permission has another name.
S3_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListBuckets": "s3:ListAllMyBuckets",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "ListParts": "s3:ListMultipartUploadParts",
    "CopyObject": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject",
}

# Codes of a refusal, by service.
CODES = {"s3": "AccessDenied", "iam": "AccessDenied", "sns": "AuthorizationError"}


def documents(arn: str) -> list[policies.Policy]:
    """Return all policies of a role, or the one managed policy that the ARN names."""
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
    """Return the policy of a bucket, if it has one."""
    found = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    return [policies.parse(found.policy.decode())] if found and found.policy else []


def needs(record: dict[str, Any], environ: Environ, body: bytes) -> Iterator[Need]:
    """Yield every permission that a call needs."""
    service, operation = record["service"], record["operation"]
    if service == "s3":
        yield from _needs_of_s3(record, environ, body)
    elif service == "batch":
        yield from _needs_of_batch(operation, json.loads(body or b"{}"))
    elif service == "logs":
        group = json.loads(body or b"{}").get("logGroupName", "*")
        yield f"logs:{operation}", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:", {}
    elif service == "ecr":
        name = json.loads(body or b"{}").get("repositoryName", "*")
        yield f"ecr:{operation}", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}", {}
    elif service == "iam":
        name = parse_qs(body.decode()).get("RoleName", ["*"])[0]
        yield f"iam:{operation}", f"arn:aws:iam::{ACCOUNT}:role/{name}", {}
    elif service == "sns":
        yield f"sns:{operation}", parse_qs(body.decode()).get("TopicArn", ["*"])[0], {}
    elif service == "secretsmanager":
        secret = json.loads(body or b"{}").get("SecretId", "*")
        yield f"secretsmanager:{operation}", secret if secret.startswith(("arn:", "*")) else f"{SECRETS}:{secret}", {}
    elif service != "sts":
        yield f"{SERVICES.get(service, service)}:{operation}", "*", {}


def _needs_of_s3(record: dict[str, Any], environ: Environ, body: bytes) -> Iterator[Need]:
    operation, bucket = record["operation"], f"arn:aws:s3:::{record['bucket']}"
    action = S3_ACTIONS.get(operation, f"s3:{operation}")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if operation == "DeleteObjects":
        for key in re.findall(rb"<Key>(.*?)</Key>", body):
            yield "s3:DeleteObject", f"{bucket}/{key.decode()}", {}
        return
    # The record of a listing has the prefix as its key.
    if not record["key"] or action.startswith("s3:ListBucket"):
        context = {f"s3:{name}": query[name][0] for name in ("prefix", "delimiter") if name in query}
        yield action, bucket if record["bucket"] else "*", context
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


def _needs_of_batch(operation: str, request: dict[str, Any]) -> Iterator[Need]:
    action = f"batch:{operation}"
    if operation == "SubmitJob":
        yield from needs_of_submission(request)
    elif operation in ("TerminateJob", "CancelJob"):
        yield action, f"{BATCH}:job/{request['jobId']}", _tags_of_job(request["jobId"])
    elif operation == "TerminateJobs":
        for job_id in request.get("jobs") or []:
            yield "batch:TerminateJob", f"{BATCH}:job/{job_id}", _tags_of_job(job_id)
    else:
        yield action, "*", {}


def needs_of_submission(request: dict[str, Any]) -> Iterator[Need]:
    """Yield the permissions that a request of SubmitJob needs."""
    context = _tags_of_request(request)
    for resource in _submitted_with(request):
        yield "batch:SubmitJob", resource, context
        # AWS demands it on the queue and the definition of a tagged job, not on the job.
        if context:
            yield "batch:TagResource", resource, context


def _submitted_with(request: dict[str, Any]) -> Iterator[str]:
    """Yield the ARNs of a submission's queue and definition, the latter with and without revision: AWS checks both."""
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
    backend = batch_backends[ACCOUNT][REGION]
    job = backend._jobs.get(job_id)
    tags = backend.list_tags_for_resource(job.arn) if job else {}
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def allowed(arn: str, need: Need) -> bool:
    """Return whether a role has a permission.

    The call counts as one over TLS, as on AWS, although tests speak plain HTTP on the loopback address.
    """
    action, resource, context = need
    own = bucket_policies(resource.rpartition(":")[2].partition("/")[0]) if action.startswith("s3:") else []
    context = {**context, "aws:SecureTransport": "true"}
    verdict = policies.judge(documents(arn), action, resource, context, resource_policies=own, principal=arn)
    return verdict is policies.Verdict.ALLOWED


class Roles:
    """WSGI layer that refuses calls for want of permission."""

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        """Put the layer on an application."""
        self.application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Pass a call on, or answer it with status 403."""
        record = environ["aws.record"]
        arn = credentials.arn_of(record["caller"])
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
        body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        return body

    @staticmethod
    def _refuse(record: dict[str, Any], arn: str, need: Need, start_response: Any) -> Iterable[bytes]:
        code = CODES.get(record["service"], "AccessDeniedException")
        message = f"User: {arn} is not authorized to perform: {need[0]} on resource: {need[1]}"
        headers, answer = error(record["service"], 403, code, message)
        start_response("403 Forbidden", [*headers, ("Content-Length", str(len(answer)))])
        return [] if record["operation"].startswith("Head") else [answer]

    def _hiding(self, environ: Environ, start_response: Any, arn: str) -> Iterable[bytes]:
        """Pass a call on; turn 404 into 403 for a caller who may not list the bucket, as S3 does."""
        bucket = f"arn:aws:s3:::{environ['aws.record']['bucket']}"
        if allowed(arn, ("s3:ListBucket", bucket, {})):
            return self.application(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response("403 Forbidden" if status.startswith("404") else status, headers, *rest)

        return self.application(environ, start)


def keys_of(arn: str) -> dict[str, str]:
    """Make credentials with the permissions of a role or of a managed policy. Raises ValueError if there is none."""
    try:
        documents(arn)
    except (KeyError, NotFoundException):
        raise ValueError(f"there is no role or managed policy {arn}") from None
    return credentials.keys(credentials.issue(arn))
