"""Places of a run's files on this disk: inside the destination, each its own, and with room for all of them."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.filesize import decimal

from terraflow.errors import UserError
from terraflow.fetching.objects import SHOWN, Object

# Says of which run a folder holds the files. A process that fetches locks it.
MARKER = ".terraflow-fetch.json"


def places(folder: Path, objects: Sequence[Object]) -> dict[Object, Path]:
    """Return the path of each object below `folder`.

    Raise UserError that lists the objects whose names lead out of the folder, are no names of files, or need a folder
    where another object needs a file.
    """
    names = {one.path for one in objects}
    problems = [f"{one.path!r}: {problem}" for one in objects if (problem := _problem(one.path, names))]
    if problems:
        raise UserError(
            "Nothing was fetched: these objects have names that no file below a folder can have. Rename or remove them "
            "in the bucket, or leave them out with --only:",
            *_first(problems),
        )
    return {one: folder / one.path for one in objects}


def _problem(path: str, names: Iterable[str]) -> str:
    parts = path.split("/")
    if ".." in parts or path.startswith("/"):
        return "leads out of the folder"
    if "" in parts or "." in parts or "\0" in path:
        return "is no name of a file"
    above = ["/".join(parts[:number]) for number in range(1, len(parts))]
    clash = next((name for name in above if name in names), None)
    return f"{clash!r} is a file, too" if clash else ""


def refuse_same_place(found: dict[Object, Path], folder: Path) -> None:
    """Raise UserError if two names differ by case alone, and the disk does not tell them apart.

    The folder has to hold its marker.
    """
    if not (folder / MARKER.upper()).exists():
        return
    known: dict[str, str] = {}
    for one in found:
        other = known.setdefault(one.path.casefold(), one.path)
        if other != one.path:
            raise UserError(
                f"{one.path} and {other} are one file on this disk, which does not tell capitals from small letters. "
                "Fetch them to different folders with --only."
            )


def refuse_full_disk(folder: Path, needed: int) -> None:
    """Raise UserError if the disk of a folder, which may not exist yet, has fewer bytes left than needed."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise UserError(
            f"{folder}: the disk has {decimal(free)} left, and {decimal(needed)} are to be fetched. Nothing was "
            "fetched. Make room, name another folder, or fetch less with --only."
        )


def is_of_run(folder: Path, address: str) -> bool:
    """Return whether files of the run at this address were fetched to a folder before."""
    try:
        return bool(json.loads((folder / MARKER).read_text())["run"] == address)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextlib.contextmanager
def claimed(folder: Path, address: str) -> Iterator[None]:
    """Write into a folder of which run it holds the files, and let no other process fetch to it meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARKER).open("a+") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another terraflow fetch writes there. Wait until it has ended.") from None
        except OSError:
            # A network disk without locks.
            pass
        marker.seek(0)
        content = json.dumps({"run": address}) + "\n"
        if marker.read() != content:
            marker.truncate(0)
            marker.write(content)
            marker.flush()
        yield


def refuse_others(different: Sequence[Path], folder: Path, address: str) -> None:
    """Raise UserError if files would be replaced that were not fetched from this run."""
    if different and not is_of_run(folder, address):
        raise UserError(
            f"{folder} has other files under these names, and was not filled from {address}. Nothing was fetched. Name "
            "another folder, or replace them with --replace:",
            *_first([str(path) for path in different]),
        )


def _first(lines: Sequence[str]) -> list[str]:
    return [*lines[:SHOWN], *([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])]
