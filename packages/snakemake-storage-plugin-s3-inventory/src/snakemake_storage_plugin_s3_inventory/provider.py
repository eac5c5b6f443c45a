"""The storage provider: Snakemake's hooks, which the session behind them answers."""

import gc
from typing import TYPE_CHECKING

from snakemake_interface_storage_plugins.storage_provider import ExampleQuery, QueryType, StorageQueryValidationResult
from snakemake_storage_plugin_s3 import StorageProvider as S3Provider

from .location import problem
from .session import Session
from .storage_object import StorageObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Objects created before Python's collector looks for garbage. A DAG's objects are needed to the end; looking through
# them after every 700, as is Python's habit, takes an eighth of the time of a plan.
COLLECT_AFTER = 100_000


class StorageProvider(S3Provider):  # type: ignore[misc]
    """Answers questions about objects from listings and from what the run knows, and asks S3 only if it must."""

    def __post_init__(self) -> None:
        """Connect to nothing yet: a worker or a dry run may not need S3. Raise WorkflowError for wrong settings."""
        self.settings.check()
        self.session = Session(self, self.settings, self.local_prefix, self.is_default, self.logger.warning)
        gc.set_threshold(COLLECT_AFTER)

    @property
    def client(self) -> "S3Client":
        """Return the client of S3, made when first needed."""
        return self.session.connection.client

    @classmethod
    def get_storage_object_cls(cls) -> type[StorageObject]:
        """Return the class of objects, which Snakemake would look for in this module."""
        return StorageObject

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        """Return examples for Snakemake's plugin catalogue."""
        return [
            ExampleQuery(
                query="s3://mybucket/raw/first table.tsv.gz",
                type=QueryType.ANY,
                description="An object in an S3 bucket, its key as it is stored (nothing is escaped)",
            )
        ]

    @classmethod
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        """Return whether a query names an object, also while it still has wildcards."""
        reason = problem(query)
        return StorageQueryValidationResult(query=query, valid=reason is None, reason=reason)
