"""A laboratory: the stack, the images behind its names, a folder with the project, and Snakemake as its users call it.

Nobody in it has more rights than in earnest: heads have the submit policy, containers the job role.
"""

import csv
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import images
import yaml
from stacks import Deployed

from shared import ROOT
from strict_aws import Aws

# The files of the project that a run needs: no tests, no sources of packages, no history.
PROJECT = ("workflow", "config", "envs", "profiles", "aws")
# Seconds; a run on the tests' AWS takes less, also on a slow and busy machine.
PATIENCE = 1800


@dataclass
class Head:
    """A Snakemake that runs, or has ended; what it says is in a file."""

    process: "subprocess.Popen[bytes]"
    output: Path

    @property
    def text(self) -> str:
        """All output until now."""
        return self.output.read_text(errors="replace")

    def end(self, expected: int | None = 0) -> str:
        """Wait for its end, compare its exit code, and return its output."""
        code = self.process.wait(PATIENCE)
        assert expected is None or code == expected, f"exit code {code}, not {expected}\n{self.text}"
        return self.text

    def until(self, true: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until a condition is true."""
        limit = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, f"ended with {self.process.returncode} before its time\n{self.text}"
            assert time.monotonic() < limit, f"not so after {seconds} s\n{self.text}"
            time.sleep(0.2)

    def kill(self, how: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(how)


@dataclass
class Laboratory:
    """One folder with the project in it, on the stack that tests share."""

    aws: Aws
    deployed: Deployed
    folder: Path
    heads: list[Head] = field(default_factory=list)
    # The command that `terraflow stage` printed, and the folder in which the run's relative paths start.
    command: list[str] = field(default_factory=list)
    directory: Path = Path()
    config: Path = Path()

    def __post_init__(self) -> None:
        """Unpacks the project, and gives the engine's images the names that the stack's definitions have."""
        left = shutil.ignore_patterns("__pycache__")
        for name in PROJECT:
            source = ROOT / name
            if source.is_symlink():
                (self.folder / name).symlink_to(source.readlink())
            else:
                shutil.copytree(source, self.folder / name, symlinks=True, ignore=left)
        for kind, image in images.images().items():
            subprocess.run(["docker", "tag", image, self.outputs["images"][kind]], check=True)
        own = {"TERRAFLOW_STACK": str(self.deployed.stack_json), "HOME": str(self.folder)}
        own["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env = self.aws.env_of(self.outputs["submit_policy_arn"]) | own
        self.batch = self.aws.client("batch")
        self.s3 = self.aws.client("s3")

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's."""
        return self.deployed.outputs

    @property
    def bucket(self) -> str:
        """The stack's."""
        return str(self.outputs["bucket"])

    # Actions of a user

    def stage(self, sheet: Path, config: Path) -> None:
        """Brings inputs to the bucket, writes a configuration for it, and keeps the command that is to run it."""
        command = ["terraflow", "stage", str(sheet), "--configfile", str(config), "--replace"]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        self.command = shlex.split(done.stdout.splitlines()[-1])
        assert self.command[:3] == ["snakemake", "--profile", "aws"], self.command
        options = dict(zip(self.command[1::2], self.command[2::2], strict=True))
        self.directory = self.folder / options.get("--directory", "")
        self.config = self.folder / options["--configfile"]

    def configure(self, **sections: Any) -> None:
        """Change sections of the configuration."""
        config = yaml.safe_load(self.config.read_text())
        for name, value in sections.items():
            config[name] = (config.get(name) or {}) | value if isinstance(value, dict) else value
        self.config.write_text(yaml.safe_dump(config))

    def start(self, *arguments: str, run: str) -> Head:
        """Start the command that `terraflow stage` printed, for a run of that name."""
        output = self.folder / f"{run}-{len(self.heads)}.log"
        command = [*self.command, "--nocolor", *arguments]
        command += ["--aws-batch-fargate-poll-seconds", "1"]
        env = self.env | {"TERRAFLOW_RUN": run}
        with output.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.heads.append(Head(process, output))
        return self.heads[-1]

    def run(self, *arguments: str, run: str, expected: int = 0) -> str:
        """Run `snakemake --profile aws` to its end."""
        return self.start(*arguments, run=run).end(expected)

    # Observations

    def jobs(self, run: str, rule: str = "*") -> list[dict[str, Any]]:
        """Descriptions of all jobs of a run, or of a rule in it, of both queues, in the order of their submission."""
        ids = []
        for queue in self.outputs["queues"].values():
            named = [{"name": "JOB_NAME", "values": [f"{run}-*" if rule == "*" else f"{run}-{rule}-*"]}]
            pages = self.batch.get_paginator("list_jobs").paginate(jobQueue=queue, filters=named)
            ids += [job["jobId"] for page in pages for job in page["jobSummaryList"]]
        found = []
        for n in range(0, len(ids), 100):
            found += self.batch.describe_jobs(jobs=ids[n : n + 100])["jobs"]
        mine = [job for job in found if rule in ("*", job["tags"]["terraflow:rule"])]
        return sorted(mine, key=lambda job: job["createdAt"])

    def active(self, run: str) -> list[dict[str, Any]]:
        """Jobs that have not ended."""
        return [job for job in self.jobs(run) if job["status"] not in ("SUCCEEDED", "FAILED")]

    def keys(self, prefix: str) -> set[str]:
        """Keys below a prefix, without it."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", [])}

    def fetch(self, run: str, folder: Path) -> None:
        """Copy a run's results, as `aws s3 sync` does."""
        prefix = f"runs/{run}/"
        for name in self.keys(prefix):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            self.s3.download_file(self.bucket, prefix + name, str(target))

    def sheet(self) -> list[dict[str, str]]:
        """Lines of the sheet that the configuration names."""
        config = yaml.safe_load(self.config.read_text())
        with (self.directory / config["samples"]).open() as lines:
            written = (line for line in lines if not line.startswith("#"))
            return list(csv.DictReader(written, delimiter="\t"))

    def close(self) -> None:
        """End the heads that still run."""
        for head in self.heads:
            if head.process.poll() is None:
                head.process.kill()
                head.process.wait()
        for queue in self.outputs["queues"].values():
            for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"):
                for job in self.batch.list_jobs(jobQueue=queue, jobStatus=status)["jobSummaryList"]:
                    with suppress(Exception):
                        self.batch.terminate_job(jobId=job["jobId"], reason="end of the tests")
