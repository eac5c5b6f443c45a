"""Objects of a run's head in S3 that several may write: read with their ETags, written if nobody else has meanwhile."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from snakemake_aws_common import conditional
from snakemake_aws_common.conditional import CONFLICTS, MISSING, REFUSED, error_code
from terraflow.errors import UserError
from terraflow.heads import about as abouts
from terraflow.heads.about import About

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


# What the content of another kind of object raises: it is not JSON, or it lacks a field.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
UNTOUCHED = "The run's results are untouched. Is this terraflow older than the one that made the run?"


class ChangedError(Exception):
    """Somebody else has written the object since it was read."""


def put(s3: "S3Client", bucket: str, key: str, body: bytes, etag: str | None) -> str:
    """Store JSON in the place of the object with this ETag, or as the first one for None; return its ETag.

    Raise ChangedError if somebody else was faster.
    """
    condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
    try:
        return conditional.put(s3, bucket, key, body, **condition)
    except ClientError as error:
        if error_code(error) in (*REFUSED, *CONFLICTS):
            raise ChangedError(f"s3://{bucket}/{key}") from error
        raise


class UnreadableError(UserError):
    """An object is not what a head writes there; `etag` is the object's, if it was asked for."""

    def __init__(self, address: str, error: Exception, etag: str = "") -> None:
        """Name the object, and what its content has raised."""
        super().__init__(f"{address} is not what a head writes there ({type(error).__name__}: {error}). {UNTOUCHED}")
        self.etag = etag


@dataclass(frozen=True)
class Written:
    """A run.json: what it says, the object's bytes and ETag, and how many seconds ago, by S3's clock, it was stored."""

    about: About
    body: bytes
    etag: str
    age: float


class AboutObject:
    """The object run.json of one run."""

    def __init__(self, s3: "S3Client", bucket: str, run: str) -> None:
        """Ask S3 nothing yet."""
        self._s3, self._bucket, self._key = s3, bucket, f"runs/{run}/{abouts.NAME}"

    @property
    def address(self) -> str:
        """Where it lies."""
        return f"s3://{self._bucket}/{self._key}"

    def read(self) -> Written | None:
        """Return what it says; None if there is none. Raise UnreadableError if it can't be understood."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if error_code(error) in MISSING:
                return None
            raise
        body = answer["Body"].read()
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - answer["LastModified"]).total_seconds()
        try:
            return Written(abouts.from_json(body), body, answer["ETag"], age)
        except UNREADABLE as error:
            raise UnreadableError(self.address, error, answer["ETag"]) from error

    def write(self, about: About | bytes, etag: str | None) -> str:
        """Store it in the place of the one with this ETag, or as the first one for None; return its ETag.

        Raise ChangedError if somebody else was faster.
        """
        body = about if isinstance(about, bytes) else abouts.to_json(about)
        return put(self._s3, self._bucket, self._key, body, etag)

    def delete(self, etag: str) -> None:
        """Remove it if it still has this ETag. Raise ChangedError otherwise."""
        try:
            conditional.delete(self._s3, self._bucket, self._key, etag)
        except ClientError as error:
            if error_code(error) in (*REFUSED, *CONFLICTS):
                raise ChangedError(self.address) from error
            raise
