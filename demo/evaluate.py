#!/usr/bin/env python3
"""Compare the variants that the workflow called with those that demo/simulate.py planted."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MIN_DEPTH = 20  # reads; from here on a planted variant has to be found
TYPES = ("SNP", "insertion", "deletion")
ZYGOSITIES = ("het", "hom")
COLUMNS = ("planted", "found", "wrong GT", "missed", "low coverage", "extra")

RUN_FIRST = "run the workflow in this folder first"

Allele = tuple[str, int, str, str]
Genotypes = dict[Allele, int]


class EvaluationError(Exception):
    """The comparison cannot be made; the text says why."""


@dataclass(frozen=True)
class Outcome:
    """The result for one allele in one sample: `status` is one of COLUMNS but `planted`."""

    sample: str
    allele: Allele
    copies: int
    depth: int
    status: str

    @property
    def fails(self) -> bool:
        """Return whether the demonstration fails because of this allele."""
        covered = self.depth >= MIN_DEPTH
        return self.status == "extra" or (covered and self.status in ("missed", "wrong GT"))

    def describe(self) -> str:
        """Return one line with status, allele, sample and depth."""
        chrom, pos, ref, alt = self.allele
        return f"{self.status}: {chrom} {pos} {ref} {alt} in {self.sample}, depth {self.depth}"


def run_tool(command: list[str], text: str = "") -> str:
    """Return the output of a command; raise EvaluationError when it is missing or fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise EvaluationError(f"{command[0]} is not on PATH") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise EvaluationError(f"{' '.join(command)} failed: {reason}") from None
    return done.stdout


def require(path: Path, hint: str) -> Path:
    """Return the path if the file is there; raise EvaluationError with the hint otherwise."""
    if not path.is_file():
        raise EvaluationError(f"{path} is missing: {hint}")
    return path


def copies_of(genotype: str) -> int:
    """Count the copies of the only alternative allele in a GT field; missing alleles count as none."""
    return genotype.replace("|", "/").split("/").count("1")


def read_genotypes(vcf: Path, reference: Path) -> dict[str, Genotypes]:
    """Read, for each sample, the copies of every alternative allele among the PASS records, normalised."""
    passed = run_tool(["bcftools", "view", "-f", "PASS", str(vcf)])
    split = run_tool(["bcftools", "norm", "-f", str(reference), "-m", "-any", "-"], passed)
    samples = run_tool(["bcftools", "query", "-l", str(vcf)]).split()
    rows = run_tool(["bcftools", "query", "-f", "%CHROM\\t%POS\\t%REF\\t%ALT[\\t%GT]\\n", "-"], split)
    found: dict[str, Genotypes] = {sample: {} for sample in samples}
    for row in rows.splitlines():
        chrom, pos, ref, alt, *genotypes = row.split("\t")
        allele = (chrom, int(pos), ref, alt)
        for sample, genotype in zip(samples, genotypes, strict=True):
            copies = copies_of(genotype)
            if copies:
                found[sample][allele] = min(2, found[sample].get(allele, 0) + copies)
    return found


def call_files(run: Path, samples: Iterable[str], mode: str | None) -> list[Path]:
    """Return the VCF files with the calls of a mode.

    Without a mode: the joint file, or those of the samples where only these exist.
    """
    folder = run / "results" / "variants"
    joint = folder / "all.vcf.gz"
    separate = [folder / f"{sample}.vcf.gz" for sample in samples]
    if mode is None:
        mode = "per-sample" if separate[0].is_file() and not joint.is_file() else "joint"
    return [require(path, RUN_FIRST) for path in ([joint] if mode == "joint" else separate)]


def alignment_file(run: Path, sample: str) -> Path:
    """Return the file with a sample's alignments, CRAM or BAM."""
    folder = run / "results" / "alignments"
    bam = folder / f"{sample}.bam"
    return bam if bam.is_file() else require(folder / f"{sample}.cram", RUN_FIRST)


def depth_at(alignments: Path, reference: Path, alleles: Iterable[Allele]) -> dict[tuple[str, int], int]:
    """Count the fragments that cover each allele's position, without duplicates."""
    bed = "".join(f"{chrom}\t{pos - 1}\t{pos}\n" for chrom, pos, _, _ in sorted(alleles))
    if not bed:
        return {}
    command = ["samtools", "depth", "-a", "-s", "-J", "--reference", str(reference), "-b", "-", str(alignments)]
    depths: dict[tuple[str, int], int] = {}
    for row in run_tool(command, bed).splitlines():
        chrom, pos, depth = row.split("\t")
        depths[chrom, int(pos)] = int(depth)
    return depths


