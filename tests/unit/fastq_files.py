"""FASTQ of forty records, its compressions, and the answers of the checks for a file."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from terraflow_workflow.reads.fastq import FastqFile, batches
from terraflow_workflow.reads.fastq_stream import FastqError, Source

RECORD = b"@r%d\nACGTN\n+\nIIF#5\n"
TEXT = b"".join(RECORD % number for number in range(1, 41))


def zstd_checked(data: bytes) -> bytes:
    """Compress as zstd, with a checksum."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd_checked,
}


def write(folder: Path, data: bytes, name: str = "reads.txt") -> Path:
    """Write a file; return its path."""
    path = folder / name
    path.write_bytes(data)
    return path


def lines_of(path: Path, chunk: int = 1 << 17) -> list[bytes]:
    """Read a FASTQ file in chunks of so many bytes; return its lines."""
    return [line for lines in batches([FastqFile(path, chunk)]) for line in lines[0]]


def error_of(folder: Path, data: bytes, chunk: int = 1 << 17) -> str:
    """Return the message for a file with these bytes; assert its form."""
    with pytest.raises(FastqError) as caught:
        lines_of(write(folder, data), chunk)
    message = str(caught.value)
    assert message.startswith(str(folder / "reads.txt"))
    assert "what to do: " in message
    assert "\n" not in message
    return message


def content(path: Path) -> bytes:
    """Return the decompressed bytes of a file."""
    source = Source(path)
    return b"".join(iter(lambda: source.read(1000), b""))
