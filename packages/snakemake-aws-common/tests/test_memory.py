"""Records of a run in two working directories and on S3: whose count, and that no other run's are touched."""

import base64
import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from snakemake_interface_common.exceptions import WorkflowError

from lock_s3 import S3
from snakemake_aws_common import memory
from snakemake_aws_common.lease import LostError
from snakemake_aws_common.memory import Memory

PREFIX = "s3://data/runs/main"
# As Snakemake 9 makes it, with the columns that these tests need.
SCHEMA = """CREATE TABLE snakemake_metadata (namespace VARCHAR, target VARCHAR, params VARCHAR, incomplete BOOLEAN,
external_jobid VARCHAR, PRIMARY KEY (namespace, target))"""


class Folder:
    """A working directory with Snakemake's database in it."""

    def __init__(self, path: Path, s3: S3, prefix: str = PREFIX) -> None:
        self.database, self.namespace = path / f"{len(list(path.glob('*.db')))}.db", f"/{id(self)}"
        self.warnings: list[str] = []
        self.files = self.database.with_suffix(".snakemake")
        self.memory = Memory(self.database, self.namespace, prefix, s3, self.warnings.append, self.files)
        self.do(SCHEMA)

    def do(self, statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as database, database:
            return database.execute(statement, values).fetchall()

    def record(self, target: str, params: str, incomplete: bool = False, job: str | None = None) -> None:
        row = (self.namespace, target, params, incomplete, job)
        self.do("INSERT OR REPLACE INTO snakemake_metadata VALUES (?, ?, ?, ?, ?)", *row)

    def file(self, target: str, params: str) -> Path:
        """Write a record as Snakemake's other backend does."""
        path = self.files / "metadata" / base64.urlsafe_b64encode(target.encode()).decode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"params": params}))
        return path

    def records(self) -> dict[str, str]:
        return dict(self.do("SELECT target, params FROM snakemake_metadata WHERE namespace = ?", self.namespace))


@pytest.fixture
def s3() -> S3:
    return S3()


@pytest.fixture
def folders(tmp_path: Path, s3: S3) -> Iterator[Folder]:
    """New working directories, each as on a machine of its own."""
    return (Folder(tmp_path, s3) for _ in iter(int, 1))


def test_records_travel_whatever_the_directory_is_called(folders: Iterator[Folder], s3: S3) -> None:
    one, two = next(folders), next(folders)
    one.record(f"{PREFIX}/a", "1", incomplete=True, job="job-1")
    one.memory.store()
    assert two.memory.recall() and two.do("SELECT * FROM snakemake_metadata") == [
        (two.namespace, f"{PREFIX}/a", "1", 1, "job-1")
    ]
    assert not two.memory.recall() and not one.memory.recall()
    assert s3.body is not None and one.namespace.encode() not in gzip.decompress(s3.body)


def test_only_records_of_the_run_travel_and_are_replaced(folders: Iterator[Folder], s3: S3) -> None:
    one, two = next(folders), next(folders)
    others = ("s3://data/runs/main2/a", "s3://data/runs/maint_/a", "results/a")
    for target in (f"{PREFIX}/a", *others):
        one.record(target, "1")
    two.record(f"{PREFIX}/old", "0")
    two.record(others[0], "two's own")
    two.do("INSERT INTO snakemake_metadata VALUES ('/elsewhere', ?, 'of another directory', 0, NULL)", f"{PREFIX}/a")
    one.memory.store()
    two.memory.recall()
    assert two.records() == {f"{PREFIX}/a": "1", others[0]: "two's own"}
    assert two.do("SELECT params FROM snakemake_metadata WHERE namespace = '/elsewhere'") == [("of another directory",)]


def test_what_a_killed_head_did_not_store_is_kept_unless_another_has_gone_on(folders: Iterator[Folder]) -> None:
    one, two = next(folders), next(folders)
    one.record(f"{PREFIX}/a", "1")
    one.memory.store()
    one.record(f"{PREFIX}/b", "not stored")
    assert not one.memory.recall() and f"{PREFIX}/b" in one.records()
    two.memory.recall()
    two.record(f"{PREFIX}/a", "2")
    two.memory.store()
    assert one.memory.recall() and one.records() == {f"{PREFIX}/a": "2"}


