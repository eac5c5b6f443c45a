"""Files that nobody named: what lies in folders of a workflow and is none of its data."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .data import Data

MEGABYTE = 10**6
# As in Snakemake; beside inputs of jobs, which are data for the most part, less.
LARGEST = 10 * MEGABYTE
LARGEST_BESIDE_INPUTS = MEGABYTE
# In a folder where a tool works: a run, a virtual or conda environment, Terraform, a cache (https://bford.info/cachedir).
MARKS = (".snakemake", "pyvenv.cfg", "conda-meta", ".terraform", "CACHEDIR.TAG")


@dataclass
class Walk:
    """Goes through folders; links are followed."""

    folders: Collection[Path]
    data: Data
    # What was left out for its size.
    large: list[Path] = field(default_factory=list)

    def files(self) -> Iterator[Path]:
        """Files that are neither hidden nor compiled, no products of jobs, not large, and not where a tool works."""
        starts = frozenset(folder.resolve() for folder in self.folders)
        for folder in self.folders:
            yield from self._below(folder, starts - {folder.resolve()})

    def _below(self, folder: Path, ends: frozenset[Path]) -> Iterator[Path]:
        """`ends` are folders that are gone through elsewhere: a link may lead into one."""
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
