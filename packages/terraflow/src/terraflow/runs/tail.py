"""Log streams of CloudWatch, read on from where the last look ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient


class Tail:
    """The streams of one log group."""

    def __init__(self, logs: "CloudWatchLogsClient", group: str) -> None:
        """Ask nothing yet."""
        self._logs, self._group = logs, group
        self._tokens: dict[str, str] = {}

    def lines(self, stream: str) -> Iterator[str]:
        """Yield the lines that the stream has got since the last call; none while there is no stream."""
        while True:
            token = self._tokens.get(stream)
            after = {"nextToken": token} if token else {}
            try:
                answer = self._logs.get_log_events(
                    logGroupName=self._group,
                    logStreamName=stream,
                    startFromHead=True,
                    **after,  # type: ignore[arg-type]
                )
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return
                raise
            for event in answer["events"]:
                yield event["message"].rstrip("\n")
            self._tokens[stream] = answer["nextForwardToken"]
            # CloudWatch gives the same token again at the end of a stream.
            if answer["nextForwardToken"] == token:
                return
