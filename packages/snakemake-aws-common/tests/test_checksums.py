"""Checksums as S3 gives them, whole and of parts, are those of local files."""

import base64
import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest

from snakemake_aws_common.checksums import ALGORITHMS, Expected, crc32, expected, of_file

DATA = bytes(range(256)) * 40_000


def crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


def test_the_checksum_of_an_upload_is_what_its_definition_says(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"123456789")
    assert base64.b64decode(crc32(tmp_path / "x")).hex() == "cbf43926"


# CRCs: check values of https://reveng.sourceforge.io/crc-catalogue/; others: of nothing, as their authors give them.
@pytest.mark.parametrize(
    ("algorithm", "data", "value"),
    [
        ("ChecksumCRC32", b"123456789", "cbf43926"),
        ("ChecksumCRC32C", b"123456789", "e3069283"),
        ("ChecksumCRC64NVME", b"123456789", "ae8b14860a799888"),
        ("ChecksumMD5", b"", "d41d8cd98f00b204e9800998ecf8427e"),
    ],
)
def test_check_values(tmp_path: Path, algorithm: str, data: bytes, value: str) -> None:
    (tmp_path / "x").write_bytes(data)
    assert of_file(tmp_path / "x", algorithm).hex() == value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_file_is_read_to_its_last_bit(file: Path, algorithm: str) -> None:
    """Longer than what is read at once; one bit of the last piece differs."""
    whole = ALGORITHMS[algorithm]()
    whole.update(DATA)
    assert of_file(file, algorithm) == whole.digest()
    file.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    assert of_file(file, algorithm) != whole.digest()


@pytest.mark.parametrize("size", [1000, 1 << 20, len(DATA) // 2, len(DATA), len(DATA) + 1])
def test_checksums_of_parts(file: Path, size: int) -> None:
    parts = [DATA[start : start + size] for start in range(0, len(DATA), size)]
    sizes = [len(part) for part in parts]
    assert of_file(file, "ChecksumCRC32", sizes) == crc(b"".join(map(crc, parts)))
    md5 = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).digest()
    assert of_file(file, "ETag", sizes) == md5


def test_whole_checksums(file: Path) -> None:
    assert of_file(file, "ChecksumCRC32") == crc(DATA)
    assert of_file(file, "ChecksumSHA256") == hashlib.sha256(DATA).digest()


HEX = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.mark.parametrize(
    ("response", "found"),
    [
        ({"ChecksumCRC32": "y/Q5Jg==", "ETag": f'"{HEX}"'}, Expected("ChecksumCRC32", bytes.fromhex("cbf43926"), 0)),
        ({"ChecksumCRC32": "y/Q5Jg==-3"}, Expected("ChecksumCRC32", bytes.fromhex("cbf43926"), 3)),
        ({"ETag": f'"{HEX}"'}, Expected("ETag", bytes.fromhex(HEX), 0)),
        ({"ETag": f'"{HEX}-2"', "ServerSideEncryption": "AES256"}, Expected("ETag", bytes.fromhex(HEX), 2)),
        ({"ETag": f'"{HEX}"', "ServerSideEncryption": "aws:kms"}, None),
        ({"ETag": f'"{HEX}"', "SSECustomerAlgorithm": "AES256"}, None),
        (
            {"ChecksumCRC64NVME": "AAAAAAAAAAA=", "ETag": f'"{HEX}"', "ServerSideEncryption": "aws:kms"},
            Expected("ChecksumCRC64NVME", bytes(8), 0),
        ),
        ({"ETag": '"other"'}, None),
        ({}, None),
    ],
)
def test_the_best_checksum_is_taken(response: dict[str, Any], found: Expected | None) -> None:
    assert expected(response) == found
