"""The filters of the configuration: as stages of a pipe, and each tried on a made-up variant.

A wrong expression is thus found before the reads are aligned.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from terraflow_workflow.calling.model import VersionError, check_version
from terraflow_workflow.calling.multiallelic import SPLIT, STAGES
from terraflow_workflow.calling.records import prepared

REFERENCE = "ACGATCTACTGGCATTCGATGCTTAGCGATCTACGGATCT"
READ = "ACGATCTACTGGCATTCGATTCTTAGCGATCTACGGATCT"
DEPTH = 20


def soft_filters(filters: Mapping[str, str]) -> str:
    """Return the stages of a shell pipe that mark, with a filter's name, the variants that its expression holds for."""
    stages = (
        f" | bcftools filter -Ou -m + -s {name} -e {shlex.quote(expression)} -" for name, expression in filters.items()
    )
    return "".join(stages)


def reads(samples: list[str]) -> str:
    """Return a SAM in which every sample is homozygous for one SNP; expressions may refer to samples by number."""
    header = [f"@SQ\tSN:c\tLN:{len(REFERENCE)}", *(f"@RG\tID:{sample}\tSM:{sample}" for sample in samples)]
    line = f"0\tc\t1\t60\t{len(READ)}M\t*\t0\t0\t{READ}\t{'I' * len(READ)}"
    body = [f"r{number}\t{line}\tRG:Z:{sample}" for sample in samples for number in range(DEPTH)]
    return "\n".join([*header, *body]) + "\n"


def call(samples: list[str], folder: Path, model: str = "", multiallelic: str = SPLIT) -> Path:
    """Call the variant as the rules `bcftools_call` and `variants` do, in `folder`.

    `model` are options of mpileup, `multiallelic` is a key of STAGES. Raises CalledProcessError and VersionError.
    """
    check_version(model)
    fasta, sam, pileup, calls, noted = (
        folder / name for name in ("c.fa", "c.sam", "pileup.bcf", "calls.vcf", "noted.vcf")
    )
    fasta.write_text(f">c\n{REFERENCE}\n")
    sam.write_text(reads(samples))
    mpileup: list[str | Path] = ["bcftools", "mpileup", "-Ou", "-p", "-a", "FORMAT/AD,FORMAT/DP", *shlex.split(model)]
    subprocess.run([*mpileup, "-f", fasta, "-o", pileup, sam], check=True)
    subprocess.run(["bcftools", "call", "-Ov", "-m", "-v", "-a", "GQ", "-o", calls, pileup], check=True)
    with calls.open("rb") as lines, noted.open("wb") as out:
        out.writelines(prepared(lines, multiallelic))
    split = f"set -o pipefail; cat {shlex.quote(str(noted))}{STAGES[multiallelic]}"
    done = folder / "calls.bcf"
    with done.open("wb") as out:
        subprocess.run(["bash", "-c", split], stdout=out, check=True)
    return done


def problem(calls: Path, name: str, expression: str) -> str | None:
    """Return the message of bcftools about a wrong expression; None for a right one."""
    command = ["bcftools", "filter", "-s", name, "-e", expression, str(calls)]
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode == 0:
        return None
    return f"filters.{name}: found {expression!r}, which bcftools can't use: {run.stderr.strip()}"


def main() -> None:
    """Run the command line of the rule `filters`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", required=True, nargs="+", help="samples that are called together")
    parser.add_argument("--filters", required=True, nargs="*", help="filters, each as NAME=EXPRESSION")
    parser.add_argument("--model", default="", help="options of mpileup")
    parser.add_argument("--multiallelic", default=SPLIT, choices=list(STAGES), help="how such sites are written")
    parser.add_argument("--folder", required=True, type=Path, help="for what is made on the way")
    parser.add_argument("--out", required=True, type=Path, help="table of names and expressions")
    options = parser.parse_args()
    try:
        calls = call(options.samples, options.folder, options.model, options.multiallelic)
    except VersionError as error:
        sys.exit(str(error))
    filters = [text.partition("=")[::2] for text in options.filters]
    if problems := [text for name, expression in filters if (text := problem(calls, name, expression))]:
        sys.exit("\n".join(problems))
    options.out.write_text("".join(f"{name}\t{expression}\n" for name, expression in filters))


if __name__ == "__main__":
    main()
