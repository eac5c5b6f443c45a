"""Writes Snakemake's HTML report of the run that has just ended, from the DAG that it ran."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from terraflow_workflow.running.storing import store_result

if TYPE_CHECKING:
    from snakemake.path_modifier import PathModifier
    from snakemake.workflow import Workflow


def holds_all(workflow: "Workflow", paths: "PathModifier", files: Iterable[str]) -> bool:
    """Return whether the run that has just ended has made, or found finished, all of `files`.

    `paths` says where they are: a module's prefix and the default storage change the paths that the rules name.
    """
    return {str(file) for job in workflow.dag.jobs for file in job.output}.issuperset(map(paths.modify, files))


def write_report(workflow: "Workflow", path: Path) -> None:
    """Write the report to `path`, whole or not at all, and to where the other results are, if that is a storage.

    A result that is not there is left out, with a warning: an earlier version may have finished the run without it.
    """
    # Imported here, since only the end of a run needs them, and every worker parses the workflow.
    from snakemake.report import auto_report
    from snakemake.settings.types import GlobalReportSettings
    from snakemake_interface_report_plugins.registry import ReportPluginRegistry

    plugin = ReportPluginRegistry().get_plugin("html")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.html")
    settings = plugin.settings_cls(path=part)
    workflow.async_run(_leave_out_missing(workflow))
    try:
        workflow.async_run(auto_report(workflow.dag, plugin, settings, GlobalReportSettings()))
        store_result(workflow, path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def _leave_out_missing(workflow: "Workflow") -> None:
    """Snakemake writes no report at all when a result of it is missing."""
    from snakemake.logging import logger

    for job in workflow.dag.jobs:
        for file in job.output:
            if file.flags.get("report") and not await file.exists():
                logger.warning(f"The report lacks {file}, which is not there: `snakemake {file}` makes it.")
                del file.flags["report"]
