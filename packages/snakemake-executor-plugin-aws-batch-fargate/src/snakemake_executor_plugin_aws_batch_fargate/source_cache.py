"""Sources in Snakemake's cache: files that the head has fetched from a git host, a web site or a git repository.

Workers read the head's copies, so that they need neither git nor the host, and a branch that has moved on changes
nothing. Snakemake keeps files of a tag or commit in the user's cache, and all others in a cache of the run.
"""

import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from snakemake.sourcecache import HostingProviderFile, infer_source_file
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from .untyped import Rule, SourceFile, Workflow

# Where they travel, below the working directory of a worker.
FOLDER = ".snakemake/source-cache"
RUNTIME = "runtime"
# Where Snakemake looks for files of a tag or commit, below XDG_CACHE_HOME.
PERSISTENT = "snakemake/snakemake/source-cache"
# In the run's cache are copies of local files, too: by their absolute paths, below this folder.
LOCAL = "file"


def places(workflow: Workflow) -> list[str]:
    """Return the folders of the cache, the inner one first: their names differ between two starts of a run."""
    cache = workflow.sourcecache
    return [str(cache.runtime_cache_path), str(cache.cache_path)]


def fetched(workflow: Workflow) -> dict[str, Path]:
    """Return the files of the cache that workers need and don't have, by their names below `FOLDER`.

    Fetches scripts, notebooks and conda environments of rules that are not in the cache yet.
    """
    found: dict[str, Path] = {}
    runtime = Path(workflow.sourcecache.runtime_cache_path)
    for folder in sorted(runtime.iterdir()) if runtime.is_dir() else ():
        if folder.name != LOCAL:
            found |= _files(folder, f"{RUNTIME}/{folder.name}")
    for name in sorted({_folder_of_ref(file) for file in _remote_sources(workflow) if _has_fixed_ref(file)}):
        found |= _files(Path(workflow.sourcecache.cache_path, name), f"{PERSISTENT}/{name}")
    return found


def local_files(workflow: Workflow) -> Iterator[Path]:
    """Yield the local files that are copied into the cache: Snakefiles, schemas, files of `workflow.source_path`."""
    root = Path(workflow.sourcecache.runtime_cache_path, LOCAL)
    caches = tuple(f"{place}/" for place in places(workflow))
    for name in _files(root, ""):
        # A file that is itself in the cache travels with it.
        if (path := Path(name)).is_file() and not name.startswith(caches):
            yield path


def program_path(rule: Rule) -> Path | None:
    """Return the script or notebook of a rule on this machine; None without one, or if it could not be fetched."""
    file = _program(rule)
    if file is None or file.is_local:
        return Path(file.get_path_or_uri(secret_free=True)) if file else None
    cache = rule.workflow.sourcecache
    return Path(cache.get_path(file)) if cache.exists(file) else None


def _program(rule: Rule) -> SourceFile | None:
    named = rule.script or rule.notebook
    file = infer_source_file(named, rule.basedir) if named else None
    # A remote file with wildcards in its name is a file of each job.
    return None if file and not file.is_local and "{" in str(named) else file


def use(folder: Path, options: Namespace) -> None:
    """Let Snakemake in a worker, and the processes that it starts, read the cache that lies in a folder."""
    os.environ["XDG_CACHE_HOME"] = str(folder)
    options.runtime_source_cache_path = folder / RUNTIME
    options.shared_fs_usage = frozenset({*(options.shared_fs_usage or ()), SharedFSUsage.SOURCE_CACHE})


def _files(folder: Path, name: str) -> dict[str, Path]:
    """Return all files below a folder, by their names with this one in front."""
    below = (Path(parent, file) for parent, _, files in os.walk(folder) for file in files)
    return {f"{name}/{path.relative_to(folder).as_posix()}": path for path in sorted(below)}


def _remote_sources(workflow: Workflow) -> Iterator[SourceFile]:
    """Yield Snakefiles, scripts, notebooks and conda environments that are not local, and fetch them if need be."""
    yield from (file for file in workflow.included if not file.is_local)
    environments = (job.conda_env_spec for job in workflow.dag.jobs)
    files = {environment.file for environment in environments if environment and environment.is_file}
    for file in {*filter(None, map(_program, workflow.rules)), *files}:
        if not file.is_local and workflow.sourcecache.exists(file):
            yield file


def _has_fixed_ref(file: SourceFile) -> bool:
    return isinstance(file, HostingProviderFile) and file.is_persistently_cacheable()


def _folder_of_ref(file: HostingProviderFile) -> str:
    """Return the folder of a tag or commit in the user's cache."""
    return str(file.get_cache_path()).removesuffix("/" + quote(file.path, safe="/"))
