"""The example's run as version 0.1 finished it (`make.sh`): results, and Snakemake's records of them."""

import tarfile
from pathlib import Path

CONFIG = "config/example/config.yaml"
TOUCH = "--touch"
"""The option that CHANGELOG.md names for one start, so that such a run on a disk stays finished."""


def unpack(folder: Path) -> None:
    """Unpack the run with the times of its files: inputs are older than results."""
    with tarfile.open(Path(__file__).with_name("run.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
