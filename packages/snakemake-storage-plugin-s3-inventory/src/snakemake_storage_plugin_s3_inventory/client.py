"""The connection to S3, and what its errors mean for the user."""

import datetime
import errno
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import botocore.exceptions
from botocore.config import Config
from botocore.utils import parse_timestamp
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_aws_common import credentials

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from .settings import StorageProviderSettings

P = ParamSpec("P")
R = TypeVar("R")
# Requests of transfers, and those of Snakemake's own threads beside them.
CONNECTIONS = 24
_FOLDER = "; on a disk no file can have the name of a folder, so read one of the two only"
HINTS = {
    errno.ENOSPC: "; make room on that disk",
    errno.EDQUOT: "; make room on that disk",
    errno.ENAMETOOLONG: "; a disk takes no names over 255 bytes",
    errno.EEXIST: _FOLDER,
    errno.EISDIR: _FOLDER,
    errno.ENOTDIR: _FOLDER,
}


def connect(settings: "StorageProviderSettings", config: Config | None = None) -> "S3Client":
    """A client of S3 that checks all it sends and receives; `config` replaces how often and how long it tries.

    Region, endpoint and credentials are those of the AWS environment unless settings name others. Credentials that
    come back after they had expired are used.
    Throttled requests, server errors and broken connections are tried again by botocore.
    """
    if settings.endpoint_url and not settings.endpoint_url.startswith(("http://", "https://")):
        raise WorkflowError(f"The endpoint {settings.endpoint_url!r} must begin with https:// or http://.")
    session = credentials.session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_time)
    how = Config(
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
        config=how.merge(config) if config else how,
    )
    return cast("S3Client", client)


def parse_time(text: str) -> datetime.datetime:
    """A time in an answer; those of listings come by the ten thousand, and in a form that Python itself reads fast."""
    try:
        return datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return parse_timestamp(text)


def error_code(error: Exception) -> str:
    """The name S3 gives to an error, or its HTTP status; empty for errors of another kind."""
    if not isinstance(error, botocore.exceptions.ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: Exception) -> bool:
    """Whether S3 said that there is no such object."""
    return error_code(error) in ("404", "NoSuchKey")


def is_denied(error: Exception) -> bool:
    """Whether S3 said that these credentials may not ask this."""
    return error_code(error) in ("403", "AccessDenied")


def explain(error: Exception, query: str) -> str:
    """What happened to a request about an object, and what to do."""
    bucket = query.removeprefix("s3://").partition("/")[0]
    code = error_code(error)
    if code == "NoSuchBucket":
        return (
            f"There is no bucket {bucket!r} where {query} should lie. Buckets are never made by a run: check the name, "
            "or create the bucket first."
        )
    if is_denied(error) or code == "AllAccessDisabled":
        return (
            f"S3 refuses access to {query} ({error}). The credentials in use need s3:ListBucket on the bucket and "
            "s3:GetObject, s3:PutObject, s3:PutObjectTagging and s3:DeleteObject on its objects, and the key's "
            "permissions if the bucket is encrypted with KMS. Without s3:ListBucket, S3 says the same of what does not "
            "exist."
        )
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"):
        return f"S3 does not accept the credentials in use ({code}): check them, or log in again."
    if code == "RequestTimeTooSkewed":
        return f"S3 refuses {query}, because this machine's clock is wrong by more than 15 minutes: set it right."
    if code in ("PermanentRedirect", "IllegalLocationConstraintException", "AuthorizationHeaderMalformed"):
        return f"The bucket {bucket!r} lies in another region ({error}): set --storage-s3-inventory-region."
    if code == "InvalidObjectState":
        return archived(query)
    if code in ("SlowDown", "503"):
        return f"S3 has more requests than it takes, also for {query}: run again with fewer jobs at a time (--jobs)."
    if code in ("400", "InvalidRequest"):
        return (
            f"S3 does not take the request for {query} ({error}). Either the credentials have expired: log in again. "
            "Or it is encrypted with a key that S3 does not keep (SSE-C): store it without, jobs have no such keys."
        )
    if is_missing(error):
        return f"{query} does not exist."
    if isinstance(error, (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError)):
        return (
            f"There are no AWS credentials to reach {query} with: run `aws configure`, set AWS_PROFILE, or give "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, botocore.exceptions.EndpointConnectionError):
        return f"S3 cannot be reached for {query}: {error}. Check the network and the endpoint."
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"The local copy of {query}{where}: {error.strerror or error}{HINTS.get(error.errno or 0, '')}."
    return f"S3 failed with {query}: {type(error).__name__}: {error}"


def archived(query: str) -> str:
    """What to do about an object in an archive."""
    return f"{query} is archived: restore it in S3 (RestoreObject) before it can be read."


def told(method: Callable[P, R]) -> Callable[P, R]:
    """Has a storage object's method wait for S3 in trouble, and raise WorkflowErrors that users understand."""

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        stored: Any = args[0]
        try:
            result: R = stored.provider.run.patiently(lambda: method(*args, **kwargs), stored.location)
            return result
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
            raise WorkflowError(explain(error, stored.query)) from error

    return wrapper
