"""Says at the end of a run which samples lost reads on the way into calling."""

from pathlib import Path
from typing import TYPE_CHECKING

from terraflow_workflow.quality.calling_reads import warnings

if TYPE_CHECKING:
    from snakemake.path_modifier import PathModifier
    from snakemake.workflow import Workflow


def warn_of_losses(workflow: "Workflow", paths: "PathModifier", table: str) -> None:
    """Show the remarks of `table`, which the rule `calling_reads` made, wherever it is kept.

    `paths` says where: a module's prefix and the default storage change the path that the rule names.
    """
    from snakemake.logging import logger

    path = paths.modify(table)
    for file in (file for job in workflow.dag.jobs for file in job.output if file == path):
        if not workflow.async_run(file.exists()):
            continue
        if file.is_storage:
            workflow.async_run(file.retrieve_from_storage())
        for message in warnings(Path(file)):
            logger.warning(f"WARNING: {message} ({paths.replace_prefix(table)})")
