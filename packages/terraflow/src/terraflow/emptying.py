"""Empties a bucket or an image repository, also of what is added meanwhile."""

from typing import TYPE_CHECKING

from terraflow.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_ecr.client import ECRClient
    from mypy_boto3_ecr.type_defs import ImageIdentifierTypeDef
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

# The most objects (S3) and images (ECR) in one call.
OBJECTS, IMAGES = 1000, 100
# Errors of single objects that may pass, and how many calls in a row may delete nothing because of them.
TRANSIENT = ("InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown")
FRUITLESS = 10
REFERENCED = "ImageReferencedByManifestList"


def empty_bucket(s3: "S3Client", bucket: str, prefix: str = "") -> int:
    """Delete all versions, delete markers and unfinished uploads, and return their number; 0 if there is no bucket.

    With a prefix, only those below it. List from the start until nothing is left. Raise UserError with the first object
    that can't be deleted.
    """
    deleted = fruitless = 0
    try:
        while True:
            objects, removed = _delete_page(s3, bucket, prefix)
            uploads, aborted = _abort_uploads(s3, bucket, prefix)
            if not objects + uploads:
                return deleted
            deleted += removed + aborted
            fruitless = 0 if removed + aborted else fruitless + 1
            if fruitless == FRUITLESS:
                raise UserError(f"S3 deletes nothing of {bucket} for now: try again later.")
    except s3.exceptions.NoSuchBucket:
        return deleted


def _delete_page(s3: "S3Client", bucket: str, prefix: str) -> tuple[int, int]:
    """Delete the first page of versions and markers; return how many there were, and how many were deleted."""
    page = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=OBJECTS)
    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    objects: list[ObjectIdentifierTypeDef] = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
    if not objects:
        return 0, 0
    errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors", [])
    for error in errors:
        if error.get("Code") not in TRANSIENT:
            raise UserError(
                f"s3://{bucket}/{error.get('Key')} can't be deleted ({error.get('Code')}: {error.get('Message')}), and "
                f"perhaps others neither. What was deleted by then is gone; nothing else of the stack was removed."
            )
    return len(objects), len(objects) - len(errors)


def _abort_uploads(s3: "S3Client", bucket: str, prefix: str) -> tuple[int, int]:
    """Abort the first page of unfinished uploads; return how many there were, and how many were aborted."""
    uploads = s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    aborted = 0
    for upload in uploads:
        try:
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        except s3.exceptions.NoSuchUpload:
            continue
        aborted += 1
    return len(uploads), aborted


def empty_repository(ecr: "ECRClient", name: str) -> int:
    """Delete all images and return their number. Images are no data: `make deploy` builds them anew.

    ECR keeps the images that an index lists until the index is deleted, so that this takes more than one round.
    Raise UserError with ECR's reason when a round deletes nothing that was not deleted before.
    """
    deleted: set[str] = set()
    while digests := _digests(ecr, name):
        failures, before = [], len(deleted)
        for first in range(0, len(digests), IMAGES):
            ids: list[ImageIdentifierTypeDef] = [{"imageDigest": one} for one in digests[first : first + IMAGES]]
            answer = ecr.batch_delete_image(repositoryName=name, imageIds=ids)
            failures += answer.get("failures", [])
            deleted |= {image["imageDigest"] for image in answer.get("imageIds", [])}
        if len(deleted) == before:
            one = failures[0] if failures else {}
            raise UserError(
                f"{len(digests)} images of repository {name} can't be deleted: {one.get('failureCode')}, "
                f"{one.get('failureReason')} ({one.get('imageId', {}).get('imageDigest')}). Terraform removed nothing."
                if failures
                else f"{len(digests)} images of repository {name} come back when they are deleted: who pushes them?"
            )
    return len(deleted)


def _digests(ecr: "ECRClient", name: str) -> list[str]:
    pages = ecr.get_paginator("list_images").paginate(repositoryName=name)
    return list(dict.fromkeys(image["imageDigest"] for page in pages for image in page["imageIds"]))
