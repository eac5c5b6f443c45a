"""Measure the CPU time of a worker before its tool starts, and write benchmarks/start.md.

    tools/run.sh python benchmarks/start.py [--image IMAGE] [--runs N]

A worker aligns a shard of the example in a container of the image, with all data in moto's S3 on this machine. The CPU
time of the whole container is read when `bwa` is started, so that everything in the container counts and nothing else.
The benchmark needs a Docker engine whose containers can use this machine's network, and the tools of the workflow.
"""

import argparse
import logging
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

S3: TypeAlias = "S3Client"
ROOT = Path(__file__).resolve().parents[1]
REPORT = Path(__file__).with_suffix(".md")
BUCKET = "start"
PREFIX = f"s3://{BUCKET}/runs/main"
TARGET = "results/bwa_mem/sampleA/L1.1.cram"
CONFIG = "config/example/config.yaml"

# A command that prints the container's CPU time in nanoseconds, by version 1 or 2 of control groups.
CLOCK = (
    "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null"
    " || awk '/^usage_usec/ { print $2 \"000\" }' /sys/fs/cgroup/cpu.stat"
)
# This script stands before the real tool on PATH.
TOOL = f'#!/bin/sh\n{{ {CLOCK}; }} >/work/clock\nexec /usr/bin/bwa "$@"\n'

# This program runs the head up to the submission of its jobs, and prints their commands: those of the executor, or with
# --job-deploy-sources those that Snakemake makes by itself.
HEAD = """
import os, sys
from snakemake import cli
from snakemake_executor_plugin_aws_batch import Executor as BatchExecutor
from snakemake_executor_plugin_aws_batch_fargate import Executor, archive, sources

def run_jobs(self, jobs):
    if "--job-deploy-sources" in sys.argv:
        Executor.get_python_executable = BatchExecutor.get_python_executable
    else:
        sent = archive.send(self.workflow, sources.collect(self.workflow, print))
        Executor.get_python_executable = lambda self: sent.python
    for job in jobs:
        print("COMMAND", self.format_job_exec(job), flush=True)
    os._exit(0)

Executor.__post_init__ = lambda self: None
Executor.run_jobs = run_jobs
cli.main(sys.argv[1:])
"""

