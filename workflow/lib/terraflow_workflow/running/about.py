"""What a run was made from, for receipts: results/run.json, written at the end of a run that made all results."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from terraflow_workflow import __version__
from terraflow_workflow.inputs.samples import Unit
from terraflow_workflow.inputs.settings import is_remote
from terraflow_workflow.reference.aligners import suffixes_of_prebuilt
from terraflow_workflow.running.storing import store_result

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

WORKFLOW = "TerraFlow Genomics"


def write_about(workflow: "Workflow", path: Path, config: Mapping[str, Any], units: Iterable[Unit]) -> None:
    """Write workflow, configuration and sheet to `path` as JSON, whole or not at all, and to where the results are."""
    # Imported late: every worker parses the workflow.
    from snakemake import __version__ as snakemake

    content = {
        "workflow": {"name": WORKFLOW, "version": __version__},
        "snakemake": snakemake,
        "config": _shown(config),
        "reference": _shown(_reference(config)),
        "units": [_shown({name: value for name, value in asdict(unit).items() if name != "line"}) for unit in units],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.json")
    try:
        part.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
        store_result(workflow, path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _reference(config: Mapping[str, Any]) -> list[str]:
    """Return the files of the reference that the run reads."""
    fasta = config["reference"]["fasta"]
    return [f"{fasta}{suffix}" for suffix in ("", *suffixes_of_prebuilt(config))]


def _shown(value: Any) -> Any:  # noqa: ANN401
    """Return a value of the configuration or the sheet without what lets others in: passwords, signatures."""
    if isinstance(value, Mapping):
        return {str(key): _shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return without_secrets(value) if isinstance(value, str) and is_remote(value) else value


def without_secrets(address: str) -> str:
    """Return a web address without user, password and query; any other address as it is."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        return address
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
