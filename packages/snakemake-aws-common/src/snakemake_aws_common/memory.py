"""What Snakemake remembers of a run (parameters, code, inputs, jobs under way), beside the run's files on S3.

With `--persistence-backend db`, Snakemake keeps it in one SQLite database in the working directory, under the name of
that directory. A head on another machine has another directory, and none of it. So the records of a run are brought
along: `recall` puts those that S3 has into the local database when a run is planned, and once more when its lock is
taken; `store` writes them back as jobs begin and end. A local database may hold several runs; each has an object of its
own, `PREFIX/head/persistence.db.gz`, with the records whose files lie below that prefix, of no particular directory.

The local database notes which version of the object it comes from. If S3 still has that version, what the database
holds besides is newer, such as after a head was killed before it stored it. If S3 has another one, a head elsewhere has
gone on since, and its records count.

Records that Snakemake has kept as files of this directory, as it does without that option, count for outputs of which
neither the database nor S3 has one: a run that began so goes on with what is known of it.
"""

import gzip
import json
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError

from . import file_records
from .conditional import MISSING, Client, error_code

NAME = "head/persistence.db.gz"
TABLE = "snakemake_metadata"
# Of ours, in Snakemake's database: from which version on S3 the records of a run come.
VERSIONS = "snakemake_aws_versions"
# The version of an object that S3 does not have, once that is known.
ABSENT = ""
# Seconds between two writes of changes, and how many times as long as a write takes.
PAUSE = 15.0
SHARE = 20
# What S3 answers when it has the version that is known already.
UNCHANGED = ("304", "NotModified")
# Seconds for which another connection, Snakemake's own, may keep the database.
BUSY = 60.0


