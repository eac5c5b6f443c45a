"""Files of Snakemake's source cache that travel: those of this workflow only, by names that a worker finds again."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from snakemake.common import get_appdirs
from snakemake.sourcecache import (
    GenericSourceFile,
    GithubFile,
    GitlabFile,
    LocalGitFile,
    LocalSourceFile,
    SourceCache,
)

from fake_jobs import FakeJob
from snakemake_executor_plugin_aws_batch_fargate import names, source_cache

FETCHED = (
    "hosted-git/githubfile/github.com/lab/flow/v1/workflow/Snakefile",
    "hosted-git/githubfile/github.com/lab/flow/v1/resources/words.txt",
    "hosted-git/githubfile/github.com/lab/flow/v2/workflow/Snakefile",
    "hosted-git/githubfile/github.com/other/flow/v1/workflow/Snakefile",
    "hosted-git/gitlabfile/gitlab.com/lab/flow/feature%2Fx/Snakefile",
    "snakemake-git-cache/github.com/lab/flow/HEAD",
)
OF_THE_RUN = ("hosted-git/githubfile/github.com/lab/flow/main/Snakefile", "https/lab.org/a.smk")


@pytest.fixture
def cache(tmp_path: Path) -> SourceCache:
    """A user's cache with files of several projects, and the cache of a run in it."""
    made = SourceCache(tmp_path / "cache", tmp_path / "cache" / "snakemake-runtime-cache" / "tmp1")
    (tmp_path / "here.txt").write_text("local")
    for folder, kept in ((made.cache_path, FETCHED), (Path(made.runtime_cache_path), OF_THE_RUN)):
        for name in (*kept, f"file{tmp_path}/here.txt", f"file{tmp_path}/gone.txt"):
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            # As after `import` and `SourceFileLoader`.
            compiled = path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc"
            compiled.parent.mkdir(exist_ok=True)
            compiled.write_text("compiled")
    return made


def workflow(cache: SourceCache, *included: Any) -> Any:
    return SimpleNamespace(sourcecache=cache, included=included, rules=[], dag=SimpleNamespace(jobs=[]))


def test_fetched_files(cache: SourceCache) -> None:
    files = [
        LocalSourceFile("Snakefile"),
        GithubFile("lab/flow", path="workflow/Snakefile", tag="v1"),
        GitlabFile("lab/flow", path="Snakefile", tag="feature/x"),
        GithubFile("lab/flow", path="Snakefile", branch="main"),
    ]
    found = source_cache.fetched(workflow(cache, *files))
    kept = (FETCHED[0], FETCHED[1], FETCHED[4])
    assert set(found) == {
        *(f"snakemake/snakemake/source-cache/{name}" for name in kept),
        *(f"runtime/{name}" for name in OF_THE_RUN),
    }
    assert all(name.endswith(path.read_text()) for name, path in found.items())


@pytest.mark.skipif(sys.platform != "linux", reason="workers run on Linux")
@pytest.mark.parametrize("declared", [True, False], ids=["declared by the workflow", "nothing is declared"])
@pytest.mark.parametrize("writable", [True, False], ids=["a home", "no home"])
def test_a_worker_finds_them_where_it_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool, declared: bool
) -> None:
    """Snakemake's own words for its places. Tools of rules see no other place for their caches than before."""
    home, given = tmp_path / "home", tmp_path / "given"
    if writable:
        home.mkdir()
    else:
        home.write_text("no folder")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if declared:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "declared"))
    for name in (f"{source_cache.PERSISTENT}/{FETCHED[0]}", f"runtime/{OF_THE_RUN[1]}"):
        (given / name).parent.mkdir(parents=True)
        (given / name).write_text(name)
    options = SimpleNamespace(shared_fs_usage=None, runtime_source_cache_path=None)
    source_cache.use(given, options)  # type: ignore[arg-type]

    looked = Path(get_appdirs().user_cache_dir, "snakemake/source-cache")
    assert (looked / FETCHED[0]).read_text().endswith(FETCHED[0])
    place = tmp_path / "declared" if declared else None if writable else given
    assert os.environ.get("XDG_CACHE_HOME") == (str(place) if place else None)
    assert options.runtime_source_cache_path == tmp_path / "given" / "runtime"
    assert [usage.item_to_choice() for usage in options.shared_fs_usage] == ["source-cache"]


def test_local_files_travel_themselves(cache: SourceCache, tmp_path: Path) -> None:
    """One that is gone is not dropped: the sources name it among the problems."""
    assert list(source_cache.local_files(workflow(cache))) == [tmp_path / "gone.txt", tmp_path / "here.txt"]


