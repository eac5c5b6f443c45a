"""The ways in which FASTQ files are compressed."""

import bz2
import gzip
import lzma
import subprocess
from collections.abc import Callable

from shared import bgzip


def in_parts(data: bytes, number: int = 3) -> list[bytes]:
    """Cut data into parts, without regard to lines."""
    size = len(data) // number + 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def piped(*command: str) -> Callable[[bytes], bytes]:
    """Return a tool as a function from stdin to stdout."""
    return lambda data: subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def multi(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return a function that writes several members, streams or frames after each other."""
    return lambda data: b"".join(map(compress, in_parts(data)))


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip-members": multi(gzip.compress),
    "bgzip": bgzip,
    "bzip2": bz2.compress,
    "bzip2-streams": multi(bz2.compress),
    "xz": lzma.compress,
    "xz-streams": multi(lzma.compress),
    "zstd": piped("zstd", "-q", "-c"),
    "zstd-frames": multi(piped("zstd", "-q", "-c")),
}
