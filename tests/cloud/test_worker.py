"""A worker's single Python does what Snakemake's two do, and starts its tool in time (figures: benchmarks/start.md)."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import images
import pytest

import start
from start import Place, command_of, place

# CPU seconds from the start of the container to the first instruction of its tool.
LIMIT = 2.5
RESULT = f"runs/main/{start.TARGET}"


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture(scope="module")
def command(here: Place) -> str:
    return command_of(here)


@pytest.fixture
def s3(here: Place) -> Iterator[start.S3]:
    """Return the S3, without the worker's result."""
    client = here.s3()
    client.delete_object(Bucket=start.BUCKET, Key=RESULT)
    yield client


def run(here: Place, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a worker's command on this machine, in an empty folder."""
    command = command.replace("python -m", f"{shlex.quote(sys.executable)} -m")
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=here.whole_env, capture_output=True, text=True, check=False
    )


def stored(s3: start.S3) -> set[str]:
    listed = s3.list_objects_v2(Bucket=start.BUCKET, Prefix=RESULT)
    return {entry["Key"] for entry in listed.get("Contents", [])}


def test_tool_starts_in_time(here: Place, command: str, s3: start.S3) -> None:
    found = here.worker(images.images()["worker"], command)
    print(f"{found.tool:.2f} s of CPU time before the tool, {found.end:.2f} s in all")
    assert stored(s3) == {RESULT}
    assert 0.1 < found.tool <= min(LIMIT, found.end)


def test_job_is_done_as_by_two_pythons(here: Place, command: str, s3: start.S3, tmp_path: Path) -> None:
    stock = command_of(here, "--job-deploy-sources")
    results = []
    for number, each in enumerate((stock, command)):
        assert ("--deploy-sources" in each) == (number == 0)
        folder = tmp_path / str(number)
        folder.mkdir()
        done = run(here, each, folder)
        assert done.returncode == 0, done.stderr
        results.append(s3.get_object(Bucket=start.BUCKET, Key=RESULT)["Body"].read())
        s3.delete_object(Bucket=start.BUCKET, Key=RESULT)
        assert (folder / "workflow" / "Snakefile").is_file()
        assert done.stderr.count("Building DAG of jobs") == 1
    assert len(results[0]) > 1000
    assert results[0] == results[1]


def test_sources_that_are_not_those_sent_are_refused(here: Place, command: str, s3: start.S3, tmp_path: Path) -> None:
    checksum = command.split()[4]
    done = run(here, command.replace(f" {checksum} ", f" {'0' * 64} "), tmp_path)
    assert done.returncode == 1
    assert f"Checksum of retrieved sources ({checksum}) does not match" in done.stderr
    assert stored(s3) == set()
    assert not (tmp_path / "workflow").exists()


def test_a_job_that_fails_fails_the_worker(here: Place, command: str, s3: start.S3, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "bwa").write_text("#!/bin/sh\necho no index >&2\nexit 3\n")
    (tools / "bwa").chmod(0o755)
    done = run(here, f"PATH={tools}:$PATH {command}", tmp_path)
    assert done.returncode == 1
    assert "Error in rule bwa_mem" in done.stderr
    log = s3.get_object(Bucket=start.BUCKET, Key="runs/main/logs/bwa_mem/sampleA/L1.1.log")["Body"].read().decode()
    assert log.startswith("no index\n")
    assert "Traceback" not in done.stderr
    assert stored(s3) == set()


def test_a_rule_that_is_not_there_fails_the_worker(here: Place, command: str, tmp_path: Path) -> None:
    done = run(here, command.replace("bwa_mem", "bwa_men"), tmp_path)
    assert done.returncode == 1
    assert "bwa_men" in done.stderr
