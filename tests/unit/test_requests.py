"""Requests of jobs, also where the FASTQ files that they grow with were made by the run and are deleted already."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from terraflow_workflow.running.resources import LastSeen, Requests, megabytes


class Names(SimpleNamespace):
    """Wildcards."""

    def get(self, name: str) -> Any:
        """Return the value of a wildcard, None without it."""
        return getattr(self, name, None)


UNIT = Names(sample="A", unit="L1")
SHARD = Names(sample="A", unit="L1", shard="1")


def sized(path: Path, mebibytes: int) -> str:
    path.touch()
    os.truncate(path, mebibytes * 2**20)
    return str(path)


@pytest.fixture
def reads(tmp_path: Path) -> list[str]:
    """Return the two files of a unit, of 40 and 60 MiB."""
    return [sized(tmp_path / "1.fq", 40), sized(tmp_path / "2.fq", 60)]


def requests(reads: list[str], shards: int = 2) -> Requests:
    seen = LastSeen()
    return Requests(lambda sample, unit: seen.megabytes(reads), shards, lambda: None)


def test_sizes_are_known_after_files_are_gone(reads: list[str]) -> None:
    seen = LastSeen()
    assert seen.megabytes(reads) == 100
    sized(Path(reads[0]), 50)
    assert seen.megabytes(reads) == 110
    Path(reads[0]).unlink()
    assert seen.megabytes(reads) == 110


def test_an_unknown_size_is_no_size_and_is_looked_up_again(reads: list[str]) -> None:
    seen = LastSeen()
    Path(reads[1]).unlink()
    assert seen.megabytes(reads) is None
    sized(Path(reads[1]), 1)
    assert seen.megabytes(reads) == 41


def test_reads_that_are_there_count(reads: list[str], tmp_path: Path) -> None:
    files = [str(tmp_path / "none.cram"), sized(tmp_path / "index", 10)]
    ask = requests(reads)
    assert ask.minutes(30, 0.1, inputs=slice(1, None), reads=0.5)(SHARD, files, 1) == 30 + 1 + 25
    assert ask.minutes(30, 0.1, inputs=slice(1, None), reads=0.5)(UNIT, files, 2) == 2 * (30 + 1 + 50)
    assert ask.growing(1000, 1, reads=3, later=slice(0, 1))(SHARD, files, 2) == 2 * (1000 + 10 + 150)


def test_what_was_made_from_them_counts_when_reads_are_gone(reads: list[str], tmp_path: Path) -> None:
    """As after a run that was killed, in which nobody has seen the reads."""
    files = [sized(tmp_path / "made", 20), sized(tmp_path / "index", 10)]
    for path in reads:
        Path(path).unlink()
    ask = requests(reads)
    assert ask.minutes(30, 0.1, inputs=slice(1, None), reads=0.5)(SHARD, files, 1) == 30 + 1 + 10
    assert ask.minutes(30, 0.1, inputs=slice(1, None), reads=0.5, shrunk=4)(UNIT, files, 1) == 30 + 1 + 40
    assert ask.growing(1000, 1, reads=3, later=slice(0, 1), shrunk=4)(UNIT, files, 1) == 1000 + 30 + 240


def test_without_either_the_request_is_not_known_yet(reads: list[str], tmp_path: Path) -> None:
    files = [str(tmp_path / "made"), sized(tmp_path / "index", 10)]
    Path(reads[0]).unlink()
    ask = requests(reads)
    for resource in (ask.minutes(30, inputs=slice(1, None), reads=1), ask.growing(1, 1, reads=3, later=slice(0, 1))):
        with pytest.raises(FileNotFoundError) as error:
            resource(UNIT, files, 1)
        # Snakemake asks again when the input is there.
        assert str(error.value.filename) == files[0]


def test_each_request_begins_the_run(tmp_path: Path) -> None:
    """A workflow that uses this one may have replaced every input function that does."""
    begun = list[int]()
    ask = Requests(lambda sample, unit: 0, 1, lambda: begun.append(1))
    ask.growing(1)(UNIT, [], 1)
    ask.minutes(1)(UNIT, [], 1)
    assert len(begun) == 2


def test_inputs_of_later_may_be_missing(tmp_path: Path) -> None:
    files = [str(tmp_path / "none"), sized(tmp_path / "there", 3)]
    assert megabytes(files, later=slice(0, 1)) == 3
    with pytest.raises(FileNotFoundError):
        megabytes(files)
