"""Whether a local file is what S3 says it holds.

S3 keeps a checksum of the whole object, or, for an object that came in parts, perhaps only one of the parts' checksums
(it ends in -<number of parts>). Older objects have none but their ETag, which is an MD5 sum unless KMS encrypts them.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import anycrc

CHUNK = 1 << 20
CRC32C, CRC64NVME = anycrc.Model("CRC32-ISCSI"), anycrc.Model("CRC64-NVME")


class Digest(Protocol):
    """What hashlib's objects can do."""

    def update(self, data: bytes, /) -> None:
        """Takes more of the file."""

    def digest(self) -> bytes:
        """The checksum of what was taken."""


class Crc:
    """A cyclic redundancy check with hashlib's methods."""

    def __init__(self, function: Callable[[bytes, int], int], length: int) -> None:
        """`function` of more data and the value so far; `length` in bytes."""
        self._function, self._length, self._value = function, length, 0

    def update(self, data: bytes, /) -> None:
        """Takes more of the file."""
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        """Most significant byte first, as S3 has them."""
        return self._value.to_bytes(self._length, "big")


# Preferred first. The AWS CLI, or else S3 itself, gives a CRC64NVME to what comes without any. For want of an xxHash,
# objects that have nothing else are compared by ETag or size.
ALGORITHMS: dict[str, Callable[[], Digest]] = {
    "ChecksumCRC32": lambda: Crc(zlib.crc32, 4),
    "ChecksumCRC64NVME": lambda: Crc(CRC64NVME.calc, 8),
    "ChecksumCRC32C": lambda: Crc(CRC32C.calc, 4),
    "ChecksumSHA256": hashlib.sha256,
    "ChecksumSHA512": hashlib.sha512,
    "ChecksumSHA1": hashlib.sha1,
    "ChecksumMD5": hashlib.md5,
    "ETag": hashlib.md5,
}


class Expected(NamedTuple):
    """A checksum that S3 gave: algorithm, value and, for a checksum of parts, their number (else 0)."""

    algorithm: str
    value: bytes
    parts: int


def expected(response: Mapping[str, Any]) -> Expected | None:
    """The best checksum in S3's answer to GetObject or HeadObject, or None if it has none of use."""
    for algorithm in ALGORITHMS:
        text, _, parts = str(response.get(algorithm, "")).strip('"').partition("-")
        if algorithm == "ETag":
            encrypted = response.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in response
            if encrypted or len(text) != 32:
                continue
        if text:
            value = bytes.fromhex(text) if algorithm == "ETag" else base64.b64decode(text)
            return Expected(algorithm, value, int(parts or 0))
    return None


def of_file(path: Path, algorithm: str, parts: Sequence[int] = ()) -> bytes:
    """The checksum of a file, or that of its parts' checksums if their sizes (in bytes) are given."""
    whole = ALGORITHMS[algorithm]()
    with path.open("rb") as file:
        while not parts and (chunk := file.read(CHUNK)):
            whole.update(chunk)
        for size in parts:
            part, left = ALGORITHMS[algorithm](), size
            while left and (chunk := file.read(min(CHUNK, left))):
                part.update(chunk)
                left -= len(chunk)
            whole.update(part.digest())
    return whole.digest()


def is_same(path: Path, response: Mapping[str, Any], length: Callable[[int], int]) -> bool | None:
    """Whether a file is as long as the object that S3 answered about, and has its checksum; None if S3 has none of use.

    A checksum of parts says nothing about how long they are: `length` asks S3 for that of a part, from 1 on.
    """
    size, checksum = path.stat().st_size, expected(response)
    if size != response["ContentLength"]:
        return False
    if checksum is None:
        return None

    def fits(*parts: int) -> bool:
        return of_file(path, checksum.algorithm, parts) == checksum.value

    if not checksum.parts:
        return fits()
    first, others = length(1), checksum.parts - 1
    rest = size - others * first
    if rest > 0 and fits(*[first] * others, rest):
        return True
    # Few programs make parts of different lengths; a server that knows of no parts gives the whole length for each.
    parts = [first] if first == size else [first, *(length(part) for part in range(2, checksum.parts + 1))]
    return fits(*parts) if len(parts) == checksum.parts and sum(parts) == size else None


def crc32(path: Path) -> str:
    """The CRC-32 of a file as S3's headers have it."""
    return base64.b64encode(of_file(path, "ChecksumCRC32")).decode()
