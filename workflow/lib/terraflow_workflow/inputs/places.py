"""Keeps the user's files apart from what the workflow writes: an input inside a folder of outputs would be overwritten.

Folders are compared by what they are on the disk (device and inode), so that links, `..`, bind mounts and file systems
that don't tell upper from lower case make no difference.
"""

import functools
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from terraflow_workflow.inputs.settings import is_remote

OUTPUTS = ("results", "logs", "benchmarks")
"""Folders, below the working directory or the storage's prefix, in which the workflow writes and deletes.

A workflow that uses this one as a module can give them a prefix.
"""

STATE = ".snakemake"
"""The folder in which Snakemake does so."""

FOLDER = re.compile(r"[A-Za-z0-9_.+/-]+", re.ASCII)

LINKS = 40
"""Links that Linux follows in one path (path_resolution(7))."""


def problems_of_places(
    inputs: Iterable[tuple[str, str]], prefix: str | None, folders: Sequence[str] = OUTPUTS
) -> list[str]:
    """Return one line for each input that lies where the workflow writes.

    `inputs` holds what names an input (a key, a line of the sheet) and its path or address; relative paths start from
    the working directory. `prefix` is the address below which outputs are stored, None when they stay on the disk.
    `folders` are those of the outputs.
    """
    folders = [posixpath.normpath(folder) for folder in (*folders, STATE)]
    outputs = {identity: folder for folder in folders if (identity := _identity(Path(folder)))}

    @functools.cache
    def output_around(folder: Path) -> str | None:
        """Return the folder of outputs that `folder`, which is free of links, is or lies in."""
        identities = (_identity(place) for place in (folder, *folder.parents))
        return next((outputs[identity] for identity in identities if identity in outputs), None)

    found = []
    for what, path in inputs:
        if is_remote(path):
            folder = _output_around_address(path, prefix, folders)
        else:
            folder = next(filter(None, map(output_around, _places(path))), None)
        if folder:
            found.append(
                f"{what}: {path}: lies in {folder}/, where the workflow writes and deletes; "
                "move it to another folder, or give --directory another one"
            )
    return found


def problems_of_folders(folders: Iterable[str]) -> list[str]:
    """Return one line for each folder of outputs whose name the commands of rules can't take."""
    return [
        f"{folder}: a prefix may hold letters, digits, _ . + - and /, and no part .. or one that begins with -"
        for folder in folders
        if not FOLDER.fullmatch(folder) or re.search(r"(^|/)(\.\.(/|$)|-)", folder)
    ]


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _places(path: str) -> Iterator[Path]:
    """Return the folders, free of links, that hold the file behind `path` and each link on the way to it."""
    here = Path.cwd()
    left = list(reversed(Path(path).parts))
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            here = here.parent
            continue
        step = here / part
        if not step.is_symlink():
            here = step
            continue
        yield here
        links += 1
        if links > LINKS:
            return
        left += reversed(step.readlink().parts)
    yield here.parent


def _output_around_address(address: str, prefix: str | None, folders: Sequence[str]) -> str | None:
    below = _normal(prefix).rstrip("/") + "/" if prefix else ""
    if not below or not _normal(address).startswith(below):
        return None
    rest = _normal(address).removeprefix(below)
    return next((f"{below}{folder}" for folder in folders if f"{rest}/".startswith(f"{folder}/")), None)


def _normal(address: str) -> str:
    """Return an address without the empty and dotted parts that storages and their clients leave out."""
    kind, _, rest = address.partition("://")
    return f"{kind}://{posixpath.normpath(rest)}"