def judge(sample: str, planted: Genotypes, called: Genotypes, depths: dict[tuple[str, int], int]) -> list[Outcome]:
    """Return the outcome of every planted or called allele of a sample."""
    outcomes: list[Outcome] = []
    for allele in sorted(planted.keys() | called.keys()):
        depth = depths.get(allele[:2], 0)
        if allele not in planted:
            status = "extra"
        elif allele not in called:
            status = "missed" if depth >= MIN_DEPTH else "low coverage"
        else:
            status = "found" if planted[allele] == called[allele] else "wrong GT"
        copies = planted.get(allele) or called[allele]
        outcomes.append(Outcome(sample, allele, copies, depth, status))
    return outcomes


def evaluate(run: Path, mode: str | None = None) -> tuple[list[Outcome], list[Path]]:
    """Compare calls and truth in a run folder; return the outcomes, and the files that hold the results."""
    hint = "make the data with demo/simulate.py first"
    reference = require(run / "reference.fa", hint)
    truth = read_genotypes(require(run / "truth.vcf.gz", hint), reference)
    vcfs = call_files(run, truth, mode)
    called: dict[str, Genotypes] = {}
    for vcf in vcfs:
        called |= read_genotypes(vcf, reference)
    outcomes: list[Outcome] = []
    files = list(vcfs)
    for sample, planted in truth.items():
        if sample not in called:
            raise EvaluationError(f"{vcfs[0]} has no calls for sample {sample}")
        alignments = alignment_file(run, sample)
        depths = depth_at(alignments, reference, planted.keys() | called[sample].keys())
        outcomes += judge(sample, planted, called[sample], depths)
        files.append(alignments)
    results = run / "results"
    pages = [results / "qc" / "multiqc.html", results / "report.html"]
    return outcomes, files + [require(page, RUN_FIRST) for page in pages]


def kind_of(outcome: Outcome) -> tuple[str, str]:
    """Return type and zygosity of an allele."""
    change = len(outcome.allele[3]) - len(outcome.allele[2])
    kind = "SNP" if change == 0 else "insertion" if change > 0 else "deletion"
    return kind, "hom" if outcome.copies == 2 else "het"


def table_row(sample: str, kind: str, zygosity: str, outcomes: list[Outcome]) -> str:
    """Return one line of the table."""
    counts = Counter(outcome.status for outcome in outcomes)
    counts["planted"] = len(outcomes) - counts["extra"]
    cells = "".join(f"{counts[column]:>{len(column) + 3}}" for column in COLUMNS)
    return f"{sample:<10}{kind:<11}{zygosity:<4}{cells}"


def table(outcomes: list[Outcome]) -> str:
    """Return a table of the counts for each sample and for all of them, by type and genotype."""
    head = f"{'sample':<10}{'type':<11}{'GT':<4}" + "".join(f"   {column}" for column in COLUMNS)
    lines = [head]
    samples = sorted({outcome.sample for outcome in outcomes})
    for sample in [*samples, "total"]:
        lines.append("-" * len(head))
        mine = [outcome for outcome in outcomes if sample in (outcome.sample, "total")]
        for kind in TYPES:
            for zygosity in ZYGOSITIES:
                chosen = [outcome for outcome in mine if kind_of(outcome) == (kind, zygosity)]
                lines.append(table_row(sample, kind, zygosity, chosen))
        lines.append(table_row(sample, "all", "", mine))
    return "\n".join(lines)


def report(outcomes: list[Outcome], files: list[Path]) -> int:
    """Print table, differences and result files; return the exit code."""
    print(table(outcomes))
    print("\nWhere the results are:")
    for path in files:
        print(f"  {path}")
    unremarkable = [outcome for outcome in outcomes if outcome.status not in ("found", "extra") and not outcome.fails]
    if unremarkable:
        print(f"\nNot counted as failures, covered by fewer than {MIN_DEPTH} reads:")
        for outcome in unremarkable:
            print(f"  {outcome.describe()}")
    failures = [outcome for outcome in outcomes if outcome.fails]
    if failures:
        print("\nFAILED:")
        for outcome in failures:
            print(f"  {outcome.describe()}")
        return 1
    print(f"\nOK: every planted variant with {MIN_DEPTH} or more reads was found, and nothing else.")
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Compare the workflow's PASS calls with the planted variants. The exit code is 1 when "
        f"a variant covered by {MIN_DEPTH} or more reads was missed or got a wrong genotype, or an extra "
        "one was called.",
        epilog="example: tools/run.sh python demo/evaluate.py --run demo/run",
    )
    parser.add_argument("--run", type=Path, required=True, help="folder given to demo/simulate.py as --out")
    parser.add_argument("--mode", choices=("joint", "per-sample"), help="which calls to read (default: joint if there)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = parse_arguments(argv)
    try:
        return report(*evaluate(options.run, options.mode))
    except (EvaluationError, OSError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
