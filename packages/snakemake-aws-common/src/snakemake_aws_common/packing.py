"""Archives that are named by their content: packed the same on every machine, and unpacked safely."""

import hashlib
import io
import lzma
import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from snakemake_interface_common.exceptions import WorkflowError

SUFFIX = ".tar.xz"
# Bytes of an unpacked archive at most; no workflow comes near.
MOST = 500_000_000


class ArchiveError(WorkflowError):
    """An archive is damaged, or is not what its name says."""


def write(into: IO[bytes], files: Mapping[str, Path | bytes]) -> None:
    """Write a tar.xz of these files, by their names in it and in this order; it depends on names and contents only.

    Links count as what they lead to. Of a file's mode only whether its owner may execute it is kept.
    Raise OSError for a file that can't be read.
    """
    with tarfile.open(fileobj=into, mode="w:xz", format=tarfile.PAX_FORMAT) as archive:
        for name, file in files.items():
            entry = tarfile.TarInfo(name)
            if isinstance(file, bytes):
                entry.size = len(file)
                archive.addfile(entry, io.BytesIO(file))
                continue
            with file.open("rb") as content:
                status = os.fstat(content.fileno())
                entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & stat.S_IXUSR else 0o644
                archive.addfile(entry, content)


def member(body: bytes, name: str) -> bytes:
    """Return one file of an archive. Raises ArchiveError if it is not in it, or the archive is damaged."""
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:xz") as archive:
            found = next((one for one in archive if one.name == name and one.isfile() and one.size <= MOST), None)
            content = archive.extractfile(found) if found else None
            if content is None:
                raise ArchiveError(f"the archive has no {name}.")
            return content.read()
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise ArchiveError(f"the archive can't be read: {error}") from error


def pack(files: Mapping[str, Path | bytes]) -> tuple[bytes, str]:
    """Return the archive of these files, as `write` makes it, and its SHA-256 in hexadecimal."""
    into = io.BytesIO()
    write(into, files)
    body = into.getvalue()
    return body, hashlib.sha256(body).hexdigest()


def unpack(body: bytes, checksum: str, into: Path) -> None:
    """Unpack an archive into a folder. Raise ArchiveError, before anything is written, if it has another SHA-256.

    Nothing but files and folders is made, all of them below the folder; anything else raises ArchiveError, too.
    """
    found = hashlib.sha256(body).hexdigest()
    if found != checksum:
        raise ArchiveError(f"the archive's SHA-256 is {found}, and should be {checksum}: it is damaged.")
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:xz") as archive:
            total = 0
            for member in archive:
                total += member.size
                if not (member.isfile() or member.isdir()):
                    raise ArchiveError(f"the archive holds {member.name}, which is neither a file nor a folder.")
                if total > MOST:
                    raise ArchiveError(f"the archive's files have more than {MOST // 1_000_000} MB.")
                archive.extract(member, into, filter="data")
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise ArchiveError(f"the archive can't be unpacked: {error}") from error