class Memory:
    """The records of one run in the database of one working directory, and on S3. One thread at a time uses it."""

    def __init__(
        self,
        database: Path,
        namespace: str,
        prefix: str,
        client: Client,
        warn: Callable[[str], None],
        files: Path | None = None,
    ) -> None:
        """Ask S3 nothing yet.

        `namespace` is how Snakemake names the directory; `prefix` is `s3://BUCKET/PREFIX`; `files` is the directory's
        `.snakemake`, in which there may be records of before it had a database.
        """
        self._database, self._namespace, self._client, self._warn = database, namespace, client, warn
        self._files = files
        self._prefix = f"{prefix.rstrip('/')}/"
        parts = urlsplit(self._prefix)
        self.place = (parts.netloc, f"{parts.path.lstrip('/')}{NAME}")
        self._place = dict(zip(("Bucket", "Key"), self.place, strict=True))
        self._stored_state: object = None
        # The object as it was stored last.
        self._stored: bytes | None = None
        self._due = 0.0
        self._warned = False

    @property
    def address(self) -> str:
        """Where S3 has the records."""
        return f"{self._prefix}{NAME}"

    # From S3

    def recall(self) -> bool:
        """Bring the local records up to date with S3's, and return whether any were replaced or added.

        Raise WorkflowError for an object that is no such database, ClientError if S3 does not give it.
        """
        self._stored = None
        with self._open() as local:
            known = self._version(local)
            try:
                answer = self._client.get_object(**self._place, **({"IfNoneMatch": known} if known else {}))
            except ClientError as error:
                if error_code(error) in UNCHANGED:
                    return False
                if error_code(error) not in MISSING:
                    raise
                if known:
                    # The run was removed, and with it the files that these records are about.
                    self._replace(local, (), ())
                added = self._add_files(local) if known is None else 0
                self._note_version(local, ABSENT)
                return bool(known or added)
            columns, rows = self._parse(answer["Body"].read(), _own_columns(local))
            self._replace(local, columns, rows)
            added = self._add_files(local)
            self._note_version(local, answer["ETag"])
        self._stored_state = None if added else self._state()
        return True

    def _parse(self, body: bytes, known: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns that this Snakemake knows of the object's, and their rows."""
        try:
            with closing(sqlite3.connect(":memory:")) as stored:
                stored.deserialize(gzip.decompress(body))
                columns = [name for name in _columns(stored) if name in known]
                rows = stored.execute(f"SELECT {_list(columns)} FROM {TABLE}").fetchall()
        # SQLite has no memory for a database without a byte.
        except (sqlite3.Error, MemoryError, OSError, EOFError, zlib.error) as error:
            raise WorkflowError(
                f"{self.address} is not a database of Snakemake's ({error}), so nobody knows how the run's files were "
                "made. Remove it to go on: files are then made anew only if their inputs are younger."
            ) from error
        return columns, rows

    def _replace(self, local: sqlite3.Connection, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        local.execute(f"DELETE FROM {TABLE} WHERE {_OURS}", (self._namespace, self._prefix, self._prefix))
        self._add(local, columns, rows)

    def _add(self, local: sqlite3.Connection, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
        """Add records of outputs that have none, and return how many were added."""
        before = local.total_changes
        marks = ", ".join("?" * (len(columns) + 1))
        at = f"INSERT INTO {TABLE} (namespace, {_list(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        if rows:
            local.executemany(at, [(self._namespace, *row) for row in rows])
        return local.total_changes - before

    def _add_files(self, local: sqlite3.Connection) -> int:
        """Add what files of the directory record of outputs that have no record, and return how many were added."""
        if self._files is None:
            return 0
        columns = _own_columns(local)
        records = file_records.read(self._files, self._prefix, self._warn)
        return self._add(
            local, columns, [_row(columns, {**record, "target": name}) for name, record in records.items()]
        )

    # To S3

    def store_now_and_then(self) -> None:
        """Store what has changed, if the last time was long enough ago."""
        if time.monotonic() >= self._due:
            self.store()

    def store(self) -> None:
        """Store what has changed since the last time. Trouble with S3 is a warning: the next time may do better.

        Raise LostError, from the client, if this process has lost the lock of the run.
        """
        begun = time.monotonic()
        # Snakemake may write while the records are read and sent: what it writes is stored the next time.
        state = self._state()
        if state == self._stored_state:
            return
        try:
            with self._open() as local:
                packed = self._packed(local)
            if packed != self._stored:
                self._put(packed)
            self._stored_state, self._warned = state, False
        except (ClientError, BotoCoreError, sqlite3.Error) as error:
            if not self._warned:
                self._warned = True
                self._warn(f"What Snakemake remembers of the run could not be stored as {self.address}: {error}")
        self._due = time.monotonic() + max(PAUSE, SHARE * (time.monotonic() - begun))

    def _put(self, packed: bytes, **condition: str) -> None:
        answer = self._client.put_object(**self._place, Body=packed, **condition)
        self._stored = packed
        with self._open() as local:
            self._note_version(local, answer["ETag"])

    def _packed(self, local: sqlite3.Connection) -> bytes:
        """Return a database of this run's records only, without the working directory's name."""
        columns, rows = _own_columns(local), self._rows(local)
        with closing(sqlite3.connect(":memory:")) as stored:
            stored.execute(f"CREATE TABLE {TABLE} ({_list(columns)})")
            stored.executemany(f"INSERT INTO {TABLE} VALUES ({', '.join('?' * len(columns))})", rows)
            stored.commit()
            return gzip.compress(stored.serialize(), mtime=0)

    def _rows(self, local: sqlite3.Connection) -> list[tuple[Any, ...]]:
        """Return the records of this run."""
        at = f"SELECT {_list(_own_columns(local))} FROM {TABLE} WHERE {_OURS} ORDER BY target"
        return local.execute(at, (self._namespace, self._prefix, self._prefix)).fetchall()

    # The local database

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._database, timeout=BUSY)) as local, local:
            local.execute(f"CREATE TABLE IF NOT EXISTS {VERSIONS} (namespace TEXT, prefix TEXT, version TEXT)")
            yield local

    def _version(self, local: sqlite3.Connection) -> str | None:
        found = local.execute(
            f"SELECT version FROM {VERSIONS} WHERE namespace = ? AND prefix = ?", (self._namespace, self._prefix)
        ).fetchone()
        return str(found[0]) if found else None

    def _note_version(self, local: sqlite3.Connection, version: str) -> None:
        local.execute(f"DELETE FROM {VERSIONS} WHERE namespace = ? AND prefix = ?", (self._namespace, self._prefix))
        local.execute(f"INSERT INTO {VERSIONS} VALUES (?, ?, ?)", (self._namespace, self._prefix, version))

    def _state(self) -> object:
        """Return what differs after each change of the database."""
        status = self._database.stat()
        return status.st_mtime_ns, status.st_size


# Which records are of one run: those of files below its prefix.
_OURS = "namespace = ? AND substr(target, 1, length(?)) = ?"


def _row(columns: Sequence[str], record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of a record as the database has them: lists and tables as JSON."""
    values = (record.get(column) for column in columns)
    return tuple(json.dumps(value) if isinstance(value, list | dict) else value for value in values)


def _columns(database: sqlite3.Connection) -> list[str]:
    return [str(row[1]) for row in database.execute(f"PRAGMA table_info({TABLE})")]


def _own_columns(database: sqlite3.Connection) -> list[str]:
    """Return the columns but for the working directory's name."""
    return [name for name in _columns(database) if name != "namespace"]


def _list(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def of_workflow(workflow: Any, client: Client, warn: Callable[[str], None]) -> Memory | None:  # noqa: ANN401
    """Return the memory of a workflow's run; None unless it is kept in SQLite, and the run's files on S3.

    Ids of jobs that have ended are removed from the database, since Snakemake leaves them there, in place of markers of
    jobs under way.
    """
    persistence = workflow.persistence
    engine = getattr(persistence, "engine", None)
    prefix = str(workflow.storage_settings.default_storage_prefix or "")
    if engine is None:
        return None
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {TABLE} SET external_jobid = NULL WHERE incomplete IS NOT TRUE")
    if engine.dialect.name != "sqlite" or not engine.url.database or not prefix.startswith("s3://"):
        return None
    files = Path(persistence.path)
    return Memory(Path(engine.url.database), str(persistence.namespace), prefix, client, warn, files)
