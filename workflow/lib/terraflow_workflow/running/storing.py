"""Stores files that no rule makes beside the results of a run."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


def store_result(workflow: "Workflow", path: Path, file: Path) -> None:
    """Store `file` under the path of a result, if results are kept in a storage."""
    storage = workflow.storage_registry.default_storage_provider
    if storage is not None:
        copy = storage.object(f"{workflow.storage_settings.default_storage_prefix.rstrip('/')}/{path}")
        copy.set_local_path(file)
        workflow.async_run(copy.managed_store())
