"""A run that a sheet in the inbox wants: raw/NAME/samples.tsv, with the configuration beside it or the default one."""

import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml
from botocore.exceptions import ClientError

from snakemake_aws_common.conditional import MISSING, error_code
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads.about import About
from terraflow.heads.archive import FOLDERS
from terraflow.heads.objects import AboutObject, ChangedError
from terraflow.launch.inputs import SCHEME
from terraflow.launch.launcher import Launched, launch
from terraflow.launch.publish import CONFIG, Published
from terraflow.launch.request import Request, checked_name

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SHEET = "samples.tsv"
OWN_CONFIG = "config.yaml"
# The first line of a configuration that needs none below it.
WHOLE = "# The whole configuration of a run"
KEY = re.compile(rf"raw/(?P<name>[^/]+)/{re.escape(SHEET)}")
# Bytes of a sheet or a configuration.
LARGEST = 10_000_000


def name_in(key: str) -> str:
    """Return the name of the run that a sheet wants. Raise UserError for a key that is no sheet's, or a wrong name."""
    if not (found := KEY.fullmatch(key)):
        raise UserError(f"{key} is no sheet of the inbox: expected raw/NAME/{SHEET}.")
    return checked_name(found["name"])


def launch_sheet(
    published: Published,
    s3: "S3Client",
    key: str,
    *,
    budget: float | None,
    started_by: str,
    who: str = "",
    config: str | None = None,
) -> Launched:
    """Start the run that the sheet under `key` wants; `config` is the key of another configuration than its own.

    Raise UserError as `launch` does: UnderWayError if the run has a head, MissingError if files are missing yet. What
    is refused leaves nothing in the bucket.
    """
    name, bucket = name_in(key), published.stack.bucket
    sheet, etag = _read(s3, bucket, key)
    with tempfile.TemporaryDirectory(prefix="terraflow-") as folder:
        project = Path(folder, "project")
        shutil.copytree(published.project, project)
        place = _lay_out(published, s3, key, sheet, project, config)
        request = Request(
            name=name,
            project=project,
            directory=project,
            configfiles=(place,),
            budget=budget,
            who=who or started_by,
            started_by=started_by,
            sheet=key,
            sheet_etag=etag,
        )
        return launch(request, published.stack)


def note_refusal(s3: "S3Client", bucket: str, key: str, message: str, *, started_by: str, who: str) -> None:
    """Write to the run's run.json that it has failed since its sheet was refused, unless it has ever had a head."""
    now, name = round(time.time() * 1000), name_in(key)
    about = About(
        run=name,
        who=who,
        started_by=started_by,
        submitted=now,
        state=abouts.FAILED,
        sheet=key,
        started=now,
        ended=now,
        exit_code=abouts.EXIT_CODES[abouts.FAILED],
        message=message,
    )
    written = AboutObject(s3, bucket, name)
    earlier = written.read()
    # What a head has written says how results came about.
    if earlier is None or not (earlier.about.head_job or earlier.about.state in (abouts.SUBMITTED, abouts.RUNNING)):
        with suppress(ChangedError):
            written.write(about, earlier.etag if earlier else None)


def _lay_out(published: Published, s3: "S3Client", key: str, sheet: bytes, project: Path, config: str | None) -> Path:
    """Write sheet and configuration into the project's folder, under their keys; return the configuration's path."""
    # Imported late: it imports the workflow's Python, which was fetched with the workflow.
    from terraflow.readers import WORKFLOW_CONFIG

    bucket, folder = published.stack.bucket, key.rpartition("/")[0]
    own = config or f"{folder}/{OWN_CONFIG}"
    try:
        text, _ = _read(s3, bucket, own)
        source, place = f"{SCHEME}{bucket}/{own}", Path(own)
    except FileNotFoundError as error:
        if config or published.config is None:
            raise UserError(
                f"The sheet has no configuration: {error.filename} is missing"
                + ("." if config else f", and the stack has no default one (`make deploy` publishes {CONFIG}).")
            ) from None
        text, source, place = published.config.read_bytes(), str(CONFIG), CONFIG
    content = _parsed(text, source)
    if text.startswith(WHOLE.encode()):
        (project / WORKFLOW_CONFIG).unlink(missing_ok=True)
    content["samples"] = key
    _fetch_ploidy(s3, bucket, folder, content, project)
    written = {
        project / key: with_addresses(sheet, f"{SCHEME}{bucket}/{folder}", f"{SCHEME}{bucket}/{key}"),
        project / place: yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000),
    }
    for path, body in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
    return place


def _parsed(text: bytes, source: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text) or {}
    # YAML's timestamps are Python's, and its nesting is recursion.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{source} can't be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{source}: found {type(content).__name__}; expected keys and values, such as reference:")
    from terraflow_workflow.inputs import settings

    if problems := settings.problems_of_repeated_keys(text, source):
        raise UserError("Problems in the configuration, nothing was started:", *problems)
    return content


def with_addresses(sheet: bytes, folder: str, address: str) -> str:
    """Return the sheet with the addresses of FASTQ files that it names by paths relative to itself.

    A sheet that the workflow would refuse stays as it is. Raise UserError if it is no text.
    """
    from terraflow import staging
    from terraflow_workflow.inputs import samples, settings

    try:
        text = sheet.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{address}: found bytes that are no UTF-8 ({error}); expected a table of text") from None
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as copy:
        copy.write(text)
        copy.flush()
        try:
            units = samples.read_sheet(copy.name)
        except samples.SheetError:
            return text
    found = {
        (unit.line, column): f"{folder}/{PurePosixPath(path)}"
        for unit in units
        for column, path in zip(staging.FASTQ_COLUMNS, unit.fastqs, strict=False)
        if not settings.is_remote(path) and not {"/", ".."} & set(PurePosixPath(path).parts)
    }
    return staging.with_fields(text, found)


def _fetch_ploidy(s3: "S3Client", bucket: str, folder: str, content: Mapping[str, Any], project: Path) -> None:
    """Write the ploidy file that lies beside the sheet, if the configuration names one there, to where it says.

    Raise UserError for one in the place of a part of the workflow, or in a place where no file can be.
    """
    calling = content.get("calling")
    named = calling.get("ploidy") if isinstance(calling, dict) else None
    if not isinstance(named, str):
        return
    path = PurePosixPath(named)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return
    try:
        body, _ = _read(s3, bucket, f"{folder}/{path}")
    except FileNotFoundError:
        # One of the published workflow, or of nobody: the workflow says so.
        return
    if path.parts[0].casefold() in FOLDERS:
        raise UserError(
            f"calling.ploidy: {named}: {SCHEME}{bucket}/{folder}/{path} would replace a part of the workflow; upload "
            f"it under another name, outside of {', '.join(f'{name}/' for name in FOLDERS)}, and name that."
        )
    try:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(body)
    except (OSError, ValueError) as error:
        raise UserError(f"calling.ploidy: {named}: no file can have this name ({error}); expected a file.") from None


def _read(s3: "S3Client", bucket: str, key: str) -> tuple[bytes, str]:
    """Return an object and its ETag. Raise FileNotFoundError if there is none, and UserError if it is too large."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in MISSING:
            raise FileNotFoundError(2, "there is no such object", f"{SCHEME}{bucket}/{key}") from None
        raise
    if answer["ContentLength"] > LARGEST:
        raise UserError(f"{SCHEME}{bucket}/{key} has {answer['ContentLength']:,} bytes; expected {LARGEST:,} at most.")
    return answer["Body"].read(), answer["ETag"]
