"""Links beside a task: the run's report and timeline, the log of its head, and the head in the console of AWS Batch."""

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom
from airflow.sdk.types import TaskInstanceKey

from terraflow_airflow.stack import Stack

# XCom of a task by which its links are found.
XCOM = "terraflow_links"
REPORT, TIMELINE = "results/report.html", "results/timeline.html"
_DOMAINS = {"cn": "amazonaws.cn", "us-gov": "amazonaws-us-gov.com"}


def addresses(stack: Stack, run: str, job: str = "", stream: str = "") -> dict[str, str]:
    """Return the addresses of all links by their names; `job` is the head's or the launcher's, with its log stream."""
    region = stack.region
    partition = next((domain for start, domain in _DOMAINS.items() if region.startswith(f"{start}-")), "aws.amazon.com")
    console = f"https://{region}.console.{partition}"

    def of_object(path: str) -> str:
        key = quote(f"runs/{run}/{path}", safe="")
        return f"{console}/s3/object/{quote(stack.bucket)}?region={region}&prefix={key}"

    log = f"{console}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{_twice(stack.log_group)}"
    return {
        ReportLink.name: of_object(REPORT),
        TimelineLink.name: of_object(TIMELINE),
        LogLink.name: f"{log}/log-events/{_twice(stream)}" if stream else log,
        JobLink.name: f"{console}/batch/home?region={region}#jobs" + (f"/detail/{job}" if job else ""),
    }


def _twice(text: str) -> str:
    """Return a part of an address as CloudWatch's pages have it: quoted twice, with `$` for `%`."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")


class _Link(BaseOperatorLink):
    """A link whose address the operator has left in XCom."""

    name: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; empty before there is one."""
        found = XCom.get_value(key=XCOM, ti_key=ti_key)
        return str(found.get(self.name, "")) if isinstance(found, Mapping) else ""


class ReportLink(_Link):
    """The run's report in S3, there when it is done."""

    name = "Report"


class TimelineLink(_Link):
    """The run's timeline in S3, there when it has ended."""

    name = "Timeline"


class LogLink(_Link):
    """The head's log in CloudWatch."""

    name = "CloudWatch"


class JobLink(_Link):
    """The head's job in the console of AWS Batch."""

    name = "AWS Batch"
