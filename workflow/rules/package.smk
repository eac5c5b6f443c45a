# The workflow's own Python, and the variables of the rules' shells: both lead to the files that lie with this Snakefile.
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import LocalSourceFile
from snakemake_interface_executor_plugins.settings import DeploymentMethod


def fetch(path):
    """Return a copy of a file that lies with the workflow, wherever that is."""
    # A plain str: code that is compiled from Snakemake's own kind can't be written by marshal, profilers or caches.
    return str(workflow.source_path(f"../{path}"))


loading = ModuleType("loading")
SourceFileLoader("loading", fetch("lib/terraflow_workflow/loading.py")).exec_module(
    loading
)
if isinstance(workflow.current_basedir, LocalSourceFile):
    WORKFLOW = Path(workflow.current_basedir).parent
else:
    WORKFLOW = loading.gather(fetch, Path(workflow.sourcecache.runtime_cache_path))
try:
    loading.load_package(WORKFLOW)
except loading.OtherCopyError as error:
    raise WorkflowError(str(error))

# Variables, since the text of commands must not depend on where the project lies: Snakemake compares it.
os.environ.update(
    TERRAFLOW=str(WORKFLOW / "scripts"),
    # Inside a rule's conda environment `python` is the environment's; elsewhere it is whatever runs Snakemake.
    TERRAFLOW_PYTHON=(
        "python"
        if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
        else sys.executable
    ),
)
