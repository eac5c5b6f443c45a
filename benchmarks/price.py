"""Compare what a run costs with a genome of 250 Mb: version before, this one, and the plain pipeline of the same tools.

    git worktree add ../before v0.2.0
    tools/run.sh python benchmarks/price.py ../before

The argument is the root of a checkout of the version before, which is run by the programs of this one's `make setup`.
Indices are built beforehand, once; bwa-mem2 has to be on PATH. The version before aligns with bwa, this one and the
plain pipeline with bwa-mem2, in turn; all have the same reads. Prints tables in Markdown. With `--bases 1000000
--pairs 3000` all of it is tried in minutes.
"""

import argparse
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from large import LARGE, Measured, made, run
from speed import ROOT, Cost, measured, plain, variants
from terraflow_workflow.reference.aligners import ALIGNERS

BWA, BWA_MEM2 = "bwa", "bwa-mem2"
SUFFIXES = {BWA: ("amb", "ann", "bwt", "pac", "sa"), BWA_MEM2: ("0123", "amb", "ann", "bwt.2bit.64", "pac")}
SHIELD = [sys.executable, "-m", "terraflow_workflow.reference.shield"]


def index(reference: Path, folder: Path, aligner: str, *, shielded: bool = False) -> Path:
    """Return the reference in a folder of its own, with an aligner's index beside it; built unless it is there."""
    linked, done = folder / "reference.fa", folder / "complete"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.link(reference, linked)
        fasta = linked
        if shielded:
            fasta = folder / "shielded.fa"
            library = {"PYTHONPATH": str(ROOT / "workflow/lib")}
            measured([*SHIELD, "--fasta", str(linked), "--out", str(fasta)], folder / "shield.log", variables=library)
        cost = measured([aligner, "index", "-p", str(linked), str(fasta)], folder / "index.log")
        print(f"{aligner} index: {cost.cpu:.0f} CPU s, {cost.memory:.0f} MB of memory", flush=True)
        if shielded:
            fasta.unlink()
        done.touch()
    return linked


def size(reference: Path, aligner: str) -> int:
    """Return the bytes of an index."""
    return sum(Path(f"{reference}.{suffix}").stat().st_size for suffix in SUFFIXES[aligner])


def table(before: list[Measured], after: list[Measured]) -> None:
    """Print a line for each rule: CPU seconds, MB of memory and MB read, before and after."""
    found = [{one.rule: one for one in measured} for measured in (before, after)]
    cost = {rule: max(one[rule].cpu for one in found if rule in one) for rule in {**found[0], **found[1]}}
    print("| rule | CPU s before | after | MB of memory before | after | MB read before | after |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")

    for rule in sorted(cost, key=lambda rule: -cost[rule]):
        pair = [one.get(rule) for one in found]
        cells = [f"{one.cpu:,.1f}" if one else "" for one in pair]
        cells += [f"{one.memory:,.0f}" if one else "" for one in pair]
        cells += [f"{one.read / 1e6:,.0f}" if one else "" for one in pair]
        print(f"| {rule} | {' | '.join(cells)} |")


def refuse(before: Path) -> None:
    """End with what is missing, before anything is made."""
    if not (before / "workflow/Snakefile").is_file():
        sys.exit(f"{before}: no workflow/Snakefile; expected the root of a checkout of the version before")
    for aligner in (BWA, BWA_MEM2):
        if shutil.which(aligner) is None:
            package = f"{aligner}={ALIGNERS[aligner].version}"
            sys.exit(f"{aligner}: not on PATH; conda has it: conda install -c conda-forge -c bioconda {package}")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("--pairs", type=int, default=2_000_000, help="pairs of reads (default: two million)")
    parser.add_argument("--bases", type=int, default=LARGE, help="size of the genome (default: 250 Mb)")
    parser.add_argument("--cores", type=int, default=2, help="cores for each run (default: 2)")
    parser.add_argument("--workdir", type=Path, help="data and results (default: benchmarks/runs/price/BASES)")
    options = parser.parse_args()
    refuse(options.before)
    workdir = (options.workdir or ROOT / "benchmarks/runs/price" / str(options.bases)).resolve()
    [data] = made(workdir / "data", options.bases, (options.pairs,))
    given = {BWA: index(data.reference, workdir / "bwa", BWA)}
    given[BWA_MEM2] = index(data.reference, workdir / "bwa-mem2", BWA_MEM2, shielded=True)
    for_plain = workdir / "for_plain"
    index(data.reference, for_plain / BWA_MEM2, BWA_MEM2)
    for name, file in zip(
        ("reference.fa", "L1_R1.fastq.gz", "L1_R2.fastq.gz"), (data.reference, *data.lanes[0]), strict=True
    ):
        (for_plain / name).unlink(missing_ok=True)
        os.link(file, for_plain / name)

    def ours(checkout: Path, aligner: str, alignment: dict[str, str] | None) -> tuple[Cost, list[Measured]]:
        print(f"{checkout.name}, {aligner} …", flush=True)
        prepared = replace(data, reference=given[aligner], prebuilt=True)
        return run(prepared, workdir / f"run-{aligner}", options.cores, checkout, alignment)

    before, rules_before = ours(options.before.resolve(), BWA, None)
    after, rules_after = ours(ROOT, BWA_MEM2, {"aligner": BWA_MEM2})
    print("plain pipeline …", flush=True)
    shutil.rmtree(workdir / "plain", ignore_errors=True)
    bare = measured(plain(for_plain, workdir / "plain", BWA_MEM2), workdir / "plain.log")
    all_before, all_after = (sum(one.cpu for one in rules) for rules in (rules_before, rules_after))
    print("| | CPU s of all jobs | of the version before | with Snakemake | wall s | MB of memory at a time |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, jobs, cost in (("before", all_before, before), ("after", all_after, after), ("plain", bare.cpu, bare)):
        cells = f"{jobs:,.0f} | {jobs / all_before:.2f} | {cost.cpu:,.0f} | {cost.wall:,.0f} | {cost.memory:,.0f}"
        print(f"| {name} | {cells} |")
    table(rules_before, rules_after)
    fastq = sum(file.stat().st_size for file in data.lanes[0])
    print(f"reads: {fastq / 1e6:.0f} MB of gzip FASTQ")
    for name, rules in (("before", rules_before), ("after", rules_after)):
        print(f"read by all jobs, {name}: {sum(one.read for one in rules) / fastq:.2f} bytes for each byte of reads")
    for aligner, reference in given.items():
        print(f"index of {aligner}: {size(reference, aligner) / 1e6:,.0f} MB")
    found = {variants(workdir / name / "all.vcf.gz") for name in (f"run-{BWA_MEM2}/results/variants", "plain")}
    if len(found) > 1 or found == {""}:
        sys.exit("the variants of this version and the plain pipeline differ, or there are none")
    print(f"the {found.pop().count(chr(10)):,} variants of this version and the plain pipeline are identical")


if __name__ == "__main__":
    main()
