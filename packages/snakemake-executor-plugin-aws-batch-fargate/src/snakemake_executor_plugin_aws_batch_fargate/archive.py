"""The archive of a workflow's sources: packed, stored in the default storage, and removed from it."""

import hashlib
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import packing

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
    place = _place(sources)
    files: dict[str, Path | bytes] = {path.relative_to(sources.root).as_posix(): path for path in sources.files}
    files |= {
        str(PurePosixPath(place, source_cache.FOLDER, name)): path for name, path in sorted(sources.fetched.items())
    }
    if planned:
        files[str(PurePosixPath(place, FILE))] = planned
    try:
        with into.open("wb") as archive:
            packing.write(archive, files)
    except OSError as error:
        raise WorkflowError(f"{error.filename or into} can't be sent to workers: {error}") from error


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
