#!/usr/bin/env python3
"""Measure the commands that look at a run on a large record, and write benchmarks/looking.md.

    tools/run.sh python benchmarks/looking.py [--attempts N] [--times N]

S3 is moto's on this machine, which needs time of its own; the record is that of `benchmarks/records.py`.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import boto3
from botocore.config import Config

from terraflow import stack as stacks
from terraflow.stack import Stack

REPORT = Path(__file__).with_suffix(".md")
RECORDS = str(Path(__file__).with_name("records.py"))
REGION = "us-east-1"
MARK = "<!-- figures -->\n"
BUCKET, RUN = "data", "big"
SAMPLE = "s00001"
COMMANDS = (
    ("status", RUN),
    ("timeline", RUN, "--out", "page.html"),
    ("logs", RUN, "--rule", "bwa_mem"),
    ("logs", RUN, "--sample", SAMPLE),
    ("logs", RUN, "--rule", "bwa_mem", "--sample", SAMPLE),
    ("cost", RUN),
    ("runs",),
)
# Of a run that no head conducts any more, too.
EXPECTED = (0, 3)


@dataclass(frozen=True)
class Figures:
    """One call of a command: wall and CPU time in seconds, peak resident memory in MB."""

    wall: float
    cpu: float
    memory: float


@contextmanager
def server(environment: Mapping[str, str]) -> Iterator[str]:
    """Serve S3 with an empty bucket; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        s3 = boto3.client(
            "s3", endpoint_url=address, region_name=REGION, config=Config(retries={"total_max_attempts": 9})
        )
        s3.create_bucket(Bucket=BUCKET)
        yield address
    finally:
        process.terminate()
        process.wait()


def outputs() -> dict[str, object]:
    """Return the outputs of a stack that never was."""
    found: dict[str, object] = {one.name: one.name for one in fields(Stack) if one.default is MISSING}
    queues = {name: f"terraflow-{name}" for name in ("spot", "ondemand", "head")}
    maps = {"images": {}, "queues": queues, "job_definitions": {}, "tags": {}}
    return {**found, **maps, "region": REGION, "architecture": "X86_64", "bucket": BUCKET}


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Figures:
    """Call a command once. Raise RuntimeError with what it said if it fails."""
    start = time.perf_counter()
    with (folder / "said").open("w+") as said:
        terraflow = [sys.executable, "-m", "terraflow.cli", *command]
        process = subprocess.Popen(terraflow, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        if process.returncode not in EXPECTED:
            said.seek(0)
            raise RuntimeError(f"terraflow {' '.join(command)}: exit code {process.returncode}: {said.read()}")
    return Figures(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


def report(attempts: int, found: Mapping[str, Sequence[Figures]]) -> str:
    """Return the table."""
    lines = [
        f"Calls of each: {len(next(iter(found.values())))}. Attempts in the record: {attempts:,}. Processes at work on "
        f"{os.cpu_count()} cores: {os.getloadavg()[0]:.1f}. With more than a few, wall time tells little.",
        "",
        "| command | wall time (median) | most | CPU time (median) | peak memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for command, calls in found.items():
        wall, cpu = ([getattr(one, name) for one in calls] for name in ("wall", "cpu"))
        lines.append(
            f"| `terraflow {command}` | {statistics.median(wall):.1f} s | {max(wall):.1f} s "
            f"| {statistics.median(cpu):.1f} s | {max(one.memory for one in calls):.0f} MB |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, print the table, and write it into the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=50_000, help="attempts in the record (default: 50000)")
    parser.add_argument("--times", type=int, default=3, help="calls of each command (default: 3)")
    options = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_DEFAULT_REGION": REGION}
    with tempfile.TemporaryDirectory() as name, server(os.environ) as address:
        folder = Path(name)
        (folder / "stack.json").write_text(json.dumps(outputs()))
        environment = {**os.environ, "AWS_ENDPOINT_URL": address, stacks.FILE_VARIABLE: str(folder / "stack.json")}
        # Not by this process: what it takes counts as the least of its children's memory.
        made = [sys.executable, RECORDS, "--attempts", str(options.attempts), "--bucket", BUCKET, "--run", RUN]
        subprocess.run(made, env=environment, check=True)
        found = {
            " ".join(command): [measure(command, folder, environment) for _ in range(options.times)]
            for command in COMMANDS
        }
    table = report(options.attempts, found)
    print(table)
    before, mark, _ = REPORT.read_text().partition(MARK)
    REPORT.write_text(f"{before}{mark}\n{table}")


if __name__ == "__main__":
    main()
