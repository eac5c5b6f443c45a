"""Checks of the parts that several requests to AWS Batch have: names, tags, retries, sizes, containers.

Every check yields its problems in words. Limits are those of the AWS Batch API Reference, on the pages of the parts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from strict_aws.botocore_model import Request, not_for_fargate, pairs

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
IMAGE = re.compile(r"[A-Za-z0-9_:./#@-]{1,255}")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
REASON = re.compile(r"[A-Za-z0-9.: \t]*\*?")
EXIT_CODE = re.compile(r"[0-9]*\*?")
TAG_KEY = re.compile(r"(?!aws:)[\w \t.:/=+@-]{1,128}")
TAG_VALUE = re.compile(r"[\w \t.:/=+@-]{0,256}")
LOG_DRIVERS = ("awslogs", "splunk")
FARGATE = ("FARGATE", "FARGATE_SPOT")


def refused(shape: str, given: Request, where: str) -> Iterator[str]:
    """Yield the given members of a structure that Fargate excludes; `where` is the path to the structure."""
    for name in sorted(not_for_fargate(shape) & given.keys()):
        if given[name] is not False and given[name] not in (None, [], {}, ""):
            yield f"{where}{name} is not for Fargate"


def check_name(kind: str, name: str) -> Iterator[str]:
    """Check the name of a job, job definition, job queue or compute environment."""
    if not NAME.fullmatch(name):
        yield f"{kind} {name!r}: up to 128 letters, digits, - and _, and a letter or digit first"


def check_tags(tags: Mapping[str, str]) -> Iterator[str]:
    """Check number, keys and values of tags."""
    if len(tags) > 50:
        yield f"{len(tags)} tags, at most 50"
    for key, value in tags.items():
        if not TAG_KEY.fullmatch(key) or not TAG_VALUE.fullmatch(value):
            yield f"tag {key!r}={value!r}: letters, digits, spaces and _.:/=+-@, no aws: in front, 128 and 256 at most"


def check_timeout(timeout: Request) -> Iterator[str]:
    """Check a `timeout`."""
    seconds = timeout.get("attemptDurationSeconds")
    if seconds is not None and seconds < 60:
        yield f"timeout of {seconds} s, at least 60"


def check_retries(strategy: Request) -> Iterator[str]:
    """Check a `retryStrategy`."""
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


def check_environment(variables: Iterable[Request]) -> Iterator[str]:
    """Check the `environment` of a container."""
    for variable in variables:
        if variable.get("name", "").startswith("AWS_BATCH"):
            yield f"environment variable {variable['name']}: the prefix AWS_BATCH is reserved"


def resources(requirements: Iterable[Request]) -> dict[str, str]:
    """Return the values of `resourceRequirements` by type."""
    return {requirement["type"]: requirement["value"] for requirement in requirements}


def check_size(resources: Mapping[str, str]) -> Iterator[str]:
    """Check that Fargate offers the vCPUs and the memory (MiB) together."""
    if "GPU" in resources:
        yield "GPU: Fargate has none"
    for kind in ("VCPU", "MEMORY"):
        if kind not in resources:
            yield f"resourceRequirements without {kind}"
    pair = (resources.get("VCPU", ""), resources.get("MEMORY", ""))
    if all(pair) and pair not in pairs():
        yield f"{pair[0]} vCPU with {pair[1]} MiB: Fargate has no such pair"


def check_container(container: Request) -> Iterator[str]:
    """Check the `containerProperties` of a definition."""
    yield from refused("ContainerProperties", container, "")
    yield from refused("LinuxParameters", container.get("linuxParameters") or {}, "linuxParameters.")
    yield from check_size(resources(container.get("resourceRequirements") or []))
    yield from check_environment(container.get("environment") or [])
    if not IMAGE.fullmatch(container.get("image", "")):
        yield f"image {container.get('image')!r}: 1 to 255 letters, digits and -_:./#@"
    if not container.get("executionRoleArn"):
        yield "no executionRoleArn: Fargate requires one"
    for role in ("executionRoleArn", "jobRoleArn"):
        if container.get(role) and not ROLE.fullmatch(container[role]):
            yield f"{role} {container[role]!r} is not the ARN of a role"
    volumes = container.get("volumes") or []
    for volume in volumes:
        yield from refused("Volume", volume, "volumes.")
    for mount in container.get("mountPoints") or []:
        if mount.get("sourceVolume") not in [volume.get("name") for volume in volumes]:
            yield f"mountPoints: there is no volume {mount.get('sourceVolume')!r}"
    yield from _check_platform(container)


def _check_platform(container: Request) -> Iterator[str]:
    disk = (container.get("ephemeralStorage") or {}).get("sizeInGiB")
    if disk is not None and not 21 <= disk <= 200:
        yield f"ephemeral storage of {disk} GiB, 21 to 200 (20 is the default)"
    version = (container.get("fargatePlatformConfiguration") or {}).get("platformVersion", "LATEST")
    if version not in ("LATEST", "1.4.0"):
        yield f"platform version {version!r}, LATEST or 1.4.0"
    runtime = container.get("runtimePlatform") or {}
    if runtime.get("cpuArchitecture", "X86_64") not in ("X86_64", "ARM64"):
        yield f"cpuArchitecture {runtime['cpuArchitecture']!r}, X86_64 or ARM64"
    if runtime.get("operatingSystemFamily", "LINUX") != "LINUX":
        yield f"operatingSystemFamily {runtime['operatingSystemFamily']!r}, LINUX alone"
    public = (container.get("networkConfiguration") or {}).get("assignPublicIp", "DISABLED")
    if public not in ("ENABLED", "DISABLED"):
        yield f"assignPublicIp {public!r}, ENABLED or DISABLED"
    driver = (container.get("logConfiguration") or {}).get("logDriver", "awslogs")
    if driver not in LOG_DRIVERS:
        yield f"log driver {driver!r}, one of {', '.join(LOG_DRIVERS)} on Fargate"
