"""Writes Snakemake's HTML report of the run that has just ended, from the DAG that it ran."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


def write_report(workflow: "Workflow", path: Path) -> None:
    """Writes the report to `path`, whole or not at all. Raises WorkflowError when a result of the report is missing."""
    # Imported here, since only the end of a run needs them, and every worker parses the workflow.
    from snakemake.report import auto_report
    from snakemake.settings.types import GlobalReportSettings
    from snakemake_interface_report_plugins.registry import ReportPluginRegistry

    plugin = ReportPluginRegistry().get_plugin("html")
    part = path.with_suffix(".part.html")
    settings = plugin.settings_cls(path=part)
    try:
        workflow.async_run(auto_report(workflow.dag, plugin, settings, GlobalReportSettings()))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
