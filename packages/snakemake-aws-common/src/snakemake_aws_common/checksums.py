"""Compare local files with the checksums that S3 keeps of its objects.

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
    """The methods of hashlib's objects."""

    def update(self, data: bytes, /) -> None:
        """Add more of the file."""

    def digest(self) -> bytes:
        """Return the checksum of everything added."""


class Crc:
    """A cyclic redundancy check with hashlib's methods."""

    def __init__(self, function: Callable[[bytes, int], int], length: int) -> None:
        """Take a function of data and the value so far, and the length of the checksum in bytes."""
        self._function, self._length, self._value = function, length, 0

    def update(self, data: bytes, /) -> None:
        """Add more of the file."""
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        """Return the checksum, most significant byte first, as S3 has it."""
        return self._value.to_bytes(self._length, "big")


# Preferred first. An object sent without a checksum gets a CRC64NVME, from the AWS CLI or from S3 itself. Objects that
# have an xxHash alone are compared by ETag or size: nothing here computes that.
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
    """Return the best checksum in S3's answer to GetObject or HeadObject, or None if it has none of use."""
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
    """Return the checksum of a file, or that of its parts' checksums if their sizes (in bytes) are given."""
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
    """Say whether a file has the length and the checksum of the object that S3 answered about.

    Return None if S3 has no checksum of use. A checksum of parts does not say how long they are: `length` asks S3 for
    the length in bytes of a part, counted from 1.
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
    """Return the CRC-32 of a file as S3's headers have it: base64."""
    return base64.b64encode(of_file(path, "ChecksumCRC32")).decode()
