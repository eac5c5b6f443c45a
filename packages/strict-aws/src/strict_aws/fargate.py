"""Checks of requests to AWS Batch that are meant for Fargate: they return what AWS would refuse, in words.

Every `check_…` takes a request as botocore would send it and returns a list of problems, empty if there are none.
Names, types and required parts come from botocore's model of AWS Batch; so do the parts that Fargate excludes and its
pairs of vCPU and memory, which the model's documentation lists.
"""

import json
from collections.abc import Iterable, Iterator

from strict_aws import parts
from strict_aws.botocore_model import Request, shape_problems
from strict_aws.parts import FARGATE

# Characters of a SubmitJob request. The overrides have a limit of their own, which ECS applies (`reasons.py`).
REQUEST_LIMIT = 30 * 1024
# Seconds after which a queue can end a job that waits.
TIME_LIMITS = range(600, 86_401)
# Reasons for waiting that such a limit can name.
STUCK = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
)


def check_definition(request: Request) -> list[str]:
    """Return the problems of a RegisterJobDefinition request."""
    problems, hopeless = shape_problems("RegisterJobDefinitionRequest", request)
    if hopeless:
        return problems
    problems += parts.check_name("job definition", request["jobDefinitionName"])
    if list(request.get("platformCapabilities") or ["EC2"]) != ["FARGATE"]:
        problems.append(f"platformCapabilities {request.get('platformCapabilities')}, FARGATE alone")
    if request["type"] != "container" or not request.get("containerProperties"):
        problems.append("a job on Fargate is of type container and has containerProperties")
    problems += parts.check_container(request.get("containerProperties") or {})
    problems += parts.check_retries(request.get("retryStrategy") or {})
    problems += parts.check_timeout(request.get("timeout") or {})
    problems += parts.check_tags(request.get("tags") or {})
    return problems


def check_environment(request: Request) -> list[str]:
    """Return the problems of a CreateComputeEnvironment request."""
    problems, hopeless = shape_problems("CreateComputeEnvironmentRequest", request)
    if hopeless:
        return problems
    problems += parts.check_name("compute environment", request["computeEnvironmentName"])
    resources = request.get("computeResources") or {}
    if request["type"] != "MANAGED" or resources.get("type") not in FARGATE:
        problems.append(f"compute environment of type {request['type']} {resources.get('type')}, MANAGED and Fargate")
    problems += parts.refused("ComputeResource", resources, "computeResources.")
    if resources.get("maxvCpus", 0) < 1:
        problems.append(f"maxvCpus {resources.get('maxvCpus')}, at least 1")
    for key, most in {"subnets": 16, "securityGroupIds": 5}.items():
        if not 1 <= len(resources.get(key) or []) <= most:
            problems.append(f"{len(resources.get(key) or [])} {key}, 1 to {most}")
    problems += parts.check_tags(request.get("tags") or {})
    return problems


def check_queue(request: Request, kinds: Iterable[str]) -> list[str]:
    """Return the problems of a CreateJobQueue request; `kinds` are the types (`FARGATE`, `EC2`) of its environments."""
    problems, hopeless = shape_problems("CreateJobQueueRequest", request)
    if hopeless:
        return problems
    problems += parts.check_name("job queue", request["jobQueueName"])
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
    problems += parts.check_tags(request.get("tags") or {})
    return problems


def check_limits(actions: Iterable[Request]) -> Iterator[str]:
    """Yield the problems of `jobStateTimeLimitActions`."""
    for action in actions:
        if (action["state"], action["action"]) != ("RUNNABLE", "CANCEL"):
            yield f"{action['action']} of a job that is {action['state']}: CANCEL of RUNNABLE alone"
        if action["reason"] not in STUCK:
            yield f"time limit for {action['reason']}, one of {', '.join(STUCK)}"
        if action["maxTimeSeconds"] not in TIME_LIMITS:
            yield f"time limit of {action['maxTimeSeconds']} s, 600 to 86400"


def check_submission(request: Request, definition: Request, queue: Request, kinds: Iterable[str]) -> list[str]:
    """Return the problems of a SubmitJob request.

    `definition` and `queue` are as AWS describes them; `kinds` are the types of the queue's compute environments.
    """
    problems, hopeless = shape_problems("SubmitJobRequest", request)
    if hopeless:
        return problems
    problems += parts.check_name("job", request["jobName"])
    length = len(json.dumps(request, separators=(",", ":")))
    if length > REQUEST_LIMIT:
        problems.append(f"a request of {length} characters, at most {REQUEST_LIMIT}")
    problems += _check_fit(definition, queue, list(kinds))
    fair = bool(queue.get("schedulingPolicyArn"))
    if fair != bool(request.get("shareIdentifier")):
        problems.append(f"shareIdentifier is {'required on' if fair else 'only for'} a queue with a scheduling policy")
    overrides = request.get("containerOverrides") or {}
    problems += _check_overrides(overrides, definition)
    size = (request.get("arrayProperties") or {}).get("size")
    if size is not None and not 2 <= size <= 10_000:
        problems.append(f"array of {size}, 2 to 10000")
    if len(request.get("dependsOn") or []) > 20:
        problems.append(f"{len(request['dependsOn'])} dependencies, at most 20")
    problems += parts.check_retries(request.get("retryStrategy") or {})
    problems += parts.check_timeout(request.get("timeout") or {})
    problems += parts.check_tags(request.get("tags") or {})
    return problems


def _check_fit(definition: Request, queue: Request, kinds: list[str]) -> Iterator[str]:
    """Check that jobs of a definition can run on a queue."""
    if definition.get("status", "ACTIVE") != "ACTIVE":
        yield f"job definition {definition['jobDefinitionName']} is {definition['status']}"
    if queue.get("state", "ENABLED") != "ENABLED":
        yield f"job queue {queue['jobQueueName']} is {queue['state']}"
    on_fargate = "FARGATE" in (definition.get("platformCapabilities") or ["EC2"])
    if any((kind in FARGATE) != on_fargate for kind in kinds):
        platform = "Fargate" if on_fargate else "EC2"
        yield f"a definition for {platform} on a queue of {', '.join(sorted(set(kinds)))}"


def _check_overrides(overrides: Request, definition: Request) -> Iterator[str]:
    """Check `containerOverrides` together with the container properties that they override."""
    yield from parts.refused("ContainerOverrides", overrides, "containerOverrides.")
    yield from parts.check_environment(overrides.get("environment") or [])
    container = definition.get("containerProperties") or {}
    own = parts.resources(overrides.get("resourceRequirements") or [])
    yield from parts.check_size(parts.resources(container.get("resourceRequirements") or []) | own)
