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
    files = {name: Path(fetch(name)).read_bytes() for name in Path(fetch(LIST)).read_text().split()}
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


def load_package(folder: Path) -> None:
    """Let `import terraflow_workflow` find the package in `folder`.

    A copy that the process has loaded already serves if it has the same content. Raises OtherCopyError if not.
    """
    loaded = sys.modules.get(NAME)
    if loaded is None:
        spec = spec_from_file_location(NAME, folder / "__init__.py", submodule_search_locations=[str(folder)])
        assert spec is not None and spec.loader is not None
        sys.modules[NAME] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return
    other = Path(str(loaded.__file__)).parent
    if other.resolve() != folder.resolve() and _content(other) != _content(folder):
        raise OtherCopyError(
            f"Two versions of TerraFlow Genomics can't work in one workflow: {NAME} was loaded from {other}, and this "
            f"Snakefile comes with {folder}, whose content differs. Use the same version for all modules."
        )


def _content(folder: Path) -> dict[str, bytes]:
    """Return the content of a package's files, but for line ends at their end, which git hosts leave out."""
    files = (path for path in folder.rglob("*") if path.suffix in (".py", ".yaml"))
    return {path.relative_to(folder).as_posix(): path.read_bytes().rstrip(b"\n") for path in files}
