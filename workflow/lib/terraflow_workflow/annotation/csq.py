"""Try `bcftools csq` on made-up variants, one in each coding transcript, before the reads are aligned.

What csq refuses stops the run here, with the transcript; what it says nothing of is counted.
"""

import argparse
import gzip
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from terraflow_workflow.annotation.transcripts import Coding, Survey, feature_of
from terraflow_workflow.reference.contigs import read_contigs

TAGS = {
    # The caller doesn't phase: BCSQ joins variants of one haplotype only where genotypes tell the haplotype
    # (homozygous, haploid, phased), LCSQ judges each variant by itself.
    "BCSQ": ("-p", "s"),
    "LCSQ": ("--local-csq",),
}
HEADER = '##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tmade_up\n"
ANOTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


class TrialError(Exception):
    """A reference or an annotation that csq can't use."""


def command(tag: str, genome: str, gff: str, form: str = "u") -> list[str]:
    """Return the command that writes the consequences `tag` into a VCF on stdin; `form` is what `bcftools -O` takes."""
    return ["bcftools", "csq", f"-O{form}", "-f", genome, "-g", gff, *TAGS[tag], "--ncsq", "256", "-c", tag, "-"]


def stages(genome: str, gff: str) -> str:
    """Return the stages of a shell pipe that write BCSQ and LCSQ; `genome` may hold a variable of the shell."""
    return "".join(f" | {' '.join(command(tag, genome, shlex.quote(gff)))}" for tag in TAGS)


def read_coding(gff: Path) -> dict[str, Coding]:
    """Return the coding sequences of a GFF3 file (gzip) by the names that csq gives to transcripts."""
    survey = Survey()
    with gzip.open(gff) as lines:
        for line in lines:
            if not line.startswith(b"#") and line.strip():
                survey.add(feature_of(line.rstrip(b"\n").split(b"\t")))
    return {name.removeprefix(b"transcript:").decode(): coding for name, coding in survey.coding.items()}


