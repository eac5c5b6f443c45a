"""Run the workflow and the best plain pipeline of the same tools in turn, and print how they differ.

Example: tools/run.sh python benchmarks/speed.py --runs 3 --cores 2
"""

import argparse
import contextlib
import csv
import gzip
import os
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).resolve().parent.parent
GENOME, PAIRS, READ, INSERT = 4_600_000, 460_000, 150, (400, 50)
COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")


@dataclass(frozen=True)
class Cost:
    """The cost of one run: wall and CPU time in seconds, peak resident memory of all its processes in MB."""

    wall: float
    cpu: float
    memory: float


def make_data(folder: Path, seed: int = 1) -> None:
    """Write a random genome and 30x of pairs from a diploid individual, in two gzip lanes, unless they are there."""
    if (folder / "complete").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    random.seed(seed)
    genome = bytes(random.choices(b"ACGT", k=GENOME))
    lines = "\n".join(genome[i : i + 100].decode() for i in range(0, GENOME, 100))
    (folder / "reference.fa").write_text(f">bench\n{lines}\n")
    haplotypes = _haplotypes(genome)
    qualities = [_quality() for _ in range(2000)]
    for lane in ("L1", "L2"):
        with _gzip(folder / f"{lane}_R1.fastq.gz") as first, _gzip(folder / f"{lane}_R2.fastq.gz") as second:
            for number in range(PAIRS // 2):
                reads = _pair(random.choice(haplotypes))
                for target, bases in zip((first, second), reads, strict=True):
                    quality = random.choice(qualities)
                    target.write(
                        b"@%s:%d\n%s\n+\n%s\n" % (lane.encode(), number, _with_errors(bases, quality), quality)
                    )
    (folder / "complete").touch()


def _gzip(path: Path) -> gzip.GzipFile:
    return gzip.GzipFile(path, "wb", compresslevel=6, mtime=0)


def _haplotypes(genome: bytes) -> list[bytes]:
    """Return two copies of the genome with a SNP in about a thousand bases, a third of them on both copies."""
    copies = [bytearray(genome), bytearray(genome)]
    for position in range(500, GENOME - 500, 1000):
        place = position + random.randrange(900)
        base = random.choice([b for b in b"ACGT" if b != genome[place]])
        for copy in random.choice([copies[:1], copies[1:], copies]):
            copy[place] = base
    return [bytes(copy) for copy in copies]


def _quality() -> bytes:
    quality, text = 38, bytearray()
    for position in range(READ):
        quality = max(2, min(40, quality + random.choice([-2, -1, 0, 0, 0, 1, 1]) - (position > 110)))
        text.append(33 + quality)
    return bytes(text)


def _pair(haplotype: bytes) -> tuple[bytes, bytes]:
    length = max(READ, int(random.gauss(*INSERT)))
    start = random.randrange(GENOME - length)
    fragment = haplotype[start : start + length]
    ends = fragment[:READ], fragment[-READ:].translate(COMPLEMENT)[::-1]
    return ends if random.random() < 0.5 else ends[::-1]


def _with_errors(bases: bytes, quality: bytes) -> bytes:
    """Return bases with errors at the rate that a typical quality stands for, about 3 in 1,000."""
    if random.random() > 0.4:
        return bases
    changed = bytearray(bases)
    changed[min(random.randrange(READ), random.randrange(READ))] = random.choice(b"ACGT")
    return bytes(changed)


def measured(command: list[str], log: Path, folder: Path = ROOT, variables: dict[str, str] | None = None) -> Cost:
    """Run a command in a folder and return its cost; raise RuntimeError, naming the log, when it fails."""
    begin = time.monotonic()
    with log.open("w") as target:
        process = psutil.Popen(
            command, stdout=target, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **(variables or {})}
        )
    status, cost = watched(process, begin)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed; its log is {log}")
    return cost


