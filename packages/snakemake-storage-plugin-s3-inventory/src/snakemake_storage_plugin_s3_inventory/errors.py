"""Errors of S3 and of the local disk, in words that tell the user what to do."""

import errno

import botocore.exceptions

_FOLDER = "; on a disk a file and a folder can't share a name, so read only one of the two"
HINTS = {
    errno.ENOSPC: "; make room on that disk",
    errno.EDQUOT: "; make room on that disk",
    errno.ENAMETOOLONG: "; names on a disk have at most 255 bytes",
    errno.EEXIST: _FOLDER,
    errno.EISDIR: _FOLDER,
    errno.ENOTDIR: _FOLDER,
}


def error_code(error: Exception) -> str:
    """Return S3's name for an error, or its HTTP status; empty for errors of another kind."""
    if not isinstance(error, botocore.exceptions.ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: Exception) -> bool:
    """Return whether S3 said that there is no such object."""
    return error_code(error) in ("404", "NoSuchKey")


def is_denied(error: Exception) -> bool:
    """Return whether S3 said that these credentials may not ask this."""
    return error_code(error) in ("403", "AccessDenied")


def explain(error: Exception, query: str) -> str:
    """Say what happened to a request about an object, and what to do."""
    bucket = query.removeprefix("s3://").partition("/")[0]
    code = error_code(error)
    if code == "NoSuchBucket":
        return (
            f"There is no bucket {bucket!r} for {query}. A run never creates buckets: check the name, or "
            "create the bucket first."
        )
    if is_denied(error) or code == "AllAccessDisabled":
        return (
            f"S3 refuses access to {query} ({error}). The credentials in use need s3:ListBucket on the bucket and "
            "s3:GetObject, s3:PutObject, s3:PutObjectTagging and s3:DeleteObject on its objects, and the key's "
            "permissions if the bucket is encrypted with KMS. Without s3:ListBucket, S3 also refuses access to objects "
            "that do not exist."
        )
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"):
        return f"S3 does not accept the credentials in use ({code}): check them, or log in again."
    if code == "RequestTimeTooSkewed":
        return f"S3 refuses {query}, because this machine's clock is wrong by more than 15 minutes: set it right."
    if code in ("PermanentRedirect", "IllegalLocationConstraintException", "AuthorizationHeaderMalformed"):
        return f"The bucket {bucket!r} lies in another region ({error}): set --storage-s3-inventory-region."
    if code == "InvalidObjectState":
        return archived_message(query)
    if code in ("SlowDown", "503"):
        return f"S3 has more requests than it takes, also for {query}: run again with fewer jobs at a time (--jobs)."
    if code in ("400", "InvalidRequest"):
        return (
            f"S3 does not take the request for {query} ({error}). If the credentials have expired, log in again. If "
            "the object is encrypted with a key of your own (SSE-C), store it without: jobs have no such keys."
        )
    if is_missing(error):
        return f"{query} does not exist."
    if isinstance(error, (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError)):
        return (
            f"There are no AWS credentials to reach {query} with: run `aws configure`, set AWS_PROFILE, or give "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, botocore.exceptions.ConnectionError):
        return f"S3 cannot be reached for {query}: {error}. Check the network and the endpoint."
    # botocore's errors of timeouts, TLS and proxies are OSErrors, too.
    if isinstance(error, OSError) and not isinstance(error, botocore.exceptions.BotoCoreError):
        where = f" ({error.filename})" if error.filename else ""
        return f"The local copy of {query}{where}: {error.strerror or error}{HINTS.get(error.errno or 0, '')}."
    return f"S3 failed with {query}: {type(error).__name__}: {error}"


def archived_message(query: str) -> str:
    """Say what to do about an object in an archive."""
    return f"{query} is archived: restore it in S3 (RestoreObject) before it can be read."
