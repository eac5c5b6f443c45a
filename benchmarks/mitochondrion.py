#!/usr/bin/env python3
"""Measure how the mitochondrion is called: two people's reads alone, mixed, and simulated mixtures of known shares.

The folder is a truth set (see accuracy.py) of two samples whose reference is one mitochondrion. Reads are simulated on
the circle from both samples' own sequences, with lengths, qualities and errors of fragments of their real reads.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from truthset.alleles import Copies, Regions, read_alleles, read_bed
from truthset.compare import compare
from truthset.folder import Lane, TruthSet, find_truth, read_fasta
from truthset.fractions import Found, Mixture, read_found, read_limits, score
from truthset.mixtures import Template, haplotype, mixed, simulated, templates, write_simulated
from truthset.tools import AccuracyError
from truthset.workflow import MITOCHONDRIAL, REPOSITORY, link_reference, make_config, run_workflow, write_inputs

PARTS = ("real", "simulated")
REAL = (0.1, 0.2, 0.5)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
DEPTHS = (500, 2000)
# What is called above this in one person's reads has to be explained.
LEAST = 0.03


@dataclass(frozen=True)
class Mix:
    """A sample that is mixed of both: `order` has the commoner mitochondrion first."""

    name: str
    share: float
    depth: int | None
    order: tuple[str, str]


class Bench:
    """The truth set, and what is known of it."""

    def __init__(self, truth: TruthSet, workdir: Path, cores: int) -> None:
        """Read the truth, which has to be one that `is_pair`."""
        ((self.contig, self.sequence),) = read_fasta(truth.reference).items()
        self.truth = truth
        self.workdir = workdir
        self.cores = cores
        workdir.mkdir(parents=True, exist_ok=True)
        self.reference = link_reference(truth.reference, workdir)
        one, other = self.samples = list(truth.truths)
        self.orders = ((one, other), (other, one))
        self.alleles: dict[str, Copies] = {
            sample: read_alleles(path, self.reference, sample, passing=False) for sample, path in truth.truths.items()
        }
        self.regions: Regions = read_bed(truth.beds[0])

    def lane(self, sample: str) -> Lane:
        """Return the only lane of a sample."""
        (lane,) = (lane for lane in self.truth.lanes if lane.sample == sample)
        return lane

    def run(self, folder: Path, lanes: Iterable[Lane]) -> None:
        """Call the mitochondrion of each lane's sample, each by itself."""
        lanes = list(lanes)
        settings = ["calling.mode=per-sample", f"calling.mitochondrion={self.contig}"]
        write_inputs(folder, lanes, make_config(self.reference, 1, settings))
        run_workflow(folder, self.cores, [f"results/mitochondrion/{lane.sample}.vcf.gz" for lane in lanes])

    def found(self, folder: Path, name: str) -> dict[tuple[str, int, str, str], Found]:
        """Return the alleles of one sample."""
        return read_found(folder / "results" / "mitochondrion" / f"{name}.vcf.gz", name)

    def own(self, sample: str) -> str:
        """Return a sample's own sequence."""
        return haplotype(self.sequence, self.alleles[sample])

    def templates(self, folder: Path) -> list[Template]:
        """Return the fragments of both samples."""
        parts = [
            templates(folder / "results" / "alignments" / f"{sample}.cram", self.reference, self.own(sample))
            for sample in self.samples
        ]
        print(f"fragments that reads are simulated from: {' and '.join(str(len(part)) for part in parts)}")
        return [template for part in parts for template in part]


def is_pair(truth: TruthSet) -> bool:
    """Return whether a truth set is two samples of one mitochondrion."""
    contigs = set(read_fasta(truth.reference))
    return len(contigs) == 1 and contigs <= MITOCHONDRIAL and len(truth.truths) == len(truth.lanes) == 2


def pure(bench: Bench, folder: Path) -> dict[str, Any]:
    """Call each sample by itself; print and return its homoplasmies, and what is called besides."""
    bench.run(folder, bench.truth.lanes)
    print("Each sample by itself")
    scores = {}
    for sample in bench.samples:
        found = bench.found(folder, sample)
        expected = {a: 2 for a in bench.alleles[sample] if bench.regions.hold(a)}
        most = {a: 2 for a, call in found.items() if call.passes and call.fraction >= 0.5 and bench.regions.hold(a)}
        counts = compare(expected, most, {bench.contig: bench.sequence})["SNP"]
        besides = [
            call
            for call in found.values()
            if call.fraction >= LEAST and not (call.allele in expected and call.fraction >= 0.5)
        ]
        print(f"{sample}: alleles in most reads, TP/FP/FN: {counts.tp}/{counts.fp}/{counts.fn}")
        print(*(f"{sample}: {call}" for call in besides), sep="\n", flush=True)
        scores[sample] = counts.as_dict() | {"besides": [asdict(call) for call in besides]}
    return scores


