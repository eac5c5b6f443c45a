"""EventBridge: events of S3 and AWS Batch reach the targets of rules, and schedules fire, as on AWS.

moto matches rules for S3's events, and knows neither events of AWS Batch nor the targets AWS Batch and AWS Lambda. Here
a rule with the target AWS Batch submits a job, with the permissions of the target's role, without tags, and with the
`Parameters` and `ContainerOverrides` of its input. A function is not run: a record says which event it would get
(`Aws.deliveries`), for a test to call it. A rule or schedule with a rate or cron expression fires when a test says so.
Sources: Amazon EventBridge User Guide, "Event bus targets"; EventBridge Scheduler User Guide, "Using universal
targets"; AWS Batch User Guide, "AWS Batch event stream for Amazon EventBridge"; Amazon S3 User Guide, "Using
EventBridge".
"""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from moto.awslambda.models import lambda_backends
from moto.batch.models import batch_backends
from moto.core.exceptions import _RESTError as RESTError
from moto.events.models import Rule, events_backends
from moto.iam.models import iam_backends
from moto.s3.responses import S3Response
from moto.scheduler.models import Schedule, scheduler_backends

from strict_aws import batch, jobs, policies, roles
from strict_aws.constants import ACCOUNT, REGION
from strict_aws.state import STATE

SUBMIT = ":scheduler:::aws-sdk:batch:submitJob"
Event = dict[str, Any]


class RefusedError(Exception):
    """The target of a rule or schedule can't be called, for the reason that AWS gives."""


def emit(source: str, kind: str, resources: list[str], detail: Event) -> None:
    """Send an event to the default bus: each rule that fits gets it, as often as the setting `event_copies` says."""
    event = _event(source, kind, resources, detail)
    for rule in list(events_backends[ACCOUNT][REGION].event_buses["default"].rules.values()):
        if rule.state == "ENABLED" and rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(event):  # type: ignore[arg-type]
            for _ in range(STATE.setting("event_copies")):
                deliver(rule, event)


def _event(source: str, kind: str, resources: list[str], detail: Event) -> Event:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    }


def deliver(rule: Rule, event: Event) -> None:
    """Call all targets of a rule, and record how each took the event."""
    for target in rule.targets:
        record: Event = {"time": time.time(), "rule": rule.name, "target": target["Arn"], "event": event, "error": ""}
        try:
            record |= _call(rule, target, event)
        except RefusedError as refused:
            record["error"] = str(refused)
        with STATE.lock:
            STATE.deliveries.append(record)


def _call(rule: Rule, target: dict[str, Any], event: Event) -> Event:
    service = target["Arn"].split(":")[2]
    if service == "batch":
        _assume(target.get("RoleArn", ""), "events.amazonaws.com", rule.arn)
        return {"job": submit(target["RoleArn"], _request(target))}
    if service == "lambda":
        _may_invoke(target["Arn"], rule.arn)
        return {"event": json.loads(target["Input"]) if target.get("Input") else event}
    raise RefusedError(f"strict-aws has no target {target['Arn']}")


def _request(target: dict[str, Any]) -> dict[str, Any]:
    """Return the SubmitJob request of a target: what its parameters hold, and of its input two keys, capitalised."""
    parameters = target.get("BatchParameters") or {}
    if "JobDefinition" not in parameters or "JobName" not in parameters:
        raise RefusedError("a target of AWS Batch has to have JobDefinition and JobName")
    given = json.loads(target.get("Input") or "{}")
    taken = {name: given[name] for name in ("Parameters", "ContainerOverrides") if name in given}
    return {
        "jobName": parameters["JobName"],
        "jobQueue": target["Arn"],
        "jobDefinition": parameters["JobDefinition"],
        **_uncapitalised(taken),
    }


def fire(name: str) -> Event:
    """Let a schedule of EventBridge Scheduler, or a rule with an expression, fire once; return the job or the event.

    Raises ValueError if there is none of that name, if it is off, or if its target refuses.
    """
    rule = events_backends[ACCOUNT][REGION].event_buses["default"].rules.get(name)
    groups = scheduler_backends[ACCOUNT][REGION].schedule_groups.values()
    schedule = next((one for group in groups for one in group.schedules.values() if one.name == name), None)
    try:
        if schedule is not None and schedule.state == "ENABLED":
            return {"job": _fire_schedule(schedule)}
        if rule is not None and rule.state == "ENABLED" and rule.scheduled_expression:
            event = _event("aws.events", "Scheduled Event", [rule.arn], {})
            deliver(rule, event)
            return {"event": event}
    except RefusedError as refused:
        raise ValueError(str(refused)) from None
    raise ValueError(f"there is no schedule, and no rule with an expression, that is on and named {name!r}")


