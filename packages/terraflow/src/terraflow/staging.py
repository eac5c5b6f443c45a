"""Plans the uploads of a sheet and a configuration, their keys, and the rewritten sheet and configuration.

A key holds a digest of the file's content: files of two projects never share a key, a file that has changed gets a key
of its own, and the same file is sent once, whoever sends it.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from terraflow.errors import UserError
from terraflow_workflow.inputs import settings as workflow_settings
from terraflow_workflow.inputs.samples import Unit
from terraflow_workflow.reference.aligners import suffixes_of_prebuilt

WRITTEN_BY = "# Written by `terraflow stage`"
FASTQ_COLUMNS = ("fq1", "fq2")
# Hexadecimal digits of a digest in a key.
DIGITS = 16


@dataclass(frozen=True)
class Item:
    """A local file and its key in the bucket; `source` is where the sheet or configuration names it, for messages.

    `earlier_key` is the key that version 0.1 gave such a file, without a digest.
    """

    path: Path
    key: str
    source: str
    earlier_key: str = ""


@dataclass(frozen=True)
class Plan:
    """The files to send, and the keys that replace paths: in the sheet by line and column, in the settings by key."""

    items: tuple[Item, ...]
    fastqs: Mapping[tuple[int, str], str]
    settings: Mapping[tuple[str, str], str]
    remote: tuple[str, ...]


def plan(units: Sequence[Unit], config: Mapping[str, Any], digest: Callable[[Path], str]) -> Plan:
    """Give each local file a key: `raw/<sample>/<unit>/<digest>/<file>` or `reference/<digest>/<file>`.

    `digest` returns a file's SHA-256 in hexadecimal. A prebuilt index lies beside its FASTA, under one digest of all.
    """
    items: list[Item] = []
    fastqs: dict[tuple[int, str], str] = {}
    remote: list[str] = []
    for unit in units:
        names = [PurePosixPath(path).name for path in unit.fastqs]
        for column, path, name in zip(FASTQ_COLUMNS, unit.fastqs, names, strict=False):
            if workflow_settings.is_remote(path):
                remote.append(path)
                continue
            place = f"raw/{unit.sample}/{unit.unit}"
            earlier = f"{place}/{column}/{name}" if names.count(name) > 1 else f"{place}/{name}"
            key = f"{place}/{digest(Path(path))[:DIGITS]}/{name}"
            fastqs[unit.line, column] = key
            items.append(Item(Path(path), key, f"line {unit.line}, {column}", earlier))
    settings: dict[tuple[str, str], str] = {}
    fasta, gff = config["reference"]["fasta"], config["annotation"]["gff"]
    for section, option, path in (("reference", "fasta", fasta), ("annotation", "gff", gff)):
        if not path:
            continue
        if workflow_settings.is_remote(path):
            remote.append(path)
            continue
        suffixes = suffixes_of_prebuilt(config) if option == "fasta" else ()
        files = [Path(path + suffix) for suffix in ("", *suffixes)]
        folder = f"reference/{_digest_of_all(map(digest, files))}"
        settings[section, option] = f"{folder}/{PurePosixPath(path).name}"
        for file in files:
            source = f"{section}.{option}" if file == files[0] else "reference.bwa_index"
            items.append(Item(file, f"{folder}/{file.name}", source, f"reference/{file.name}"))
    # Two lines of one unit may name the same file: it is one object.
    once = {item.key: item for item in reversed(items)}
    return Plan(tuple(reversed(once.values())), fastqs, settings, tuple(remote))


def with_earlier_keys(plan: Plan, uploaded: Iterable[Item]) -> Plan:
    """Return the plan in which the files that S3 has under their earlier keys keep these.

    Files of one folder stay together, since BWA's index has to lie beside its FASTA.
    """
    found = set(uploaded)
    folders: dict[str, list[Item]] = {}
    for item in plan.items:
        folders.setdefault(item.key.rpartition("/")[0], []).append(item)
    kept = {item.key: item.earlier_key for items in folders.values() if found.issuperset(items) for item in items}

    def key_of(key: str) -> str:
        return kept.get(key, key)

    return replace(
        plan,
        items=tuple(replace(item, key=key_of(item.key)) for item in plan.items),
        fastqs={place: key_of(key) for place, key in plan.fastqs.items()},
        settings={place: key_of(key) for place, key in plan.settings.items()},
    )


def rewritten_sheet(text: str, source: str, plan: Plan, bucket: str) -> str:
    """Return the sheet with `s3://` addresses: columns, their order, comments and all other fields stay as they are."""
    addresses = {place: f"s3://{bucket}/{key}" for place, key in plan.fastqs.items()}
    lines = [line for line in with_fields(text, addresses).split("\n") if not line.startswith(WRITTEN_BY)]
    return "\n".join([f"{WRITTEN_BY} from {source}", *lines]).rstrip("\n") + "\n"


def with_fields(text: str, fields: Mapping[tuple[int, str], str]) -> str:
    """Return a sheet with other fields, by line and column; lines, and all other fields, stay as they are."""
    columns: list[str] | None = None
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.rstrip()
        if not content or line.startswith("#"):
            lines.append(content)
            continue
        found = [field.strip() for field in content.split("\t")]
        if columns is None:
            columns = found
        else:
            found += [""] * (len(columns) - len(found))
            for index, column in enumerate(columns):
                found[index] = fields.get((number, column), found[index])
        lines.append("\t".join(found))
    return "\n".join(lines)


def rewritten_config(own: Mapping[str, Any], source: Path, sheet: str, plan: Plan, bucket: str) -> str:
    """Return the user's configuration with the changed settings, for `--configfile`; comments are lost.

    Keys that it lacks come from config/config.yaml, which Snakemake reads in any case.
    """
    content: dict[str, Any] = {**own, "samples": sheet}
    for (section, key), place in plan.settings.items():
        content[section] = {**(content.get(section) or {}), key: f"s3://{bucket}/{place}"}
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return f"{WRITTEN_BY} from {source}\n{body}"


def refuse_foreign(path: Path) -> None:
    """Raise UserError if a file to write exists and was not written by `terraflow stage`."""
    try:
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(WRITTEN_BY):
            raise UserError(
                f"{path} was not written by terraflow stage, so it stays as it is: name another file for it."
            )
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from None


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raise UserError rather than overwrite a file that somebody else wrote."""
    refuse_foreign(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from None


def _digest_of_all(digests: Iterable[str]) -> str:
    """Return the digest of a single file, or a digest of several digests."""
    first, *others = digests
    whole = hashlib.sha256("\n".join([first, *others]).encode()).hexdigest() if others else first
    return whole[:DIGITS]
