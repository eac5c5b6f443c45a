#!/usr/bin/env python3
"""Compare the models of indels, on a folder of truth sets and on simulated repeats, as a table in Markdown."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import accuracy
from truthset.scores import Score
from truthset.tools import AccuracyError
from truthset.workflow import REPOSITORY

MODELS = {
    "classic": (
        "calling.indels=classic",
        "calling.min_gapped_reads=2",
        'filters.Overlap=""',
        "filters.IndelFraction=IMF < 0.15",
    ),
    "consensus": (),
}
"""Changes of the configuration: how version 0.2 called indels, and the defaults."""
DEPTHS = (None, 15.0, 8.0)
"""Mean depths that each truth set is thinned to; None for all its reads."""


@dataclass(frozen=True)
class Row:
    """The scores of one model on one truth set, of all seeds of its thinning."""

    truth: str
    depth: float | None
    model: str
    scores: list[list[Score]]

    def cells(self) -> list[str]:
        """Return one cell for each sample, BED file and type that has true alleles: mean counts and F1."""
        found = []
        for same in zip(*self.scores, strict=True):
            counts = [score.counts for score in same]
            if not any(count.tp + count.fn for count in counts):
                continue
            numbers = "/".join(f"{mean(getattr(count, name) for count in counts):.4g}" for name in ("tp", "fp", "fn"))
            alone = mean(count.f1 or 0 for count in counts)
            genotypes = mean(count.with_genotypes().f1 or 0 for count in counts)
            wrong = mean(count.wrong_genotype for count in counts)
            label = f"{same[0].sample} {same[0].bed} {same[0].kind}"
            found.append(f"| {self.name()} | {label} | {numbers} | {alone:.4f} | {wrong:.4g} | {genotypes:.4f} |")
        return found

    def name(self) -> str:
        """Return the row's first cells."""
        depth = f", {self.depth:g}x, {len(self.scores)} seeds" if self.depth else ""
        return f"{self.truth}{depth} | {self.model}"


def simulated_repeats(folder: Path, seed: int) -> Path:
    """Return the folder of a simulated truth set of short tandem repeats; it is made where it is missing."""
    folder = folder / f"repeats{seed}"
    if not (folder / "truth.vcf.gz").is_file():
        command = [sys.executable, str(REPOSITORY / "demo" / "simulate.py"), "--repeats", "--seed", str(seed)]
        subprocess.run([*command, "--out", str(folder)], stdout=sys.stderr, check=True)
    return folder


def compare(truth: Path, depth: float | None, seeds: int, workdir: Path, cores: int) -> list[Row]:
    """Run the workflow once for each model and seed; alignments are made once for both models."""
    rows = {model: Row(truth.name, depth, model, []) for model in MODELS}
    for seed in range(1, (seeds if depth else 1) + 1):
        place = workdir / f"{truth.name}-{depth or 'all'}-{seed}"
        for model, changes in MODELS.items():
            words = [str(truth), "--workdir", str(place), "--cores", str(cores), "--seed", str(seed)]
            words += [word for change in changes for word in ("--set", change)]
            words += ["--depth", str(depth)] if depth else []
            rows[model].scores.append(accuracy.benchmark(accuracy.parse_arguments(words)))
    return list(rows.values())


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("truths", type=Path, help="folder whose folders are truth sets, as accuracy.py takes them")
    parser.add_argument("--seeds", type=accuracy.positive(int), default=3, help="of thinning (default: 3)")
    parser.add_argument("--simulation", type=int, default=1, help="seed of the simulated repeats (default: 1)")
    parser.add_argument("--workdir", type=Path, default=REPOSITORY / "benchmarks" / "runs" / "genotypes")
    parser.add_argument("--cores", type=accuracy.positive(int), default=os.cpu_count() or 1, help="(default: all)")
    options = parser.parse_args(argv)
    try:
        truths = sorted(path.parent for path in options.truths.glob("*/ref.fa"))
        if not truths:
            raise AccuracyError(f"{options.truths} is no truth set, which has ref.fa, and has no folders that are one")
        workdir = options.workdir.resolve()
        rows = [
            row
            for truth in [*truths, simulated_repeats(workdir, options.simulation)]
            for depth in DEPTHS
            for row in compare(truth.resolve(), depth, options.seeds, workdir, options.cores)
        ]
    except (AccuracyError, OSError, EOFError, subprocess.CalledProcessError) as error:
        print(f"genotypes.py: {error}", file=sys.stderr)
        return 1
    print("| data | indels | alleles | TP/FP/FN | F1 | wrong genotypes | F1 with genotypes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(cell for row in rows for cell in row.cells()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
