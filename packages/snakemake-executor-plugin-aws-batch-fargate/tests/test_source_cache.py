"""Files of Snakemake's source cache that travel: those of this workflow only, by names that a worker finds again."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.sourcecache import GithubFile, GitlabFile, LocalSourceFile, SourceCache

from snakemake_executor_plugin_aws_batch_fargate import source_cache

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
    for folder, names in ((made.cache_path, FETCHED), (Path(made.runtime_cache_path), OF_THE_RUN)):
        for name in (*names, f"file{tmp_path}/here.txt", f"file{tmp_path}/gone.txt"):
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
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
def test_a_worker_finds_them_where_it_looks(
    cache: SourceCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snakemake's own words for its places, in a process whose cache is elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    options = SimpleNamespace(shared_fs_usage=None, runtime_source_cache_path=None)
    source_cache.use(tmp_path / "given", options)  # type: ignore[arg-type]
    from snakemake.common import get_appdirs

    looked = Path(get_appdirs().user_cache_dir, "snakemake/source-cache")
    assert looked == tmp_path / "given" / source_cache.PERSISTENT
    assert options.runtime_source_cache_path == tmp_path / "given" / "runtime"
    assert [usage.item_to_choice() for usage in options.shared_fs_usage] == ["source-cache"]


def test_local_files_travel_themselves(cache: SourceCache, tmp_path: Path) -> None:
    assert list(source_cache.local_files(workflow(cache))) == [tmp_path / "here.txt"]


def test_a_workflow_of_local_files_sends_no_cache(tmp_path: Path) -> None:
    empty = SourceCache(tmp_path / "cache", tmp_path / "run")
    assert source_cache.fetched(workflow(empty, LocalSourceFile("Snakefile"))) == {}
