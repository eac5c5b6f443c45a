"""Reads that the workflow runs on: those of the truth folder, or thinned, merged or otherwise compressed ones."""

from __future__ import annotations

import bz2
import gzip
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from truthset.folder import Lane, TruthSet, read_fasta
from truthset.tools import AccuracyError

COMPRESSION_SUFFIX = {"none": "", "gzip": ".gz", "bzip2": ".bz2"}

Record = tuple[bytes, bytes, bytes, bytes]


@dataclass(frozen=True)
class Rewriting:
    """How the reads are rewritten; by default they are used as they are.

    `depth` is the mean depth that each sample is thinned to, by `seed`; with `merged` the lanes of a sample become one;
    `compression` is a key of COMPRESSION_SUFFIX, or `keep`.
    """

    depth: float | None = None
    merged: bool = False
    compression: str = "keep"
    seed: int = 1

    def suffix(self, source: Path) -> str:
        """Return the suffix of a rewritten file whose first reads come from `source`."""
        if self.compression in COMPRESSION_SUFFIX:
            return COMPRESSION_SUFFIX[self.compression]
        return source.suffix if source.suffix in COMPRESSION_SUFFIX.values() else ""


def prepare_lanes(truth: TruthSet, folder: Path, rewriting: Rewriting) -> list[Lane]:
    """Return the lanes to run on: those of the truth folder, or ones that are rewritten into `folder`."""
    if rewriting.depth is None and not rewriting.merged and rewriting.compression == "keep":
        return list(truth.lanes)
    fractions = {} if rewriting.depth is None else kept_fractions(truth, rewriting.depth)
    folder.mkdir(parents=True, exist_ok=True)
    lanes: list[Lane] = []
    for group in regroup(truth.lanes, rewriting.merged):
        first = group[0]
        unit = f"merged{len(first.files)}" if len(group) > 1 else first.unit
        suffix = rewriting.suffix(first.files[0])
        targets = tuple(folder / f"{first.sample}_{unit}_R{i + 1}.fastq{suffix}" for i in range(len(first.files)))
        copy_reads(group, targets, fractions.get(first.sample, 1.0), rewriting.seed)
        lanes.append(Lane(first.sample, unit, targets))
    return lanes


def kept_fractions(truth: TruthSet, depth: float) -> dict[str, float]:
    """Return, and print, the fraction of each sample's fragments that thinning to a mean depth keeps."""
    length = sum(map(len, read_fasta(truth.reference).values()))
    fractions: dict[str, float] = {}
    for sample in truth.truths:
        found = mean_depth((lane for lane in truth.lanes if lane.sample == sample), length)
        fractions[sample] = min(1.0, depth / found) if found else 1.0
        print(f"{sample}: mean depth {found:.1f}, keeping {fractions[sample]:.1%} of the fragments")
    return fractions


def mean_depth(lanes: Iterable[Lane], reference_length: int) -> float:
    """Return the number of sequenced bases per reference base."""
    bases = sum(len(r[1].rstrip()) for lane in lanes for path in lane.files for r in fastq_records(path))
    return bases / reference_length


def regroup(lanes: tuple[Lane, ...], merged: bool) -> list[list[Lane]]:
    """Return the lanes that go into each output lane; paired lanes are not merged with single-end ones."""
    groups: dict[tuple[str, str, int], list[Lane]] = {}
    for lane in lanes:
        groups.setdefault((lane.sample, "" if merged else lane.unit, len(lane.files)), []).append(lane)
    return list(groups.values())


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


def kept(name: bytes, fraction: float, seed: int) -> bool:
    """Tell whether thinning keeps a fragment: this depends on the fragment's name only, not on its file."""
    fragment = name.split()[0].removesuffix(b"/1").removesuffix(b"/2")
    digest = hashlib.blake2b(fragment, digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") < fraction * 2**64


def fastq_records(path: Path) -> Iterator[Record]:
    """Yield the four lines of each record; raise AccuracyError when the last one is cut off."""
    with open_fastq(path, "rb") as lines:
        for name in lines:
            record = (name, lines.readline(), lines.readline(), lines.readline())
            if not record[3]:
                raise AccuracyError(f"{path} ends within a record")
            yield record


def open_fastq(path: Path, mode: Literal["rb", "wb"]) -> IO[bytes]:
    """Open a FASTQ file by its suffix; compressed output carries no time stamp."""
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(path, mode, compresslevel=4, mtime=0))
    if path.suffix == ".bz2":
        return bz2.open(path, mode)
    return path.open(mode)