@pytest.mark.parametrize(
    ("folder", "name"), [("a%20b", "x.txt"), ("a b", "x%41.txt"), ("a", "100%.txt"), ("p%2Bq", "%c3%bc.txt")]
)
@pytest.mark.parametrize("relative", [True, False])
def test_local_files_are_found_by_what_snakemake_makes_of_their_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str, relative: bool
) -> None:
    (tmp_path / "run" / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run")
    path = Path(folder, name)
    path.write_text("mine")
    # Other content, where Snakemake's copy seems to come from.
    other = Path(unquote(str(path.absolute())))
    if other != path.absolute():
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text("other")
    made = SourceCache(tmp_path / "cache", tmp_path / "runtime")
    made.get_path(LocalSourceFile(str(path if relative else path.absolute())))
    assert list(source_cache.local_files(workflow(made))) == [path.absolute()]


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=lab", "-c", "user.email=lab")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_modules_of_a_local_git_repository(tmp_path: Path) -> None:
    """Scripts and conda environments are read from a commit, not from the folder."""
    repository = tmp_path / "flow"
    for name, text in (("workflow/scripts/plot.py", "one"), ("workflow/envs/plot.yaml", "channels: []")):
        (repository / name).parent.mkdir(parents=True)
        (repository / name).write_text(text)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")

    def asked() -> tuple[dict[str, str], names.Identity]:
        made = SourceCache(tmp_path / "cache", Path(tempfile.mkdtemp(dir=tmp_path)))
        base = LocalGitFile(str(repository), "workflow/Snakefile", ref="main").get_basedir()
        flow = workflow(made, LocalSourceFile("Snakefile"))
        parts = {"name": "plot", "shellcmd": None, "run_func_src": None, "notebook": None, "wrapper": None}
        rule = SimpleNamespace(**parts, script="scripts/plot.py", basedir=base, workflow=flow)
        job = FakeJob(script=rule)
        job.conda_env_spec = SimpleNamespace(is_file=True, file=base.join("envs/plot.yaml"))  # type: ignore[attr-defined]
        flow.rules, flow.dag.jobs = [rule], [job]
        names.checksum.cache_clear()
        sent = {name: path.read_text() for name, path in source_cache.fetched(flow).items()}
        program = source_cache.program_path(rule)
        assert program is not None and program.is_file()
        return sent, names.identity("main", job)  # type: ignore[arg-type]

    sent, first = asked()
    assert sent == {
        f"runtime/git+file{repository}/workflow/scripts/plot.py@main": "one",
        f"runtime/git+file{repository}/workflow/envs/plot.yaml@main": "channels: []",
    }
    (repository / "workflow" / "scripts" / "plot.py").write_text("two")
    assert asked() == (sent, first), "the folder counts for nothing"
    git(repository, "commit", "-q", "-a", "-m", "two")
    later, second = asked()
    assert list(later.values()) == ["channels: []", "two"] and second.content != first.content


@pytest.mark.parametrize(
    ("uri", "secret", "shown"),
    [
        ("https://lab.org/a/b.smk", False, "https://lab.org/a/b.smk"),
        ("https://me:hunter22@lab.org/a.smk", True, "https://lab.org/a.smk"),
        ("https://lab.org:8080/a.smk?X-Amz-Signature=hunter22", True, "https://lab.org:8080/a.smk"),
        ("https://lab.org/a%3Ftoken%3Dhunter22", True, "https://lab.org/a"),
        ("https://lab.org/a@2/b.smk", False, "https://lab.org/a@2/b.smk"),
    ],
)
def test_addresses_with_secrets(uri: str, secret: bool, shown: str) -> None:
    name = f"runtime/{GenericSourceFile(uri).get_cache_path()}"
    assert source_cache.may_hold_secret(name) is secret
    assert source_cache.address(name) == shown


def test_addresses_of_git_hosts_and_repositories() -> None:
    names_of = {
        f"{source_cache.PERSISTENT}/{FETCHED[0]}": "https://github.com/lab/flow/v1/workflow/Snakefile",
        f"runtime/{OF_THE_RUN[0]}": "https://github.com/lab/flow/main/Snakefile",
        "runtime/git+file/lab/flow/a.smk@main": "git+file:///lab/flow/a.smk@main",
    }
    assert {name: source_cache.address(name) for name in names_of} == names_of
    assert not any(map(source_cache.may_hold_secret, names_of))


def test_a_workflow_of_local_files_sends_no_cache(tmp_path: Path) -> None:
    empty = SourceCache(tmp_path / "cache", tmp_path / "run")
    assert source_cache.fetched(workflow(empty, LocalSourceFile("Snakefile"))) == {}
