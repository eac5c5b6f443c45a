"""Print what tasks of a 30x human genome ask of Fargate, what their memory costs, and what their rules used.

    tools/run.sh python benchmarks/shapes.py

Tasks are those of benchmarks/genome.json, prices those of us-east-1 on demand, and peaks of memory those of the largest
run in benchmarks/large.json, which has a genome of 250 Mb.
"""

import json
from collections import defaultdict
from typing import Any

from snakemake_aws_common.prices import GIB, load, price_of
from snakemake_executor_plugin_aws_batch_fargate.shapes import MEMORY_MIB
from storage import ROOT

FOLDER = ROOT / "benchmarks"
MIB = 2**20


def hourly(vcpus: float, memory_mib: int) -> float:
    """Return the price of an hour of a task, in US dollars, without its disk."""
    return price_of(3600, load("us-east-1"), cpus=vcpus, memory=memory_mib * MIB, disk=0, spot=False).total


def main() -> None:
    """Print the table."""
    genome = json.loads((FOLDER / "genome.json").read_text())
    largest = json.loads((FOLDER / "large.json").read_text())["runs"][-1]
    peaks = {rule["rule"]: rule["memory"] for rule in largest["rules"]}
    tasks: dict[tuple[Any, ...], int] = defaultdict(int)
    for task in genome["tasks"]:
        rules = tuple(sorted({genome["jobs"][job]["rule"] for job in task["jobs"]}))
        tasks[rules, task["vcpus"], task["memory_mib"]] += 1
    print(f"Peaks: {largest['name']}; {GIB // MIB} MiB are 1 GiB.\n")
    print("| tasks | rules | vCPU | asked, MiB | least of these vCPU | price an hour | above the least | peaks, MB |")
    print("|---|---|---|---|---|---|---|---|")
    for (rules, vcpus, memory), number in tasks.items():
        least = MEMORY_MIB[vcpus][0]
        price, floor = hourly(vcpus, memory), hourly(vcpus, least)
        used = ", ".join(f"{peaks.get(rule, 0):.0f}" for rule in rules)
        print(
            f"| {number} | {', '.join(rules)} | {vcpus:g} | {memory:,} | {least:,} | ${price:.4f} "
            f"| {1 - floor / price:.0%} | {used} |"
        )


if __name__ == "__main__":
    main()
