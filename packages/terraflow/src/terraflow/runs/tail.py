"""Log streams of CloudWatch: their last lines, or read on from where the last look ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

# The most events in an answer.
PAGE = 10_000
GONE = "ResourceNotFoundException"


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
            try:
                answer = self._get(stream, token, from_start=True)
            except ClientError as error:
                if error.response["Error"]["Code"] == GONE:
                    return
                raise
            for event in answer["events"]:
                yield event["message"].rstrip("\n")
            self._tokens[stream] = answer["nextForwardToken"]
            # CloudWatch gives the same token again at the end of a stream.
            if answer["nextForwardToken"] == token:
                return

    def last(self, stream: str, number: int | None) -> list[str]:
        """Return the last lines of a stream, at most `number` of them; all for None. Raise ClientError without one."""
        found: list[str] = []
        token: str | None = None
        while number is None or len(found) < number:
            limit = PAGE if number is None else min(PAGE, number - len(found))
            answer = self._get(stream, token, limit=limit)
            found = [line for event in answer["events"] for line in event["message"].splitlines() or [""]] + found
            if answer["nextBackwardToken"] == token:
                break
            token = answer["nextBackwardToken"]
        return found if number is None else found[-number:]

    def _get(self, stream: str, token: str | None, from_start: bool = False, limit: int = PAGE) -> Any:  # noqa: ANN401
        after: Any = {"nextToken": token} if token else {}
        return self._logs.get_log_events(
            logGroupName=self._group, logStreamName=stream, startFromHead=from_start, limit=limit, **after
        )
