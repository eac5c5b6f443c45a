"""Clients of AWS from the Amazon provider's hooks: Airflow's connection gives role, region and endpoints."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook
from airflow.providers.amazon.aws.hooks.logs import AwsLogsHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.sqs import SqsHook
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

DEFAULT_CONNECTION = "aws_default"
# What a call may raise; a later one may succeed.
TROUBLE = (ClientError, BotoCoreError, OSError)
MISSING = ("NoSuchKey", "404")
# A throttled call is repeated, later each time, by botocore itself.
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)


@dataclass(frozen=True)
class Account:
    """An AWS account as a connection of Airflow leads to it; each client is made when it is first used."""

    aws_conn_id: str | None = DEFAULT_CONNECTION
    region_name: str | None = None

    @cached_property
    def s3(self) -> Any:  # noqa: ANN401
        """Return a client of S3."""
        return S3Hook(**self._settings()).get_conn()

    @cached_property
    def batch(self) -> Any:  # noqa: ANN401
        """Return a client of AWS Batch."""
        return BatchClientHook(**self._settings()).get_conn()

    @cached_property
    def logs(self) -> Any:  # noqa: ANN401
        """Return a client of CloudWatch Logs."""
        return AwsLogsHook(**self._settings()).get_conn()

    @cached_property
    def sqs(self) -> Any:  # noqa: ANN401
        """Return a client of SQS."""
        return SqsHook(**self._settings()).get_conn()

    def _settings(self) -> dict[str, Any]:
        return {"aws_conn_id": self.aws_conn_id, "region_name": self.region_name, "config": _CONFIG}


def read(s3: Any, bucket: str, key: str) -> bytes | None:  # noqa: ANN401
    """Return an object's content; None if there is none. Raise ClientError otherwise."""
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            return None
        raise
    return body


def etag(s3: Any, bucket: str, key: str) -> str | None:  # noqa: ANN401
    """Return an object's ETag; None if there is none. Raise ClientError otherwise."""
    try:
        return str(s3.head_object(Bucket=bucket, Key=key)["ETag"])
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            return None
        raise
