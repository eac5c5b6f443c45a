"""Snakemake's records of a run as files, in `.snakemake` of a working directory: its backend when none is named.

A record lies in `metadata`, the mark of a job under way in `incomplete`, both under the name of the job's output in
Base64; a long name is cut, and all parts but the last are folders that begin with `@`.
Source: snakemake/persistence/file.py.
"""

import base64
import binascii
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RECORDS, MARKS = "metadata", "incomplete"
# What the database wants of each record: of a format in which Snakemake compares nothing.
UNKNOWN = {"record_format_version": 0}


def paths(folder: Path, prefix: str) -> Iterator[Path]:
    """Yield the records and marks in `.snakemake` of outputs whose names begin with `prefix`."""
    for kind in (RECORDS, MARKS):
        yield from (path for _, path in _named(folder / kind, prefix))


def read(folder: Path, prefix: str, warn: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Return the records in `.snakemake` of outputs whose names begin with `prefix`, by name, with Snakemake's fields.

    A job under way is `incomplete`; its output may have nothing else. Records that can't be read count for nothing, as
    with Snakemake, and are told as one warning.
    """
    unreadable: list[Path] = []
    found: dict[str, dict[str, Any]] = {}
    for name, path in _named(folder / RECORDS, prefix):
        if (record := _content(path)) is None:
            unreadable.append(path)
        else:
            found[name] = UNKNOWN | record | {"incomplete": False, "external_jobid": None}
    for name, path in _named(folder / MARKS, prefix):
        # That there is a mark says most: without its content, the job's id is unknown.
        job = (_content(path) or {}).get("external_jobid")
        mark = {"incomplete": True, "external_jobid": job, "starttime": path.stat().st_mtime}
        found[name] = UNKNOWN | found.get(name, {}) | mark
    if unreadable:
        warn(
            f"{len(unreadable)} of Snakemake's records in {folder / RECORDS} can't be read, such as {unreadable[0]}: "
            "nobody knows how these files were made, and they are made anew only if their inputs are younger."
        )
    return found


def _named(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Yield the names of outputs below a folder, as far as they begin with the prefix, and their files."""
    for place, _, files in os.walk(folder):
        parts = Path(place).relative_to(folder).parts
        for file in sorted(files):
            encoded = "".join(part.removeprefix("@") for part in (*parts, file))
            try:
                name = base64.urlsafe_b64decode(encoded).decode()
            except (binascii.Error, UnicodeDecodeError, ValueError):
                # Snakemake's own notes lie there, too.
                continue
            if name.startswith(prefix):
                yield name, Path(place, file)


def _content(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
