"""What only later jobs of a worker read is fetched while its first jobs run: once, after what these read, and whole."""

import asyncio
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins import storage_object

from snakemake_storage_plugin_s3_inventory import ahead, transfer
from storage_lab import Store, Stores
from strict_aws import Aws

INDEX = {"raw/index.small": b"a" * 3, "raw/index.large": b"b" * (11 << 20)}
READS = {"raw/reads.1": b"c" * 5, "raw/reads.2": b"d" * 7}


class Worker:
    """A worker whose first jobs check reads, and whose later jobs need these checks and an index."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.running = {lane: self.job(f"raw/reads.{lane}") for lane in "12"}
        checked = [f"runs/main/checked.{lane}" for lane in "12"]
        later = [self.job(name, *INDEX) for name in checked]
        jobs = [*self.running.values(), *later]
        dag = SimpleNamespace(
            jobs=jobs,
            needrun_jobs=lambda: iter(jobs),
            is_running=lambda job: job in self.running.values(),
            toposorted=lambda waiting: iter([[job for job in jobs if job in waiting]]),
            is_external_input=lambda file, job, not_needrun_is_external: file.storage_object.query.startswith(
                f"s3://{store.bucket}/raw/"
            ),
        )
        state = store.provider.session.state
        state.workflow = SimpleNamespace(dag=dag, scheduler=object(), remote_exec=True)

    def job(self, *keys: str) -> Any:
        """Return a job that reads these."""
        files = [
            SimpleNamespace(is_storage=True, storage_object=self.store(key), should_not_be_retrieved_from_storage=False)
            for key in keys
        ]

        class Job:
            input, output, log, benchmark, is_norun = files, (), (), None, False

        return Job()

    def fetch(self, *keys: str) -> dict[str, bytes]:
        """Fetch what is not there, as Snakemake does for jobs that it is about to start, and return it."""

        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                for key in keys:
                    if not self.store(key).local_path().exists():
                        group.create_task(self.store(key).managed_retrieve())

        asyncio.run(all_of_them())
        return {key: self.store(key).local_path().read_bytes() for key in keys}

    def until_done(self) -> None:
        """Wait for the end of the thread."""
        thread = self.store.provider.session.ahead._thread
        assert thread is not None
        thread.join(120)
        assert not thread.is_alive()

    @property
    def files(self) -> list[str]:
        """Names of the local copies, hidden ones included."""
        return sorted(path.name for path in self.store("raw/x").local_path().parent.iterdir())


@pytest.fixture
def worker(aws: Aws, bucket: str, stores: Stores, small_parts: int) -> Iterator[Worker]:
    for key, body in (INDEX | READS).items():
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    made = Worker(stores(retries=3))
    made.store.operations()
    yield made
    made.store.provider.session.ahead.end()


def got(aws: Aws, bucket: str) -> list[tuple[str, int]]:
    """Return key and bytes of the answers to GetObject, in order."""
    calls = [call for call in aws.requests(forget=True) if call["bucket"] == bucket]
    return [(call["key"], call["sent"]) for call in calls if call["operation"] == "GetObject"]


@pytest.mark.parametrize("waits", [True, False], ids=["under way", "done"])
def test_an_index_is_fetched_once_and_after_the_reads(aws: Aws, bucket: str, worker: Worker, waits: bool) -> None:
    assert worker.fetch(*READS) == READS
    if not waits:
        worker.until_done()
        assert worker.files == sorted(key.removeprefix("raw/") for key in INDEX | READS)
    assert worker.fetch(*INDEX) == INDEX
    seen = got(aws, bucket)
    assert {key for key, _ in seen[:2]} == set(READS)
    sums: dict[str, list[int]] = {}
    for key, size in seen:
        sums.setdefault(key, []).append(size)
    assert {key: sum(sizes) for key, sizes in sums.items()} == {key: len(body) for key, body in (INDEX | READS).items()}
    assert {key: len(sizes) for key, sizes in sums.items()} == dict.fromkeys(INDEX | READS, 1) | {"raw/index.large": 3}


@pytest.mark.parametrize("remote", [True, False])
def test_a_head_and_a_plan_fetch_nothing_ahead(aws: Aws, bucket: str, worker: Worker, remote: bool) -> None:
    workflow = worker.store.provider.session.state.workflow
    workflow.remote_exec = remote
    workflow.scheduler = None if remote else workflow.scheduler
    worker.fetch(*READS)
    assert worker.store.provider.session.ahead._thread is None
    assert len(got(aws, bucket)) == len(READS)


def remove(aws: Aws, worker: Worker, _: pytest.MonkeyPatch) -> None:
    worker.store("raw/index.large").exists()
    aws.client("s3").delete_object(Bucket=worker.store.bucket, Key="raw/index.large")


def replace(aws: Aws, worker: Worker, _: pytest.MonkeyPatch) -> None:
    worker.store("raw/index.large").exists()
    aws.client("s3").put_object(Bucket=worker.store.bucket, Key="raw/index.large", Body=b"B" * (11 << 20))


def fault(**words: Any) -> Callable[..., None]:
    return lambda aws, worker, _: aws.fault(**words, bucket=worker.store.bucket, key="raw/index.large", times=1000)


def fill(_: Aws, __: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_object, "get_disk_free", lambda _: 1 << 20)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (remove, r"s3://\S+ does not exist\."),
        (replace, "another object than the one that the run was planned with"),
        (fault(call="error", operation="HeadObject", status=403, code="AccessDenied"), "S3 refuses access to"),
        (fault(call="truncate", operation="GetObject"), "arrived damaged or cut off"),
        (fill, "Cannot store"),
    ],
    ids=["gone", "replaced", "refused", "cut off", "full disk"],
)
def test_an_error_is_the_jobs_own(
    aws: Aws,
    worker: Worker,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[..., None],
    words: str,
) -> None:
    trouble(aws, worker, monkeypatch)
    worker.fetch(*READS)
    worker.until_done()
    with pytest.raises(ExceptionGroup) as told:
        worker.fetch(*INDEX)
    (error,) = told.value.exceptions
    assert isinstance(error, WorkflowError)
    assert re.search(words, str(error))
    assert worker.files == sorted(["index.small", "reads.1", "reads.2"])


def test_trouble_that_passes_is_outlived(aws: Aws, bucket: str, worker: Worker, impatient: None) -> None:
    aws.fault(
        call="error", bucket=bucket, operation="GetObject", key="raw/index.small", code="InternalError", status=500
    )
    aws.fault(call="truncate", bucket=bucket, operation="GetObject", key="raw/index.large")
    worker.fetch(*READS)
    assert worker.fetch(*INDEX) == INDEX


@pytest.mark.parametrize(("free", "early"), [(25 << 20, ["index.large", "index.small"]), (15 << 20, ["index.small"])])
def test_running_jobs_keep_half_of_the_free_disk(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, free: int, early: list[str]
) -> None:
    monkeypatch.setattr(ahead, "get_disk_free", lambda _: free)
    worker.fetch(*READS)
    worker.until_done()
    assert worker.files == [*early, "reads.1", "reads.2"]
    assert worker.fetch(*INDEX) == INDEX


def test_when_the_first_jobs_get_no_input_nothing_more_is_fetched(aws: Aws, bucket: str, worker: Worker) -> None:
    aws.client("s3").delete_object(Bucket=bucket, Key="raw/reads.2")
    with pytest.raises(ExceptionGroup):
        worker.fetch(*READS)
    assert worker.store.provider.session.ahead._thread is None
    assert not {key for key, _ in got(aws, bucket)} & set(INDEX)


def test_a_fetch_ends_when_the_last_job_has_failed(
    aws: Aws, bucket: str, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "THREADS", 1)
    session = worker.store.provider.session
    head_object = session.connection.client.head_object

    def end_then_answer(**asked: Any) -> Any:
        session.ahead._ended.set()
        return head_object(**asked)

    monkeypatch.setattr(session.connection.client, "head_object", end_then_answer)
    worker.fetch(*READS)
    worker.until_done()
    worker.store("raw/x").cleanup()
    assert worker.files == ["index.small", "reads.1", "reads.2"]
    assert [key for key, _ in got(aws, bucket)].count("raw/index.large") < 3
