"""Snakemake storage plugin for S3 that lists prefixes instead of asking for objects one by one.

Registered as `s3-inventory`. It builds on snakemake-storage-plugin-s3, and never creates or deletes a bucket.
"""

from .provider import StorageProvider
from .settings import StorageProviderSettings
from .storage_object import StorageObject

__all__ = ["StorageObject", "StorageProvider", "StorageProviderSettings"]
