"""Check the FASTQ of one lane and deal its reads, or pairs of reads, to shards.

    python -m terraflow_workflow.reads.decompress [OPTIONS] --fq1 R1 [--fq2 R2] --counts counts.json --shards OUT …

The inputs may be plain or compressed with gzip, bzip2, xz or zstd, whatever their names. Pair k (from 0) goes to
shard k modulo their number, R1 before R2, so that the shards depend on the reads alone. A shard's suffix chooses its
format: .fastq, .fastq.gz or .fastq.zst. counts.json holds

    reads    reads of all inputs
    pairs    pairs of reads, or null for a single file
    shards   reads in each shard, in the order of --shards
    files    for each input, by its path: reads and bases

A bad input is one message on stderr and exit code 1; what has been written by then is not whole.
"""

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from terraflow_workflow.reads.fastq import FastqFile, batches
from terraflow_workflow.reads.fastq_stream import FastqError

BLOCK = 1 << 18
"""Bytes of FASTQ compressed at a time, cut without regard to how they arrived: same reads, same bytes."""

GZIP_LEVEL = 1
ZSTD_LEVEL = 1
"""The levels with the best ratio per CPU second; benchmarks/decompress.md has the figures."""

Codec = Callable[[bytes], bytes]


def plain_codec() -> Codec:
    """Return the codec of .fastq: the bytes themselves."""
    return lambda block: block


def gzip_codec() -> Codec:
    """Return the codec of .fastq.gz: a gzip member per block, without time or name."""
    from isal import igzip

    return lambda block: igzip.compress(block, GZIP_LEVEL, mtime=0)


def zstd_codec() -> Codec:
    """Return the codec of .fastq.zst: a zstd frame with a checksum per block."""
    from backports import zstd

    parameter = zstd.CompressionParameter
    options: dict[int, int] = {parameter.compression_level: ZSTD_LEVEL, parameter.checksum_flag: 1}
    return lambda block: zstd.compress(block, options=options)


CODECS: dict[str, Callable[[], Codec]] = {
    ".fastq": plain_codec,
    ".fastq.gz": gzip_codec,
    ".fastq.zst": zstd_codec,
}


def suffix_of(path: Path) -> str | None:
    """Return which of the known suffixes `path` has."""
    return next((suffix for suffix in CODECS if path.name.endswith(suffix)), None)


class Output:
    """A file to write; FastqError, with the space left on the disk, if it can't be written."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self.path = path
        with self._explained():
            self._file: BinaryIO = path.open("wb")

    def write(self, data: bytes) -> None:
        """Write `data`."""
        with self._explained():
            self._file.write(data)

    def close(self) -> None:
        """Close the file; a disk may report only now that it is full."""
        with self._explained():
            self._file.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an OSError into a message for the user."""
        try:
            yield
        except OSError as error:
            try:
                space = f" ({shutil.disk_usage(self.path.parent).free / 1e6:,.0f} MB free in {self.path.parent})"
            except OSError:
                space = ""
            reason = error.strerror or str(error)
            fix = "free or add disk space, or check the folder and its permissions, and run again"
            raise FastqError(f"{self.path}: cannot be written: {reason}{space}; what to do: {fix}") from error


class Shard:
    """One shard: FASTQ compressed in blocks of equal size."""

    def __init__(self, output: Output) -> None:
        """Write to `output`, in the format its suffix asks for."""
        self.output = output
        self.reads = 0
        self._encode = CODECS[suffix_of(output.path) or ""]()
        self._text = bytearray()
        self._written = False

    def add(self, text: bytes, reads: int) -> None:
        """Append `reads` reads."""
        self.reads += reads
        self._text += text
        while len(self._text) >= BLOCK:
            self._write(bytes(memoryview(self._text)[:BLOCK]))
            del self._text[:BLOCK]

    def finish(self) -> None:
        """Write what is left; a shard without reads is still a whole file of its format."""
        if self._text or not self._written:
            self._write(bytes(self._text))
        self.output.close()

    def _write(self, block: bytes) -> None:
        self.output.write(self._encode(block))
        self._written = True


