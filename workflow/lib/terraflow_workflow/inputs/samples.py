"""Reads the sample sheet: which units (lanes) there are, of which samples, and where their reads lie."""

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from terraflow_workflow.inputs.settings import is_remote, load_schema, problem_of_file, problem_of_local_file

SCHEMA = load_schema("samples")
COLUMNS: dict[str, Any] = SCHEMA["properties"]
SAVE_AS = "expected text in UTF-8, so save the sheet as that, with tabs between the columns"


class SheetError(Exception):
    """The problems of a sample sheet, one a line, each with its place in the file."""

    def __init__(self, problems: list[str]) -> None:
        """Take the problems in the order they are to be read."""
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Unit:
    """One line of the sheet: the reads of one lane of one sample. `fq2` is empty for single-end reads."""

    sample: str
    unit: str
    fq1: str
    fq2: str
    library: str
    platform: str
    sex: str
    line: int

    @property
    def paired(self) -> bool:
        """Return whether the unit has two reads for each fragment."""
        return bool(self.fq2)

    @property
    def fastqs(self) -> tuple[str, ...]:
        """Return the one or two FASTQ files, first reads first."""
        return (self.fq1, self.fq2) if self.fq2 else (self.fq1,)

    @property
    def read_group(self) -> str:
        r"""Return the @RG line as `bwa mem -R` takes it, with `\t` for a tab (SAM specification, 1.3)."""
        fields = {
            "ID": f"{self.sample}.{self.unit}",
            "SM": self.sample,
            "LB": self.library or self.sample,
            "PL": self.platform or "ILLUMINA",
            "PU": self.unit,
        }
        return "\\t".join(["@RG", *(f"{key}:{value}" for key, value in fields.items())])


def read_sheet(path: str) -> list[Unit]:
    """Return the units of the sheet at `path`, in its order.

    Takes UTF-8 with or without a byte-order mark, with any line ends; skips blank lines and lines that start with #.
    Raises SheetError with all that is wrong, by line.
    """
    if problem := problem_of_local_file(path):
        raise SheetError([f"{path}: {problem}; expected a tab-separated table with the columns {_columns()}"])
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SheetError([f"{path}: byte {error.start + 1} is not UTF-8; {SAVE_AS}"]) from None
    if "\0" in text:
        raise SheetError([f"{path}: holds zero bytes, so it is not plain text; {SAVE_AS}"])
    lines = [
        (number, line)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        raise SheetError([f"{path}: is empty; expected a header line with the columns {_columns()}"])
    columns = _header(path, *lines[0])
    if len(lines) == 1:
        raise SheetError([f"{path}: has a header but no line for a unit; add one line for each lane of each sample"])
    problems: list[str] = []
    units = [
        unit for number, line in lines[1:] if (unit := _unit(f"{path}, line {number}", line, number, columns, problems))
    ]
    problems += _repeated(path, units)
    if problems:
        raise SheetError(problems)
    return units


def problems_of_fastqs(path: str, units: list[Unit], may_miss: bool = False) -> list[str]:
    """Return one message that lists all local FASTQ files of the sheet that can't be read; none when all can."""
    bad = [
        f"  line {unit.line}: {fastq}: {problem}"
        for unit in units
        for fastq in unit.fastqs
        if (problem := problem_of_file(fastq, may_miss)) is not None
    ]
    if not bad:
        return []
    return ["\n".join([f"{path}: {len(bad)} of the FASTQ files can't be read:", *bad])]


def _columns() -> str:
    optional = [name for name in COLUMNS if name not in SCHEMA["required"]]
    return f"{' '.join(SCHEMA['required'])} (and, if you like, {' '.join(optional)})"


def _header(path: str, number: int, line: str) -> list[str]:
    place = f"{path}, line {number}"
    columns = [name.strip() for name in line.rstrip().split("\t")]
    if not set(re.split(r"[\s,;]+", line.strip())) & set(COLUMNS):
        raise SheetError([f"{place}: found {line!r}; expected a header line with the columns {_columns()}"])
    if "\t" not in line:
        raise SheetError([f"{place}: the columns are not separated by tabs; found {line!r}; expected tabs"])
    problems = [f"{place}: column `{name}` is there twice" for name in sorted(set(columns)) if columns.count(name) > 1]
    problems += [
        f"{place}: column `{name}` is unknown; known are {_columns()}" for name in columns if name not in COLUMNS
    ]
    problems += [
        f"{place}: column `{name}` is missing; expected {_columns()}"
        for name in SCHEMA["required"]
        if name not in columns
    ]
    if problems:
        raise SheetError(problems)
    return columns


def _unit(place: str, line: str, number: int, columns: list[str], problems: list[str]) -> Unit | None:
    """Return the unit of one line; add to `problems` and return None for a line that has any."""
    fields = [field.strip() for field in line.rstrip().split("\t")]
    if "\t" not in line and len(re.split(r"[\s,;]+", line.strip())) > 1:
        problems.append(f"{place}: the fields are not separated by tabs; found {line!r}; expected tabs")
        return None
    if len(fields) > len(columns):
        problems.append(f"{place}: found {len(fields)} fields, expected the {len(columns)} of the header")
        return None
    row = dict.fromkeys(COLUMNS, "") | dict(zip(columns, fields, strict=False))
    found = [problem for name, value in row.items() if (problem := _problem_of_field(name, value))]
    if row["fq1"] and row["fq2"] and _identity(row["fq1"]) == _identity(row["fq2"]):
        found.append(f"fq1 and fq2 are the same file, {row['fq1']!r}; expected the two files of the pairs")
    problems += [f"{place}: {problem}" for problem in found]
    return None if found else Unit(**row, line=number)


def _problem_of_field(name: str, value: str) -> str | None:
    schema = COLUMNS[name]
    if "enum" in schema:
        good = value in schema["enum"]
    else:
        good = len(value) >= schema.get("minLength", 0) and re.search(schema.get("pattern", ""), value) is not None
    if good:
        return None
    return f"{name}: found {value!r}; expected {schema['expected']}"


def _identity(fastq: str) -> object:
    """Return the same for all paths that lead to one file, hard links among them."""
    if is_remote(fastq):
        return fastq
    try:
        status = Path(fastq).stat()
    except (OSError, ValueError):
        return os.path.realpath(fastq)
    # Not every network file system numbers its files: size and time have to agree, too.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _repeated(path: str, units: list[Unit]) -> list[str]:
    """Return problems of lines that say the same as an earlier one, or that contradict it."""
    names: dict[str, list[int]] = defaultdict(list)
    files: dict[object, list[tuple[int, str]]] = defaultdict(list)
    sexes: dict[str, dict[str, int]] = defaultdict(dict)
    for unit in units:
        names[f"sample {unit.sample!r} with unit {unit.unit!r}"].append(unit.line)
        sexes[unit.sample].setdefault(unit.sex, unit.line)
        for fastq in unit.fastqs:
            files[_identity(fastq)].append((unit.line, fastq))
    problems = [
        f"{path}, line {lines[1]}: {name} stands on line {lines[0]} already; each lane needs its own"
        for name, lines in names.items()
        if len(lines) > 1
    ]
    problems += [
        f"{path}, line {second}: the file {file if is_remote(file) else os.path.realpath(file)} is named on line "
        f"{first} already; its reads would count twice"
        for lines in files.values()
        for (first, _), (second, file) in pairwise(lines)
    ]
    problems += [
        f"{path}, line {max(found.values())}: sample {sample!r} has the sexes {sorted(found)}; expected one"
        for sample, found in sexes.items()
        if len(found) > 1
    ]
    return problems
