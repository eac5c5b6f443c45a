"""Settings of the plugin; on the command line each is --storage-s3-inventory-<name>."""

import fnmatch
import re
from dataclasses import dataclass, field

from snakemake_storage_plugin_s3 import StorageProviderSettings as S3Settings

LIFETIME = {"terraflow:lifetime": "intermediate"}


@dataclass
class StorageProviderSettings(S3Settings):  # type: ignore[misc]
    """Those of the s3 plugin, except that the region is the AWS environment's by default, and three more."""

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
            "help": "Patterns of keys, separated by commas, that are stored with the object tag "
            "terraflow:lifetime=intermediate, so that a lifecycle rule of the bucket can remove what a dead run "
            "left behind. * matches any text, also across folders. Example: 'runs/*/parts/*,*.unsorted.txt'",
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

    def is_intermediate(self, key: str) -> bool:
        """Whether the object of this key may be removed by the bucket's lifecycle."""
        return any(
            re.match(fnmatch.translate(pattern.strip()), key)
            for pattern in (self.intermediates or "").split(",")
            if pattern.strip()
        )
