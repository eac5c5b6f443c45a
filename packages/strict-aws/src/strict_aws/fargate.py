"""What AWS refuses on Fargate and neither Terraform nor moto does, told in words.

Every `check_…` takes a request as botocore would send it and returns a list of problems, empty if there are none.
Names, types and required parts come from botocore's model of AWS Batch; so do the parts that Fargate does not take and
the pairs of vCPU and memory, which the model's own documentation tells.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

Request = Mapping[str, Any]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
IMAGE = re.compile(r"[A-Za-z0-9_:./#@-]{1,255}")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
REASON = re.compile(r"[A-Za-z0-9.: \t]*\*?")
EXIT_CODE = re.compile(r"[0-9]*\*?")
TAG_KEY = re.compile(r"(?!aws:)[\w \t.:/=+@-]{1,128}")
TAG_VALUE = re.compile(r"[\w \t.:/=+@-]{0,256}")
LOG_DRIVERS = ("awslogs", "splunk")
FARGATE = ("FARGATE", "FARGATE_SPOT")
# SubmitJob takes a request of 30 KiB; ECS, which starts the task, counts the overrides (`aws/reasons.py`).
REQUEST_LIMIT = 30 * 1024
TIME_LIMITS = range(600, 86_401)
# Reasons why a job waits for which a queue can end it.
STUCK = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
)


@cache
def model() -> ServiceModel:
    """botocore's model of AWS Batch."""
    return botocore.session.get_session().get_service_model("batch")


def _text(shape: Shape) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", shape.documentation))


@cache
def pairs() -> frozenset[tuple[str, str]]:
    """(vCPU, MiB) that Fargate offers, as botocore's documentation of `ResourceRequirement.value` lists them."""
    requirement = model().shape_for("ResourceRequirement")
    assert isinstance(requirement, StructureShape)
    table = _text(requirement.members["value"]).partition('type="VCPU"')[2]
    found = re.findall(r"value = ([\d.]+) MEMORY = ([\d, or]+)", table)
    return frozenset((vcpu, mib) for vcpu, figures in found for mib in re.findall(r"\d+", figures))


@cache
def not_for_fargate(shape: str) -> frozenset[str]:
    """Members of a structure that its documentation says Fargate does not take."""
    structure = model().shape_for(shape)
    assert isinstance(structure, StructureShape)
    says = re.compile(r"(?:n['’]t|not) (?:applicable|supported)[^.]*Fargate")
    return frozenset(name for name, member in structure.members.items() if says.search(_text(member)))


def _shape_problems(shape: str, request: Request) -> tuple[list[str], bool]:
    """Problems of names, types and required parts, and whether there is no sense in looking further."""
    report = ParamValidator().validate(dict(request), model().shape_for(shape)).generate_report()
    problems = report.splitlines()
    return problems, not all(problem.startswith("Unknown parameter") for problem in problems)


def _refused(shape: str, given: Request, where: str) -> Iterator[str]:
    for name in sorted(not_for_fargate(shape) & given.keys()):
        if given[name] is not False and given[name] not in (None, [], {}, ""):
            yield f"{where}{name} is not for Fargate"


def _name(kind: str, name: str) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{kind} {name!r}: up to 128 letters, digits, - and _, and a letter or digit first"


def _tags(tags: Mapping[str, str]) -> Iterator[str]:
    if len(tags) > 50:
        yield f"{len(tags)} tags, at most 50"
    for key, value in tags.items():
        if not TAG_KEY.fullmatch(key) or not TAG_VALUE.fullmatch(value):
            yield f"tag {key!r}={value!r}: letters, digits, spaces and _.:/=+-@, no aws: in front, 128 and 256 at most"


def _timeout(timeout: Request) -> Iterator[str]:
    seconds = timeout.get("attemptDurationSeconds")
    if seconds is not None and seconds < 60:
        yield f"timeout of {seconds} s, at least 60"


def _retries(strategy: Request) -> Iterator[str]:
    attempts = strategy.get("attempts")
    if attempts is not None and not 1 <= attempts <= 10:
        yield f"{attempts} attempts, 1 to 10"
    rules = strategy.get("evaluateOnExit") or []
    if rules and attempts is None:
        yield "evaluateOnExit without attempts"
    if len(rules) > 5:
        yield f"{len(rules)} rules in evaluateOnExit, at most 5"
    patterns = {"onStatusReason": REASON, "onReason": REASON, "onExitCode": EXIT_CODE}
    for rule in rules:
        if str(rule.get("action", "")).upper() not in ("RETRY", "EXIT"):
            yield f"evaluateOnExit action {rule.get('action')!r}, RETRY or EXIT"
        for key, allowed in patterns.items():
            pattern = rule.get(key) or ""
            if len(pattern) > 512 or not allowed.fullmatch(pattern):
                yield f"evaluateOnExit {key} {pattern!r}: 512 of [{allowed.pattern}] at most, * at the end only"


