"""Run the workflow on a small and a large genome, and write down what each rule costs, for the model of costs.

The large one, 250 Mb, has the repeats of a mammal (mammal.py); its reads and BWA's index are made once and kept. Jobs
have no disk in common, as on AWS: there are slices of alignments. Aligning and its index are measured with bwa-mem2 as
well, which has to be on PATH. Example: tools/run.sh python benchmarks/large.py
"""

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mammal
import metered
from speed import GENOME, PAIRS, ROOT, Cost, make_data, measured

RESULT = ROOT / "benchmarks/large.json"
LARGE = 250_000_000
# Pairs of reads of its data sets. The last has so many that slices are copied, as those of a whole genome are.
PAIRS_OF_LARGE = (100_000, 400_000, 2_000_000)
# From so many pairs on, bwa-mem2 aligns them, too.
PAIRS_OF_BOTH = 400_000
# Rules that depend on the aligner.
OF_BWA_MEM2 = ("bwa_mem2_index", "bwa_mem")
# Seeds of the genome, of what an individual has of its own, and of the reads.
SEEDS = (1, 2, 3)
# No disk in common for what jobs read and write.
NOT_SHARED = ("--shared-fs-usage", "persistence", "software-deployment", "sources", "source-cache")
INDEX = (".amb", ".ann", ".bwt", ".pac", ".sa")


@dataclass(frozen=True)
class Data:
    """A reference and the reads of one sample, by lanes of two files; `prebuilt` if BWA's index lies beside it.

    All rules are measured with bwa, and if `both`, building the index and aligning with bwa-mem2 as well.
    """

    name: str
    bases: int
    reads: int
    reference: Path
    lanes: tuple[tuple[Path, Path], ...]
    prebuilt: bool = False
    both: bool = False


@dataclass(frozen=True)
class Measured:
    """All jobs of a rule in one run: seconds of CPU and wall time, MB of the largest, bytes read and written."""

    rule: str
    jobs: int
    cpu: float
    wall: float
    memory: float
    read: int
    written: int


def small_data(folder: Path) -> Data:
    """Return the data of `make bench`: a random genome at 30x, in two lanes."""
    make_data(folder)
    lanes = tuple((folder / f"{lane}_R1.fastq.gz", folder / f"{lane}_R2.fastq.gz") for lane in ("L1", "L2"))
    return Data("4.6 Mb, 30x", GENOME, 2 * PAIRS, folder / "reference.fa", lanes)


def made(folder: Path, bases: int, counts: tuple[int, ...]) -> list[Data]:
    """Return a genome like a mammal's with so many pairs of reads; what is there is taken as it is."""
    reference = folder / "reference.fa"
    folders = [folder / str(pairs) for pairs in counts]
    if not all((one / "complete").exists() for one in folders):
        folder.mkdir(parents=True, exist_ok=True)
        codes = mammal.genome(SEEDS[0], bases)
        mammal.write_fasta(reference, codes)
        copies = mammal.haplotypes(SEEDS[1], codes)
        for number, (one, pairs) in enumerate(zip(folders, counts, strict=True)):
            one.mkdir(exist_ok=True)
            mammal.write_pairs(one, SEEDS[2] + number, copies, pairs)
            (one / "complete").touch()
    return [
        Data(f"{bases / 1e6:g} Mb, {pairs:,} pairs", bases, 2 * pairs, reference,
             ((one / "R1.fastq.gz", one / "R2.fastq.gz"),))
        for one, pairs in zip(folders, counts, strict=True)
    ]  # fmt: skip


def index_of(reference: Path) -> Measured:
    """Return what BWA's index of a reference has cost; build it unless it is there."""
    kept = reference.with_name("index.json")
    if not kept.exists():
        cost = measured(["bwa", "index", str(reference)], reference.with_name("index.log"))
        kept.write_text(json.dumps(asdict(cost)))
    cost = Cost(**json.loads(kept.read_text()))
    written = sum(Path(f"{reference}{ending}").stat().st_size for ending in INDEX)
    return Measured("bwa_index", 1, cost.cpu, cost.wall, cost.memory, reference.stat().st_size, written)


