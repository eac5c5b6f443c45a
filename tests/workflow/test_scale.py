"""A thousand samples are planned in little memory and time."""

import gzip
import re
import subprocess
import sys

import pytest
from runs import EXAMPLE, Project
from shared import ROOT

SAMPLES = 1000
MAX_MEGABYTES = 600
MAX_CPU_SECONDS = 30
# Runs a command and prints its CPU seconds and peak memory. A process of its own, since on Linux the memory of the one
# that starts a program counts as the program's.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, flush=True)
sys.exit(code)
"""


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
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *many.command("--dry-run", "--quiet", "rules")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    text = done.stdout
    assert done.returncode == 0, text[-3000:]
    seconds, size = map(float, text.splitlines()[-1].split())
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    megabytes = size / (1024 if sys.platform == "linux" else 1024**2)
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
