"""Program: a dry run of Snakemake that also says which jobs of AWS Batch it would submit, and checks what they need.

    python -m snakemake_executor_plugin_aws_batch_fargate.rehearsal FILE SNAKEMAKE_ARGUMENTS

FILE gets `snakemake_aws_common.rehearsal` as JSON, also when the dry run fails; the exit code is that of
`snakemake --dry-run`. Nothing is submitted, and no lock is taken.
"""

import logging
import re
import sys
from pathlib import Path
from typing import Any

from snakemake import cli
from snakemake.api import DAGApi
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from snakemake_aws_common.rehearsal import Rehearsal, to_json

from . import planned

# The places in Snakefiles that Python's traceback names.
PLACE = re.compile(r'^ +File ".*", line \d+, in .*$', re.MULTILINE)
# An error of a workflow's own words, or of Snakemake's; all other errors need the place.
WORDS = re.compile(r'^WorkflowError(?: in (?:rule \S+ in )?file ".*", line \d+)?:\s+')


class Listener(logging.Filter):
    """Keeps errors, and lets everything pass: Snakemake removes handlers that it has not made."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        super().__init__()
        self.errors: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep a message without Python's traceback."""
        if record.levelno >= logging.ERROR:
            self.errors.append(plain(record.getMessage()))
        return True


def plain(message: str) -> str:
    """Return a message of Snakemake without Python's traceback, and an error of a workflow's own in its words alone."""
    if message.startswith("Traceback "):
        return message.rstrip().rpartition("\n")[2]
    return WORDS.sub("", PLACE.sub("", message)).strip()


def main(arguments: list[str]) -> int:
    """Do the dry run, and write the file."""
    file = Path(arguments[0])
    parser, options = cli.parse_args(arguments[1:])
    options.dryrun = True
    # With exactly these Snakemake ends before it prints each job.
    options.quiet = {Quietness.RULES, Quietness.PROGRESS}
    # Snakemake gives a dry run one core, and a run whose jobs go elsewhere no limit.
    options.cores = options.cores or sys.maxsize
    execute = DAGApi.execute_workflow
    found: list[Rehearsal] = []

    def execute_and_look(api: Any, *given: Any, **settings: Any) -> None:  # noqa: ANN401
        execute(api, *given, **settings)
        found.append(planned.rehearse(api.workflow_api._workflow, settings["executor_settings"]))

    listener = Listener()
    logger.addFilter(listener)
    DAGApi.execute_workflow = execute_and_look
    try:
        code = 0 if cli.args_to_api(options, parser) else 1
    except SystemExit as end:
        # A workflow may end a dry run after a message of its own.
        code = end.code if isinstance(end.code, int) else 1
        if isinstance(end.code, str):
            listener.errors.append(end.code)
    without = "The dry run ended without a message." if code else "These arguments make Snakemake run no jobs."
    failed = Rehearsal(errors=tuple(listener.errors or [without]))
    file.write_text(to_json(found[0] if found else failed))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
