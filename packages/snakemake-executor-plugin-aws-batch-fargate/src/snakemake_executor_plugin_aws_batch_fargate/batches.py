"""Ids of jobs in calls to AWS Batch, which takes so many in one call and no more."""

from collections.abc import Sequence

# Source: AWS Batch API reference, DescribeJobs and TerminateJobs.
IDS_TO_DESCRIBE = 100
IDS_TO_TERMINATE = 50


def batches(ids: Sequence[str], size: int) -> list[list[str]]:
    """Cut ids into lists of at most `size`, in order."""
    return [list(ids[start : start + size]) for start in range(0, len(ids), size)]