def variants(coding: dict[str, Coding], genome: Path) -> dict[str, tuple[str, int, str]]:
    """Return (contig, position, base) in the middle of each transcript's longest part; none where the base is N."""
    index = [line.split("\t") for line in Path(f"{genome}.fai").read_text().splitlines()]
    places = {name: (int(offset), int(bases), int(width)) for name, _, offset, bases, width in index}
    found = {}
    with genome.open("rb") as fasta:
        for name, sequence in coding.items():
            start, end, _ = max(sequence.by_position(), key=lambda part: part[1] - part[0])
            position = (start + end) // 2
            contig = sequence.contig.decode()
            offset, bases, width = places[contig]
            fasta.seek(offset + (position - 1) // bases * width + (position - 1) % bases)
            base = fasta.read(1).decode().upper()
            if base in ANOTHER:
                found[name] = contig, position, base
    return found


def vcf(sites: set[tuple[str, int, str]], contigs: dict[str, int]) -> str:
    """Return a homozygous SNP at each site, in the order of the contigs."""
    order = {contig: number for number, contig in enumerate(contigs)}
    head = "".join(f"##contig=<ID={contig},length={length}>\n" for contig, length in contigs.items())
    body = "".join(
        f"{contig}\t{position}\t.\t{base}\t{ANOTHER[base]}\t50\tPASS\t.\tGT\t1/1\n"
        for contig, position, base in sorted(sites, key=lambda site: (order[site[0]], site[1]))
    )
    return f"{HEADER}{head}{COLUMNS}{body}"


def run(text: str, genome: Path, gff: Path) -> tuple[set[str], str]:
    """Return the transcripts that csq gives a consequence to, and what it says. Raises TrialError when it fails."""
    data = text.encode()
    for tag in TAGS:
        line = command(tag, str(genome), str(gff), "v")
        done = subprocess.run(line, input=data, capture_output=True, check=False)
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode:
            # A signal is a negative number here, or one above 128 behind a launcher; csq's own errors end with 255.
            crashed = not said or done.returncode < 0 or 128 < done.returncode < 160
            raise TrialError(f"it crashed (exit code {done.returncode})" if crashed else said)
        data = done.stdout
    infos = [row.split("\t")[7] for row in data.decode().splitlines() if not row.startswith("#")]
    found = (
        part.split("|") for info in infos for text in re.findall(r"\bLCSQ=([^;]*)", info) for part in text.split(",")
    )
    return {part[2] for part in found if len(part) > 2}, said


def without(gff: Path, out: Path, names: set[str]) -> None:
    """Write a GFF3 file (gzip) without some transcripts and their parts."""
    ids = {name.encode() for name in names}
    with gzip.open(gff) as lines, gzip.open(out, "wb", compresslevel=1) as target:
        target.writelines(line for line in lines if not ids & set(_names(line)))


def _names(line: bytes) -> Iterator[bytes]:
    fields = line.rstrip(b"\n").split(b"\t")
    if len(fields) == 9:
        feature = feature_of(fields)
        yield from (name.removeprefix(b"transcript:") for name in (feature.id, *feature.parents) if name)


def culprit(text: str, genome: Path, gff: Path, folder: Path, names: list[str]) -> str | None:
    """Return the transcript that csq fails at, found by halving; None when it fails at none of them alone."""

    def fails(kept: list[str]) -> bool:
        part = folder / "part.gff.gz"
        without(gff, part, set(names) - set(kept))
        try:
            run(text, genome, part)
        except TrialError as error:
            return "No usable transcripts" not in str(error)
        return False

    suspects = list(names)
    if fails([]):
        return None
    while len(suspects) > 1:
        half = suspects[: len(suspects) // 2]
        suspects = half if fails(half) else suspects[len(half) :]
    return suspects[0] if suspects and fails(suspects) else None


def tried(gff: Path, genome: Path, folder: Path, name: str) -> tuple[dict[str, Coding], set[str], str]:
    """Return the coding transcripts of `gff`, those that csq gives no consequence, and its messages.

    Raises TrialError, for the user's annotation `name`, when csq fails or says nothing of any transcript.
    """
    contigs = read_contigs(f"{genome}.fai")
    coding = read_coding(gff)
    sites = variants(coding, genome)
    text = vcf(set(sites.values()), contigs)
    try:
        read, said = run(text, genome, gff)
    except TrialError as error:
        found = culprit(text, genome, gff, folder, list(coding))
        where = f" because of the transcript {found} ({_place(coding[found])})" if found else ""
        raise TrialError(
            f"{name}: bcftools csq can't use it{where}: {_reason(str(error))}; "
            "correct the transcript or take it out, or leave annotation.gff empty"
        ) from None
    silent = sites.keys() - read
    if sites and silent == sites.keys():
        raise TrialError(
            f"{name}: bcftools csq reads none of its {len(silent)} coding transcripts ({_some(silent)}); expected "
            "Ensembl's GFF3: CDS lines with Parent=transcript:T, T's line with ID=transcript:T, Parent=gene:G and "
            "biotype=protein_coding, G's line with ID=gene:G; bcftools' gff2gff.py brings others into this form"
        )
    return coding, silent, said


def _reason(said: str) -> str:
    """Return the lines in which csq says why it stopped; the last one where none says `Error`."""
    lines = [line.strip() for line in said.splitlines()]
    first = next((number for number, line in enumerate(lines) if line.startswith("Error")), len(lines) - 1)
    return " ".join(lines[first:])


def _place(coding: Coding) -> str:
    parts = coding.by_position()
    return f"{coding.contig.decode()}:{parts[0][0]}-{max(end for _, end, _ in parts)}"


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (f", … {len(names)} in all" if len(names) > 5 else "")


def main() -> None:
    """Run the command line of the rule `csq`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gff", required=True, type=Path, help="the checked annotation")
    parser.add_argument("--genome", required=True, type=Path, help="FASTA with its .fai")
    parser.add_argument("--name", required=True, help="the annotation as the configuration names it")
    parser.add_argument("--folder", required=True, type=Path, help="for what is made on the way")
    parser.add_argument("--out", required=True, type=Path, help="table of coding transcripts")
    options = parser.parse_args()
    try:
        coding, silent, said = tried(options.gff, options.genome, options.folder, options.name)
    except TrialError as error:
        sys.exit(str(error))
    print(said, file=sys.stderr)
    if silent:
        what = f"bcftools csq has no consequences for {len(silent)} of {len(coding)} coding transcripts"
        print(f"warning: {options.name}: {what}: {_some(silent)}", file=sys.stderr)
    rows = (f"{name}\t{_place(found)}\t{'no' if name in silent else 'yes'}\n" for name, found in coding.items())
    options.out.write_text("transcript\tplace\tconsequences\n" + "".join(rows))


if __name__ == "__main__":
    main()