# This program is the worker, and prints the CPU time of its process at the end of each part.
PARTS = """
import subprocess, sys, time

from snakemake_executor_plugin_aws_batch_fargate import worker
from snakemake import api, cli, workflow

said = set()

def say_before(owner, name, part, when=lambda *arguments: True):
    original = getattr(owner, name)
    def noting(*arguments, **named):
        if part not in said and when(*arguments):
            said.add(part)
            print(f"PART {time.process_time():.3f} {part}", file=sys.stderr)
        return original(*arguments, **named)
    setattr(owner, name, noting)

say_before(cli, "parse_args", "Snakemake and what it needs are imported")
say_before(api.SnakemakeApi, "deploy_sources", "plugins are found, arguments are read")
say_before(api.SnakemakeApi, "workflow", "sources are fetched and unpacked")
say_before(workflow.Workflow, "execute", "the Snakefile is read")
say_before(workflow, "JobScheduler", "the job is planned")
say_before(subprocess.Popen, "__init__", "its input is fetched", lambda _, command, *__: "bwa mem" in str(command))
sys.exit(worker.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Place:
    """An S3 that holds the example's data, and a folder with the workflow."""

    folder: Path
    env: dict[str, str]

    @property
    def whole_env(self) -> dict[str, str]:
        """Return the environment of this process, with the S3's."""
        return os.environ | self.env

    def s3(self) -> S3:
        """Return a client of the S3."""
        return boto3.client(
            "s3", endpoint_url=self.env["AWS_ENDPOINT_URL"], region_name=self.env["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def store(self) -> None:
        """Upload reads and results to S3, in the order of their age, and remove the results from the folder."""
        s3 = self.s3()
        s3.create_bucket(Bucket=BUCKET)
        parts = [self.folder / "config" / "example", self.folder / "results"]
        files = [path for part in parts for path in part.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.stat().st_mtime):
            s3.upload_file(str(path), BUCKET, f"runs/main/{path.relative_to(self.folder)}")
        for part in ("results", ".snakemake"):
            shutil.rmtree(self.folder / part)

    def snakemake(self, *program: str) -> str:
        """Run a Snakemake of this machine in the folder; return its output."""
        done = subprocess.run(
            [sys.executable, *program, "--configfile", CONFIG, "--", TARGET],
            cwd=self.folder, env=self.whole_env, text=True, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\nSnakemake could not prepare the example; its messages are above.")
        return done.stdout

    def worker(self, image: str, command: str) -> "Run":
        """Run a command in a container of the image, as the executor would."""
        before = f"mkdir tools; printf %s {shlex.quote(TOOL)} >tools/bwa; chmod +x tools/bwa; PATH=/work/tools:$PATH"
        script = f"{before}\n({command}) >&2 && {{ {CLOCK}; }} >end; cat clock end"
        options = [
            "--rm",
            "--read-only",
            "--network=host",
            *(f"--env={name}={text}" for name, text in self.env.items()),
        ]
        call = ["docker", "run", *options, image, "bash", "-c", script]
        done = subprocess.run(call, text=True, capture_output=True, check=False)
        try:
            tool, end = (int(line) / 1e9 for line in done.stdout.split())
        except ValueError:
            sys.exit(f"{done.stderr}\nThe worker failed; its messages are above.")
        return Run(tool, end, done.stderr)


@dataclass(frozen=True)
class Run:
    """CPU seconds of a container up to the first instruction of its tool, and to its end; its messages."""

    tool: float
    end: float
    text: str


@contextmanager
def place() -> Iterator[Place]:
    """Provide an S3 that holds the inputs of one shard's alignment, and nothing else."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        env = {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        env |= {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
        with tempfile.TemporaryDirectory() as name:
            here = Place(Path(name), env)
            for part in ("workflow", "config", "profiles", "envs"):
                shutil.copytree(ROOT / part, here.folder / part, symlinks=True)
            # Without the executor, Snakemake sends the files that git tracks.
            subprocess.run("git init --quiet && git add --all", shell=True, cwd=name, check=True)
            here.snakemake("-m", "snakemake", "--cores", "all", "--notemp")
            (here.folder / TARGET).unlink()
            here.store()
            yield here
    finally:
        server.stop()


def command_of(here: Place, *more: str) -> str:
    """Return the command of a worker, with the profile's settings; with `--job-deploy-sources`, Snakemake's own."""
    printed = here.snakemake(
        "-c", HEAD, "--executor", "aws-batch-fargate", "--aws-batch-fargate-queue", "none",
        "--aws-batch-fargate-job-definitions", "20=none", "--jobs", "1", "--shared-fs-usage", "none",
        "--default-storage-provider", "s3-inventory", "--default-storage-prefix", PREFIX, "--scheduler", "greedy",
        "--workflow-profile", "none", "--nolock", *more,
    )  # fmt: skip
    (command,) = re.findall("^COMMAND (.*)$", printed, re.MULTILINE)
    return str(command)


def parts_of(text: str) -> list[tuple[str, float]]:
    """Return the CPU seconds of each part that the worker printed."""
    clock, parts = 0.0, []
    for seconds, part in re.findall(r"^PART ([\d.]+) (.*)$", text, re.MULTILINE):
        parts.append((part, float(seconds) - clock))
        clock = float(seconds)
    return parts


def measure(image: str, runs: int) -> str:
    """Measure, and return the tables of the report."""
    from snakemake_executor_plugin_aws_batch_fargate.archive import WORKER

    with place() as here:
        ours = command_of(here)
        commands = {
            "Snakemake's command: two starts of Python": command_of(here, "--job-deploy-sources"),
            "the executor's: one start": ours,
        }
        taken: dict[str, list[Run]] = {title: [] for title in commands}
        for _ in range(runs):
            for title, command in commands.items():
                taken[title].append(here.worker(image, command))
        printing = ours.replace(f"-m {WORKER}", f"-c {shlex.quote(PARTS)}")
        steps = [parts_of(here.worker(image, printing).text) for _ in range(runs)]
    lines = [
        "| command | before the tool (median) | least | most | whole container |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for title, found in taken.items():
        tool = [run.tool for run in found]
        figures = (statistics.median(tool), min(tool), max(tool), statistics.median(run.end for run in found))
        lines.append(f"| {title} | " + " | ".join(f"{figure:.2f} s" for figure in figures) + " |")
    lines += ["", "| until … | CPU time |", "| --- | ---: |"]
    for step in zip(*steps, strict=True):
        lines.append(f"| {step[0][0]} | {statistics.median(seconds for _, seconds in step):.2f} s |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write the report."""
    from terraflow.image import build, content_tag

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--image", help="image of a worker (default: this checkout's image, which is built if it is missing)"
    )
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    image = given.image or build(ROOT, content_tag(ROOT))["worker"]
    text = REPORT.read_text() if REPORT.exists() else ""
    tables = measure(image, given.runs)
    print(tables)
    REPORT.write_text(text.partition("<!-- figures -->")[0] + f"<!-- figures -->\n\n{tables}")


if __name__ == "__main__":
    main()
