"""What Snakemake's plugins for AWS share: the lock of a run in S3, checksums, and patience with an AWS in trouble."""
