"""Any file, compressed or not, as a stream of its decompressed bytes that fails where the file is damaged."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from terraflow_workflow.reads.fastq_stream import Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _AnySource(Source):
    """A source that may hold anything, not FASTQ only."""

    def _check_start(self, data: bytes) -> None:
        """Take whatever it starts with."""


class _Raw(io.RawIOBase):
    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        data = self._left or self._source.read(len(target))
        target[: len(data)] = data[: len(target)]
        self._left = data[len(target) :]
        return min(len(data), len(target))

    def close(self) -> None:
        self._source.close()
        super().close()


def open_decompressed(path: str) -> io.BufferedReader:
    """Return the bytes of a gzip, bgzip, bzip2, xz, zstd or plain file, recognised by content.

    Reading raises FastqError (fastq_stream.py) with a message for the user when the file can't be read, is cut short
    or damaged.
    """
    return io.BufferedReader(_Raw(_AnySource(Path(path))), buffer_size=1 << 17)