def _environment(variables: Iterable[Request]) -> Iterator[str]:
    for variable in variables:
        if variable.get("name", "").startswith("AWS_BATCH"):
            yield f"environment variable {variable['name']}: AWS_BATCH is AWS's own"


def _resources(requirements: Iterable[Request]) -> dict[str, str]:
    return {requirement["type"]: requirement["value"] for requirement in requirements}


def _size(resources: Mapping[str, str]) -> Iterator[str]:
    if "GPU" in resources:
        yield "GPU: Fargate has none"
    for kind in ("VCPU", "MEMORY"):
        if kind not in resources:
            yield f"resourceRequirements without {kind}"
    pair = (resources.get("VCPU", ""), resources.get("MEMORY", ""))
    if all(pair) and pair not in pairs():
        yield f"{pair[0]} vCPU with {pair[1]} MiB: Fargate has no such pair"


def _container(container: Request) -> Iterator[str]:
    yield from _refused("ContainerProperties", container, "")
    yield from _refused("LinuxParameters", container.get("linuxParameters") or {}, "linuxParameters.")
    yield from _size(_resources(container.get("resourceRequirements") or []))
    yield from _environment(container.get("environment") or [])
    if not IMAGE.fullmatch(container.get("image", "")):
        yield f"image {container.get('image')!r}: 1 to 255 letters, digits and -_:./#@"
    if not container.get("executionRoleArn"):
        yield "no executionRoleArn: Fargate requires one"
    for role in ("executionRoleArn", "jobRoleArn"):
        if container.get(role) and not ROLE.fullmatch(container[role]):
            yield f"{role} {container[role]!r} is not the ARN of a role"
    volumes = container.get("volumes") or []
    for volume in volumes:
        yield from _refused("Volume", volume, "volumes.")
    for mount in container.get("mountPoints") or []:
        if mount.get("sourceVolume") not in [volume.get("name") for volume in volumes]:
            yield f"mountPoints: there is no volume {mount.get('sourceVolume')!r}"
    yield from _platform(container)


def _platform(container: Request) -> Iterator[str]:
    disk = (container.get("ephemeralStorage") or {}).get("sizeInGiB")
    if disk is not None and not 21 <= disk <= 200:
        yield f"ephemeral storage of {disk} GiB, 21 to 200 (20 come unasked)"
    version = (container.get("fargatePlatformConfiguration") or {}).get("platformVersion", "LATEST")
    if version not in ("LATEST", "1.4.0"):
        yield f"platform version {version!r}, LATEST or 1.4.0"
    runtime = container.get("runtimePlatform") or {}
    if runtime.get("cpuArchitecture", "X86_64") not in ("X86_64", "ARM64"):
        yield f"cpuArchitecture {runtime['cpuArchitecture']!r}, X86_64 or ARM64"
    if runtime.get("operatingSystemFamily", "LINUX") != "LINUX":
        yield f"operatingSystemFamily {runtime['operatingSystemFamily']!r}, LINUX for an image of ours"
    public = (container.get("networkConfiguration") or {}).get("assignPublicIp", "DISABLED")
    if public not in ("ENABLED", "DISABLED"):
        yield f"assignPublicIp {public!r}, ENABLED or DISABLED"
    driver = (container.get("logConfiguration") or {}).get("logDriver", "awslogs")
    if driver not in LOG_DRIVERS:
        yield f"log driver {driver!r}, one of {', '.join(LOG_DRIVERS)} on Fargate"


def check_definition(request: Request) -> list[str]:
    """Problems of a RegisterJobDefinition request for Fargate."""
    problems, hopeless = _shape_problems("RegisterJobDefinitionRequest", request)
    if hopeless:
        return problems
    problems += _name("job definition", request["jobDefinitionName"])
    if list(request.get("platformCapabilities") or ["EC2"]) != ["FARGATE"]:
        problems.append(f"platformCapabilities {request.get('platformCapabilities')}, FARGATE alone")
    if request["type"] != "container" or not request.get("containerProperties"):
        problems.append("a job on Fargate is of type container and has containerProperties")
    problems += _container(request.get("containerProperties") or {})
    problems += _retries(request.get("retryStrategy") or {})
    problems += _timeout(request.get("timeout") or {})
    problems += _tags(request.get("tags") or {})
    return problems