def run(
    data: Data,
    out: Path,
    cores: int,
    checkout: Path = ROOT,
    alignment: dict[str, str] | None = None,
    until: str | None = None,
) -> tuple[Cost, list[Measured]]:
    """Run the workflow of a checkout on the data, no further than to a rule, if one is given.

    Return what it has cost, and what each rule has.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    rows = [f"bench\tL{number}\t{one}\t{two}" for number, (one, two) in enumerate(data.lanes, 1)]
    (out / "samples.tsv").write_text("\n".join(["sample\tunit\tfq1\tfq2", *rows]) + "\n")
    (out / "config.yaml").write_text(
        json.dumps({
            "samples": "samples.tsv",
            "reference": {"fasta": str(data.reference), "bwa_index": "prebuilt" if data.prebuilt else "build"},
            "calling": {"windows": 8},
            **({"alignment": alignment} if alignment else {}),
        })
    )  # fmt: skip
    meter = out / "jobs.jsonl"
    path = f"{metered.folder_for_path(out / 'bin')}{os.pathsep}{checkout / 'workflow/scripts/bin'}"
    command = [
        sys.executable, "-m", "snakemake", "--cores", str(cores), "--directory", str(out), "--notemp", *NOT_SHARED,
        "--configfile", str(out / "config.yaml"), *(["--until", until] if until else []),
    ]  # fmt: skip
    variables = {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", metered.FILE: str(meter)}
    cost = measured(command, out / "run.log", checkout, variables)
    sizes = bytes_by_rule([*command, "--detailed-summary"], checkout, out)
    return cost, by_rule(metered.read(meter), sizes)


def bytes_by_rule(command: list[str], checkout: Path, out: Path) -> dict[str, tuple[int, int]]:
    """Return the bytes that the jobs of each rule read and wrote, by Snakemake's own table of all files."""
    table = subprocess.run(command, check=True, cwd=checkout, capture_output=True, text=True).stdout
    begin = table.index("output_file\t")
    inputs: dict[str, set[tuple[str, str]]] = defaultdict(set)
    outputs: dict[str, set[str]] = defaultdict(set)
    for row in csv.DictReader(table[begin:].splitlines(), delimiter="\t"):
        # A file that two jobs read counts twice: the log tells them apart.
        inputs[row["rule"]] |= {(row["log-file(s)"], file) for file in row["input-file(s)"].split(",") if file}
        outputs[row["rule"]].add(row["output_file"])

    def size(file: str) -> int:
        return (out / file).stat().st_size if (out / file).exists() else 0

    return {rule: (sum(size(file) for _, file in inputs[rule]), sum(map(size, outputs[rule]))) for rule in outputs}


def by_rule(jobs: list[metered.Job], sizes: dict[str, tuple[int, int]]) -> list[Measured]:
    """Return the sums of all jobs of each rule, and the largest one's memory."""
    found: dict[str, list[metered.Job]] = defaultdict(list)
    for job in jobs:
        found[job.rule].append(job)
    add: Callable[[str, str], float] = lambda rule, field: round(sum(getattr(job, field) for job in found[rule]), 2)  # noqa: E731
    return [
        Measured(
            rule, len(found[rule]), add(rule, "cpu"), add(rule, "wall"),
            round(max(job.memory for job in found[rule])), *sizes.get(rule, (0, 0)),
        )
        for rule in sorted(found)
    ]  # fmt: skip


def datasets(workdir: Path) -> list[Data]:
    """Return what is measured, from the smallest, whose jobs do next to nothing, to the largest."""
    return [
        *made(workdir / "tiny", 20_000, (1_000,)),
        replace(small_data(workdir.parent / "speed/data"), both=True),
        *(
            replace(one, prebuilt=True, both=one.reads >= 2 * PAIRS_OF_BOTH)
            for one in made(workdir / "data", LARGE, PAIRS_OF_LARGE)
        ),
    ]


def with_bwa_mem2(data: Data, out: Path, cores: int) -> list[Measured]:
    """Return what building the index, in the run, and aligning cost with bwa-mem2."""
    aligning = replace(data, prebuilt=False)
    _, rules = run(aligning, out, cores, alignment={"aligner": "bwa-mem2"}, until="bwa_mem")
    return [one for one in rules if one.rule in OF_BWA_MEM2]


def main() -> None:
    """Run the program that `make bench SIZE=large` calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2, help="cores for the workflow (default: 2)")
    parser.add_argument("--workdir", type=Path, default=ROOT / "benchmarks/runs/large", help="data and results")
    parser.add_argument("--only", metavar="NAME", help="measure this data set alone, and keep the others' figures")
    options = parser.parse_args()
    if not shutil.which("bwa-mem2"):
        parser.error("there is no bwa-mem2 on PATH; config/README.md says under 'The aligner' how to get it")
    workdir = options.workdir.resolve()
    print("making 250 Mb of genome with repeats, and reads …", flush=True)
    everything = datasets(workdir)
    if options.only and options.only not in [one.name for one in everything]:
        parser.error(f"--only has to be one of: {'; '.join(one.name for one in everything)}")
    kept = json.loads(RESULT.read_text())["runs"] if RESULT.exists() and options.only else []
    found = {one["name"]: one for one in kept}
    for data in everything:
        if options.only in (None, data.name):
            print(f"measuring {data.name} …", flush=True)
            rules = [
                *([index_of(data.reference)] if data.prebuilt else []),
                *run(data, workdir / "run", options.cores)[1],
            ]
            beside = with_bwa_mem2(data, workdir / "run", options.cores) if data.both else []
            found[data.name] = {
                "name": data.name, "bases": data.bases, "reads": data.reads, "lanes": len(data.lanes),
                "rules": [asdict(one) for one in rules], "bwa_mem2": [asdict(one) for one in beside],
            }  # fmt: skip
            write(machine(options.cores), [found[one.name] for one in everything if one.name in found])


def machine(cores: int) -> str:
    """Return when and where this was measured."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{datetime.now(UTC):%Y-%m-%d}, {names[0] if names else platform.processor()}, {cores} cores"


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def write(measured_on: str, runs: list[dict[str, Any]]) -> None:
    """Write what was measured: a file for the fit, which also is what the tables of large.md are made of."""
    RESULT.write_text(json.dumps({"measured": measured_on, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
