"""A thousand samples are planned in little memory and time."""

import gzip
import os
import re
import subprocess
import sys

import pytest
from runs import EXAMPLE, Project
from shared import ROOT

SAMPLES = 1000
MAX_MEGABYTES = 600
# A quiet machine takes 11 to 18.
MAX_CPU_SECONDS = 60


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A thousand samples with two paired lanes each, a read in every file."""
    folder = tmp_path_factory.mktemp("many")
    project = Project(folder, {"reference": {"fasta": str(EXAMPLE / "reference.fa.gz")}})
    read = gzip.compress(b"@r\nACGT\n+\nIIII\n")
    (folder / "reads").mkdir()
    for number in range(SAMPLES):
        for unit in ("L1", "L2"):
            paths = [f"reads/S{number}_{unit}_R{mate}.fastq.gz" for mate in (1, 2)]
            for path in paths:
                (folder / path).write_bytes(read)
            project.add(f"S{number}", unit, *paths)
    return project


def test_a_thousand_samples_are_planned(many: Project) -> None:
    printed = many["plan.txt"]
    with printed.open("w") as output:
        planner = subprocess.Popen(
            many.command("--dry-run", "--quiet", "rules"),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(planner.pid, 0)
    planner.returncode = os.waitstatus_to_exitcode(status)
    text = printed.read_text()
    assert planner.returncode == 0, text[-3000:]
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    megabytes = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    seconds = usage.ru_utime + usage.ru_stime
    print(f"{jobs['total']} jobs planned in {seconds:.1f} CPU seconds and {megabytes:.0f} MB")

    assert {rule: jobs[rule] for rule in ("decompress", "fastqc", "bwa_mem", "sort_index", "samtools_stats")} == {
        "decompress": 2 * SAMPLES,
        "fastqc": 2 * SAMPLES,
        "bwa_mem": 2 * SAMPLES,
        "sort_index": SAMPLES,
        "samtools_stats": SAMPLES,
    }
    assert sum(count for rule, count in jobs.items() if rule != "total") == jobs["total"]
    assert megabytes < MAX_MEGABYTES
    assert seconds < MAX_CPU_SECONDS
