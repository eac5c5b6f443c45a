"""Says at the end of a run which samples lost reads on the way into calling."""

from pathlib import Path
from typing import TYPE_CHECKING

from terraflow_workflow.quality.calling_reads import warnings

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


def warn_of_losses(workflow: "Workflow") -> None:
    """Show the remarks of the table that the rule `calling_reads` made, wherever its result is kept."""
    from snakemake.logging import logger

    for job in workflow.dag.jobs:
        if job.rule.name != "calling_reads":
            continue
        table = job.output[0]
        if not workflow.async_run(table.exists()):
            continue
        if table.is_storage:
            workflow.async_run(table.retrieve_from_storage())
        for message in warnings(Path(table)):
            logger.warning(f"WARNING: {message} (results/qc/calling_reads.tsv)")
