"""What a laboratory that starts runs by uploads waits for and gets, for the tests of that."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

from laboratory import Laboratory

EXAMPLE = ("config/example/samples.tsv", "--configfile", "config/example/config.yaml")
# Seconds; on an idle machine it takes two minutes.
PATIENCE = 900


class Topic:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:
        self.sent.append((Subject, Message))


def terraflow(lab: Laboratory, *words: str) -> str:
    """Return what a command prints, as people with the submit policy run it."""
    done = subprocess.run(["terraflow", *words], cwd=lab.folder, env=lab.env, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


class House(Laboratory):
    """A laboratory that waits for what events start."""

    def until(self, true: Callable[[], object]) -> None:
        """Wait until a condition is true; what launchers and heads said is in the error."""
        limit = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < limit, [
                (job["jobName"], job["status"], job.get("statusReason")) for job in self.launchers()
            ]
            time.sleep(1)

    def heads_of(self, run: str) -> list[dict[str, Any]]:
        """Return the heads of a run, described."""
        return [job for job in self.jobs(run) if job["tags"]["terraflow:rule"] == "head"]

    def launchers(self) -> list[dict[str, Any]]:
        """Return the launchers that uploads have started, described."""
        ids = [one["job"] for one in self.aws.deliveries() if one["rule"] == "second-launch-upload"]
        return self.batch.describe_jobs(jobs=ids)["jobs"] if ids else []


def has_ended(job: dict[str, Any]) -> bool:
    return job["status"] in ("SUCCEEDED", "FAILED")


def is_end_of(job: dict[str, Any], delivery: dict[str, Any]) -> bool:
    """Return whether EventBridge delivered the end of a job."""
    return delivery["event"].get("detail", {}).get("jobId") == job["jobId"]
