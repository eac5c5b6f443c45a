#!/usr/bin/env python3
"""Run the workflow on reads whose variants are known and score its calls; the package `truthset` says how."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from truthset.folder import find_truth
from truthset.reads import COMPRESSION_SUFFIX, Rewriting, prepare_lanes
from truthset.scores import Score, score_sample, table
from truthset.tools import AccuracyError
from truthset.workflow import (
    REPOSITORY,
    call_file,
    call_target,
    choose_ploidy,
    link_reference,
    make_config,
    run_workflow,
    write_inputs,
)


def benchmark(options: argparse.Namespace) -> list[Score]:
    """Prepare the inputs, run the workflow and score its calls."""
    truth = find_truth(options.truth)
    workdir = (options.workdir or REPOSITORY / "benchmarks" / "runs" / options.truth.resolve().name).resolve()
    workdir.mkdir(parents=True, exist_ok=True)
    ploidy, reason = choose_ploidy(options.ploidy, truth)
    print(f"ploidy {ploidy} ({reason})")
    reference = link_reference(truth.reference, workdir)
    config = make_config(reference, ploidy, options.assignments)
    rewriting = Rewriting(options.depth, options.lanes == "merged", options.compression, options.seed)
    write_inputs(workdir, prepare_lanes(truth, workdir / "reads", rewriting), config)
    run_workflow(workdir, options.cores, {call_target(workdir, config, sample)[0] for sample in truth.truths})
    scores: list[Score] = []
    for sample in truth.truths:
        calls, only = call_file(workdir, config, sample)
        scores += score_sample(truth, sample, calls, reference, only)
    return scores


def positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """Return an argparse converter for numbers above zero."""

    def convert(text: str) -> float:
        number = kind(text)
        if number <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above zero")
        return number

    return convert


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Run the workflow on a folder with reads and true variants, and score the calls.",
        epilog="example: tools/run.sh python benchmarks/accuracy.py truth/HG001 --depth 10 --set reads.shards=5",
    )
    parser.add_argument(
        "truth",
        type=Path,
        help="folder with ref.fa, SAMPLE[_LANE]_R1/_R2.fastq.gz (there or in lanes), *.bed, "
        "and truth.vcf.gz or SAMPLE.truth.vcf.gz",
    )
    parser.add_argument("--cores", type=positive(int), default=os.cpu_count() or 1, help="(default: all)")
    parser.add_argument("--workdir", type=Path, help="(default: benchmarks/runs/NAME)")
    parser.add_argument(
        "--ploidy", type=positive(int), help="(default: 1 for a haploid truth or mitochondrial reference, else 2)"
    )
    parser.add_argument("--depth", type=positive(float), help="thin each sample to this mean depth")
    parser.add_argument("--seed", type=int, default=1, help="of the thinning (default: 1)")
    parser.add_argument("--lanes", choices=("separate", "merged"), default="separate", help="(default: separate)")
    parser.add_argument(
        "--compression",
        choices=("keep", *COMPRESSION_SUFFIX),
        default="keep",
        help="of the reads (default: keep)",
    )
    parser.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the configuration",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores as JSON")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = parse_arguments(argv)
    try:
        scores = benchmark(options)
        print(table(scores))
        if options.json:
            options.json.write_text(json.dumps([score.as_dict() for score in scores], indent=2) + "\n")
    except (AccuracyError, OSError, EOFError) as error:
        print(f"accuracy.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
