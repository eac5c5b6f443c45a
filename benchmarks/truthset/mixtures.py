"""Reads of two people's mitochondria, mixed: real ones, and simulated ones with qualities and errors of real ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pysam

from truthset.alleles import Copies
from truthset.folder import Lane
from truthset.reads import fastq_records, mean_depth, open_fastq

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
# A base that so many fragments of one place show is no error of theirs.
NO_ERROR = 3
# Differences of one fragment from its sample: with more, it is foreign.
FOREIGN = 8


@dataclass(frozen=True)
class Shape:
    """One read: its qualities (FASTQ), and its errors as offset, base that was there, base that was read."""

    qualities: str
    errors: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class Template:
    """One real fragment, without its place: length and both reads, in the direction of the sequencer."""

    length: int
    first: Shape
    second: Shape


def haplotype(sequence: str, truth: Copies) -> str:
    """Return a sample's own sequence, from the contig and its single-base differences."""
    bases = list(sequence)
    for _, position, ref, alt in truth:
        if len(ref) == len(alt) == 1:
            bases[position - 1] = alt
    return "".join(bases)


def templates(alignments: Path, reference: Path, own: str) -> list[Template]:
    """Return the fragments of a sample, whose reads align from end to end, with their differences from `own` as errors.

    Differences that several fragments share are none: they are heteroplasmies, nuclear copies, contamination.
    """
    mates: dict[str, list[pysam.AlignedSegment]] = {}
    shared: Counter[tuple[int, str]] = Counter()
    with pysam.AlignmentFile(str(alignments), reference_filename=str(reference)) as reads:
        for read in reads:
            whole = read.cigartuples is not None and len(read.cigartuples) == 1
            if whole and read.is_proper_pair and not (read.is_duplicate or read.is_supplementary):
                mates.setdefault(str(read.query_name), []).append(read)
                shared.update((read.reference_start + at, base) for at, _, base in differences(read, own))
    found = []
    for pair in mates.values():
        if len(pair) == 2 and sum(len(differences(read, own)) for read in pair) <= FOREIGN:
            first, second = sorted(pair, key=lambda read: read.is_read2)
            found.append(Template(abs(first.template_length), shape(first, own, shared), shape(second, own, shared)))
    return found


def differences(read: pysam.AlignedSegment, own: str) -> list[tuple[int, str, str]]:
    """Return the offsets at which a read differs from `own`, the base there, and the read's, on the forward strand."""
    bases, start = read.query_sequence or "", read.reference_start
    return [
        (at, own[start + at], base)
        for at, base in enumerate(bases)
        if base != own[start + at] and own[start + at] != "N"
    ]


def shape(read: pysam.AlignedSegment, own: str, shared: Counter[tuple[int, str]]) -> Shape:
    """Return a read's qualities and errors in the direction of the sequencer."""
    errors = [error for error in differences(read, own) if shared[read.reference_start + error[0], error[2]] < NO_ERROR]
    qualities = "".join(chr(33 + quality) for quality in read.query_qualities or [])
    if not read.is_reverse:
        return Shape(qualities, tuple(errors))
    last = len(qualities) - 1
    turned = tuple((last - at, was.translate(COMPLEMENT), base.translate(COMPLEMENT)) for at, was, base in errors)
    return Shape(qualities[::-1], turned)


def simulated(
    haplotypes: tuple[str, str], share: float, depth: float, seed: int | str, shapes: list[Template]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield fragments of a mixture as both reads' bases and qualities: `share` of them of the second haplotype.

    Fragments begin anywhere on the circle, which has no N: it is the placeholder of a base that isn't there.
    """
    choose = random.Random(seed)
    circles = [text.replace("N", "") for text in haplotypes]
    bases = 0
    while bases < depth * len(circles[0]):
        template = choose.choice(shapes)
        circle = circles[choose.random() < share]
        start = choose.randrange(len(circle))
        fragment = (circle + circle)[start : start + template.length]
        if choose.random() < 0.5:
            fragment = fragment.translate(COMPLEMENT)[::-1]
        first = with_errors(fragment, template.first)
        second = with_errors(fragment.translate(COMPLEMENT)[::-1], template.second)
        bases += len(first) + len(second)
        yield first, template.first.qualities[: len(first)], second, template.second.qualities[: len(second)]


def with_errors(fragment: str, read: Shape) -> str:
    """Return the bases that a read of a fragment shows: an error that would be none reads what its template had."""
    bases = list(fragment[: len(read.qualities)])
    for at, was, base in read.errors:
        if at < len(bases):
            bases[at] = base if bases[at] != base else was
    return "".join(bases)


def write_simulated(folder: Path, name: str, fragments: Iterable[tuple[str, str, str, str]]) -> Lane:
    """Write simulated fragments as the lane of a sample."""
    paths = (folder / f"{name}_R1.fastq.gz", folder / f"{name}_R2.fastq.gz")
    with open_fastq(paths[0], "wb") as one, open_fastq(paths[1], "wb") as other:
        for number, (first, first_qualities, second, second_qualities) in enumerate(fragments):
            one.write(f"@{name}.{number}\n{first}\n+\n{first_qualities}\n".encode())
            other.write(f"@{name}.{number}\n{second}\n+\n{second_qualities}\n".encode())
    return Lane(name, "L1", paths)


def mixed(folder: Path, name: str, lanes: tuple[Lane, Lane], length: int, share: float, seed: int) -> Lane:
    """Write real fragments of two samples as one: as many as there are, `share` of the bases of the second lane.

    `length` is that of the contig. Which fragments are left out depends on the seed.
    """
    depths = [mean_depth([lane], length) for lane in lanes]
    whole = min(depths[0] / (1 - share), depths[1] / share)
    kept = (whole * (1 - share) / depths[0], whole * share / depths[1])
    paths = (folder / f"{name}_R1.fastq.gz", folder / f"{name}_R2.fastq.gz")
    choose = random.Random(seed)
    with open_fastq(paths[0], "wb") as one, open_fastq(paths[1], "wb") as other:
        for lane, part in zip(lanes, kept, strict=True):
            for first, second in zip(*map(fastq_records, lane.files), strict=True):
                if choose.random() < part:
                    one.writelines(first)
                    other.writelines(second)
    return Lane(name, "L1", paths)
