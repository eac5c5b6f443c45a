"""Workflows that use this one as a module: that of docs/module.md, and smaller ones."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runs import EXAMPLE, Project

from shared import ROOT

MODULE = ROOT / "workflow" / "Snakefile"
GITHUB = "OWNER/terraflow-genomics"
"""The repository that the page names."""
TAG = "v0.2.0"

EXAMPLE_CONFIG = {
    "samples": "config/example/samples.tsv",
    "reference": {"fasta": "config/example/reference.fa.gz"},
    "calling": {"windows": 1},
}


def page_blocks() -> dict[str, str]:
    """Return the files of docs/module.md by title."""
    page = (ROOT / "docs" / "module.md").read_text()
    return dict(re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```$', page, re.MULTILINE | re.DOTALL))


def page_snakefile() -> str:
    """Return the page's Snakefile, with the module of this checkout in place of GitHub's."""
    text = page_blocks()["workflow/Snakefile"]
    local, replaced = re.subn(r"github\(.*?\)", json.dumps(str(MODULE)), text)
    assert replaced == 1, text
    return local


def module(name: str = "tf", more: str = "", config: Mapping[str, Any] | None = None) -> str:
    """Return the statements that use all rules of the module; `more` goes into the module statement."""
    shown = config if isinstance(config, str) else repr(dict(config or EXAMPLE_CONFIG))
    return (
        f"module {name}:\n    snakefile: {json.dumps(str(MODULE))}\n    config: {shown}\n{more}\n"
        f"use rule * from {name} as {name}_*\n"
    )


class Parent(Project):
    """A folder with a workflow of its own, started there."""

    def write_inputs(self) -> None:
        """Leave the inputs as the test has written them."""

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        command = super().command(*arguments, cores=cores)
        at = command.index("--configfile")
        return [*command[:at], "--snakefile", str(self["workflow/Snakefile"]), *command[at + 2 :]]


def parent(folder: Path, snakefile: str) -> Parent:
    """Return a parent on the example's data."""
    found = Parent(folder)
    (folder / "workflow").mkdir()
    found["workflow/Snakefile"].write_text(snakefile)
    shutil.copytree(EXAMPLE, found["config/example"])
    return found


def hosted(folder: Path) -> dict[str, str]:
    """Make a git repository of the checkout's files, and return an environment in which GitHub has it as GITHUB."""
    work = folder / "work"
    for name in ("workflow", "envs"):
        shutil.copytree(ROOT / name, work / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "files"], ["tag", TAG]):
        subprocess.run([*git, *arguments], cwd=work, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(folder / GITHUB)], check=True)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{folder}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "GITHUB_TOKEN": "",
        # Snakemake keeps here what it fetches.
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PATH": os.environ["PATH"],
    }
