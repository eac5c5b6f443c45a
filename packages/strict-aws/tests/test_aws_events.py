"""EventBridge: uploads and ends of jobs reach the targets of rules, and schedules fire."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from strict_aws import ACCOUNT, REGION, Aws
from strict_helpers import code

QUEUE = f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/spot"
DEFINITION = f"arn:aws:batch:{REGION}:{ACCOUNT}:job-definition/sh"
SUBMIT = {"Effect": "Allow", "Action": "batch:SubmitJob", "Resource": [QUEUE, DEFINITION, f"{DEFINITION}:*"]}
UPLOAD = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created"],
    "detail": {"bucket": {"name": ["data"]}, "object": {"key": [{"wildcard": "in/*.csv"}]}},
}


def trust(source: str) -> str:
    """Return a trust policy for EventBridge and its Scheduler, for one source."""
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": ["events.amazonaws.com", "scheduler.amazonaws.com"]},
        "Condition": {"ArnLike": {"aws:SourceArn": source}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(aws: Aws, *statements: Any, source: str = "*") -> str:
    """Return the ARN of a role with these permissions."""
    iam, name = aws.client("iam"), f"role-{uuid.uuid4().hex[:8]}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(source))["Role"]["Arn"]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    return str(arn)


@pytest.fixture
def waiting(strict_aws: Aws, queues: None, data: str) -> Iterator[Aws]:
    """Return an AWS in which jobs wait, with a bucket that sends events; its rules go afterwards."""
    strict_aws.set(containers=0)
    s3, events = strict_aws.client("s3"), strict_aws.client("events")
    s3.put_bucket_notification_configuration(Bucket=data, NotificationConfiguration={"EventBridgeConfiguration": {}})
    strict_aws.deliveries(forget=True)
    yield strict_aws
    for rule in events.list_rules()["Rules"]:
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        events.remove_targets(Rule=rule["Name"], Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=rule["Name"])
    batch = strict_aws.client("batch")
    for status in ("SUBMITTED", "RUNNABLE"):
        for job in batch.list_jobs(jobQueue="spot", jobStatus=status)["jobSummaryList"]:
            batch.terminate_job(jobId=job["jobId"], reason="seen")


def add_rule(aws: Aws, pattern: Any, **target: Any) -> str:
    """Make the rule `start` with one target, and return its ARN."""
    events = aws.client("events")
    arn = events.put_rule(Name="start", EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule="start", Targets=[{"Id": "one", **target}])
    return str(arn)


def batch_target(arn: str, **more: Any) -> dict[str, Any]:
    """Return a target that submits the definition `sh`."""
    return {"Arn": QUEUE, "RoleArn": arn, "BatchParameters": {"JobDefinition": "sh", "JobName": "started"}, **more}


def test_an_upload_submits_a_job(waiting: Aws) -> None:
    given = {"Parameters": {"by": "upload"}, "ContainerOverrides": {"Command": ["echo", "Ref::by"]}, "parameters": {}}
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/start"
    add_rule(waiting, UPLOAD, **batch_target(role(waiting, SUBMIT, source=rule), Input=json.dumps(given)))
    s3 = waiting.client("s3")
    for key in ("in/a.csv", "in/a.txt", "out/a.csv"):
        s3.put_object(Bucket="data", Key=key, Body=b"a")
    [delivery] = waiting.deliveries()
    assert (delivery["rule"], delivery["error"]) == ("start", "")
    assert delivery["event"]["detail"]["object"]["key"] == "in/a.csv"
    [job] = waiting.client("batch").describe_jobs(jobs=[delivery["job"]])["jobs"]
    assert (job["jobName"], job["parameters"]) == ("started", {"by": "upload"})
    assert (job["container"]["command"], job["tags"]) == (["echo", "upload"], {})


@pytest.mark.parametrize(
    ("statements", "source", "refusal"),
    [
        ([], "*", "is not authorized to perform: batch:SubmitJob"),
        # EventBridge can't give the tag that this policy demands.
        (
            [{**SUBMIT, "Condition": {"StringEquals": {"aws:RequestTag/stack": "ours"}}}],
            "*",
            "is not authorized to perform: batch:SubmitJob",
        ),
        ([SUBMIT], "arn:aws:events:*:*:rule/another", "events.amazonaws.com is not authorized to assume"),
    ],
)
def test_a_target_without_permission_submits_nothing(
    waiting: Aws, statements: list[Any], source: str, refusal: str
) -> None:
    add_rule(waiting, UPLOAD, **batch_target(role(waiting, *statements, source=source)))
    waiting.client("s3").put_object(Bucket="data", Key="in/a.csv", Body=b"a")
    [delivery] = waiting.deliveries()
    assert refusal in delivery["error"]
    assert "job" not in delivery


def test_a_target_that_aws_batch_refuses_is_recorded(waiting: Aws) -> None:
    given = {"ContainerOverrides": {"ResourceRequirements": [{"Type": "VCPU", "Value": "3"}]}}
    add_rule(waiting, UPLOAD, **batch_target(role(waiting, SUBMIT), Input=json.dumps(given)))
    waiting.client("s3").put_object(Bucket="data", Key="in/a.csv", Body=b"a")
    [delivery] = waiting.deliveries()
    assert "Fargate has no such pair" in delivery["error"]


def test_an_event_may_come_twice(waiting: Aws) -> None:
    add_rule(waiting, UPLOAD, **batch_target(role(waiting, SUBMIT)))
    waiting.set(event_copies=2)
    waiting.client("s3").put_object(Bucket="data", Key="in/a.csv", Body=b"a")
    first, second = waiting.deliveries()
    assert first["event"] == second["event"]
    assert first["job"] != second["job"]


def test_a_job_s_end_is_an_event(waiting: Aws) -> None:
    batch = waiting.client("batch")
    add_rule(waiting, {"source": ["aws.batch"], "detail": {"status": ["FAILED"], "jobQueue": [QUEUE]}}, Arn=FUNCTION)
    job = batch.submit_job(jobName="ends", jobQueue="spot", jobDefinition="sh", tags={"team": "data"})["jobId"]
    batch.terminate_job(jobId=job, reason="stopped by a test")
    for _ in range(600):
        # Jobs of other tests end, too.
        if found := [one for one in waiting.deliveries() if one["event"]["detail"]["jobId"] == job]:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the job's end is no event")
    [delivery] = found
    detail = delivery["event"]["detail"]
    assert delivery["event"]["detail-type"] == "Batch Job State Change"
    assert (detail["jobId"], detail["status"], detail["statusReason"]) == (job, "FAILED", "stopped by a test")
    assert detail["jobDefinition"] == f"{DEFINITION}:1"
    assert detail["tags"] == {"resourceArn": f"arn:aws:batch:{REGION}:{ACCOUNT}:job/{job}", "team": "data"}


FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tell"


def test_a_function_gets_the_event_if_its_policy_lets_the_rule_call(waiting: Aws) -> None:
    s3, functions = waiting.client("s3"), waiting.client("lambda")
    rule = add_rule(waiting, UPLOAD, Arn=FUNCTION)
    s3.put_object(Bucket="data", Key="in/a.csv", Body=b"a")
    functions.create_function(
        FunctionName="tell",
        Runtime="python3.13",
        Role=role(waiting),
        Handler="tell.handle",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
    )
    s3.put_object(Bucket="data", Key="in/b.csv", Body=b"b")
    permission = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "FunctionName": "tell"}
    functions.add_permission(StatementId="other", SourceArn=f"{rule}-2", **permission)
    s3.put_object(Bucket="data", Key="in/c.csv", Body=b"c")
    functions.add_permission(StatementId="this", SourceArn=rule, **permission)
    s3.put_object(Bucket="data", Key="in/d.csv", Body=b"d")
    functions.delete_function(FunctionName="tell")
    denied = f"events.amazonaws.com is not authorized to perform: lambda:InvokeFunction on {FUNCTION}"
    assert [delivery["error"] for delivery in waiting.deliveries()] == [
        f"there is no function {FUNCTION}",
        denied,
        denied,
        "",
    ]


def test_a_function_keeps_where_it_logs(waiting: Aws) -> None:
    functions, own = waiting.client("lambda"), {"LogFormat": "Text", "LogGroup": "/ours"}
    code_of = {"Runtime": "python3.13", "Handler": "tell.handle", "Code": {"ZipFile": b"PK\x05\x06" + bytes(18)}}
    functions.create_function(FunctionName="logs", Role=role(waiting), LoggingConfig=own, **code_of)
    functions.create_function(FunctionName="plain", Role=role(waiting), **code_of)
    assert functions.get_function(FunctionName="logs")["Configuration"]["LoggingConfig"] == own
    given = functions.update_function_configuration(FunctionName="plain", LoggingConfig=own)["LoggingConfig"]
    assert given == own
    functions.update_function_configuration(FunctionName="logs", LoggingConfig={})
    found = functions.get_function_configuration(FunctionName="logs")["LoggingConfig"]
    assert found == {"LogFormat": "Text", "LogGroup": "/aws/lambda/logs"}
    for name in ("logs", "plain"):
        functions.delete_function(FunctionName=name)


def test_a_schedule_fires(waiting: Aws) -> None:
    scheduler = waiting.client("scheduler")
    group = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/default"
    request = {"JobName": "timed", "JobQueue": "spot", "JobDefinition": "sh", "Parameters": {"By": "clock"}}
    for name, source in (("daily", group), ("foreign", f"{group}-2")):
        scheduler.create_schedule(
            Name=name,
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:scheduler:::aws-sdk:batch:submitJob",
                "RoleArn": role(waiting, SUBMIT, source=source),
                "Input": json.dumps(request),
            },
        )
    [job] = waiting.client("batch").describe_jobs(jobs=[waiting.fire("daily")["job"]])["jobs"]
    assert (job["jobName"], job["parameters"]) == ("timed", {"By": "clock"})
    with pytest.raises(ValueError, match=r"scheduler\.amazonaws\.com is not authorized to assume"):
        waiting.fire("foreign")
    with pytest.raises(ValueError, match=r"there is no schedule, and no rule .* named 'weekly'"):
        waiting.fire("weekly")


def test_a_rule_with_a_rate_fires(waiting: Aws) -> None:
    events = waiting.client("events")
    events.put_rule(Name="each", ScheduleExpression="rate(30 minutes)")
    events.put_targets(Rule="each", Targets=[{"Id": "one", **batch_target(role(waiting, SUBMIT))}])
    assert waiting.fire("each")["event"]["detail-type"] == "Scheduled Event"
    assert [(one["rule"], one["error"]) for one in waiting.deliveries()] == [("each", "")]
    # An upload is no reason for it.
    waiting.client("s3").put_object(Bucket="data", Key="in/a.csv", Body=b"a")
    assert len(waiting.deliveries()) == 1


def test_delete_markers_go_with_the_rest(waiting: Aws, data: str) -> None:
    """They have neither size nor ETag; their events say so by leaving both out."""
    s3 = waiting.client("s3")
    s3.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=data, Key="in/marked.csv", Body=b"a,b")
    s3.delete_object(Bucket=data, Key="in/marked.csv")
    found = s3.list_object_versions(Bucket=data, Prefix="in/marked.csv")
    both = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in [*found["Versions"], *found["DeleteMarkers"]]]
    assert len(both) == 2
    assert len(s3.delete_objects(Bucket=data, Delete={"Objects": both})["Deleted"]) == 2


def test_a_bucket_keeps_that_it_sends_events(waiting: Aws) -> None:
    s3 = waiting.client("s3")
    assert s3.get_bucket_notification_configuration(Bucket="data")["EventBridgeConfiguration"] == {}
    s3.put_bucket_notification_configuration(Bucket="data", NotificationConfiguration={})
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket="data")


def test_a_publisher_needs_permission_for_its_topic(waiting: Aws) -> None:
    topics = [waiting.client("sns").create_topic(Name=name)["TopicArn"] for name in ("news", "others")]
    allowed = {"Effect": "Allow", "Action": "sns:Publish", "Resource": topics[0]}
    sns = waiting.client("sns", keys=waiting.keys_of(role(waiting, allowed)))
    assert sns.publish(TopicArn=topics[0], Message="news")["MessageId"]
    assert code(sns.publish, TopicArn=topics[1], Message="news") == "AuthorizationError"
