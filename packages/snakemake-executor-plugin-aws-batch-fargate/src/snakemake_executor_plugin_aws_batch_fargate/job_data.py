"""Where the data of a workflow's jobs lie on the head's disk: workers get them from storage."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from . import names
from .untyped import JobFile, Workflow


@dataclass(frozen=True)
class JobData:
    """Files and folders that hold only products of jobs, and folders in which inputs of jobs lie."""

    products: Collection[Path]
    beside_inputs: Collection[Path]


def of_workflow(workflow: Workflow, kept: Collection[Path]) -> JobData:
    """Return where the data of all jobs lie. A product's folder is the highest one that is not in `kept`."""
    prefix = str(workflow.storage_settings.default_storage_prefix or "").rstrip("/") + "/"
    inputs: set[str] = set()
    outputs: set[str] = set()
    for job in workflow.dag.jobs:
        inputs.update(_folder(path) for path in _local(job.input, prefix))
        outputs.update(_local([*job.output, *job.log, *filter(None, [job.benchmark])], prefix))
    here = Path.cwd()
    folders = {folder: _highest(_absolute(here, folder), kept) for folder in set(map(_folder, outputs))}
    products = {folders[_folder(path)] or _absolute(here, path) for path in outputs}
    return JobData(products, {_absolute(here, folder) for folder in inputs})


def _local(files: Iterable[JobFile], prefix: str) -> Iterable[str]:
    """Return paths of local files, and for files in the default storage the paths that they would have without it."""
    paths = (names.key(file).removeprefix(prefix) for file in files)
    return (path for path in paths if "://" not in path)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _absolute(here: Path, path: str) -> Path:
    return Path(os.path.normpath(here / path))


def _highest(folder: Path, kept: Collection[Path]) -> Path | None:
    """Return the outermost of a folder and the folders above it that is not kept."""
    return next((above for above in [*reversed(folder.parents), folder] if above not in kept), None)
