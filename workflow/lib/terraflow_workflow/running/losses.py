"""Says at the end of a run which samples lost reads on the way into calling, and what was called in another way."""

from pathlib import Path
from typing import TYPE_CHECKING

from terraflow_workflow.mitochondrion.contig import AUTO, KEY, ContigError, find
from terraflow_workflow.quality.calling_reads import warnings
from terraflow_workflow.reference.contigs import read_contigs

if TYPE_CHECKING:
    from snakemake.path_modifier import PathModifier
    from snakemake.workflow import Workflow


def warn_of_losses(workflow: "Workflow", paths: "PathModifier", table: str) -> None:
    """Show the remarks of `table`, which a rule made for samples, wherever it is kept.

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


def tell_of_genotypes(paths: "PathModifier", fai: str) -> None:
    """Say which contig of the index `fai` is a mitochondrion that was called for genotypes, as any other contig.

    Nothing is said where the index is kept in storage: this isn't worth fetching it.
    """
    from snakemake.logging import logger

    index = Path(paths.replace_prefix(fai))
    try:
        contig = find(AUTO, read_contigs(str(index))) if index.exists() else None
    except ContigError:
        return
    if contig:
        logger.info(
            f"{contig} was called for genotypes, like other contigs, and alleles that few of its copies carry were "
            f"missed. {KEY}: auto calls it for shares."
        )
