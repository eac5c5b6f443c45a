"""Count the storage plugin's requests to S3, and time a plan on S3 against one on local files.

plan  plans the workflow for many samples, with nothing done yet
run   runs the workflow with jobs that only store their outputs, and counts the head's own requests

Needs the packages of the tests (moto is the S3). Examples:
    tools/run.sh python benchmarks/storage.py plan --samples 1000
    tools/run.sh python benchmarks/storage.py run --samples 12 120
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from strict_aws import Aws, running

ROOT = Path(__file__).resolve().parent.parent
# An executor of the tests, whose jobs only store their outputs.
PLUGINS = ROOT / "packages" / "snakemake-storage-plugin-s3-inventory" / "tests" / "plugins"

BUCKET = "lab"
REFERENCE = ROOT / "config" / "example" / "reference.fa.gz"
READ = gzip.compress(b"@r\nACGT\n+\nIIII\n")


@dataclass(frozen=True)
class Taken:
    """What Snakemake took: seconds of wall and CPU time, MB of memory at its peak; and its output."""

    wall: float
    cpu: float
    memory: float
    text: str


def main() -> None:
    """Run the measurement that the command line names, on a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plan", "run"])
    parser.add_argument("--samples", type=int, nargs="+", default=[1000])
    parser.add_argument("--times", type=int, default=1, help="repeat a plan, and take the fastest (default: 1)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "aws.log") as aws:
        aws.client("s3").create_bucket(Bucket=BUCKET)
        for samples in asked.samples:
            project = make_project(Path(folder) / f"s3-{samples}", samples, f"s3://{BUCKET}/raw/of{samples}")
            upload(aws, f"raw/of{samples}", samples)
            storage = ["--default-storage-provider", "s3-inventory"]
            storage += ["--default-storage-prefix", f"s3://{BUCKET}/runs/of{samples}"]
            if asked.what == "plan":
                local = make_project(Path(folder) / f"local-{samples}", samples, "reads")
                write_reads(local / "reads", samples)
                plan(aws, local, project, storage, samples, asked.times)
            else:
                run(aws, project, storage, samples)


def names(samples: int) -> list[str]:
    """Return names of FASTQ files: two lanes of pairs for each sample."""
    return [f"S{s}_{lane}_R{mate}.fastq.gz" for s in range(samples) for lane in ("L1", "L2") for mate in (1, 2)]


def make_project(folder: Path, samples: int, reads: str) -> Path:
    """Make a working directory with configuration and sheet."""
    folder.mkdir()
    reference = f"s3://{BUCKET}/reference/genome.fa.gz" if reads.startswith("s3:") else str(REFERENCE)
    settings = {"samples": "samples.tsv", "reference": {"fasta": reference}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    files = iter(f"{reads}/{name}" for name in names(samples))
    rows = [f"S{s}\t{lane}\t{next(files)}\t{next(files)}" for s in range(samples) for lane in ("L1", "L2")]
    (folder / "samples.tsv").write_text("\n".join(["sample\tunit\tfq1\tfq2", *rows, ""]))
    return folder


def write_reads(folder: Path, samples: int) -> None:
    """Write all FASTQ files, with one read in each."""
    folder.mkdir()
    for name in names(samples):
        (folder / name).write_bytes(READ)


def upload(aws: Aws, prefix: str, samples: int) -> None:
    """Upload the reference and all FASTQ files, with one read in each, to S3."""
    s3 = aws.client("s3")
    s3.put_object(Bucket=BUCKET, Key="reference/genome.fa.gz", Body=REFERENCE.read_bytes())
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=READ), names(samples)))


def snakemake(aws: Aws, folder: Path, *arguments: str) -> Taken:
    """Run Snakemake, and return what it took."""
    command = [sys.executable, "-m", "snakemake", "--configfile", str(folder / "config.yaml")]
    command += ["--directory", str(folder), *arguments]
    printed = folder / "printed.txt"
    env = aws.env | {"PYTHONPATH": os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH", "")])}
    start = time.monotonic()
    with printed.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    text = printed.read_text()
    if process.returncode:
        sys.exit(text[-4000:])
    kilobytes = usage.ru_maxrss / (1 if sys.platform == "linux" else 1024)
    return Taken(seconds, usage.ru_utime + usage.ru_stime, kilobytes * 1024 / 1e6, text)


def requests(aws: Aws) -> Counter[str]:
    """Count the operations on S3 since the last call, without those of the pretended workers."""
    seen: list[dict[str, Any]] = aws.requests(forget=True)
    return Counter(call["operation"] for call in seen if call["service"] == "s3" and call["caller"] != "PRETEND")


def elsewhere() -> list[str]:
    """Return options for jobs that run elsewhere, in the groups of the profile for AWS."""
    profile = yaml.safe_load((ROOT / "profiles" / "aws" / "config.yaml").read_text())
    options = ["--executor", "pretend", "--jobs", "200", "--scheduler", "greedy", "--shared-fs-usage", "none"]
    return [*options, "--groups", *profile["groups"]]


def plan(aws: Aws, local: Path, remote: Path, storage: list[str], samples: int, times: int) -> None:
    """Plan on local files and on S3, in turn, and print both."""
    dry = ["--cores", "2", "--dry-run", "--quiet", "rules"]
    here, there = [], []
    for _ in range(times):
        here.append(snakemake(aws, local, *dry))
        requests(aws)
        there.append(snakemake(aws, remote, *dry, *storage, *elsewhere()))
        asked = requests(aws)
    one, other = (min(some, key=lambda taken: taken.wall) for some in (here, there))
    print(f"plan of {samples} samples: local {one.wall:.1f} s ({one.cpu:.1f} CPU s, {one.memory:.0f} MB), ", end="")
    print(f"S3 {other.wall:.1f} s ({other.cpu:.1f} CPU s, {other.memory:.0f} MB)")
    print(f"  ratio {other.wall / one.wall:.2f} ({other.cpu / one.cpu:.2f} of CPU); ", end="")
    print(f"{asked.total()} requests {dict(asked)}")


def run(aws: Aws, folder: Path, storage: list[str], samples: int) -> None:
    """Run all jobs elsewhere, and print the head's time and requests.

    The jobs store files without the rules' content, so no hook may read them.
    """
    options = [*elsewhere(), "--cores", "4", "--no-hooks", "--seconds-between-status-checks", "1"]
    requests(aws)
    head = snakemake(aws, folder, *options, *storage)
    asked = requests(aws)
    jobs, tasks = head.text.count("Finished jobid: "), head.text.count("Pretended task: ")
    print(f"run of {samples} samples: {jobs} jobs as {tasks} tasks in {head.wall:.0f} s ", end="")
    print(f"({head.cpu:.0f} CPU s and {head.memory:.0f} MB of the head)")
    print(f"  {asked.total()} requests, {asked.total() / tasks:.2f} a task {dict(asked)}")


if __name__ == "__main__":
    main()
