"""The log of a job in CloudWatch, read on from where the last look ended. Trouble with it never ends anything."""

from typing import Any

from terraflow_airflow import jobs
from terraflow_airflow.aws import TROUBLE
from terraflow_airflow.jobs import Job

# Answers of CloudWatch, of up to 10,000 lines each, that one look takes.
PAGES = 10
GONE = "ResourceNotFoundException"


class JobLog:
    """Reads the log streams of jobs."""

    def __init__(self, logs: Any, group: str, since: int = 0) -> None:  # noqa: ANN401
        """Ask nothing yet. Lines before `since`, in milliseconds since 1970, are left out."""
        self._logs, self._group, self._since = logs, group, since
        self._tokens: dict[str, str] = {}
        self.trouble = ""

    def lines(self, job: Job) -> list[str]:
        """Return what the job has said since the last call, and a line when its log gets out of reach."""
        found: list[str] = []
        try:
            for stream in jobs.streams_of(job):
                self._read(stream, found)
        except TROUBLE as error:
            if _code(error) == GONE:
                # A container that has just started has no stream yet.
                return found
            if not self.trouble:
                found.append(f"The log of job {job['jobId']} can't be read ({error}). The run goes on without it.")
            self.trouble = str(error)
        else:
            self.trouble = ""
        return found

    def _read(self, stream: str, found: list[str]) -> None:
        for _ in range(PAGES):
            token = self._tokens.get(stream)
            after = {"nextToken": token} if token else {}
            answer = self._logs.get_log_events(
                logGroupName=self._group, logStreamName=stream, startTime=self._since, startFromHead=True, **after
            )
            found += [event["message"].rstrip("\n") for event in answer["events"]]
            self._tokens[stream] = answer["nextForwardToken"]
            # CloudWatch gives the same token again at the end of a stream.
            if answer["nextForwardToken"] == token:
                return


def _code(error: BaseException) -> str:
    return str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))
