"""The archive of a head: all that conducting a run needs, in one object that is named by its content.

    manifest.json   what the head is to do (`Manifest`)
    stack.json      the stack's outputs, which Snakemake's profile reads
    prices.json     the user's own prices, if there are any
    files/...       the project's workflow/, envs/ and profiles/, and from the working directory the configuration, the
                    sheet, and whatever other small files the configuration names; perhaps Snakemake's records of the
                    run, below `.snakemake`

Files keep their places relative to each other, so that a run is the same whether it is conducted from a head or from
the folder it was made in: job names, and what Snakemake compares, hold relative paths.
"""

import dataclasses
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake_aws_common import file_records, packing
from terraflow import stack as stacks
from terraflow.errors import UserError
from terraflow.stack import Stack

# Changes when a head can't use an archive of before.
VERSION = 1
MANIFEST = "manifest.json"
STACK = "stack.json"
PRICES = "prices.json"
PRICES_OPTION = "--aws-batch-fargate-prices"
FILES = "files"
# Of the project; `profiles` also lies below `workflow`.
FOLDERS = ("workflow", "envs", "profiles")
WORK = ".snakemake"
LEFT_OUT = ("__pycache__", WORK, ".git", ".venv")
# What belongs to a workflow of the user's own that lies among data.
SOURCES = (".smk", ".py", ".R", ".Rmd", ".ipynb", ".jl", ".sh", ".yaml", ".yml", ".json", ".rst", ".md")
# Bytes of all files: each worker fetches them, too.
MOST = 100_000_000
# Bytes of Snakemake's records, which the head alone reads; both have to be fewer than `packing.MOST`.
MOST_RECORDS = 300_000_000


@dataclass(frozen=True)
class Manifest:
    """What a head is to do. Paths are relative to the folder of the archive's files, in POSIX form.

    `arguments` are Snakemake's, as the user gave them; `configfiles` are not among them.
    """

    run: str
    directory: str
    snakefile: str
    profile: str
    configfiles: Sequence[str] = ()
    arguments: Sequence[str] = ()
    version: int = VERSION


@dataclass(frozen=True)
class Packed:
    """An archive and the SHA-256 that names it."""

    body: bytes
    sha256: str


def build(
    run: str,
    stack: Stack,
    project: Path,
    directory: Path,
    configfiles: Sequence[Path] = (),
    arguments: Sequence[str] = (),
    snakefile: Path | None = None,
    *,
    with_records: bool = False,
    prices: Path | None = None,
) -> Packed:
    """Pack all that a head of the run needs; the same files give the same archive on every machine.

    `project` is the checkout, or a published workflow unpacked; `directory` is the working directory of the run;
    `configfiles` and `arguments` are what Snakemake would be given on this machine, in its words. `with_records` is for
    a run whose records of Snakemake's, if there are any, lie as files in the working directory. `prices` is a file of
    the user's own prices.
    Raise UserError, which lists all of them, for files that a head would not find: files of data on this disk
    (`terraflow stage` sends them to the bucket), absolute paths, files that are missing or too large.
    """
    # Imported late: a head in its container unpacks without them.
    from terraflow.heads import named

    project, directory = project.resolve(), directory.resolve()
    configfiles = [_absolute(directory, path) for path in configfiles]
    snakefile = _absolute(directory, snakefile) if snakefile else project / "workflow" / "Snakefile"
    files = {path for folder in FOLDERS for path in below(project / folder)}
    # A Snakefile of the user's own, which may use the workflow as a module.
    if not snakefile.is_relative_to(project / "workflow"):
        beside = below(snakefile.parent)
        files |= {snakefile, *(path for path in beside if path.suffix in SOURCES)}
    files |= named.files(directory, configfiles, arguments)
    root = Path(os.path.commonpath([project, directory, *(path.parent for path in files)]))
    manifest = Manifest(
        run,
        directory=_place(directory, root),
        snakefile=_place(snakefile, root),
        profile=_place(project / "profiles" / "aws", root),
        configfiles=[_place(path, root) for path in configfiles],
        arguments=list(arguments),
    )
    packed: dict[str, Path | bytes] = {
        MANIFEST: _json(dataclasses.asdict(manifest)),
        STACK: _json(dataclasses.asdict(stack)),
    }
    if prices is not None:
        packed[PRICES] = prices.resolve()
    prefix = f"s3://{stack.bucket}/runs/{run}/"
    records = set(file_records.paths(directory / WORK, prefix)) if with_records else set()
    packed |= {f"{FILES}/{_place(path, root)}": path for path in sorted(files | records)}
    try:
        _refuse_too_much(files)
        _refuse_too_many_records(run, directory, records)
        return Packed(*packing.pack(packed))
    except OSError as error:
        raise UserError(f"{error.filename} can't be read ({error.strerror}), so no head was started.") from None


