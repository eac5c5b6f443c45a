"""The files that travel to workers: all that a workflow is made of, and none of its data.

Git is not needed. Files that it tracks travel, too, as with Snakemake's own archive of sources.
"""

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError

from . import job_data, source_cache
from .logs import redact
from .project_files import LARGEST, MEGABYTE, ProjectFiles
from .untyped import SourceFile, Workflow

# Bytes of all files: each worker fetches and unpacks them.
MOST = 100 * MEGABYTE
ATTRIBUTE = "snakemake-workers"


@dataclass(frozen=True)
class Sources:
    """Files (absolute, sorted), and the folder that holds all of them and the working directory.

    `fetched` are files of Snakemake's source cache, by the names that they have below `source_cache.FOLDER`.
    """

    files: list[Path]
    root: Path
    fetched: Mapping[str, Path] = field(default_factory=dict)


def collect(workflow: Workflow, note: Callable[[str], None]) -> Sources:
    """Return the sources of a workflow; `note` gets a message about files that are left out.

    They are Snakefiles, conda environments, config files and files of `workflow.source_path`, wherever they lie; files
    that Snakemake has fetched from elsewhere; all other files in the folders of
    Snakefiles and of scripts, but for data; and files that git tracks in the working directory and in the project (the
    Snakefile's folder, or the one above if that is called `workflow`).
    Raises WorkflowError for files that workers would not find, and if all is too much.
    """
    named = _named(workflow)
    asked_for = set(source_cache.local_files(workflow)) - named
    large = [path for path in asked_for if path.is_file() and path.stat().st_size > LARGEST]
    named |= asked_for - set(large)
    if problems := _problems(workflow, named):
        raise WorkflowError("The workflow can't be sent to workers; no job was submitted.", *map(redact, problems))
    folders = {path.parent for path in _snakefiles(workflow)} | set(_folders_of_scripts(workflow))
    kept = {above for path in named | folders for above in (path, *path.parents)}
    project = ProjectFiles(folders, job_data.of_workflow(workflow, kept))
    fetched, secret, large_fetched = _sorted(source_cache.fetched(workflow))
    sizes: dict[Path, int] = {}
    total = 0
    for path in chain(fetched.values(), named, project.files(), _tracked({Path.cwd(), _project(workflow)})):
        if path in sizes:
            continue
        sizes[path] = path.stat().st_size
        total += sizes[path]
        if total > MOST:
            raise WorkflowError(redact(_too_much(sizes, fetched)))
    left_out = [os.path.relpath(path) for path in dict.fromkeys([*project.large, *sorted(large)]) if path not in sizes]
    if left_out := [*left_out, *map(source_cache.address, large_fetched)]:
        note(redact(f"Not sent to workers, being larger than {LARGEST // MEGABYTE} MB: {', '.join(left_out)}"))
    if secret:
        addresses = ", ".join(map(source_cache.address, secret))
        note(redact(f"Not sent to workers, which fetch it by an address with a user or a query: {addresses}"))
    files = sorted(sizes.keys() - set(fetched.values()))
    return Sources(files, Path(os.path.commonpath([Path.cwd(), *(path.parent for path in files)])), fetched)


def _sorted(fetched: Mapping[str, Path]) -> tuple[dict[str, Path], list[str], list[str]]:
    """Return what may travel of the files that were fetched, and the names of those with secrets and of large ones."""
    secret = [name for name in fetched if source_cache.may_hold_secret(name)]
    large = [name for name, path in fetched.items() if name not in secret and path.stat().st_size > LARGEST]
    return {name: path for name, path in fetched.items() if name not in (*secret, *large)}, secret, large


def _absolute(path: object) -> Path:
    return Path(os.path.normpath(Path.cwd() / str(path)))


def _local(file: SourceFile) -> Path | None:
    """Return where a file lies on this machine, if it does not lie in Snakemake's cache."""
    path = str(file.get_path_or_uri(secret_free=True))
    return None if "://" in path else _absolute(path)


