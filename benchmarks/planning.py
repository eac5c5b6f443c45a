"""Compare the CPU seconds that two checkouts take for a plan (dry run) of many samples on local files.

    tools/run.sh python benchmarks/planning.py BEFORE AFTER [--samples 1000] [--times 5]

BEFORE and AFTER are roots of checkouts. Both are planned by this checkout's Snakemake, in turn, so that a busy machine
disturbs them alike; CPU seconds are those of the whole process, and the median of all turns counts. Beside them stand
AFTER's plan with `--quiet`, and `benchmarks/plain.smk`, a workflow of the same files without a line of Python of ours.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from storage import ROOT, make_project, write_reads


@dataclass(frozen=True)
class Plan:
    """What a plan took: CPU seconds and peak memory in MB; the jobs of each rule."""

    seconds: float
    megabytes: float
    jobs: dict[str, int]


def plan(snakefile: Path, project: Path, *options: str) -> Plan:
    """Plan the project with a workflow. End the program if Snakemake fails."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--configfile", str(project / "config.yaml"), "--directory", str(project)]
    command += ["--cores", "2", "--dry-run", *options]
    printed = project / "printed.txt"
    with printed.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    text = printed.read_text()
    if process.returncode:
        sys.exit(text[-4000:])
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    kilobytes = usage.ru_maxrss / (1 if sys.platform == "linux" else 1024)
    return Plan(usage.ru_utime + usage.ru_stime, kilobytes / 1024, jobs)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    before, after = (checkout.resolve() / "workflow" / "Snakefile" for checkout in (asked.before, asked.after))
    as_ever = ("--quiet", "rules")
    variants = {
        "before": (before, as_ever),
        "after": (after, as_ever),
        "after, `--quiet --logger brief`": (after, ("--quiet", "--logger", "brief")),
        "plain Snakemake, the same files": (ROOT / "benchmarks" / "plain.smk", as_ever),
    }
    taken: dict[str, list[Plan]] = {name: [] for name in variants}
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "cohort", asked.samples, "reads")
        write_reads(project / "reads", asked.samples)
        for _ in range(asked.times):
            for name, (snakefile, options) in variants.items():
                taken[name].append(plan(snakefile, project, *options))
                print(f"{name}: {taken[name][-1].seconds:.2f} CPU s", file=sys.stderr)
    ours = [plans[0].jobs for name, plans in taken.items() if not name.startswith("plain")]
    if any(jobs != ours[0] for jobs in ours):
        sys.exit(f"The plans differ: {ours}")
    seconds = {name: statistics.median(one.seconds for one in plans) for name, plans in taken.items()}
    print(f"| plan of {asked.samples:,} samples | jobs | CPU s | ratio | MB |")
    print("|---|---|---|---|---|")
    for name, plans in taken.items():
        ratio, megabytes = seconds[name] / seconds["before"], max(one.megabytes for one in plans)
        print(f"| {name} | {plans[0].jobs['total']:,} | {seconds[name]:.1f} | {ratio:.2f} | {megabytes:.0f} |")


if __name__ == "__main__":
    main()
