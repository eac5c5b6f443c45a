"""The run: inputs for the workflow on a truth set, Snakemake, and the file with a sample's calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from truthset.folder import Lane, TruthSet, read_fasta
from truthset.tools import AccuracyError, run_tool

REPOSITORY = Path(__file__).resolve().parents[2]
MITOCHONDRIAL = frozenset(("chrM", "chrMT", "M", "MT", "NC_012920.1"))


def choose_ploidy(asked: int | None, truth: TruthSet) -> tuple[int, str]:
    """Return the ploidy to call with, and the reason for it."""
    if asked is not None:
        return asked, "as asked"
    genotypes = [
        genotype
        for path in set(truth.truths.values())
        for genotype in run_tool(["bcftools", "query", "-f", "[%GT\\n]", str(path)]).split()
    ]
    if genotypes and not any("/" in genotype or "|" in genotype for genotype in genotypes):
        return 1, "the truth's genotypes are haploid"
    if set(read_fasta(truth.reference)) <= MITOCHONDRIAL:
        return 1, "the reference is mitochondrial"
    return 2, "the default"


def make_config(reference: Path, ploidy: int, assignments: Iterable[str]) -> dict[str, Any]:
    """Return the repository's default configuration with this benchmark's reference, ploidy and changes."""
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config["samples"] = "samples.tsv"
    own = [f"reference.fasta={json.dumps(str(reference))}", f"calling.ploidy={ploidy}", 'annotation.gff=""']
    for assignment in [*own, *assignments]:
        set_key(config, assignment)
    return config


def set_key(config: dict[str, Any], assignment: str) -> None:
    """Apply KEY=VALUE, where dots in KEY lead into sections and VALUE is YAML."""
    key, separator, value = assignment.partition("=")
    if not separator or not all(key.split(".")):
        raise AccuracyError(f"--set needs KEY=VALUE, not {assignment!r}")
    *sections, last = key.split(".")
    place = config
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise AccuracyError(f"--set {assignment}: {section} is not a section")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise AccuracyError(f"--set {assignment}: the value is not YAML") from None


def link_reference(reference: Path, workdir: Path) -> Path:
    """Link the reference into the work folder, so that indexes are not written into the truth folder."""
    link = workdir / "ref.fa"
    if not (link.is_symlink() and link.resolve() == reference.resolve()):
        link.unlink(missing_ok=True)
        link.symlink_to(reference.resolve())
    return link


def write_inputs(workdir: Path, lanes: Iterable[Lane], config: dict[str, Any]) -> None:
    """Write sample sheet and configuration."""
    rows = ["sample\tunit\tfq1\tfq2"]
    for lane in lanes:
        paths = [str(path.resolve()) for path in lane.files]
        rows.append("\t".join([lane.sample, lane.unit, *paths, *[""] * (2 - len(paths))]))
    (workdir / "samples.tsv").write_text("\n".join(rows) + "\n")
    (workdir / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def run_workflow(workdir: Path, cores: int, targets: Iterable[str] = ()) -> None:
    """Run Snakemake on the inputs in the work folder, for all results or `targets`; raise AccuracyError if it fails."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--directory", str(workdir)]
    command += ["--configfile", str(workdir / "config.yaml"), "--", *targets]
    sys.stdout.flush()
    if subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr, check=False).returncode:
        raise AccuracyError("the workflow failed; its messages are above")


def call_target(workdir: Path, config: dict[str, Any], sample: str) -> tuple[str, str]:
    """Return which result has a sample's calls, relative to the work folder, and the expression of those that count.

    Of a mitochondrion that is called for shares, the alleles of most reads count.
    """
    stem = sample if config["calling"].get("mode") == "per-sample" else "all"
    shares = config["calling"].get("mitochondrion", "off") not in ("off", False)
    folder = "mitochondrion" if shares and set(read_fasta(workdir / "ref.fa")) <= MITOCHONDRIAL else "variants"
    return f"results/{folder}/{stem}.vcf.gz", "FMT/AF>=0.5" if folder == "mitochondrion" else ""


def call_file(workdir: Path, config: dict[str, Any], sample: str) -> tuple[Path, str]:
    """Return the VCF with a sample's calls, and which of them count; raise AccuracyError without a VCF."""
    target, only = call_target(workdir, config, sample)
    path = workdir / target
    if not path.is_file():
        raise AccuracyError(f"the workflow left no {path}")
    return path, only