def interleave(lines: list[list[bytes]], start: int, step: int) -> tuple[bytes, int]:
    """Return every `step`-th record from record `start` on, of each file in turn, and the number of reads."""
    records = len(range(start, len(lines[0]) // 4, step))
    width = 4 * len(lines)
    out = [b"+"] * (width * records)
    for index, of_file in enumerate(lines):
        for part in (0, 1, 3):
            out[4 * index + part :: width] = of_file[4 * start + part :: 4 * step]
    out.append(b"")
    return b"\n".join(out), records * len(lines)


def deal(batches_of_lines: Iterable[list[list[bytes]]], shards: list[Shard]) -> None:
    """Deal the records of batches to the shards in turn."""
    dealt = 0
    for lines in batches_of_lines:
        for index, shard in enumerate(shards):
            shard.add(*interleave(lines, (index - dealt) % len(shards), len(shards)))
        dealt += len(lines[0]) // 4


def counts_of(files: list[FastqFile], shards: list[Shard]) -> dict[str, object]:
    """Return the content of counts.json."""
    return {
        "reads": sum(file.reads for file in files),
        "pairs": files[0].reads if len(files) == 2 else None,
        "shards": [shard.reads for shard in shards],
        "files": {str(file.path): {"reads": file.reads, "bases": file.bases} for file in files},
    }


def check_paths(inputs: list[Path], outputs: list[Path]) -> None:
    """Refuse R1 and R2 that are one file, and an output that is named twice or is an input."""
    existing = [path for path in inputs if path.exists()]
    if len(existing) == 2 and existing[0].samefile(existing[1]):
        fix = "give the R2 file of the lane as --fq2"
        raise FastqError(f"{inputs[0]}: R1 and R2 are the same file; what to do: {fix}")
    for path in outputs:
        if outputs.count(path) > 1:
            raise FastqError(f"{path}: named twice as an output; what to do: give each output its own name")
        if path.exists() and any(path.samefile(other) for other in existing):
            raise FastqError(f"{path}: both input and output; what to do: give the output another name")


def run(
    inputs: list[Path],
    counts: Path,
    shard_paths: list[Path],
    *,
    guess_encoding: bool = True,
    may_interleave: bool = False,
) -> None:
    """Do the job; FastqError if anything is wrong."""
    check_paths(inputs, [*shard_paths, counts])
    shards = [Shard(Output(path)) for path in shard_paths]
    files = [FastqFile(path, guess_encoding=guess_encoding) for path in inputs]
    deal(batches(files, may_interleave=may_interleave), shards)
    for shard in shards:
        shard.finish()
    summary = Output(counts)
    summary.write((json.dumps(counts_of(files, shards), indent=2) + "\n").encode())
    summary.close()
    for file in files:
        for remark in file.remarks():
            print(f"warning: {remark}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0, or 1 after a message."""
    parser = argparse.ArgumentParser(description="Check the FASTQ of one lane and deal its reads to shards.")
    parser.add_argument("--fq1", type=Path, required=True, help="FASTQ of R1, or of single-end reads")
    parser.add_argument("--fq2", type=Path, help="FASTQ of R2")
    parser.add_argument("--counts", type=Path, required=True, help="JSON to write, with the numbers of reads")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="interleaved FASTQ files to write")
    parser.add_argument(
        "--quality-encoding",
        choices=["auto", "phred33"],
        default="auto",
        help="phred33: take the qualities for Phred+33 also where they look like Phred+64",
    )
    parser.add_argument(
        "--interleaved",
        choices=["refuse", "single"],
        default="refuse",
        help="single: take the reads of a single file for single ones also where they look like mates in turn",
    )
    given = parser.parse_args(arguments)
    for path in given.shards:
        if suffix_of(path) is None:
            parser.error(f"{path}: a shard's name must end in one of {', '.join(CODECS)}")
    try:
        run(
            [path for path in (given.fq1, given.fq2) if path],
            given.counts,
            given.shards,
            guess_encoding=given.quality_encoding == "auto",
            may_interleave=given.interleaved == "single",
        )
    except FastqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
