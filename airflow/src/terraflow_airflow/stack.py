"""The deployed stack, as `make deploy` has published it in the bucket: nothing else than the bucket's name is needed.

workflow/current.json       names the archive in use
workflow/<SHA-256>.tar.xz   holds stack.json, which are the stack's outputs, and the configuration of runs without one
"""

import io
import json
import lzma
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from terraflow_airflow import aws
from terraflow_airflow.errors import OrderError

CURRENT = "workflow/current.json"
OUTPUTS = "stack.json"


@dataclass(frozen=True)
class Stack:
    """What starting, following and ending a run takes.

    `budget` is the US dollars that a run may cost of which nobody has said it; `config` is the configuration of runs
    that bring none.
    """

    bucket: str
    region: str
    name: str
    head_queue: str
    queues: tuple[str, ...]
    launcher: str
    log_group: str
    tags: Mapping[str, str]
    budget: float | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False)


def read(s3: Any, bucket: str) -> Stack:  # noqa: ANN401
    """Return the stack whose bucket this is. Raise OrderError, which says what to do, for one that can't start runs."""
    current = aws.read(s3, bucket, CURRENT)
    if current is None:
        raise OrderError(f"s3://{bucket}/{CURRENT} is missing: `make deploy` publishes the workflow there.")
    address = f"s3://{bucket}/{CURRENT}"
    try:
        named = json.loads(current)
        address = f"s3://{bucket}/{named['archive']}"
        files = _files(aws.read(s3, bucket, named["archive"]) or b"", (OUTPUTS, named.get("config") or ""))
        outputs = json.loads(files[OUTPUTS])
        config = yaml.safe_load(files[named["config"]]) if named.get("config") else None
        return _stack(bucket, outputs, config)
    except (ValueError, TypeError, KeyError, lzma.LZMAError, tarfile.TarError, EOFError, yaml.YAMLError) as error:
        raise OrderError(
            f"{address} is not what `make deploy` writes ({type(error).__name__}: {error}). It publishes it anew."
        ) from error


def _stack(bucket: str, outputs: Mapping[str, Any], config: Mapping[str, Any] | None) -> Stack:
    if "head" not in outputs["queues"] or not outputs.get("launcher_job_definition"):
        raise OrderError(
            f"Stack {outputs['stack']} has no launchers, which start runs: set `airflow = {{ enabled = true }}` or "
            "inbox_budget in terraform.tfvars, and head_jobs = true, then `make deploy`."
        )
    airflow = outputs.get("airflow") or {}
    return Stack(
        bucket=bucket,
        region=outputs["region"],
        name=outputs["stack"],
        head_queue=outputs["queues"]["head"],
        queues=tuple(queue for kind, queue in sorted(outputs["queues"].items()) if kind != "head"),
        launcher=outputs["launcher_job_definition"],
        log_group=outputs["log_group"],
        tags=dict(outputs["tags"]),
        budget=outputs.get("inbox_budget") if airflow.get("budget") is None else airflow["budget"],
        config=config,
    )


def _files(archive: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    """Return files of an archive by their names; empty names are left out. Raise KeyError for one that is not there."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:xz") as opened:
        found = {name: opened.extractfile(name) for name in names if name}
        return {name: content.read() for name, content in found.items() if content is not None}
