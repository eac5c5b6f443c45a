"""The example's run as earlier versions finished it (`make.sh`): results, and Snakemake's records of them."""

import re
import tarfile
from pathlib import Path

CONFIG = "config/example/config.yaml"
TOUCH = "--touch"
"""The option that docs/upgrading.md names for one start, so that such a run on a disk stays finished."""
ALL_BUT_COMMANDS = ("--rerun-triggers", "mtime", "input", "params", "software-env")
"""The option with which Snakemake compares all but the text of commands."""
VERSION_0_1, BEFORE = "run.tar.xz", "before.tar.xz"


def kept_model() -> str:
    """Return the part of a configuration, from the page on upgrading, with which a run keeps its model of indels."""
    page = (Path(__file__).parents[2] / "docs" / "upgrading.md").read_text()
    (text,) = (part for part in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "indels:" in part)
    return str(text)


def unpack(folder: Path, name: str = VERSION_0_1) -> None:
    """Unpack the run with the times of its files: inputs are older than results."""
    with tarfile.open(Path(__file__).with_name(name)) as archive:
        archive.extractall(folder, filter="data")