def watched(process: psutil.Popen, begin: float) -> tuple[int, Cost]:
    """Wait for a process; return its exit code, and what it and all that it started have cost since `begin`."""
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.25):
            total = 0
            # A process may end between two calls; at the end there may be none.
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in [process, *process.children(recursive=True)]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        total += one.memory_info().rss
            peak = max(peak, total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    done.set()
    watcher.join()
    cost = Cost(time.monotonic() - begin, usage.ru_utime + usage.ru_stime, peak / 1e6)
    return os.waitstatus_to_exitcode(status), cost


def workflow(data: Path, out: Path, cores: int) -> list[str]:
    """Return the command that runs the workflow on the benchmark's data."""
    out.mkdir(parents=True)
    lanes = [f"bench\t{lane}\t{data}/{lane}_R1.fastq.gz\t{data}/{lane}_R2.fastq.gz" for lane in ("L1", "L2")]
    (out / "samples.tsv").write_text("\n".join(["sample\tunit\tfq1\tfq2", *lanes]) + "\n")
    (out / "config.yaml").write_text(f"samples: samples.tsv\nreference: {{fasta: {data}/reference.fa}}\n")
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--directory", str(out)]
    return [*command, "--configfile", str(out / "config.yaml")]


def plain(data: Path, out: Path, *aligner: str) -> list[str]:
    """Return the command that runs the plain pipeline, with the workflow's default filters that need bcftools alone."""
    filters = yaml.safe_load((ROOT / "config/config.yaml").read_text())["filters"]
    del filters["Overlap"]
    soft_filter = " | ".join(f"bcftools filter -Ou -m + -s {name} -e '{text}' -" for name, text in filters.items())
    return ["bash", str(ROOT / "benchmarks/plain.sh"), str(data), str(out), sys.executable, soft_filter, *aligner]


def variants(vcf: Path) -> str:
    """Return place, alleles, quality and genotypes of each record of a VCF."""
    columns = r"%CHROM\t%POS\t%REF\t%ALT\t%QUAL[\t%GT:%PL:%DP:%AD:%GQ]\n"
    return subprocess.run(["bcftools", "query", "-f", columns, vcf], check=True, capture_output=True, text=True).stdout


def by_rule(out: Path) -> dict[str, tuple[int, float, float]]:
    """Return number of jobs, wall seconds and CPU seconds of each rule that has a benchmark."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    folder = out / "benchmarks/runs"
    for path in folder.rglob("*.tsv"):
        with path.open(newline="") as table:
            row = next(csv.DictReader(table, delimiter="\t"))
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        found[rule].append((float(row["s"]), float(row["cpu_time"])))
    return {
        rule: (len(jobs), sum(wall for wall, _ in jobs), sum(cpu for _, cpu in jobs)) for rule, jobs in found.items()
    }


def report(name: str, costs: list[Cost]) -> Cost:
    """Print all runs and return their median."""
    median = Cost(*(statistics.median(getattr(cost, field) for cost in costs) for field in ("wall", "cpu", "memory")))
    for label, cost in [*((f"run {n}", cost) for n, cost in enumerate(costs, start=1)), ("median", median)]:
        print(f"{name:10} {label:8} {cost.wall:8.1f} s wall {cost.cpu:8.1f} s CPU {cost.memory:8.0f} MB peak")
    return median


def main() -> None:
    """Run the program that `make bench` calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs of each, in turn (default: 3)")
    parser.add_argument(
        "--cores", type=int, default=2, help="cores for the workflow (default: 2, as the plain pipeline)"
    )
    parser.add_argument("--workdir", type=Path, default=ROOT / "benchmarks/runs/speed", help="data and results")
    options = parser.parse_args()
    data, out = options.workdir.resolve() / "data", options.workdir.resolve()
    print("making 4.6 Mb of genome and 30x of pairs …", flush=True)
    make_data(data)
    costs: dict[str, list[Cost]] = {"workflow": [], "plain": []}
    for run in range(1, options.runs + 1):
        for name in costs:
            shutil.rmtree(out / name, ignore_errors=True)
            command = workflow(data, out / name, options.cores) if name == "workflow" else plain(data, out / name)
            costs[name].append(measured(command, out / f"{name}.log"))
            print(f"run {run}: {name} took {costs[name][-1].wall:.1f} s", flush=True)
    ours, theirs = report("workflow", costs["workflow"]), report("plain", costs["plain"])
    print(
        f"ratio      {ours.wall / theirs.wall:10.2f} wall {ours.cpu / theirs.cpu:8.2f} CPU "
        f"{ours.memory / theirs.memory:8.2f} memory"
    )
    print("\nThe workflow's last run, by rule:")
    rules = by_rule(out / "workflow")
    for rule, (jobs, wall, cpu) in sorted(rules.items(), key=lambda item: -item[1][2]):
        print(f"  {rule:16} {jobs:3} jobs {wall:8.1f} s wall {cpu:8.1f} s CPU")
    # Snakemake looks at a job's processes each half second, later each 30 s, and misses short ones and each one's end.
    rest = costs["workflow"][-1].cpu - sum(cpu for _, _, cpu in rules.values())
    print(f"  {'Snakemake, small jobs, what it missed':39} {rest:13.1f} s CPU")
    if variants(out / "workflow/results/variants/all.vcf.gz") != variants(out / "plain/all.vcf.gz"):
        sys.exit("the variants of the two differ")
    print("the variants of the two are identical")


if __name__ == "__main__":
    main()
