"""What a job wrote: the end of its log stream, and where to read the rest. Secrets are taken out."""

import re
import shlex
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .outside import Client

LINES = 30
DEFAULT_GROUP = "/aws/batch/job"
HIDDEN = "[hidden]"

_SECRETS = (
    # Keys of AWS, and what signs a presigned address.
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"(?<=X-Amz-Signature=)[^&\s\"']+|(?<=X-Amz-Credential=)[^&\s\"']+", re.IGNORECASE),
    re.compile(r"(?<=X-Amz-Security-Token=)[^&\s\"']+", re.IGNORECASE),
    # name=value and "name": "value" where the name says that the value is secret.
    re.compile(
        r"(?i)((?:secret|passw(?:or)?d|token|api_?key|access_?key|credential)[\w-]*[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+"
    ),
    re.compile(r"(?i)(authorization[\"']?\s*[=:]\s*[\"']?(?:\w+ )?)[^\s\"',]+"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
)


@dataclass(frozen=True)
class Log:
    """The end of a log stream."""

    lines: list[str]
    group: str
    stream: str | None
    region: str
    # Why there are no lines, if it is known.
    trouble: str = ""

    def where(self) -> list[str]:
        """How to read all of it: a command, and a page of the console."""
        if self.stream is None:
            return []
        host = "console.amazonaws.cn" if self.region.startswith("cn-") else "console.aws.amazon.com"
        # The console wants slashes and the like encoded twice, with '$' for '%'.
        group, stream = (quote(quote(part, safe=""), safe="").replace("%", "$") for part in (self.group, self.stream))
        return [
            f"aws logs tail {shlex.quote(self.group)} --log-stream-names {shlex.quote(self.stream)} "
            f"--since 14d --region {self.region}",
            f"https://{self.region}.{host}/cloudwatch/home?region={self.region}"
            f"#logsV2:log-groups/log-group/{group}/log-events/{stream}",
        ]


def tail(
    client: Client, description: Mapping[str, Any], region: str, group: str | None = None, patience: float = 3.0
) -> Log:
    """The last lines of the job that DescribeJobs described.

    CloudWatch shows lines seconds after they were written: an empty stream is asked again for `patience` seconds.
    """
    stream = _stream(description)
    groups = _groups(description, group)
    if stream is None:
        return Log([], groups[0], None, region, "it wrote no log: its container did not start")
    trouble = "it wrote nothing"
    until = time.monotonic() + patience
    while True:
        for candidate in groups:
            try:
                answer = client.get_log_events(
                    logGroupName=candidate, logStreamName=stream, limit=LINES, startFromHead=False
                )
            except Exception as error:
                trouble = f"its log can't be read: {error}"
                continue
            lines = [line for event in answer["events"] for line in event["message"].splitlines()]
            if lines:
                return Log(lines[-LINES:], candidate, stream, region)
        if time.monotonic() >= until:
            return Log([], groups[0], stream, region, trouble)
        time.sleep(min(1.0, patience))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets that are known, and without what looks like one."""
    for secret in secrets:
        if len(secret) >= 6:
            text = text.replace(secret, HIDDEN)
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: (found[1] if found.re.groups else "") + HIDDEN, text)
    return text


def _stream(description: Mapping[str, Any]) -> str | None:
    container = description.get("container") or {}
    attempts = description.get("attempts") or [{}]
    stream = container.get("logStreamName") or (attempts[-1].get("container") or {}).get("logStreamName")
    return str(stream) if stream else None


def _groups(description: Mapping[str, Any], group: str | None) -> list[str]:
    """What the job itself says, then the settings, then Batch's default."""
    container = description.get("container") or {}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    candidates = [options.get("awslogs-group"), group, DEFAULT_GROUP]
    return list(dict.fromkeys(candidate for candidate in candidates if candidate))