def mixtures(bench: Bench, folder: Path, mixes: list[Mix]) -> list[dict[str, Any]]:
    """Print and return the table of mixtures that have been called in `folder`."""
    names = ("samples", "sites", "found", "hidden", "missed", "others")
    widths = (9, 7, 7, 8, 8, 8)
    titles = "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    print(f"{'share':>6}{'depth':>7}{titles}{'|AF-share|':>12}")
    rows, notes = [], []
    for share, depth in dict.fromkeys((mix.share, mix.depth) for mix in mixes):
        total = Mixture()
        members = [mix for mix in mixes if (mix.share, mix.depth) == (share, depth)]
        for mix in members:
            limits = read_limits(folder / "results" / "mitochondrion" / f"{mix.name}.sites.tsv.gz")
            truths = (bench.alleles[mix.order[0]], bench.alleles[mix.order[1]])
            score(total, bench.found(folder, mix.name), limits, truths, share, bench.regions)
        numbers = (len(members), total.sites, total.found, total.hidden, len(total.missed), len(total.others))
        cells = "".join(f"{number:>{width}}" for number, width in zip(numbers, widths, strict=True))
        print(f"{share:>6.0%}{depth or 'real':>7}{cells}{total.mean_error:>12.4f}")
        notes += [f"  {share:.0%}, {depth or 'real'}: missed {text}" for text in total.missed]
        notes += [f"  {share:.0%}, {depth or 'real'}: other {call}" for call in total.others]
        rows.append({"share": share, "depth": depth, **dict(zip(names, numbers, strict=True))})
    print(*notes, sep="\n", flush=True)
    return rows


def real(bench: Bench, folder: Path) -> list[dict[str, Any]]:
    """Mix the real reads, call them, and score the mixtures."""
    mixes = [Mix(f"real{share * 100:.0f}{order[0]}", share, None, order) for share in REAL for order in bench.orders]
    length = len(bench.sequence)
    bench.run(
        folder,
        [
            mixed(
                folder / "reads", mix.name, (bench.lane(mix.order[0]), bench.lane(mix.order[1])), length, mix.share, 1
            )
            for mix in mixes
        ],
    )
    print("\nReal reads, mixed")
    return mixtures(bench, folder, mixes)


def simulation(bench: Bench, folder: Path, shapes: list[Template], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Simulate mixtures, call them, and score them; seeds take turns in which mitochondrion is the commoner."""
    mixes = [
        Mix(f"sim{share * 100:g}x{depth}s{seed}", share, depth, bench.orders[seed % 2])
        for share in options.shares
        for depth in options.depths
        for seed in options.seeds
    ]
    lanes = []
    for mix in mixes:
        haplotypes = (bench.own(mix.order[0]), bench.own(mix.order[1]))
        fragments = simulated(haplotypes, mix.share, float(mix.depth or 0), mix.name, shapes)
        lanes.append(write_simulated(folder / "reads", mix.name, fragments))
    bench.run(folder, lanes)
    print("\nSimulated reads, mixed")
    return mixtures(bench, folder, mixes)


def benchmark(options: argparse.Namespace) -> dict[str, Any]:
    """Make the reads, run the workflow, print and return the scores."""
    workdir = (options.workdir or REPOSITORY / "benchmarks" / "runs" / "mitochondrion").resolve()
    truth = find_truth(options.truth)
    if not is_pair(truth):
        print(f"{options.truth} is not two samples of one mitochondrion: nothing is mixed")
        return {}
    bench = Bench(truth, workdir, options.cores)
    folders = {name: workdir / name for name in ("pure", *PARTS)}
    for folder in folders.values():
        (folder / "reads").mkdir(parents=True, exist_ok=True)
    scores: dict[str, Any] = {"pure": pure(bench, folders["pure"])}
    if "real" in options.parts:
        scores["real"] = real(bench, folders["real"])
    if "simulated" in options.parts:
        shapes = bench.templates(folders["pure"])
        scores["simulated"] = simulation(bench, folders["simulated"], shapes, options)
    return scores


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path, help="folder of the truth set")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="(default: all)")
    parser.add_argument("--workdir", type=Path, help="(default: benchmarks/runs/mitochondrion)")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="beside each sample (default: both)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores as JSON")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="one mixture each (default: 1 2)")
    parser.add_argument("--depths", type=int, nargs="+", default=list(DEPTHS), help="of simulated mixtures")
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES), help="of simulated mixtures")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    try:
        options = parse_arguments(argv)
        scores = benchmark(options)
        if options.json:
            options.json.write_text(json.dumps(scores, indent=2) + "\n")
    except (AccuracyError, OSError, EOFError) as error:
        print(f"mitochondrion.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
