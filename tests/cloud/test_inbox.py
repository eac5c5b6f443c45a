"""The inbox as a laboratory uses it: a sheet starts a run, a wrong one is mailed, one without its reads waits."""

import json
import subprocess
import sys
from typing import Any

from images import images, run_in
from snakemake_heads import BUCKET, Site
from stacks import Deployed
from test_terraflow_run import STACK, site, terraflow

from shared import ROOT
from strict_aws import Aws
from terraflow import stack as stacks
from terraflow.heads import about as abouts
from terraflow.inbox import entries
from terraflow.launch import publish
from terraflow.news.function import News

# A fixture.
__all__ = ["site"]
SETTINGS = {"BUCKET": BUCKET, "TOPIC": "news", "HEAD_QUEUE": "head", "LAUNCHER": "launcher", "LOG_GROUP": "/terraflow"}


class Topic:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:
        self.sent.append((Subject, Message))


def inbox(site: Site) -> "subprocess.CompletedProcess[str]":
    """Run what a launcher's job runs, which knows the bucket and its limit only."""
    env = {name: value for name, value in site.env.items() if name != stacks.FILE_VARIABLE}
    command = [sys.executable, "-m", "terraflow.cli", "inbox", "--bucket", BUCKET, "--budget", "5", "--by", "upload"]
    return subprocess.run(command, cwd=site.folder.parent, env=env, capture_output=True, text=True, check=False)


def test_an_upload_starts_one_run_and_what_can_t_start_is_told(site: Site) -> None:
    s3 = site.client("s3")
    outputs = {**STACK, "inbox_budget": 5}
    publish.publish(s3, stacks.from_outputs(outputs, "the stack"), site.folder)
    (site.folder / "stack.json").write_text(json.dumps(outputs))
    example = ("config/example/samples.tsv", "--configfile", "config/example/config.yaml")
    staged = terraflow(site, "stage", *example, "--name", "example", "--run")
    assert staged.returncode == 0, staged.stdout + staged.stderr
    config = site.objects()["raw/example/config.yaml"]
    for name, fields in {"late": ["A", "L1", "a_R1.fastq.gz", ""], "wrong": ["B C", "L1", "b.fastq.gz", ""]}.items():
        sheet = "\n".join("\t".join(row) for row in (["sample", "unit", "fq1", "fq2"], fields)) + "\n"
        s3.put_object(Bucket=BUCKET, Key=f"raw/{name}/samples.tsv", Body=sheet.encode())
        s3.put_object(Bucket=BUCKET, Key=f"raw/{name}/config.yaml", Body=config.encode())

    done = inbox(site)

    assert done.returncode == 0, done.stdout + done.stderr
    (head,) = site.batch.submitted()
    assert (head["jobQueue"], head["jobName"]) == ("head", "example-head")
    waiting = (
        "raw/late/samples.tsv: waiting: 1 file that sheet and configuration name can't be found; looked for each hour."
    )
    started, late, *wrong = done.stdout.splitlines()
    assert (started, late) == (f"raw/example/samples.tsv: launched: Batch job {head['jobId']}", waiting)
    assert wrong[0] == "raw/wrong/samples.tsv: refused: Problems in the sample sheet (samples), nothing was run:"
    about = abouts.from_json(site.objects()["runs/example/head/run.json"].encode())
    [sheet_of_run] = entries.look(s3, BUCKET, ["example"])
    assert (about.started_by, about.budget, about.samples) == ("upload", 5, 2)
    assert (about.sheet, about.sheet_etag) == (sheet_of_run.key, sheet_of_run.etag)
    missing = entries.Entries(s3, BUCKET).read("late")[0]
    assert missing is not None and missing.missing == (f"s3://{BUCKET}/raw/late/a_R1.fastq.gz",)

    # The mail of each sheet's state: the wrong one's alone, once.
    topic: Any = Topic()
    news = News(s3, None, topic, SETTINGS)
    for name in ("example", "late", "wrong", "wrong"):
        key = f"raw/{name}/inbox.json"
        news.handle({"detail-type": "Object Created", "detail": {"object": {"key": key}}})
    [(subject, body)] = topic.sent
    assert subject == "[terraflow] No run was started for raw/wrong/samples.tsv"
    assert body.startswith(
        f"No run was started for s3://{BUCKET}/raw/wrong/samples.tsv.\n\nProblems in the sample sheet"
    )
    assert "line 2: sample: found 'B C'; expected letters" in body

    # The event comes again: reads are looked for, and nothing else is done.
    again = inbox(site)
    assert (again.returncode, again.stdout.splitlines()) == (0, [waiting]), again.stdout + again.stderr
    assert len(site.batch.submitted()) == 1


def test_a_launcher_s_container_looks_at_the_inbox(aws: Aws, deployed_stack: Deployed) -> None:
    """The worker image has all that a launcher needs, on a read-only root, but the workflow, which it fetches."""
    s3, bucket = aws.client("s3"), deployed_stack.outputs["bucket"]
    publish.publish(s3, stacks.from_outputs(deployed_stack.outputs, "the stack"), ROOT)
    settings = f"reference: {{fasta: s3://{bucket}/reference/g.fa}}\nannotation: {{gff: ''}}\n"
    for name, sample in {"late": "B", "wrong": "B C"}.items():
        sheet = f"sample\tunit\tfq1\tfq2\n{sample}\tL1\tb.fastq.gz\t\n"
        s3.put_object(Bucket=bucket, Key=f"raw/{name}/samples.tsv", Body=sheet.encode())
        s3.put_object(Bucket=bucket, Key=f"raw/{name}/config.yaml", Body=settings.encode())
    names = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    env = {name: aws.env[name] for name in names} | {"AWS_EC2_METADATA_DISABLED": "true"}
    words = ("terraflow", "inbox", "--bucket", bucket, "--budget", "5", "--by", "upload", "late", "wrong")

    done = run_in(images()["worker"], *words, network="host", env=env)

    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    late, wrong = (entries.Entries(s3, bucket).read(name)[0] for name in ("late", "wrong"))
    assert late is not None and (late.state, late.missing) == (
        "waiting",
        (f"s3://{bucket}/raw/late/b.fastq.gz", f"s3://{bucket}/reference/g.fa"),
    )
    assert wrong is not None and wrong.state == "refused" and "line 2: sample: found 'B C'" in wrong.message
    # The stack is that of all tests.
    for prefix in ("raw/late/", "raw/wrong/", publish.FOLDER):
        for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            s3.delete_object(Bucket=bucket, Key=item["Key"])
