"""A thousand samples are planned in little memory, and the work for each sample does not grow with their number."""

import gzip
import pstats
import re
import subprocess
import sys
from pathlib import Path

from runs import EXAMPLE, Project

from shared import ROOT

SAMPLES = 1000
MAX_MEGABYTES = 600
# The cost of a plan in calls of Python functions, which is the same on every machine. 88,000 calls for a sample are 17
# seconds for 1,000 samples.
MAX_CALLS = 110_000
# This program runs a command and prints its peak memory. It is a process of its own, since on Linux the memory of the
# process that starts a program counts as the program's.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
sys.exit(code)
"""


def cohort(folder: Path, samples: int) -> Project:
    """Make a project of so many samples with two paired lanes each, a read in every file."""
    project = Project(folder, {"reference": {"fasta": str(EXAMPLE / "reference.fa.gz")}})
    read = gzip.compress(b"@r\nACGT\n+\nIIII\n")
    (folder / "reads").mkdir()
    for number in range(samples):
        for unit in ("L1", "L2"):
            paths = [f"reads/S{number}_{unit}_R{mate}.fastq.gz" for mate in (1, 2)]
            for path in paths:
                (folder / path).write_bytes(read)
            project.add(f"S{number}", unit, *paths)
    return project


def run(command: list[str]) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def calls_of_plan(folder: Path, samples: int) -> int:
    """Count the calls of Python functions that planning so many samples takes."""
    python, *snakemake = cohort(folder, samples).command("--dry-run", "--quiet", "all")
    run([python, "-m", "cProfile", "-o", str(folder / "profile"), *snakemake])
    return int(pstats.Stats(str(folder / "profile")).total_calls)


def test_a_plan_takes_the_same_work_for_each_sample(tmp_path: Path) -> None:
    few, many = (calls_of_plan(tmp_path / str(samples), samples) for samples in (50, 150))
    each = (many - few) / 100
    print(f"{few} calls for 50 samples, {many} for 150: {each:.0f} for each more")

    assert each < MAX_CALLS
    assert many < 3 * few


def test_a_thousand_samples_are_planned(tmp_path: Path) -> None:
    many = cohort(tmp_path / "many", SAMPLES)
    text = run([sys.executable, "-c", MEASURED, *many.command("--dry-run", "--quiet", "rules")])
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    megabytes = int(text.splitlines()[-1]) / (1024 if sys.platform == "linux" else 1024**2)
    print(f"{jobs['total']} jobs planned in {megabytes:.0f} MB")

    assert {rule: jobs[rule] for rule in ("decompress", "fastqc", "bwa_mem", "sort_index", "samtools_stats")} == {
        "decompress": 2 * SAMPLES,
        "fastqc": 2 * SAMPLES,
        "bwa_mem": 2 * SAMPLES,
        "sort_index": SAMPLES,
        "samtools_stats": SAMPLES,
    }
    assert sum(count for rule, count in jobs.items() if rule != "total") == jobs["total"]
    assert megabytes < MAX_MEGABYTES
