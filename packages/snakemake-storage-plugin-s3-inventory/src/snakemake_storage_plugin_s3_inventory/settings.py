"""Settings of the plugin; on the command line each is --storage-s3-inventory-<name>."""

import fnmatch
import re
from dataclasses import dataclass, field

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_storage_plugin_s3 import StorageProviderSettings as S3Settings

from snakemake_aws_common import tags

PREFIX = "--storage-s3-inventory-"


@dataclass
class StorageProviderSettings(S3Settings):  # type: ignore[misc]
    """Settings of the s3 plugin, except that the region is the AWS environment's by default, and four more."""

    region: str | None = field(
        default=None,
        metadata={
            "help": "Region of the buckets (if omitted, the AWS environment's)",
            "env_var": True,
            "required": False,
        },
    )
    intermediates: str | None = field(
        default=None,
        metadata={
            "help": "Patterns of keys, separated by commas, that are stored with the object tag of "
            f"{PREFIX}intermediates-tag, so that a lifecycle rule of the bucket can remove what a dead run left "
            "behind. * matches any text, also across folders. Example: 'runs/*/parts/*,*.unsorted.txt'",
            "env_var": False,
            "required": False,
        },
    )
    intermediates_tag: str | None = field(
        default=None,
        metadata={
            "help": "Object tag, KEY=VALUE, of what matches "
            f"{PREFIX}intermediates: the tag that the lifecycle rule of the bucket names. Example: lifetime=short",
            "env_var": False,
            "required": False,
        },
    )
    pages: int = field(
        default=100,
        metadata={
            "help": "Pages of 1,000 objects that are read of a prefix before a run goes on without knowing all of it. "
            "0: prefixes are not listed, every object is asked for by itself",
            "env_var": False,
            "required": False,
            "type": int,
        },
    )
    lock_seconds: float | None = field(
        default=None,
        metadata={
            "help": "Seconds after which the lock of a head that died ends. It lies below the default storage's "
            "prefix, and keeps a second head out of the run. 0: no lock. Default: 150",
            "env_var": False,
            "required": False,
            "type": float,
        },
    )

    def check(self) -> None:
        """Raise WorkflowError if S3 does not take the tag, or if settings contradict each other."""
        if not self._tag and self._patterns:
            raise WorkflowError(
                f"{PREFIX}intermediates ({self.intermediates}) needs {PREFIX}intermediates-tag KEY=VALUE: the object "
                "tag that the lifecycle rule of your bucket names. Without it nothing would ever remove these objects."
            )

    def tags_of(self, key: str) -> dict[str, str]:
        """Return the tags of an object with this key: that of intermediates, or none."""
        return self._tag if any(re.match(pattern, key) for pattern in self._patterns) else {}

    @property
    def _tag(self) -> dict[str, str]:
        return tags.parse(f"{PREFIX}intermediates-tag", self.intermediates_tag, most=1)

    @property
    def _patterns(self) -> list[str]:
        """Return regular expressions of intermediates."""
        given = (pattern.strip() for pattern in (self.intermediates or "").split(","))
        return [fnmatch.translate(pattern) for pattern in given if pattern]
