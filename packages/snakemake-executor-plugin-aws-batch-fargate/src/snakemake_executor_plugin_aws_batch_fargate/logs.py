"""The log stream of a job: its end, and where to read the rest."""

import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from snakemake_aws_common.patience import OUT_OF_REACH

from .untyped import Client

LINES = 30
# Lines to read: after a failure the worker of a group still stores the outputs of its other jobs.
ASKED = 300
STORING = re.compile(r"(?:Storing in storage|Retrieving from storage): |Finished (?:upload|retrieval)\.$")
DEFAULT_GROUP = "/aws/batch/job"

# Pages of a log stream that are searched for its last lines: CloudWatch may have empty ones among them.
PAGES = 5


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
        """Return how to read all of it: a command, and a page of the console."""
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
    """Return the last lines of the job that DescribeJobs described.

    CloudWatch shows lines seconds after they were written: an empty stream is asked again for `patience` seconds.
    """
    stream = _stream(description)
    groups = _groups(description, group)
    if stream is None:
        return Log([], groups[0], None, region, "it wrote no log: its container did not start")
    until = time.monotonic() + patience
    while True:
        troubles: dict[str, str] = {}
        for candidate in groups:
            try:
                lines = _last_lines(client, candidate, stream)
            except Exception as error:
                troubles[candidate] = f"its log can't be read: {error}"
                if isinstance(error, OUT_OF_REACH):
                    return Log([], groups[0], stream, region, troubles[candidate])
                continue
            if lines:
                return Log(lines[-LINES:], candidate, stream, region)
        if time.monotonic() >= until:
            # The first group is the job's own; errors about the other candidates help nobody.
            return Log([], groups[0], stream, region, troubles.get(groups[0], "it wrote nothing"))
        time.sleep(min(1.0, patience))


def _last_lines(client: Client, group: str, stream: str) -> list[str]:
    """Return the lines of the last page that has any."""
    page: dict[str, str] = {}
    for _ in range(PAGES):
        answer = client.get_log_events(
            logGroupName=group, logStreamName=stream, limit=ASKED, startFromHead=False, **page
        )
        token = answer.get("nextBackwardToken")
        if answer["events"] or not token or page.get("nextToken") == token:
            lines = [line for event in answer["events"] for line in event["message"].splitlines()]
            return [line for line in lines if not STORING.match(line)] or lines
        page = {"nextToken": token}
    return []


def _stream(description: Mapping[str, Any]) -> str | None:
    container = description.get("container") or {}
    attempts = description.get("attempts") or [{}]
    stream = container.get("logStreamName") or (attempts[-1].get("container") or {}).get("logStreamName")
    return str(stream) if stream else None


def _groups(description: Mapping[str, Any], group: str | None) -> list[str]:
    """Return candidates: the group in the job's description, the settings', and Batch's default."""
    container = description.get("container") or {}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    candidates = [options.get("awslogs-group"), group, DEFAULT_GROUP]
    return list(dict.fromkeys(candidate for candidate in candidates if candidate))