def check_environment(request: Request) -> list[str]:
    """Problems of a CreateComputeEnvironment request for Fargate."""
    problems, hopeless = _shape_problems("CreateComputeEnvironmentRequest", request)
    if hopeless:
        return problems
    problems += _name("compute environment", request["computeEnvironmentName"])
    resources = request.get("computeResources") or {}
    if request["type"] != "MANAGED" or resources.get("type") not in FARGATE:
        problems.append(f"compute environment of type {request['type']} {resources.get('type')}, MANAGED and Fargate")
    problems += _refused("ComputeResource", resources, "computeResources.")
    if resources.get("maxvCpus", 0) < 1:
        problems.append(f"maxvCpus {resources.get('maxvCpus')}, at least 1")
    for key, most in {"subnets": 16, "securityGroupIds": 5}.items():
        if not 1 <= len(resources.get(key) or []) <= most:
            problems.append(f"{len(resources.get(key) or [])} {key}, 1 to {most}")
    problems += _tags(request.get("tags") or {})
    return problems


def check_queue(request: Request, kinds: Iterable[str]) -> list[str]:
    """Problems of a CreateJobQueue request, given the kinds (`FARGATE`, `EC2`, …) of its environments."""
    problems, hopeless = _shape_problems("CreateJobQueueRequest", request)
    if hopeless:
        return problems
    problems += _name("job queue", request["jobQueueName"])
    order = [entry["order"] for entry in request.get("computeEnvironmentOrder") or []]
    if not 1 <= len(order) <= 3:
        problems.append(f"{len(order)} compute environments in a queue, 1 to 3")
    if len(set(order)) < len(order):
        problems.append(f"compute environments of the same order: {order}")
    if len({kind in FARGATE for kind in kinds}) > 1:
        problems.append("Fargate and other compute environments in one queue")
    if not 0 <= request["priority"] <= 1000:
        problems.append(f"priority {request['priority']}, 0 to 1000")
    problems += check_limits(request.get("jobStateTimeLimitActions") or [])
    problems += _tags(request.get("tags") or {})
    return problems


def check_limits(actions: Iterable[Request]) -> Iterator[str]:
    """Problems of a queue's ends for jobs that wait too long."""
    for action in actions:
        if (action["state"], action["action"]) != ("RUNNABLE", "CANCEL"):
            yield f"{action['action']} of a job that is {action['state']}: CANCEL of RUNNABLE alone"
        if action["reason"] not in STUCK:
            yield f"time limit for {action['reason']}, one of {', '.join(STUCK)}"
        if action["maxTimeSeconds"] not in TIME_LIMITS:
            yield f"time limit of {action['maxTimeSeconds']} s, 600 to 86400"


def check_submission(request: Request, definition: Request, queue: Request, kinds: Iterable[str]) -> list[str]:
    """Problems of a SubmitJob request.

    `definition` and `queue` are as AWS describes them, `kinds` those of the queue's compute environments.
    """
    problems, hopeless = _shape_problems("SubmitJobRequest", request)
    if hopeless:
        return problems
    problems += _name("job", request["jobName"])
    length = len(json.dumps(request, separators=(",", ":")))
    if length > REQUEST_LIMIT:
        problems.append(f"a request of {length} characters, at most {REQUEST_LIMIT}")
    problems += _fits(definition, queue, list(kinds))
    fair = bool(queue.get("schedulingPolicyArn"))
    if fair != bool(request.get("shareIdentifier")):
        problems.append(f"shareIdentifier is {'required on' if fair else 'only for'} a queue with a scheduling policy")
    overrides = request.get("containerOverrides") or {}
    problems += _overrides(overrides, definition)
    size = (request.get("arrayProperties") or {}).get("size")
    if size is not None and not 2 <= size <= 10_000:
        problems.append(f"array of {size}, 2 to 10000")
    if len(request.get("dependsOn") or []) > 20:
        problems.append(f"{len(request['dependsOn'])} dependencies, at most 20")
    problems += _retries(request.get("retryStrategy") or {})
    problems += _timeout(request.get("timeout") or {})
    problems += _tags(request.get("tags") or {})
    return problems


def _fits(definition: Request, queue: Request, kinds: list[str]) -> Iterator[str]:
    """Whether a definition may go on a queue."""
    if definition.get("status", "ACTIVE") != "ACTIVE":
        yield f"job definition {definition['jobDefinitionName']} is {definition['status']}"
    if queue.get("state", "ENABLED") != "ENABLED":
        yield f"job queue {queue['jobQueueName']} is {queue['state']}"
    on_fargate = "FARGATE" in (definition.get("platformCapabilities") or ["EC2"])
    if any((kind in FARGATE) != on_fargate for kind in kinds):
        platform = "Fargate" if on_fargate else "EC2"
        yield f"a definition for {platform} on a queue of {', '.join(sorted(set(kinds)))}"


