"""Parts that Snakemake's plugins for AWS share: the lock of a run, retries, credentials that are renewed, checksums."""