def _snakefiles(workflow: Workflow) -> set[Path]:
    return set(filter(None, map(_local, workflow.included)))


def _named(workflow: Workflow) -> set[Path]:
    """Return the files that Snakemake itself knows."""
    environments = (job.conda_env_spec for job in workflow.dag.jobs)
    files = {_local(environment.file) for environment in environments if environment and environment.is_file}
    configs = {path for path in map(_absolute, workflow.configfiles) if not _is_cached(workflow, path)}
    return {*_snakefiles(workflow), *filter(None, files), *configs}


def _is_cached(workflow: Workflow, path: Path) -> bool:
    return any(path.is_relative_to(place) for place in source_cache.places(workflow))


def _project(workflow: Workflow) -> Path:
    """Return the folder of the project, as Snakemake recommends to lay it out."""
    snakefile = _local(next(iter(workflow.included)))
    folder = snakefile.parent if snakefile else Path.cwd()
    return folder.parent if folder.name == "workflow" else folder


def _folders_of_scripts(workflow: Workflow) -> Iterator[Path]:
    for rule in workflow.rules:
        script = str(rule.script or rule.notebook or "")
        beside = _local(rule.basedir) if script and "://" not in script else None
        if beside:
            folder = _absolute(beside / script).parent
            if folder.is_dir():
                yield folder


def _tracked(folders: Collection[Path]) -> Iterator[Path]:
    """Yield files that git tracks, if it is there, but for files that have the attribute `-snakemake-workers`."""
    for folder in folders:
        try:
            listed = _git(folder, b"", "ls-files", "-z", "--recurse-submodules")
            attributes = _git(folder, listed, "check-attr", "-z", "--stdin", ATTRIBUTE)
        except (OSError, subprocess.CalledProcessError):
            continue
        fields = os.fsdecode(attributes).split("\0")
        for name, value in zip(fields[0::3], fields[2::3], strict=False):
            path = folder / name
            if value != "unset" and path.is_file() and path.stat().st_size <= LARGEST:
                yield path


def _git(folder: Path, given: bytes, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(folder), *arguments], input=given, capture_output=True, check=True).stdout


def _problems(workflow: Workflow, named: Collection[Path]) -> list[str]:
    """Return one line for each file that workers need and would not find."""
    problems = [
        f"{path}: can't be read." for path in sorted(named) if not (path.is_file() and os.access(path, os.R_OK))
    ]
    written = set(_texts(workflow.config))
    return problems + [
        f"{path}: the configuration names this file by its absolute path, which workers don't have. "
        f"Write {os.path.relpath(path)}, from the working directory."
        for path in sorted({str(path) for path in workflow.configfiles})
        if Path(path).is_absolute() and path in written
    ]


def _texts(value: object) -> Iterator[str]:
    """Yield all texts in a configuration."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _too_much(sizes: Mapping[Path, int], fetched: Mapping[str, Path]) -> str:
    addresses = {path: source_cache.address(name).rpartition("/")[0] for name, path in fetched.items()}
    folders: Counter[str] = Counter()
    for path, size in sizes.items():
        folders[addresses.get(path) or os.path.relpath(path.parent)] += size
    largest = ", ".join(f"{folder} ({size / MEGABYTE:.0f} MB)" for folder, size in folders.most_common(3))
    return (
        f"The files of the workflow have more than {MOST // MEGABYTE} MB, which each worker would have to fetch; no "
        f"job was submitted. The largest folders are {largest}. Move data out of the project, or put a file "
        "CACHEDIR.TAG into folders that jobs don't need: they are left out then."
        + (
            " Files that Snakemake has fetched, named by their addresses, travel too: let rules read large ones as "
            "inputs, not through `workflow.source_path`."
            if any(path in sizes for path in addresses)
            else ""
        )
    )
