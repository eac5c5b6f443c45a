#!/usr/bin/env python3
"""Run the workflow on reads whose variants are known and score its calls.

Positions are 1-based as in VCF; BED intervals and haplotype windows are 0-based and half-open.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, cast

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
LANE_FILE = re.compile(
    r"(?P<sample>[^_]+)_(?:(?P<unit>.+)_)?R(?P<mate>[12])\.(?:fastq|fq)(?P<suffix>\.gz|\.bz2|)", re.ASCII
)
COMPRESSION_SUFFIX = {"none": "", "gzip": ".gz", "bzip2": ".bz2"}
MITOCHONDRIAL = frozenset(("chrM", "chrMT", "M", "MT", "NC_012920.1"))
CLUSTER_GAP = 50  # bp between neighbouring unmatched alleles that may describe one haplotype together
TYPES = ("SNP", "indel")

Allele = tuple[str, int, str, str]
Copies = dict[Allele, int]
Record = tuple[bytes, bytes, bytes, bytes]


class AccuracyError(Exception):
    """The benchmark cannot go on; the text says why."""


def run_tool(command: list[str], text: str = "") -> str:
    """Return what a command prints; AccuracyError when it is missing or fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise AccuracyError(f"{command[0]} is not on PATH") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise AccuracyError(f"{' '.join(command)} failed: {reason}") from None
    return done.stdout


# --- truth folder ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lane:
    """The FASTQ files of one lane, mates in order."""

    sample: str
    unit: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class TruthSet:
    """What a truth folder holds; `truths` gives the VCF of each sample."""

    reference: Path
    lanes: tuple[Lane, ...]
    truths: dict[str, Path]
    beds: tuple[Path, ...]


def find_lanes(folder: Path) -> tuple[Lane, ...]:
    """The lanes in a truth folder or its `lanes` folder; AccuracyError when there are none."""
    mates: dict[tuple[str, str], dict[str, Path]] = {}
    for path in sorted([*folder.glob("*"), *folder.glob("lanes/*")]):
        match = LANE_FILE.fullmatch(path.name)
        if match:
            mates.setdefault((match["sample"], match["unit"] or "L1"), {})[match["mate"]] = path
    if not mates:
        raise AccuracyError(f"{folder} has no reads named SAMPLE_LANE_R1.fastq.gz, nor has its folder lanes")
    lanes: list[Lane] = []
    for (sample, unit), files in mates.items():
        if "1" not in files:
            raise AccuracyError(f"{files['2']} has no matching R1 file")
        lanes.append(Lane(sample, unit, tuple(files[mate] for mate in sorted(files))))
    return tuple(lanes)


def find_truth(folder: Path) -> TruthSet:
    """Look a truth folder over; AccuracyError when something is missing."""
    if not folder.is_dir():
        raise AccuracyError(f"{folder} is not a folder")
    reference = folder / "ref.fa"
    if not reference.is_file():
        raise AccuracyError(f"{reference} is missing")
    beds = tuple(sorted(folder.glob("*.bed")))
    if not beds:
        raise AccuracyError(f"{folder} has no .bed file with the regions to score")
    lanes = find_lanes(folder)
    truths: dict[str, Path] = {}
    for sample in dict.fromkeys(lane.sample for lane in lanes):
        own, common = folder / f"{sample}.truth.vcf.gz", folder / "truth.vcf.gz"
        truths[sample] = own if own.is_file() else common
        if not truths[sample].is_file():
            raise AccuracyError(f"neither {own} nor {common} exists")
    return TruthSet(reference, lanes, truths, beds)


def read_fasta(path: Path) -> dict[str, str]:
    """Sequences by contig name, in upper case."""
    contigs: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith(">"):
            lines = contigs.setdefault(line[1:].split()[0], [])
        else:
            lines.append(line.strip().upper())
    return {name: "".join(parts) for name, parts in contigs.items()}


# --- reads -----------------------------------------------------------------------------------------


def open_fastq(path: Path, mode: Literal["rb", "wb"]) -> IO[bytes]:
    """Open a FASTQ file by its suffix; compressed output carries no time stamp."""
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(path, mode, compresslevel=4, mtime=0))
    if path.suffix == ".bz2":
        return bz2.open(path, mode)
    return path.open(mode)


def fastq_records(path: Path) -> Iterator[Record]:
    """Yield the four lines of each record; AccuracyError when the last one is cut off."""
    with open_fastq(path, "rb") as lines:
        for name in lines:
            record = (name, lines.readline(), lines.readline(), lines.readline())
            if not record[3]:
                raise AccuracyError(f"{path} ends within a record")
            yield record


def mean_depth(lanes: Iterable[Lane], reference_length: int) -> float:
    """Sequenced bases per reference base."""
    bases = sum(len(r[1].rstrip()) for lane in lanes for path in lane.files for r in fastq_records(path))
    return bases / reference_length