def test_records_of_a_run_that_was_removed_go_and_those_of_one_that_never_was_stored_stay(
    folders: Iterator[Folder], s3: S3
) -> None:
    one = next(folders)
    one.record(f"{PREFIX}/a", "1")
    one.record("results/a", "1")
    assert not one.memory.recall() and len(one.records()) == 2
    one.memory.store()
    s3.body = None
    assert one.memory.recall() and one.records() == {"results/a": "1"}
    assert not one.memory.recall()


def test_records_in_files_count_where_there_are_no_others(folders: Iterator[Folder], s3: S3) -> None:
    one, two = next(folders), next(folders)
    two.record(f"{PREFIX}/a", "two's")
    two.memory.store()
    for name in ("a", "b", "c"):
        one.file(f"{PREFIX}/{name}", "file's")
    one.file("s3://data/runs/main2/a", "of another run")
    one.record(f"{PREFIX}/b", "of a database that was copied")
    assert one.memory.recall()
    assert one.records() == {f"{PREFIX}/a": "two's", f"{PREFIX}/b": "file's", f"{PREFIX}/c": "file's"}
    one.memory.store()
    assert two.memory.recall() and two.records() == one.records()
    # What has been done since is newer than the files.
    one.record(f"{PREFIX}/c", "newer")
    assert not one.memory.recall() and one.records()[f"{PREFIX}/c"] == "newer"


def test_records_in_files_are_read_once_and_not_after_the_run_was_removed(folders: Iterator[Folder], s3: S3) -> None:
    one = next(folders)
    one.file(f"{PREFIX}/a", "file's")
    assert one.memory.recall() and one.records() == {f"{PREFIX}/a": "file's"}
    one.file(f"{PREFIX}/b", "later")
    assert not one.memory.recall() and len(one.records()) == 1
    one.memory.store()
    s3.body = None
    assert one.memory.recall() and not one.records()
    assert not one.memory.recall() and not one.records()


def test_records_in_files_that_cannot_be_read_are_one_warning(folders: Iterator[Folder], s3: S3) -> None:
    one = next(folders)
    one.file(f"{PREFIX}/a", "1")
    broken = [one.file(f"{PREFIX}/{name}", "1") for name in ("b", "c")]
    broken[0].write_text('{"params": ')
    broken[1].write_text("[]")
    (one.files / "metadata" / "migration_underway").touch()
    assert one.memory.recall() and one.records() == {f"{PREFIX}/a": "1"}
    (said,) = one.warnings
    assert said.startswith(f"2 of Snakemake's records in {one.files / 'metadata'} can't be read, such as {broken[0]}:")


def test_only_changes_are_stored_and_not_all_the_time(folders: Iterator[Folder], s3: S3) -> None:
    one = next(folders)
    one.record(f"{PREFIX}/a", "1")
    for _ in range(3):
        one.memory.store()
    assert s3.calls == ["put"]
    one.record(f"{PREFIX}/a", "2")
    one.memory.store_now_and_then()
    assert s3.calls == ["put"]
    one.memory.store()
    assert s3.calls == ["put", "put"]


