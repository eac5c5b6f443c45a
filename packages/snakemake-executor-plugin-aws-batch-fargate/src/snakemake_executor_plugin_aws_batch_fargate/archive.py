"""The archive of a workflow's sources: packed, stored in the default storage, and removed from it."""

import hashlib
import io
import os
import shlex
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from snakemake_interface_common.exceptions import WorkflowError

from . import source_cache
from .plan import FILE
from .sources import Sources
from .untyped import Workflow

# Never imported here: it is a program.
WORKER = f"{__package__}.worker"


@dataclass(frozen=True)
class Archive:
    """Where the sources lie in storage, their SHA-256, and where in them the working directory is."""

    query: str
    checksum: str
    place: str

    @property
    def python(self) -> str:
        """Return the words that stand for `python` in a job's command: they fetch the sources first."""
        return shlex.join(["python", "-m", WORKER, self.query, self.checksum, self.place])


def pack(sources: Sources, into: Path, planned: bytes = b"") -> None:
    """Write an archive that depends on names and contents only, with the fingerprints of inputs (`Plan.write`).

    Raises WorkflowError for a file that can't be read.
    """
    with tarfile.open(into, "w:xz", format=tarfile.PAX_FORMAT) as archive:
        for path in sources.files:
            _add(archive, path.relative_to(sources.root).as_posix(), path)
        for name, path in sorted(sources.fetched.items()):
            _add(archive, str(PurePosixPath(_place(sources), source_cache.FOLDER, name)), path)
        if planned:
            entry = tarfile.TarInfo(str(PurePosixPath(_place(sources), FILE)))
            entry.size = len(planned)
            archive.addfile(entry, io.BytesIO(planned))


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    try:
        with path.open("rb") as content:
            status = os.fstat(content.fileno())
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
            archive.addfile(entry, content)
    except OSError as error:
        raise WorkflowError(f"{path} can't be sent to workers: {error}") from error


def _place(sources: Sources) -> str:
    return Path.cwd().relative_to(sources.root).as_posix()


def send(workflow: Workflow, sources: Sources, planned: bytes = b"") -> Archive:
    """Pack the sources and store them in the default storage, as Snakemake would."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sources.tar.xz")
        pack(sources, file, planned)
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        prefix = str(workflow.storage_settings.default_storage_prefix or "").rstrip("/")
        query = "/".join(filter(None, [prefix, f"snakemake-workflow-sources.{checksum}.tar.xz"]))
        stored = workflow.storage_registry.default_storage_provider.object(query)
        stored.set_local_path(file)
        workflow.async_run(stored.managed_store())
    return Archive(query, checksum, _place(sources))


def remove(workflow: Workflow, archive: Archive) -> None:
    """Remove an archive from the default storage."""
    stored = workflow.storage_registry.default_storage_provider.object(archive.query)
    workflow.async_run(stored.managed_remove())
