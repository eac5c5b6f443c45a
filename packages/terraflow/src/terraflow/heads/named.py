"""The files that a run's configuration names: which travel with a head, and which have to lie in the bucket."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from terraflow import readers
from terraflow.errors import UserError
from terraflow_workflow.inputs import samples, settings

MEGABYTE = 1_000_000
# Bytes of a file that travels with a head, as with the sources of workers.
LARGEST = 10 * MEGABYTE
# Options of Snakemake that take settings as KEY=VALUE.
CONFIG = ("--config", "-C")


def files(directory: Path, configfiles: Sequence[Path], arguments: Sequence[str] = ()) -> set[Path]:
    """Return the files of the configuration below `directory`, the sheet and other small files that it names.

    `arguments` are Snakemake's: `--config samples=other.tsv` counts as the configuration does.
    Raise UserError that lists each file that a head would not find.
    """
    default = directory / readers.WORKFLOW_CONFIG
    named = {*([default] if default.is_file() else []), *configfiles}
    config = config_of(directory, configfiles, arguments)
    sheet = config.get("samples")
    found, problems = small(directory, config)
    problems = _data(config) + (_reads(directory, sheet) if isinstance(sheet, str) else []) + problems
    if problems:
        raise UserError("A head would not find these files, nothing was submitted:", *problems)
    return named | found


def small(directory: Path, config: dict[str, Any]) -> tuple[set[Path], list[str]]:
    """Return the files on this disk that a configuration names beside data, and a line for each that can't travel."""
    found, problems = set(), []
    for text in dict.fromkeys(_texts({**config, "reference": None, "annotation": None})):
        path = Path(os.path.normpath(directory / text))
        if not _is_file(path):
            continue
        if Path(text).is_absolute():
            problems.append(f"{text}: the configuration names it by its absolute path; write {_near(path, directory)}")
        elif path.stat().st_size > LARGEST:
            problems.append(f"{text}: is larger than {LARGEST // MEGABYTE} MB, which is too much to travel with a head")
        else:
            found.add(path)
    return found, problems


def config_of(directory: Path, configfiles: Sequence[Path], arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Return the configuration as Snakemake puts it together from files, the default one first, and arguments."""
    default = directory / readers.WORKFLOW_CONFIG
    config: dict[str, Any] = {}
    for path in [*([default] if default.is_file() else []), *configfiles]:
        readers.merge(config, readers.load(path))
    readers.merge(config, _settings(arguments))
    return config


def _settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Return what `--config` sets among Snakemake's arguments."""
    found: dict[str, Any] = {}
    inside = False
    for word in arguments:
        if word.startswith("-"):
            inside = word in CONFIG
            continue
        name, sign, value = word.partition("=")
        if inside and sign:
            try:
                found[name] = yaml.safe_load(value)
            except yaml.YAMLError:
                found[name] = value
    return found


def _data(config: dict[str, Any]) -> list[str]:
    """Return a line for each file of data on this disk that the configuration names."""
    stage = "`terraflow stage SHEET` sends it to the bucket and writes a configuration that names it there"
    return [
        f"{section}.{key}: {path}: lies on this disk, which no job can read; {stage}"
        for section, key, path in readers.of_sections(config, readers.DATA)
        if isinstance(path, str) and path and not settings.is_remote(path)
    ]


def _reads(directory: Path, sheet: str) -> list[str]:
    """Return a line about FASTQ files on this disk that the sheet names; a wrong sheet is the workflow's affair."""
    if settings.is_remote(sheet):
        return [f"samples: {sheet}: is an address; fetch the sheet, and name it by its path"]
    path = directory / sheet
    if not path.exists():
        return [f"samples: {sheet}: no such file (relative paths start from {directory})"]
    try:
        units = samples.read_sheet(str(path))
    except samples.SheetError:
        return []
    local = [(unit, one) for unit in units for one in unit.fastqs if not settings.is_remote(one)]
    if not local:
        return []
    unit, one = local[0]
    return [
        f"{sheet}, line {unit.line}: {one} lies on this disk, which no job can read"
        + (f", as do {len(local) - 1} more files of the sheet" if len(local) > 1 else "")
        + f"; `terraflow stage {sheet}` sends them to the bucket and writes a sheet that names them there"
    ]


def _texts(value: object) -> Iterator[str]:
    """Yield all texts in a configuration that may be paths."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and value and not settings.is_remote(value):
        yield value


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # A text that can't be a path.
        return False


def _near(path: Path, directory: Path) -> str:
    return f"{os.path.relpath(path, directory)}, from the working directory"
