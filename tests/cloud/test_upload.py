"""An uploaded sheet becomes a finished run: every container has the rights of its role, and people only upload."""

import gzip
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import needs
from laboratory import Laboratory
from stacks import Deployed, Stack
from test_stack import second, whole

from strict_aws import Aws
from terraflow import stack as stacks
from terraflow.heads import about as abouts
from terraflow.heads.objects import AboutObject
from terraflow.launch import publish
from terraflow.news.function import News

# Fixtures.
__all__ = ["second", "whole"]
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


def test_an_upload_becomes_a_finished_run(whole: Stack, aws: Aws, tmp_path: Path) -> None:
    """The sheet comes twice: one run starts. Its mail, its price and its results are there when its head has ended."""
    needs.need_docker()
    outputs = whole.outputs
    stack_json = tmp_path / "stack.json"
    stack_json.write_text(json.dumps(outputs))
    folder = tmp_path / "project"
    folder.mkdir()
    lab = House(aws, Deployed(whole, outputs, stack_json, ""), folder)
    with (folder / "profiles/aws/config.yaml").open("a") as profile:
        profile.write("\naws-batch-fargate-poll-seconds: 1\n")
    publish.publish(lab.s3, stacks.from_outputs(outputs, str(stack_json)), folder)
    aws.deliveries(forget=True)

    terraflow(lab, "stage", *EXAMPLE, "--name", "cohort7", "--run")
    lab.until(lambda: lab.heads_of("cohort7"))
    place = {"Bucket": lab.bucket, "Key": "raw/cohort7/samples.tsv"}
    lab.s3.put_object(**place, Body=lab.s3.get_object(**place)["Body"].read())
    lab.until(lambda: len(lab.launchers()) == 2 and all(map(has_ended, [*lab.launchers(), *lab.heads_of("cohort7")])))

    assert [job["status"] for job in lab.launchers()] == ["SUCCEEDED"] * 2
    (head,) = lab.heads_of("cohort7")
    assert (head["status"], len(head["attempts"])) == ("SUCCEEDED", 1)
    written = AboutObject(lab.s3, lab.bucket, "cohort7").read()
    assert written is not None
    about = written.about
    assert (about.state, about.exit_code, about.started_by, about.budget) == (abouts.DONE, 0, "upload", 20), about
    results = {f"results/{name}" for name in ("variants/all.vcf.gz", "report.html", "timeline.html", "qc/multiqc.html")}
    keys = lab.keys("runs/cohort7/")
    assert results <= keys and ".head-lock.json" not in keys, sorted(keys)
    assert [key for key in keys if key.startswith(abouts.LOGS)]
    said = terraflow(lab, "logs", "cohort7", "--lines", "0")
    assert "could not be written" not in said, said
    assert "expected" in said, said

    topic: Any = Topic()
    settings = {
        "BUCKET": lab.bucket,
        "TOPIC": "news",
        "HEAD_QUEUE": outputs["queues"]["head"],
        "LAUNCHER": "second-launcher",
        "LOG_GROUP": outputs["log_group"],
    }
    (event,) = [one["event"] for one in aws.deliveries() if one["rule"] == "second-news-end" and is_end_of(head, one)]
    for _ in range(2):
        News(lab.s3, lab.batch, topic, settings).handle(event)
    [(subject, body)] = topic.sent
    assert subject == "[terraflow] Run cohort7 is done"
    assert "Samples   2 of 2 done" in body and "budget $20.00" in body and "terraflow fetch cohort7" in body

    assert "cohort7" in terraflow(lab, "runs")
    assert "head" in terraflow(lab, "cost", "cohort7")
    terraflow(lab, "verify", "cohort7")
    terraflow(lab, "fetch", "cohort7", str(tmp_path / "fetched"))
    body_of = gzip.decompress((tmp_path / "fetched/results/variants/all.vcf.gz").read_bytes())
    assert [line for line in body_of.splitlines() if not line.startswith(b"#")]


def is_end_of(job: dict[str, Any], delivery: dict[str, Any]) -> bool:
    """Return whether EventBridge delivered the end of a job."""
    return delivery["event"].get("detail", {}).get("jobId") == job["jobId"]
