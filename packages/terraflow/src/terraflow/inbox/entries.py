"""The inbox in S3: its sheets, and what became of each, written if nobody else has meanwhile."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from snakemake_aws_common.conditional import MISSING, error_code
from terraflow.heads import objects
from terraflow.inbox.due import Sheet
from terraflow.inbox.entry import NAME, Entry, from_json, to_json

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FOLDER = "raw/"
SHEET, CONFIG = "samples.tsv", "config.yaml"


def look(s3: "S3Client", bucket: str, names: Iterable[str] = ()) -> list[Sheet]:
    """Return the sheets in the inbox by the names of their runs; with names, only those of these runs."""
    sheets: dict[str, tuple[str, int]] = {}
    configs: dict[str, str] = {}
    for prefix in [f"{FOLDER}{name}/" for name in names] or [FOLDER]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                key = item["Key"]
                _, name, *rest = key.split("/")
                if rest == [SHEET]:
                    sheets[name] = (item["ETag"], round(item["LastModified"].timestamp() * 1000))
                elif rest == [CONFIG]:
                    configs[name] = item["ETag"]
    return [Sheet(name, etag, modified, configs.get(name, "")) for name, (etag, modified) in sorted(sheets.items())]


class Entries:
    """What became of the sheets in a bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Ask S3 nothing yet."""
        self._s3, self._bucket = s3, bucket

    def read(self, name: str) -> tuple[Entry | None, str | None]:
        """Return what became of a run's sheet, and the ETag of that; None for one that nobody has looked at."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=_key(name))
        except ClientError as error:
            if error_code(error) in MISSING:
                return None, None
            raise
        return from_json(answer["Body"].read()), answer["ETag"]

    def write(self, name: str, entry: Entry, etag: str | None) -> str:
        """Store it in the place of the one with this ETag, or as the first one for None; return its ETag.

        Raise ChangedError if another launcher was faster.
        """
        return objects.put(self._s3, self._bucket, _key(name), to_json(entry), etag)


def _key(name: str) -> str:
    return f"{FOLDER}{name}/{NAME}"
