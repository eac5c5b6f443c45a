"""The connection to S3: a client, and transfers over it."""

import datetime
import gc
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.utils import parse_timestamp
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import credentials
from snakemake_aws_common.head import check_before_writes

from .settings import StorageProviderSettings
from .transfer import Transfer

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Requests of transfers, and those of Snakemake's own threads beside them.
CONNECTIONS = 24


class Connection:
    """Client and transfers, made when first needed. Safe to use from several threads."""

    def __init__(self, settings: StorageProviderSettings, check: Callable[[], None]) -> None:
        """Connect to nothing yet: a worker or a dry run may not need S3. `check` is called before each write."""
        self._settings = settings
        self._check = check
        self._lock = threading.Lock()
        self._client: S3Client | None = None
        self._transfer: Transfer | None = None

    @property
    def client(self) -> "S3Client":
        """Return the client of S3."""
        with self._lock:
            if self._client is None:
                self._client = connect(self._settings)
                check_before_writes(self._client, self._check, "s3")
                # The description of S3 is tens of thousands of objects, and Snakemake has as many by now. All of them
                # stay, so Python's collector need not look through them each time while the DAG grows.
                gc.freeze()
            return self._client

    @property
    def transfer(self) -> Transfer:
        """Return the transfers: uploads and downloads."""
        client = self.client
        with self._lock:
            if self._transfer is None:
                self._transfer = Transfer(client, tries=self._settings.retries)
            return self._transfer


def connect(settings: StorageProviderSettings, config: Config | None = None) -> "S3Client":
    """Return a client of S3 that checks all it sends and receives; `config` replaces how often and how long it tries.

    Region, endpoint and credentials are those of the AWS environment unless settings name others. Credentials that
    are renewed after they expired are used. botocore repeats throttled requests, server errors and broken connections.
    Raise WorkflowError if the endpoint is no URL.
    """
    if settings.endpoint_url and not settings.endpoint_url.startswith(("http://", "https://")):
        raise WorkflowError(f"The endpoint {settings.endpoint_url!r} must begin with https:// or http://.")
    session = credentials.session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_time)
    tries = Config(
        signature_version=settings.signature_version,
        retries={"total_max_attempts": settings.retries + 1, "mode": "standard"},
        connect_timeout=10,
        max_pool_connections=CONNECTIONS,
        request_checksum_calculation="when_supported",
        response_checksum_validation="when_supported",
    )
    client = session.create_client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        aws_session_token=settings.token,
        config=tries.merge(config) if config else tries,
    )
    return cast("S3Client", client)


def parse_time(text: str) -> datetime.datetime:
    """Return a time from an answer. Listings have tens of thousands, in a form that Python itself parses fast."""
    try:
        return datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return parse_timestamp(text)
