"""Sources in Snakemake's cache: files that the head has fetched from a git host, a web site or a git repository.

Workers read the head's copies, so that they need neither git nor the host, and a branch that has moved on changes
nothing. Snakemake keeps files of a tag or commit in the user's cache, and all others in a cache of the run.
"""

import filecmp
import os
import shutil
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from snakemake.common import get_appdirs
from snakemake.sourcecache import HostingProviderFile, LocalSourceFile, infer_source_file
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from .untyped import Rule, SourceFile, Workflow

# Where they travel, below the working directory of a worker.
FOLDER = ".snakemake/source-cache"
RUNTIME = "runtime"
# Where Snakemake looks for files of a tag or commit, below XDG_CACHE_HOME.
CACHE = "snakemake/source-cache"
PERSISTENT = f"snakemake/{CACHE}"
# In the run's cache are copies of local files, too: by their absolute paths, below this folder.
LOCAL = "file"
# A workflow that runs Python from the cache has it compiled there, unless PYTHONDONTWRITEBYTECODE forbids it.
COMPILED = "__pycache__"
# Files of other folders in a cache lie there by their addresses.
WITHOUT_ADDRESS = (LOCAL, "git+file", "hosted-git")


def places(workflow: Workflow) -> list[str]:
    """Return the folders of the cache, the inner one first: their names differ between two starts of a run."""
    cache = workflow.sourcecache
    return [str(cache.runtime_cache_path), str(cache.cache_path)]


def fetched(workflow: Workflow) -> dict[str, Path]:
    """Return the files of the cache that workers need and don't have, by their names below `FOLDER`.

    Fetches scripts, notebooks and conda environments of rules that are not in the cache yet.
    """
    found: dict[str, Path] = {}
    for name in sorted({_folder_of_ref(file) for file in _remote_sources(workflow) if _has_fixed_ref(file)}):
        found |= _files(Path(workflow.sourcecache.cache_path, name), f"{PERSISTENT}/{name}")
    runtime = Path(workflow.sourcecache.runtime_cache_path)
    for folder in sorted(runtime.iterdir()) if runtime.is_dir() else ():
        if folder.name != LOCAL:
            found |= _files(folder, f"{RUNTIME}/{folder.name}")
    return found


def address(name: str) -> str:
    """Return where a file below `FOLDER` was fetched from, without a user, password or query."""
    scheme, *parts = name.removeprefix(f"{PERSISTENT}/").removeprefix(f"{RUNTIME}/").split("/")
    if scheme == "hosted-git":
        # The kind of file stands before the host.
        return "/".join(["https:/", *map(unquote, parts[1:])])
    if scheme in WITHOUT_ADDRESS:
        return f"{scheme}:///{'/'.join(parts)}"
    host, *rest = map(unquote, parts)
    return f"{scheme}://{'/'.join([host.rpartition('@')[2], *rest]).partition('?')[0]}"


def may_hold_secret(name: str) -> bool:
    """Return whether the address of a file below `FOLDER` has a user or a query: these mostly hold secrets."""
    scheme, *parts = name.removeprefix(f"{PERSISTENT}/").removeprefix(f"{RUNTIME}/").split("/")
    return scheme not in WITHOUT_ADDRESS and ("@" in unquote(parts[0]) or any("?" in unquote(part) for part in parts))


def local_files(workflow: Workflow) -> Iterator[Path]:
    """Yield the local files that are copied into the cache: Snakefiles, schemas, files of `workflow.source_path`.

    A path that is not there any more is yielded, too.
    """
    root = Path(workflow.sourcecache.runtime_cache_path, LOCAL)
    caches = tuple(f"{place}/" for place in places(workflow))
    for name, copy in _files(root, "").items():
        # A file that is itself in the cache travels with it.
        if not name.startswith(caches):
            yield _original(Path(name), copy)


def _original(path: Path, copy: Path) -> Path:
    """Return of which file a copy was made: Snakemake takes its path for absolute, and replaces `%xx` in it."""
    named = [path, Path.cwd() / path.relative_to("/")]
    for found in named:
        if found.is_file() and filecmp.cmp(found, copy, shallow=False):
            return found
    quoted = (found for start in (Path("/"), Path.cwd()) for found in _spelt_otherwise(start, path.parts[1:]))
    is_there = (found for found in named if found.is_file())
    # One that has changed since, if none is the same.
    return next((found for found in quoted if filecmp.cmp(found, copy, shallow=False)), next(is_there, path))


def _spelt_otherwise(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield the files below a folder whose names are these after `%xx` in them is replaced."""
    if not parts:
        if folder.is_file():
            yield folder
        return
    try:
        below = sorted(folder.iterdir())
    except OSError:
        return
    for path in below:
        if unquote(path.name) == parts[0]:
            yield from _spelt_otherwise(path, parts[1:])


def program_path(rule: Rule) -> Path | None:
    """Return the script or notebook of a rule on this machine; None without one, or if it could not be fetched."""
    file = _program(rule)
    if file is None or _is_plain(file):
        return Path(file.get_path_or_uri(secret_free=True)) if file else None
    cache = rule.workflow.sourcecache
    return Path(cache.get_path(file)) if cache.exists(file) else None


def _program(rule: Rule) -> SourceFile | None:
    named = rule.script or rule.notebook
    file = infer_source_file(named, rule.basedir) if named else None
    # A remote file with wildcards in its name is a file of each job.
    return None if file and not _is_plain(file) and "{" in str(named) else file


def _is_plain(file: SourceFile) -> bool:
    """Return whether a file lies where its path says; one of a local git repository (`git+file:`) does not."""
    return isinstance(file, LocalSourceFile)


def use(folder: Path, options: Namespace) -> None:
    """Let Snakemake in a worker, and those that it starts, read the cache that lies in a folder.

    Files of a tag or commit go to where every Snakemake looks for them, so that no tool of a rule is told of another
    place. Only a worker whose user has no place for a cache is given one.
    """
    (folder / PERSISTENT).mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(folder / PERSISTENT, Path(get_appdirs().user_cache_dir, CACHE), dirs_exist_ok=True)
    except OSError:
        os.environ.setdefault("XDG_CACHE_HOME", str(folder))
    options.runtime_source_cache_path = folder / RUNTIME
    options.shared_fs_usage = frozenset({*(options.shared_fs_usage or ()), SharedFSUsage.SOURCE_CACHE})


def _files(folder: Path, name: str) -> dict[str, Path]:
    """Return all files below a folder, by their names with this one in front, but for what Python has compiled."""
    below = (
        Path(parent, file) for parent, _, files in os.walk(folder) if Path(parent).name != COMPILED for file in files
    )
    return {f"{name}/{path.relative_to(folder).as_posix()}": path for path in sorted(below)}


def _remote_sources(workflow: Workflow) -> Iterator[SourceFile]:
    """Yield Snakefiles, scripts, notebooks and conda environments that are not local, and fetch them if need be."""
    yield from (file for file in workflow.included if not _is_plain(file))
    environments = (job.conda_env_spec for job in workflow.dag.jobs)
    files = {environment.file for environment in environments if environment and environment.is_file}
    for file in {*filter(None, map(_program, workflow.rules)), *files}:
        if not _is_plain(file) and workflow.sourcecache.exists(file):
            yield file


def _has_fixed_ref(file: SourceFile) -> bool:
    return isinstance(file, HostingProviderFile) and file.is_persistently_cacheable()


def _folder_of_ref(file: HostingProviderFile) -> str:
    """Return the folder of a tag or commit in the user's cache."""
    return str(file.get_cache_path()).removesuffix("/" + quote(file.path, safe="/"))
