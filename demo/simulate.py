#!/usr/bin/env python3
"""Make a small, seeded sequencing data set whose variants are known; the package `simulation` says how."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from simulation import SimulationError, files
from simulation.genome import Contig, make_reference
from simulation.plan import DEMO, REPEATS, SMALL, Plan
from simulation.reads import haplotypes_of, simulate_lane
from simulation.repeats import plant_in_repeats
from simulation.variants import Site, plant_variants


def simulate(out: Path, seed: int, plan: Plan, base: Path) -> None:
    """Write the data set of a plan into `out`; paths in its files are relative to `base`."""
    contigs, genes = make_reference(Random(f"{seed}/reference"), plan)
    rng = Random(f"{seed}/variants")
    if plan.loci_per_10kb:
        sites = plant_in_repeats(rng, plan.loci_per_10kb, contigs)
    else:
        sites = plant_variants(rng, plan, contigs, genes)
    (out / "reads").mkdir(parents=True, exist_ok=True)

    reference = out / plan.reference
    files.write_fasta(reference, files.fasta(contigs))
    if genes:
        (out / "genes.gff3").write_text("\n".join(files.gff_lines(contigs, genes)) + "\n")
    else:
        (out / "everything.bed").write_text("\n".join(files.bed_lines(contigs)) + "\n")
    files.write_truth(out / "truth.vcf.gz", reference, "\n".join(files.truth_lines(contigs, sites)) + "\n")
    write_lanes(out / "reads", seed, plan, contigs, sites)

    prefix = files.path_prefix(out, base)
    (out / "samples.tsv").write_text(files.sheet(plan, prefix))
    (out / "config.yaml").write_text(files.config(plan, prefix))


def write_lanes(folder: Path, seed: int, plan: Plan, contigs: list[Contig], sites: list[Site]) -> None:
    """Sequence all lanes of a plan; the next lane is simulated while the files of this one are compressed."""
    with ThreadPoolExecutor() as pool:
        written = []
        for number, lane in enumerate(plan.lanes, 1):
            texts = simulate_lane(
                seed, number, lane, haplotypes_of(lane.sample, contigs, sites, bool(plan.loci_per_10kb))
            )
            for name, text in zip(lane.files(), texts, strict=True):
                written.append(pool.submit(files.write_reads, folder / name, text))
    for file in written:
        file.result()


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Make a reference, genes, reads of two samples and the truth about their variants.",
        epilog="example: tools/run.sh python demo/simulate.py --out demo/run --seed 1",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into (made if needed)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default: 1)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="one contig of 5 kb at low depth, under 200 kB")
    size.add_argument(
        "--repeats",
        action="store_true",
        help="1 Mb at 30x, with thousands of variants in short tandem repeats, where polymerases slip: a truth set "
        "for `make accuracy`",
    )
    parser.add_argument(
        "--relative-to",
        type=Path,
        metavar="DIR",
        help="the workflow's working directory: paths in samples.tsv and config.yaml start there "
        "(default: the folder of --out)",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = parse_arguments(argv)
    plan = SMALL if options.small else REPEATS if options.repeats else DEMO
    try:
        simulate(options.out, options.seed, plan, options.relative_to or options.out)
    except (SimulationError, OSError) as error:
        print(f"simulate.py: {error}", file=sys.stderr)
        return 1
    samples = {lane.sample for lane in plan.lanes}
    print(f"wrote {len(plan.lanes)} lanes of {len(samples)} samples and their truth to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
