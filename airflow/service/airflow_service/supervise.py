"""The supervisor of Airflow's parts: honcho, which tells each part alone to end, not the processes that it has started.

A worker of the scheduler passes SIGTERM on to its task, and a task that is told to end ends its run. Parts end their
processes themselves, or honcho kills what is left after five seconds; runs go on in either case.
"""

import contextlib
import os
import signal

import honcho.command
import honcho.compat


def terminate(_manager: object, pid: int) -> None:
    """Tell a part to end; say nothing if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    honcho.compat.ProcessManager.terminate = terminate
    honcho.command.main()