def _overrides(overrides: Request, definition: Request) -> Iterator[str]:
    yield from _refused("ContainerOverrides", overrides, "containerOverrides.")
    yield from _environment(overrides.get("environment") or [])
    container = definition.get("containerProperties") or {}
    own = _resources(overrides.get("resourceRequirements") or [])
    yield from _size(_resources(container.get("resourceRequirements") or []) | own)


def _camel(name: str) -> str:
    return {"max_vcpus": "maxvCpus", "min_vcpus": "minvCpus", "desired_vcpus": "desiredvCpus"}.get(
        name, re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
    )


def _request(values: Any) -> Any:
    """Terraform's names as AWS's, without what is not set."""
    if isinstance(values, list):
        return [_request(value) for value in values]
    if not isinstance(values, dict):
        return values
    return {_camel(key): _request(value) for key, value in values.items() if value not in (None, [], {}, "")}


def planned(plan: Mapping[str, Any], kind: str) -> dict[str, Request]:
    """The resources of a kind (`aws_batch_job_definition`, …) that will stand after a plan, as requests, by address.

    What Terraform knows only after the apply is "(known after apply)".
    """
    resources = plan["planned_values"]["root_module"]["resources"]
    unknown = {change["address"]: change["change"]["after_unknown"] for change in plan.get("resource_changes", [])}
    convert = {
        "aws_batch_job_definition": _definition,
        "aws_batch_compute_environment": _compute_environment,
        "aws_batch_job_queue": _queue,
    }[kind]
    return {
        resource["address"]: convert(_filled(resource["values"], unknown.get(resource["address"])))
        for resource in resources
        if resource["type"] == kind
    }


def _filled(values: Any, unknown: Any) -> Any:
    """Planned values with a word in the place of those that are not known yet."""
    if unknown is True:
        return "(known after apply)"
    if isinstance(unknown, dict):
        known = values or {}
        return {key: _filled(known.get(key), unknown.get(key)) for key in known.keys() | unknown.keys()}
    if isinstance(unknown, list) and isinstance(values, list) and len(unknown) == len(values):
        return [_filled(value, word) for value, word in zip(values, unknown, strict=True)]
    return values


def _definition(values: Mapping[str, Any]) -> Request:
    # What stands in the JSON is AWS's own spelling, and keys that AWS does not know have to stay.
    container = json.loads(values["container_properties"]) if values.get("container_properties") else None
    keep = ("type", "platform_capabilities", "propagate_tags", "scheduling_priority", "parameters")
    request: dict[str, Any] = {_camel(key): values[key] for key in keep if values.get(key)}
    request |= {"jobDefinitionName": values["name"], "tags": values.get("tags_all") or {}}
    for block in ("retry_strategy", "timeout"):
        if values.get(block):
            request[_camel(block)] = _request(values[block][0])
    return request | ({"containerProperties": container} if container else {})


def _compute_environment(values: Mapping[str, Any]) -> Request:
    prefix = values.get("compute_environment_name_prefix")
    name = values.get("compute_environment_name") or values.get("name") or f"{prefix}20000101000000000000000001"
    resources = _request(values["compute_resources"][0]) if values.get("compute_resources") else {}
    # Terraform's state has 0 for figures that are not set, and does not send them.
    resources = {key: value for key, value in resources.items() if key == "maxvCpus" or value != 0}
    for key in ("subnets", "securityGroupIds"):
        if isinstance(resources.get(key), str):
            resources[key] = [resources[key]]
    tags = values.get("tags_all") or {}
    request = {"computeEnvironmentName": name, "type": values["type"], "computeResources": resources, "tags": tags}
    return request | ({"state": values["state"]} if values.get("state") else {})


def _queue(values: Mapping[str, Any]) -> Request:
    order = [
        {"order": entry["order"], "computeEnvironment": entry.get("compute_environment") or f"unknown-{index}"}
        for index, entry in enumerate(values.get("compute_environment_order") or [])
    ]
    request = {"jobQueueName": values["name"], "priority": values["priority"], "computeEnvironmentOrder": order}
    limits = {"jobStateTimeLimitActions": _request(values.get("job_state_time_limit_action") or [])}
    return request | limits | {"state": values["state"], "tags": values.get("tags_all") or {}}
