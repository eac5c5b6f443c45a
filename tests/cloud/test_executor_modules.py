"""Workflows that Snakemake fetches: workers read the head's copies, without git, and whatever the host has meanwhile.

The host is a bare git repository on this disk, by which git replaces the address of github.com.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snakemake_heads import Site, new_site

from fake_batch import FakeAws

MODULE = {
    "workflow/Snakefile": """
from pathlib import Path

WORDS = Path(workflow.source_path("../resources/words.txt")).read_text().split()

rule say:
    output:
        "results/said.txt",
    params:
        tool=workflow.source_path("tools/say.sh"),
        words=" ".join(WORDS),
    shell:
        "sh {params.tool:q} {params.words} >{output}"

rule shout:
    input:
        rules.say.output,
    output:
        "results/all.txt",
    group:
        "loud"
    script:
        "scripts/shout.py"
""",
    "workflow/tools/say.sh": 'echo "$@"\n',
    "workflow/scripts/shout.py": """
from pathlib import Path

Path(snakemake.output[0]).write_text(Path(snakemake.input[0]).read_text().upper())
""",
    "resources/words.txt": "first words\n",
}
PARENT = """
module lab:
    snakefile:
        {snakefile}

use rule * from lab

rule everything:
    default_target: True
    input:
        "results/all.txt",
"""
AUTHOR = {f"GIT_{who}_{what}": "lab" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Host:
    """A bare repository in place of https://github.com/lab/flow.git, and a clone from which it gets commits."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.clone.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit(MODULE)
        self.git("tag", "v1")
        (folder / "lab").mkdir()
        self.git("clone", "-q", "--bare", ".", str(folder / "lab" / "flow"))
        self.git("remote", "add", "origin", str(folder / "lab" / "flow"))
        self.env = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{folder}/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/",
        }

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.clone), *arguments]
        return subprocess.run(command, check=True, env=os.environ | AUTHOR, capture_output=True, text=True).stdout

    def commit(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "words")

    def move_on(self) -> None:
        """The branch gets another commit, and the tag is moved to it."""
        self.commit({"resources/words.txt": "later words\n", "workflow/scripts/shout.py": "raise SystemExit(3)\n"})
        self.git("tag", "-f", "v1")
        self.git("push", "-q", "-f", "origin", "main", "v1")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "host").mkdir()
    return Host(tmp_path / "host")


@pytest.fixture
def site(server: FakeAws, tmp_path: Path, host: Host) -> Iterator[Site]:
    """A head with git and a host; its workers start with a home of their own."""
    (tmp_path / "site").mkdir()
    with new_site(server, tmp_path / "site") as made:
        made.config = {}
        made.env |= host.env
        yield made


def workers(site: Site, host: Host, git: bool) -> None:
    """Let workers start after the host has moved on, with it or without git."""

    def engine(job: dict[str, Any]) -> None:
        if len(site.batch.submitted()) == 1:
            host.move_on()
        home = site.folder / "homes" / job["jobId"]
        home.mkdir(parents=True)
        other = {"HOME": str(home), "XDG_CACHE_HOME": str(home)}
        site.env = {name: value for name, value in site.env.items() if git or name not in host.env} | other
        if not git:
            site.env["PATH"] = without_git(home, site.env["PATH"])
        site.process(job)

    site.batch.engine = engine


def without_git(folder: Path, path: str) -> str:
    """A PATH with all programs but git."""
    programs = folder / "programs"
    programs.mkdir()
    for place in path.split(":"):
        for program in Path(place).glob("*"):
            if program.name != "git" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    return f"{path.split(':')[0]}:{programs}"


@pytest.mark.parametrize(
    ("ref", "shared", "git"),
    [
        ("tag='v1'", False, False),
        ("tag='v1'", True, True),
        ("branch='main'", False, True),
        ("branch='main'", True, False),
        ("commit", True, False),
    ],
)
def test_a_module_from_a_git_host(site: Site, host: Host, ref: str, shared: bool, git: bool) -> None:
    """`shared`: the head fetches into the user's cache. `git`: workers have git, and would get the later commit."""
    if ref == "commit":
        ref = f"commit='{host.git('rev-parse', 'HEAD').strip()}'"
    snakefile = f"github('lab/flow', path='workflow/Snakefile', {ref})"
    (site.folder / "Snakefile").write_text(PARENT.format(snakefile=snakefile))
    workers(site, host, git)
    site.run(*([] if shared else ["--shared-fs-usage", "none"]))
    assert site.objects()["runs/main/results/all.txt"] == "FIRST WORDS\n"
    assert len(site.batch.submitted()) == 2


def test_a_module_of_a_git_repository_on_this_disk(site: Site, host: Host) -> None:
    """Workers read the head's copies, though the branch has moved on; Snakemake asks git for its folder only."""
    script, shell = '    script:\n        "scripts/shout.py"', '    shell:\n        "tr a-z A-Z <{input} >{output}"'
    conda = '    conda:\n        "envs/shout.yaml"\n'
    host.commit(
        {
            "workflow/Snakefile": MODULE["workflow/Snakefile"].replace(script, conda + shell),
            "workflow/envs/shout.yaml": "channels: []\n",
        }
    )
    snakefile = f"'git+file://{host.clone}/workflow/Snakefile@main'"
    (site.folder / "Snakefile").write_text(PARENT.format(snakefile=snakefile))
    workers(site, host, git=True)
    site.run("--shared-fs-usage", "none")
    assert site.objects()["runs/main/results/all.txt"] == "FIRST WORDS\n"


def test_a_module_on_this_disk_and_its_resources(site: Site, host: Host) -> None:
    """Files that `workflow.source_path` names lie outside of the folders of Snakefiles."""
    for name, text in MODULE.items():
        path = site.folder.parent / "flow" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (site.folder / "Snakefile").write_text(PARENT.format(snakefile="'../flow/workflow/Snakefile'"))
    workers(site, host, git=False)
    site.run()
    assert site.objects()["runs/main/results/all.txt"] == "FIRST WORDS\n"