def kept(name: bytes, fraction: float, seed: int) -> bool:
    """Whether thinning keeps a fragment: it depends on its name only, whatever file it is in."""
    fragment = name.split()[0].removesuffix(b"/1").removesuffix(b"/2")
    digest = hashlib.blake2b(fragment, digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") < fraction * 2**64


def copy_reads(sources: Iterable[Lane], targets: tuple[Path, ...], fraction: float, seed: int) -> None:
    """Write the kept fragments of some lanes one after the other, mates in step."""
    with ExitStack() as stack:
        outputs = [stack.enter_context(open_fastq(path, "wb")) for path in targets]
        for lane in sources:
            try:
                for records in zip(*map(fastq_records, lane.files), strict=True):
                    if kept(records[0][0], fraction, seed):
                        for record, output in zip(records, outputs, strict=True):
                            output.writelines(record)
            except ValueError:
                names = " and ".join(map(str, lane.files))
                raise AccuracyError(f"{names} do not hold the same number of reads") from None


def regroup(lanes: tuple[Lane, ...], merged: bool) -> list[list[Lane]]:
    """The lanes that go into each output lane; only like with like is merged."""
    groups: dict[tuple[str, str, int], list[Lane]] = {}
    for lane in lanes:
        groups.setdefault((lane.sample, "" if merged else lane.unit, len(lane.files)), []).append(lane)
    return list(groups.values())


def prepare_lanes(truth: TruthSet, folder: Path, options: argparse.Namespace) -> list[Lane]:
    """The lanes to run on: those of the truth folder, or rewritten ones as the options ask."""
    merged = options.lanes == "merged"
    if options.depth is None and not merged and options.compression == "keep":
        return list(truth.lanes)
    length = sum(map(len, read_fasta(truth.reference).values()))
    fractions: dict[str, float] = {}
    for sample in truth.truths if options.depth is not None else ():
        depth = mean_depth((lane for lane in truth.lanes if lane.sample == sample), length)
        fractions[sample] = min(1.0, options.depth / depth) if depth else 1.0
        print(f"{sample}: mean depth {depth:.1f}, keeping {fractions[sample]:.1%} of the fragments")
    folder.mkdir(parents=True, exist_ok=True)
    lanes: list[Lane] = []
    for group in regroup(truth.lanes, merged):
        first = group[0]
        unit = f"merged{len(first.files)}" if len(group) > 1 else first.unit
        suffix = COMPRESSION_SUFFIX.get(options.compression)
        if suffix is None:
            suffix = first.files[0].suffix if first.files[0].suffix in COMPRESSION_SUFFIX.values() else ""
        targets = tuple(folder / f"{first.sample}_{unit}_R{i + 1}.fastq{suffix}" for i in range(len(first.files)))
        copy_reads(group, targets, fractions.get(first.sample, 1.0), options.seed)
        lanes.append(Lane(first.sample, unit, targets))
    return lanes


# --- workflow --------------------------------------------------------------------------------------


def choose_ploidy(asked: int | None, truth: TruthSet) -> tuple[int, str]:
    """The ploidy to call with, and why."""
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


def make_config(reference: Path, ploidy: int, assignments: Iterable[str]) -> dict[str, Any]:
    """The repository's default configuration with this benchmark's reference, ploidy and changes."""
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config["samples"] = "samples.tsv"
    own = [f"reference.fasta={json.dumps(str(reference))}", f"calling.ploidy={ploidy}", 'annotation.gff=""']
    for assignment in [*own, *assignments]:
        set_key(config, assignment)
    return config


def link_reference(reference: Path, workdir: Path) -> Path:
    """A link in the work folder, so that indexes are not written into the truth folder."""
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


def run_workflow(workdir: Path, cores: int) -> None:
    """Run Snakemake on the inputs in the work folder; AccuracyError when it fails."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--directory", str(workdir)]
    command += ["--configfile", str(workdir / "config.yaml")]
    sys.stdout.flush()
    if subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr, check=False).returncode:
        raise AccuracyError("the workflow failed; its messages are above")


# --- scoring ---------------------------------------------------------------------------------------


@dataclass
class Counts:
    """Matched, surplus and missing alleles; `wrong_genotype` is the part of `tp` with the wrong copies."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    wrong_genotype: int = 0

    def with_genotypes(self) -> Counts:
        """The same when a wrong genotype is both a surplus and a missing allele."""
        wrong = self.wrong_genotype
        return Counts(self.tp - wrong, self.fp + wrong, self.fn + wrong)

    @staticmethod
    def _ratio(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    @property
    def precision(self) -> float | None:
        """Correct ones among the calls; None without calls."""
        return self._ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Called ones among the truth; None without truth."""
        return self._ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None without alleles."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def as_dict(self) -> dict[str, float | None]:
        """Counts and ratios for JSON."""
        ratios = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn, **ratios}


@dataclass
class Regions:
    """The intervals of a BED file, merged and sorted for each contig."""

    starts: dict[str, list[int]] = field(default_factory=dict)
    ends: dict[str, list[int]] = field(default_factory=dict)

    def add(self, chrom: str, start: int, end: int) -> None:
        """Add an interval; within a contig they have to come by rising start."""
        starts, ends = self.starts.setdefault(chrom, []), self.ends.setdefault(chrom, [])
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)

    def hold(self, allele: Allele) -> bool:
        """Whether an allele's POS lies in an interval."""
        chrom, pos = allele[0], allele[1]
        index = bisect_right(self.starts.get(chrom, []), pos - 1) - 1
        return index >= 0 and pos - 1 < self.ends[chrom][index]


def read_bed(path: Path) -> Regions:
    """Read a BED file; AccuracyError on a line without contig, start and end."""
    rows: list[tuple[str, int, int]] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fields = line.split()
        if not fields or fields[0] in ("track", "browser") or fields[0].startswith("#"):
            continue
        try:
            rows.append((fields[0], int(fields[1]), int(fields[2])))
        except (IndexError, ValueError):
            raise AccuracyError(f"{path}, line {number}: not a BED line") from None
    regions = Regions()
    for row in sorted(rows):
        regions.add(*row)
    return regions


def copies_of(genotype: str) -> int:
    """Copies (of two) of the only alternative allele in a GT field; a haploid call counts as two."""
    alleles = genotype.replace("|", "/").split("/")
    return alleles.count("1") * (2 if len(alleles) == 1 else 1)


def pick_sample(vcf: Path, sample: str) -> str:
    """The VCF column of a sample: the one of that name, or the only one."""
    columns = run_tool(["bcftools", "query", "-l", str(vcf)]).split()
    if sample in columns:
        return sample
    if len(columns) == 1:
        return columns[0]
    raise AccuracyError(f"{vcf} has no sample {sample}")


def read_alleles(vcf: Path, reference: Path, sample: str, passing: bool) -> Copies:
    """The alleles that a sample carries, left-aligned, split and broken into primitive changes.

    With `passing`, records that a filter rejects do not count. Alleles other than plain bases are
    left out, as are changes of an N in the reference.
    """
    norm = ["bcftools", "norm", "-f", str(reference), "-c", "w"]
    filters = ["-f", "PASS,."] if passing else []
    text = run_tool(["bcftools", "view", "-s", pick_sample(vcf, sample), *filters, str(vcf)])
    for step in (["-m", "-any"], ["--atomize"], ["-m", "-any"]):
        text = run_tool([*norm, *step, "-"], text)
    found: Copies = {}
    for row in run_tool(["bcftools", "query", "-f", "%CHROM\\t%POS\\t%REF\\t%ALT[\\t%GT]\\n", "-"], text).splitlines():
        chrom, pos, ref, alt, genotype = row.split("\t")
        allele = (chrom, int(pos), ref.upper(), alt.upper())
        copies = copies_of(genotype)
        if copies and allele[2] != allele[3] and set(allele[2] + allele[3]) <= set("ACGT"):
            found[allele] = min(2, found.get(allele, 0) + copies)
    return found


def apply_alleles(sequence: str, alleles: Iterable[Allele], start: int, end: int) -> str | None:
    """The window of a contig with the alleles put in; None when two of them overlap."""
    parts: list[str] = []
    at = start
    for _, pos, ref, alt in sorted(alleles):
        if pos - 1 < at:
            return None
        parts += [sequence[at : pos - 1], alt]
        at = pos - 1 + len(ref)
    return "".join([*parts, sequence[at:end]])


def same_haplotype(sequence: str, one: Iterable[Allele], other: Iterable[Allele]) -> bool:
    """Whether two sets of alleles make the same sequence."""
    one, other = list(one), list(other)
    alleles = one + other
    if not alleles:
        return True
    start = min(pos for _, pos, _, _ in alleles) - 1
    end = max(pos - 1 + len(ref) for _, pos, ref, _ in alleles)
    made = apply_alleles(sequence, one, start, end)
    return made is not None and made == apply_alleles(sequence, other, start, end)


def clusters(alleles: Iterable[Allele]) -> list[list[Allele]]:
    """Group alleles whose neighbours start at most CLUSTER_GAP apart."""
    groups: list[list[Allele]] = []
    for allele in sorted(alleles):
        last = groups[-1][-1] if groups else None
        if last and last[0] == allele[0] and allele[1] - last[1] <= CLUSTER_GAP:
            groups[-1].append(allele)
        else:
            groups.append([allele])
    return groups


def type_of(allele: Allele) -> str:
    """SNP or indel."""
    return "SNP" if len(allele[2]) == len(allele[3]) else "indel"


def compare(truth: Copies, calls: Copies, genome: dict[str, str]) -> dict[str, Counts]:
    """Score calls by type.

    Alleles match when they are equal, or when the unmatched ones of a neighbourhood spell the same
    haplotype in truth and calls. Its genotypes agree when the homozygous ones alone do so too.
    """
    scores = {kind: Counts() for kind in TYPES}
    for allele in truth.keys() & calls.keys():
        scores[type_of(allele)].tp += 1
        scores[type_of(allele)].wrong_genotype += truth[allele] != calls[allele]
    for group in clusters(truth.keys() ^ calls.keys()):
        missed = [allele for allele in group if allele in truth]
        extra = [allele for allele in group if allele in calls]
        sequence = genome[group[0][0]]
        if missed and extra and same_haplotype(sequence, missed, extra):
            homozygous = ([a for a in missed if truth[a] == 2], [a for a in extra if calls[a] == 2])
            agree = same_haplotype(sequence, *homozygous)
            for allele in missed:
                scores[type_of(allele)].tp += 1
                scores[type_of(allele)].wrong_genotype += not agree
            continue
        for allele in missed:
            scores[type_of(allele)].fn += 1
        for allele in extra:
            scores[type_of(allele)].fp += 1
    return scores


# --- report ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """The counts of one type of allele for one sample in one BED file."""

    sample: str
    bed: str
    kind: str
    counts: Counts

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        labels = {"sample": self.sample, "bed": self.bed, "type": self.kind}
        return {**labels, **self.counts.as_dict(), "genotypes": self.counts.with_genotypes().as_dict()}


def score_sample(truth: TruthSet, sample: str, calls: Path, reference: Path) -> list[Score]:
    """Score the calls of one sample in every BED file."""
    genome = read_fasta(reference)
    expected = read_alleles(truth.truths[sample], reference, sample, passing=False)
    called = read_alleles(calls, reference, sample, passing=True)
    scores: list[Score] = []
    for bed in truth.beds:
        regions = read_bed(bed)
        parts = [{a: n for a, n in alleles.items() if regions.hold(a)} for alleles in (expected, called)]
        for kind, counts in compare(parts[0], parts[1], genome).items():
            scores.append(Score(sample, bed.stem, kind, counts))
    return scores


def table(scores: list[Score]) -> str:
    """The scores, one line for alleles and one for alleles with genotypes."""
    names = max(len(score.sample) for score in scores)
    beds = max(len(score.bed) for score in scores)
    columns = f"{'TP':>6}{'FP':>6}{'FN':>6}{'precision':>11}{'recall':>9}{'F1':>9}"
    lines = [f"{'sample':<{names + 6}}  {'regions':<{beds + 7}}  {'type':<6}{'match':<10}{columns}"]
    for score in scores:
        label = f"{score.sample:<{names + 6}}  {score.bed:<{beds + 7}}  {score.kind:<6}"
        for match, counts in (("allele", score.counts), ("genotype", score.counts.with_genotypes())):
            ratios = [counts.precision, counts.recall, counts.f1]
            cells = [f"{'-' if ratio is None else format(ratio, '.4f'):>9}" for ratio in ratios]
            numbers = f"{counts.tp:>6}{counts.fp:>6}{counts.fn:>6}  "
            lines.append(f"{label}{match:<10}{numbers}{''.join(cells)}")
    return "\n".join(lines)


def call_file(workdir: Path, config: dict[str, Any], sample: str) -> Path:
    """The VCF in which the workflow left the calls of a sample."""
    stem = sample if config["calling"].get("mode") == "per-sample" else "all"
    path = workdir / "results" / "variants" / f"{stem}.vcf.gz"
    if not path.is_file():
        raise AccuracyError(f"the workflow left no {path}")
    return path


def benchmark(options: argparse.Namespace) -> list[Score]:
    """Prepare the inputs, run the workflow and score its calls."""
    truth = find_truth(options.truth)
    workdir = (options.workdir or REPOSITORY / "benchmarks" / "runs" / options.truth.resolve().name).resolve()
    workdir.mkdir(parents=True, exist_ok=True)
    ploidy, reason = choose_ploidy(options.ploidy, truth)
    print(f"ploidy {ploidy} ({reason})")
    reference = link_reference(truth.reference, workdir)
    config = make_config(reference, ploidy, options.assignments)
    lanes = prepare_lanes(truth, workdir / "reads", options)
    write_inputs(workdir, lanes, config)
    run_workflow(workdir, options.cores)
    scores: list[Score] = []
    for sample in truth.truths:
        scores += score_sample(truth, sample, call_file(workdir, config, sample), reference)
    return scores


def positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """An argparse converter for numbers above zero."""

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
        epilog="example: python benchmarks/accuracy.py truth/HG001 --depth 10 --set reads.shards=5",
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