def test_what_snakemake_writes_while_records_are_sent_is_stored_the_next_time(
    folders: Iterator[Folder], s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = next(folders), next(folders)
    one.record(f"{PREFIX}/a", "1", incomplete=True)
    put = s3.put_object

    def meanwhile(**asked: Any) -> dict[str, Any]:
        if not s3.calls:
            one.record(f"{PREFIX}/a", "2")
        return put(**asked)

    monkeypatch.setattr(s3, "put_object", meanwhile)
    for _ in range(3):
        one.memory.store()
    assert s3.calls == ["put", "put"]
    two.memory.recall()
    assert two.records() == {f"{PREFIX}/a": "2"}


def test_what_was_stored_before_another_head_went_on_is_stored_again(folders: Iterator[Folder]) -> None:
    one, two = next(folders), next(folders)
    for folder, params in ((one, "1"), (two, "2"), (one, "1")):
        folder.memory.recall()
        folder.record(f"{PREFIX}/a", params)
        folder.memory.store()
    assert two.memory.recall() and two.records() == {f"{PREFIX}/a": "1"}


def test_columns_that_one_version_of_snakemake_lacks_are_left_out(folders: Iterator[Folder]) -> None:
    one, two, three = next(folders), next(folders), next(folders)
    one.do("ALTER TABLE snakemake_metadata ADD COLUMN later VARCHAR")
    one.do("INSERT INTO snakemake_metadata VALUES (?, ?, '1', 0, NULL, 'x')", one.namespace, f"{PREFIX}/a")
    one.memory.store()
    two.memory.recall()
    assert two.records() == {f"{PREFIX}/a": "1"}
    two.record(f"{PREFIX}/b", "2")
    two.memory.store()
    three.do("ALTER TABLE snakemake_metadata ADD COLUMN later VARCHAR")
    three.memory.recall()
    assert three.do("SELECT params, later FROM snakemake_metadata") == [("1", None), ("2", None)]


# With a time in it, tests would have other names in each process.
BROKEN = gzip.compress(b"SQLite format 3\0" + bytes(5000), mtime=0)


@pytest.mark.parametrize("body", [b"", b"no database", BROKEN, BROKEN[:-4]])
def test_an_object_that_is_no_database_is_named(folders: Iterator[Folder], s3: S3, body: bytes) -> None:
    one = next(folders)
    one.record(f"{PREFIX}/a", "1")
    s3.put_object(Body=body)
    with pytest.raises(WorkflowError, match=f"{PREFIX}/head/persistence.db.gz is not a database"):
        one.memory.recall()
    assert one.records() == {f"{PREFIX}/a": "1"}


def test_trouble_with_s3_is_one_warning_and_a_lost_lock_is_none(folders: Iterator[Folder], s3: S3) -> None:
    one = next(folders)
    one.record(f"{PREFIX}/a", "1")
    s3.faults["put"] = [EndpointConnectionError(endpoint_url="https://s3"), s3.refuse("AccessDenied")]
    for _ in range(2):
        one.memory.store()
    assert len(one.warnings) == 1 and f"{PREFIX}/head/persistence.db.gz" in one.warnings[0]
    one.memory.store()
    assert s3.body is not None
    one.record(f"{PREFIX}/b", "1")
    s3.faults["put"] = [LostError("lost")]
    with pytest.raises(LostError):
        one.memory.store()


@pytest.mark.parametrize(("prefix", "has"), [("s3://data/runs/main", True), ("", False), ("gs://data/x", False)])
def test_a_workflow_has_a_memory_if_its_files_lie_on_s3(
    folders: Iterator[Folder], s3: S3, prefix: str, has: bool
) -> None:
    """Of jobs that have ended, no ids stay: the db backend would give them for those of jobs under way."""
    one = next(folders)
    one.record(f"{PREFIX}/done", "1", job="job-1")
    one.record(f"{PREFIX}/going", "1", incomplete=True, job="job-2")

    class Begun:
        def __enter__(self) -> Any:
            return SimpleNamespace(exec_driver_sql=one.do)

        def __exit__(self, *_: object) -> None:
            pass

    engine = SimpleNamespace(
        begin=Begun, dialect=SimpleNamespace(name="sqlite"), url=SimpleNamespace(database=str(one.database))
    )
    workflow = SimpleNamespace(
        persistence=SimpleNamespace(engine=engine, namespace=one.namespace, path=one.database.parent),
        storage_settings=SimpleNamespace(default_storage_prefix=prefix),
    )
    found = memory.of_workflow(workflow, s3, print)
    assert (found is not None) == has
    assert found is None or found.address == f"{PREFIX}/head/persistence.db.gz"
    assert one.do("SELECT target, external_jobid FROM snakemake_metadata ORDER BY target") == [
        (f"{PREFIX}/done", None),
        (f"{PREFIX}/going", "job-2"),
    ]
    # Files, Snakemake's other backend, have no engine.
    workflow.persistence = SimpleNamespace()
    assert memory.of_workflow(workflow, s3, print) is None
