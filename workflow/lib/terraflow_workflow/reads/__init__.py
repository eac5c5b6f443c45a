"""FASTQ: read, checked, put right and dealt to shards."""
