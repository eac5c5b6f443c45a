"""Project files that no rule declares: all that lies in the folders of a workflow, but for its data."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .job_data import JobData

MEGABYTE = 10**6
# The limit of Snakemake; beside inputs of jobs, where most files are data, it is lower.
LARGEST = 10 * MEGABYTE
LARGEST_BESIDE_INPUTS = MEGABYTE
# Names in a folder where a tool works: Snakemake, a virtual or conda environment, Terraform, a cache
# (https://bford.info/cachedir).
MARKS = (".snakemake", "pyvenv.cfg", "conda-meta", ".terraform", "CACHEDIR.TAG")


@dataclass
class ProjectFiles:
    """The files below some folders; links are followed."""

    folders: Collection[Path]
    data: JobData
    # Files that are left out for their size.
    large: list[Path] = field(default_factory=list)

    def files(self) -> Iterator[Path]:
        """Yield files that are neither hidden, compiled, products of jobs nor large, and lie where no tool works."""
        starts = frozenset(folder.resolve() for folder in self.folders)
        for folder in self.folders:
            yield from self._below(folder, starts - {folder.resolve()})

    def _below(self, folder: Path, ends: frozenset[Path]) -> Iterator[Path]:
        """Yield the files below a folder, not below `ends`, which are searched elsewhere: a link may lead into one."""
        real = folder.resolve()
        if real in ends or real in self.data.products:
            return
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.name == "__pycache__" or path in self.data.products:
                continue
            if path.is_dir():
                if os.access(path, os.R_OK | os.X_OK) and not self._is_place_of_work(path):
                    yield from self._below(path, ends | {real})
            elif path.is_file() and os.access(path, os.R_OK) and self._small(path):
                yield path

    def _is_place_of_work(self, folder: Path) -> bool:
        return any((folder / mark).exists() for mark in MARKS)

    def _small(self, path: Path) -> bool:
        size = path.stat().st_size
        if path.parent in self.data.beside_inputs:
            return size <= LARGEST_BESIDE_INPUTS
        if size > LARGEST:
            self.large.append(path)
        return size <= LARGEST
