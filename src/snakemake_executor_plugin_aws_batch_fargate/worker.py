"""What a container runs: it fetches the sources of the workflow and does its job, in one Python.

    python -m snakemake_executor_plugin_aws_batch_fargate.worker s3://BUCKET/SOURCES SHA256 SNAKEMAKE-ARGUMENTS…

Snakemake's own command starts Python twice, once for the sources and once for the job, and each time half a second goes
into importing the same modules. What it costs is measured by benchmarks/start.py.
"""

import gc
import re
import sys
from collections.abc import Sequence

MODULE = "snakemake_executor_plugin_aws_batch_fargate.worker"
# As Snakemake writes it (snakemake.spawn_jobs: SpawnedJobArgsFactory.precommand; RealExecutor.format_job_exec). The
# settings of the storage stand in both halves.
TWO_STARTS = re.compile(
    r"(?P<python>\S+) -m snakemake --deploy-sources (?P<sources>\S+ [0-9a-f]{64}) .*? && (?P=python) -m snakemake "
    r"(?=--snakefile )"
)


def in_one_start(command: str) -> str:
    """A job's command that starts Python once. What Snakemake may have written otherwise is left as it is."""
    return TWO_STARTS.sub(rf"\g<python> -m {MODULE} \g<sources> ", command, count=1)


def main(arguments: Sequence[str]) -> int:
    """Does what Snakemake does with `--deploy-sources`, then what it does with the arguments; returns its exit code."""
    query, checksum, *given = arguments
    # Nothing that is made while modules are imported is garbage: looking for it takes a seventh of the time.
    gc.disable()
    from snakemake import cli

    try:
        parser, options = cli.parse_args(given)
        gc.freeze()
        gc.enable()
        options.deploy_sources = [query, checksum]
        done = cli.args_to_api(options, parser)
        options.deploy_sources = None
        done = done and cli.args_to_api(options, parser)
    except Exception as error:  # as in cli.main
        cli.print_exception(error)
        done = False
    # What is left goes with the process: taking it apart first would cost half as much as importing it did.
    gc.freeze()
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
