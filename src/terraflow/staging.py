"""What of a sheet and a configuration has to lie in S3, under which keys, and how both read afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from terraflow import readers
from terraflow.errors import UserError

if TYPE_CHECKING:
    from samples import Unit

WRITTEN_BY = "# Written by `terraflow stage`"
FASTQ_COLUMNS = ("fq1", "fq2")


@dataclass(frozen=True)
class Item:
    """A local file and its key in the bucket; `named` says where it was named, for messages."""

    path: Path
    key: str
    named: str


@dataclass(frozen=True)
class Plan:
    """What to send, and the keys that replace paths: of the sheet by line and column, of the configuration by key."""

    items: tuple[Item, ...]
    fastqs: Mapping[tuple[int, str], str]
    settings: Mapping[tuple[str, str], str]
    remote: tuple[str, ...]


def plan(units: "Sequence[Unit]", config: Mapping[str, Any]) -> Plan:
    """Keys `raw/<sample>/<unit>/<file>` and `reference/<file>` for all that is on this disk.

    Mates whose files have one name get a folder each. Raises UserError when two files of the reference have one name.
    """
    items: list[Item] = []
    fastqs: dict[tuple[int, str], str] = {}
    remote: list[str] = []
    for unit in units:
        names = [PurePosixPath(path).name for path in unit.fastqs]
        for column, path, name in zip(FASTQ_COLUMNS, unit.fastqs, names, strict=False):
            if readers.is_remote(path):
                remote.append(path)
                continue
            folder = f"raw/{unit.sample}/{unit.unit}" + (f"/{column}" if names.count(name) > 1 else "")
            fastqs[unit.line, column] = f"{folder}/{name}"
            items.append(Item(Path(path), f"{folder}/{name}", f"line {unit.line}, {column}"))
    settings: dict[tuple[str, str], str] = {}
    fasta, gff = config["reference"]["fasta"], config["annotation"]["gff"]
    for section, key, path in (("reference", "fasta", fasta), ("annotation", "gff", gff)):
        if not path:
            continue
        if readers.is_remote(path):
            remote.append(path)
            continue
        settings[section, key] = f"reference/{PurePosixPath(path).name}"
        items.append(Item(Path(path), settings[section, key], f"{section}.{key}"))
        if key == "fasta" and config["reference"]["bwa_index"] == "prebuilt":
            items += [
                Item(Path(path + suffix), settings[section, key] + suffix, "reference.bwa_index")
                for suffix in readers.bwa_index_suffixes()
            ]
    return Plan(_each_once(items), fastqs, settings, tuple(remote))


def rewritten_sheet(text: str, source: str, plan: Plan, bucket: str) -> str:
    """The sheet with `s3://` addresses: columns, their order, comments and all other fields as they were."""
    columns: list[str] | None = None
    lines = [f"{WRITTEN_BY} from {source}"]
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.rstrip()
        if not content or line.startswith("#"):
            if not content.startswith(WRITTEN_BY):
                lines.append(content)
            continue
        if columns is None:
            columns = [name.strip() for name in content.split("\t")]
            lines.append("\t".join(columns))
            continue
        fields = [field.strip() for field in content.split("\t")]
        fields += [""] * (len(columns) - len(fields))
        for index, column in enumerate(columns):
            if key := plan.fastqs.get((number, column)):
                fields[index] = f"s3://{bucket}/{key}"
        lines.append("\t".join(fields))
    return "\n".join(lines).rstrip("\n") + "\n"


def rewritten_config(own: Mapping[str, Any], source: Path, sheet: str, plan: Plan, bucket: str) -> str:
    """The user's own configuration with what has changed, for `--configfile`; its comments stay behind.

    Keys that are not in it come from config/config.yaml, which Snakemake reads in any case.
    """
    content: dict[str, Any] = {**own, "samples": sheet}
    for (section, key), place in plan.settings.items():
        content[section] = {**(content.get(section) or {}), key: f"s3://{bucket}/{place}"}
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return f"{WRITTEN_BY} from {source}\n{body}"


def refuse_foreign(path: Path) -> None:
    """Raises UserError where a file to write is somebody else's."""
    try:
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(WRITTEN_BY):
            raise UserError(
                f"{path} was not written by terraflow stage, so it stays as it is: name another file for it."
            )
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from None


def write(path: Path, text: str) -> None:
    """Writes a file whole or not at all. Raises UserError rather than overwrite what somebody else wrote."""
    refuse_foreign(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from None


def _each_once(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items without those that are another's file under another's key; two files under one key are an error."""
    first: dict[str, Item] = {}
    problems = []
    for item in items:
        other = first.setdefault(item.key, item)
        if other is not item and item.path.resolve() != other.path.resolve():
            problems.append(
                f"{other.named}: {other.path} and {item.named}: {item.path} would both be {item.key}; rename one"
            )
    if problems:
        raise UserError("Two files would have one place in the bucket, nothing was sent:", *problems)
    return tuple(first.values())
