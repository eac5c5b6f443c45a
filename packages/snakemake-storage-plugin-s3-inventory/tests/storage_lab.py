"""Storage providers on one bucket, and as much of Snakemake as they ask: its cache, and a workflow with its jobs."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.api import SnakemakeApi  # noqa: F401  (loads Snakemake in an order that works)

from snakemake_storage_plugin_s3_inventory import StorageObject, StorageProvider, StorageProviderSettings
from strict_aws import Aws


class Store:
    """A provider with its own knowledge and local folder, as each process of a run has."""

    def __init__(self, aws: Aws, folder: Path, bucket: str, **settings: Any) -> None:
        self.aws, self.bucket = aws, bucket
        self.provider = StorageProvider(
            local_prefix=folder,
            logger=logging.getLogger("storage"),
            settings=StorageProviderSettings(
                endpoint_url=aws.endpoint,
                region="us-east-1",
                access_key=aws.env["AWS_ACCESS_KEY_ID"],
                secret_key=aws.env["AWS_SECRET_ACCESS_KEY"],
                **settings,
            ),
        )

    def __call__(self, key: str) -> StorageObject:
        """Return the object of a key."""
        made: StorageObject = self.provider.object(f"s3://{self.bucket}/{key}")
        return made

    def store(self, key: str, data: bytes) -> StorageObject:
        """Store what a job would have written."""
        made = self(key)
        made.local_path().parent.mkdir(parents=True, exist_ok=True)
        made.local_path().write_bytes(data)
        asyncio.run(made.managed_store())
        return made

    def retrieve(self, key: str) -> bytes:
        """Return what a job would read; nothing else may be left in its folder."""
        made = self(key)
        asyncio.run(made.managed_retrieve())
        assert [path.name for path in made.local_path().parent.glob(".*.part")] == []
        return made.local_path().read_bytes()

    def operations(self) -> Counter[str]:
        """Count the requests to this bucket since the last call."""
        seen = self.aws.requests(forget=True)
        return Counter(call["operation"] for call in seen if call["bucket"] == self.bucket)


Stores = Callable[..., Store]


@dataclass(eq=False)
class Job:
    """A job of a DAG that produces objects of a store."""

    store: "Store"
    keys: list[str]
    log: tuple[()] = ()
    benchmark: None = None

    @property
    def output(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(is_storage=True, is_directory=False, storage_object=self.store(key)) for key in self.keys
        ]

    def is_group(self) -> bool:
        return False


def workflow(*jobs: Job) -> SimpleNamespace:
    """Return a workflow whose jobs are all going to run; a job ends when it is put into `scheduler._tofinish`."""
    finished: set[Job] = set()
    dag = SimpleNamespace(jobs=dict.fromkeys(jobs), needrun=lambda job: True, finished=finished.__contains__)
    return SimpleNamespace(dag=dag, scheduler=SimpleNamespace(_tofinish=[]), remote_exec=False, finish=finished.add)


class Cache:
    """Snakemake's cache, as far as plugins use it: of a head that plans, or of a worker, which wants no listings."""

    def __init__(self, *, worker: bool = False) -> None:
        self.active = True
        self.max_wait_time = 0 if worker else 20
        self.mtime: dict[str, Any] = {}
        self.size: dict[str, int] = {}
        self.exists_in_storage = Known()


class Known(dict[str, bool]):
    """Objects that exist, and the prefixes that are known whole."""

    has_inventory: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.has_inventory = set()
