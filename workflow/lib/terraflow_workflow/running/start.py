"""Starts a run: keeps other runs out, clears away what killed ones left, and ends local jobs that run for too long.

Handlers such as `onstart` are not called where another workflow uses this one as a module. Hence the rules that each
plan begins with have input functions that call `start_run`. Snakemake calls them while it plans, before any job starts.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from terraflow_workflow.running.lock import LockedError, hold_lock, is_locked
from terraflow_workflow.running.time_limit import TimeLimits, running_jobs

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

STATE = Path(".snakemake")


def start_run(workflow: "Workflow") -> None:
    """Lock the working directory, once in each process that is about to run jobs. End the process if it is locked.

    Dry runs, reports and the processes of single jobs need no lock.
    """
    if not workflow.is_main_process or workflow.executor_plugin is None or workflow.dryrun:
        return
    from snakemake.logging import logger

    try:
        if not hold_lock(STATE):
            return
    except LockedError as error:
        # Snakemake puts the rule and a traceback around any exception of an input function.
        logger.error(str(error))
        raise SystemExit(1) from None
    if is_locked(STATE):
        shutil.rmtree(STATE / "scratch", ignore_errors=True)
    else:
        logger.warning(
            f"{STATE.absolute()}: the file system has no locks, so nothing keeps a second run out of this folder; "
            f"start none. When no run works here, {STATE}/scratch holds only what killed jobs left: delete it by hand."
        )
    TimeLimits(lambda: running_jobs(workflow), logger.error).watch()