def _fire_schedule(schedule: Schedule) -> str:
    target = schedule.target
    if not target["Arn"].endswith(SUBMIT):
        raise RefusedError(f"strict-aws has no target {target['Arn']}")
    # AWS names the group of the schedule.
    group = schedule.arn.replace(":schedule/", ":schedule-group/").rpartition("/")[0]
    _assume(target["RoleArn"], "scheduler.amazonaws.com", group)
    return submit(target["RoleArn"], _uncapitalised(json.loads(target.get("Input") or "{}")))


def submit(role: str, request: dict[str, Any]) -> str:
    """Submit a job with the permissions of a role; return its id. Raises RefusedError as AWS Batch refuses."""
    for need in roles.needs_of_submission(request):
        if not roles.allowed(role, need):
            raise RefusedError(f"User: {role} is not authorized to perform: {need[0]} on resource: {need[1]}")
    try:
        return batch.start(batch_backends[ACCOUNT][REGION], request).job_id
    except RESTError as error:
        raise RefusedError(str(error.message)) from None


def _assume(role: str, service: str, source: str) -> None:
    """Check that a service may take a role for a rule or a group of schedules."""
    # A copy: others may be made meanwhile.
    found = [one for one in list(iam_backends[ACCOUNT]["aws"].roles.values()) if one.arn == role]
    if not found:
        raise RefusedError(f"{service} can't assume {role!r}: there is no such role")
    trust = policies.parse(unquote(found[0].assume_role_policy_document))
    context = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": source}
    verdict = policies.judge([], "sts:AssumeRole", role, context, resource_policies=[trust], principal=service)
    if verdict is not policies.Verdict.ALLOWED:
        raise RefusedError(f"{service} is not authorized to assume {role} for {source}")


def _may_invoke(function: str, rule: str) -> None:
    """Check that the policy of a function lets EventBridge call it for a rule."""
    try:
        found = lambda_backends[ACCOUNT][REGION].get_function(function)
    except RESTError:
        raise RefusedError(f"there is no function {function}") from None
    document = {"Version": "2012-10-17", "Statement": list(_statements(found.policy.statements))}
    context = {"aws:SourceArn": rule, "aws:SourceAccount": ACCOUNT}
    verdict = policies.judge(
        [], "lambda:InvokeFunction", function, context, resource_policies=[document], principal="events.amazonaws.com"
    )
    if verdict is not policies.Verdict.ALLOWED:
        raise RefusedError(f"events.amazonaws.com is not authorized to perform: lambda:InvokeFunction on {function}")


def _statements(given: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for statement in given:
        known = {name: value for name, value in statement.items() if name in policies.STATEMENT}
        yield {"Effect": "Allow", **known}


def _uncapitalised(value: Any) -> Any:
    """Return a request with the names of the API; keys of parameters and tags are the user's own."""
    if isinstance(value, list):
        return [_uncapitalised(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key[:1].lower() + key[1:]: inner if key in ("Parameters", "Tags") else _uncapitalised(inner)
        for key, inner in value.items()
    }


def of_job(job: Any) -> None:
    """Send the event of a job that has another status."""
    if not events_backends[ACCOUNT][REGION].event_buses["default"].rules:
        return
    detail = {name: value for name, value in job.describe().items() if name not in ("isCancelled", "isTerminated")}
    detail["tags"] = {"resourceArn": job.arn, **detail["tags"]}
    emit("aws.batch", "Batch Job State Change", [job.arn], json.loads(json.dumps(detail, default=str)))


def patch() -> None:
    """Deliver S3's events as AWS does, and give back that a bucket sends them."""
    from moto.s3 import notifications

    get_notification = S3Response.get_bucket_notification

    def send(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {
                "key": key.name,
                # A delete marker has neither.
                **({"size": key.size, "etag": key.etag.strip('"')} if hasattr(key, "size") else {}),
                "sequencer": f"{time.time_ns():016X}",
                **({"version-id": key.version_id} if key.version_id else {}),
            },
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": account_id,
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject" if event_name.endswith("Put") else event_name.rpartition(":")[2],
        }
        emit("aws.s3", notifications._detail_type(event_name), [bucket.arn], detail)

    def get(self: S3Response) -> Any:
        answer = get_notification(self)
        found = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if found is None or found.event_bridge is None:
            return answer
        status, headers, body = answer
        text = body.decode() if isinstance(body, bytes) else body
        head, mark, tail = text.rpartition("</NotificationConfiguration>")
        if not mark:
            head, tail = text.rstrip().removesuffix("/>") + ">", ""
        return status, headers, f"{head}<EventBridgeConfiguration/></NotificationConfiguration>{tail}"

    jobs.changed[:] = [of_job]
    # moto's own for S3 is replaced; its targets for events that a test puts itself stay.
    notifications._send_event_bridge_message = send
    S3Response.get_bucket_notification = get  # type: ignore[method-assign]
