"""Make this package importable in the process of a Snakefile, from the files that lie with that Snakefile.

`rules/package.smk` runs this file by itself, before the package can be imported. `sys.path` stays as it is: a folder
there would offer its other modules to every workflow in the process.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

NAME = "terraflow_workflow"
PACKAGE = f"lib/{NAME}"
LIST = "lib/files.txt"
"""Lists the files that a Snakefile needs beside its rules: Snakemake can't list a folder of a git host."""


class OtherCopyError(Exception):
    """The process has loaded this package from files with another content."""


def gather(fetch: Callable[[str], str], cache: Path) -> Path:
    """Copy what `LIST` names into one folder below `cache`, laid out as in the project, and return the folder.

    `fetch` takes a path below the project's folder `workflow` and returns the path of a copy of that file. Such copies
    may have other names (`a.py@main`) and are never executable. The folder's name stands for its content, so that all
    processes which share the cache share the folder.
    """
    names = Path(fetch(LIST)).read_text().split()
    files = {name: Path(fetch(name)).read_bytes() for name in [LIST, *names]}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    folder = cache / f"terraflow-{digest.hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    part = Path(tempfile.mkdtemp(dir=cache))
    for name, content in files.items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if content.startswith(b"#!") else 0o644)
    try:
        part.rename(folder)
    except OSError:
        # Another process has made it meanwhile.
        shutil.rmtree(part)
        if not folder.is_dir():
            raise
    return folder


def load_package(home: Path) -> None:
    """Let `import terraflow_workflow` find the package in `home`: a folder `workflow`, or what `gather` returns.

    A copy that the process has loaded already serves if it and all files that lie with it have the same content: the
    jobs of all modules share commands and programs, too. Raises OtherCopyError if not.
    """
    folder = home / PACKAGE
    loaded = sys.modules.get(NAME)
    if loaded is None:
        spec = spec_from_file_location(NAME, folder / "__init__.py", submodule_search_locations=[str(folder)])
        assert spec is not None and spec.loader is not None
        sys.modules[NAME] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return
    other = Path(str(loaded.__file__)).parent
    if other.resolve() == folder.resolve():
        return
    # An installed package comes by itself, without the files that the list names.
    alone = not (other.parents[1] / LIST).exists()
    if _content(other, alone) != _content(folder, alone):
        raise OtherCopyError(
            f"Two versions of TerraFlow Genomics can't work in one workflow: {NAME} was loaded from {other}, and this "
            f"Snakefile comes with {folder}, whose content differs. Use the same version for all modules."
        )


def _content(folder: Path, alone: bool) -> dict[str, bytes]:
    """Return the content of a package's files and, unless they lie there `alone`, of all that `LIST` names beside it.

    Line ends at the end of a file are left out, as git hosts do.
    """
    package = (path for path in folder.rglob("*") if path.suffix in (".py", ".yaml"))
    files = {f"{PACKAGE}/{path.relative_to(folder).as_posix()}": path for path in package}
    if not alone:
        home = folder.parents[1]
        files |= {name: home / name for name in (home / LIST).read_text().split()}
    return {name: path.read_bytes().rstrip(b"\n") for name, path in files.items()}
