"""The files in S3 that a run's sheet and configuration name: which of them are not there (yet)."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from snakemake_aws_common.conditional import MISSING, error_code
from terraflow.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from terraflow_workflow.inputs import samples

SCHEME = "s3://"
READERS = 16
# Of a message; a sheet may name thousands of files.
SHOWN = 20


class MissingError(UserError):
    """Files that a run would read are not there; `addresses` are all of them."""

    def __init__(self, message: str, found: Mapping[str, str]) -> None:
        """Show the first ones, each with what names it."""
        lines = [f"{what}: {address}: there is no such file" for address, what in list(found.items())[:SHOWN]]
        super().__init__(message, *lines, *([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []))
        self.addresses = tuple(found)


def refuse_missing(directory: Path, config: Mapping[str, Any], s3: "S3Client") -> None:
    """Raise MissingError if objects are not there that the configuration or its sheet names by `s3://` addresses.

    A wrong sheet or configuration counts as one without files: the workflow says what is wrong with it. An object that
    may not be looked at counts as there.
    """
    named = {address: what for what, address in reversed([*_named(directory, config)])}
    addresses = list(reversed(named))
    with ThreadPoolExecutor(READERS) as pool:
        there = list(pool.map(lambda address: _is_there(s3, address), addresses))
    if missing := {address: named[address] for address, found in zip(addresses, there, strict=True) if not found}:
        raise MissingError("Files are missing, nothing was submitted:", missing)


def count_samples(directory: Path, config: Mapping[str, Any]) -> int | None:
    """Return the number of samples in the sheet of a configuration; None for a sheet that can't be read."""
    return len({unit.sample for unit in _units(directory, config)}) or None


def _units(directory: Path, config: Mapping[str, Any]) -> "list[samples.Unit]":
    # The launcher in the cloud has it from the workflow that it has fetched.
    from terraflow_workflow.inputs import samples

    sheet = config.get("samples")
    if isinstance(sheet, str) and (directory / sheet).is_file():
        with suppress(samples.SheetError):
            return samples.read_sheet(str(directory / sheet))
    return []


def _named(directory: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what names a file, and its address."""
    # The launcher in the cloud has them from the workflow that it has fetched.
    from terraflow.readers import DATA
    from terraflow_workflow.reference.aligners import suffixes_of_prebuilt

    named: list[tuple[str, object]] = []
    sheet = config.get("samples")
    named += [(f"{sheet}, line {unit.line}", path) for unit in _units(directory, config) for path in unit.fastqs]
    for section, key in DATA:
        part = config.get(section)
        if isinstance(part, dict):
            suffixes = suffixes_of_prebuilt(config) if key == "fasta" else ()
            named += [(f"{section}.{key}", f"{part.get(key)}{suffix}") for suffix in ("", *suffixes)]
    yield from ((what, path) for what, path in named if isinstance(path, str) and path.startswith(SCHEME))


def _is_there(s3: "S3Client", address: str) -> bool:
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        return error_code(error) not in MISSING
    return True