def unpack(body: bytes, sha256: str, into: Path) -> Manifest:
    """Unpack an archive into a folder, make the working directory, and return what to do there.

    Raise packing.ArchiveError for an archive that is damaged, or that this version does not understand.
    """
    packing.unpack(body, sha256, into)
    manifest = read_manifest(into)
    (into / FILES / manifest.directory).mkdir(parents=True, exist_ok=True)
    return manifest


def stack_in(body: bytes) -> Stack:
    """Return the stack that an archive was made for. Raise packing.ArchiveError or UserError if it names none."""
    text = packing.member(body, STACK)
    try:
        return stacks.from_outputs(json.loads(text), f"the archive's {STACK} is not whole")
    except ValueError as error:
        raise packing.ArchiveError(f"the archive's {STACK} is no JSON: {error}") from error


def read_manifest(unpacked: Path) -> Manifest:
    """Return what to do with an unpacked archive. Raise packing.ArchiveError if this version does not understand it."""
    try:
        given: dict[str, Any] = json.loads((unpacked / MANIFEST).read_text())
        if given["version"] != VERSION:
            raise packing.ArchiveError(
                f"the archive has version {given['version']}, and the image of the head understands {VERSION}: "
                "`make deploy` with the checkout that made the archive builds an image that fits."
            )
        return Manifest(**{name: given[name] for name in Manifest.__dataclass_fields__ if name in given})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise packing.ArchiveError(f"the archive's {MANIFEST} is not what terraflow writes: {error}") from error


def snakemake_arguments(manifest: Manifest, unpacked: Path) -> list[str]:
    """Return Snakemake's arguments for an unpacked archive.

    Outputs that an earlier head began are made anew, or adopted from the job that makes them.
    """
    files = unpacked / FILES
    configfiles = [str(files / path) for path in manifest.configfiles]
    # Before the user's own stands an option without values: --configfile would take a target for one of its files.
    return [
        *("--profile", str(files / manifest.profile), "--snakefile", str(files / manifest.snakefile)),
        *(["--configfile", *configfiles] if configfiles else []),
        *("--directory", str(files / manifest.directory), "--nocolor", "--rerun-incomplete"),
        *([PRICES_OPTION, str(own)] if (own := prices_of(unpacked)) else []),
        *manifest.arguments,
    ]


def prices_of(unpacked: Path) -> Path | None:
    """Return the file of the user's own prices in an unpacked archive, if it has one."""
    file = unpacked / PRICES
    return file if file.is_file() else None


def _absolute(directory: Path, path: Path) -> Path:
    return Path(os.path.normpath(directory / path))


def _place(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, default=dict) + "\n").encode()


def _refuse_too_much(files: Collection[Path]) -> None:
    sizes = {path: path.stat().st_size for path in files}
    if (total := sum(sizes.values())) > MOST:
        largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
        raise UserError(
            f"The files of the workflow have {total / 1e6:.0f} MB, and {MOST / 1e6:.0f} MB can travel with a head. The "
            "largest; move data out of the workflow's folders:",
            *(f"{path}: {sizes[path] / 1e6:.0f} MB" for path in largest),
        )


def _refuse_too_many_records(run: str, directory: Path, records: Collection[Path]) -> None:
    if (total := sum(path.stat().st_size for path in records)) > MOST_RECORDS:
        raise UserError(
            f"Snakemake's records of run {run} in {directory / WORK} have {total / 1e6:.0f} MB, and "
            f"{MOST_RECORDS / 1e6:.0f} MB can travel with a head. `TERRAFLOW_RUN={run} snakemake --profile aws` in "
            f"{directory} stores them in the bucket as soon as its first jobs run; then end it, and start a head."
        )


def below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, also those that links lead to, without what machines make."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        yield from (Path(place, name) for name in sorted(files) if not name.endswith(".pyc"))
