"""What a container runs: it fetches the sources of the workflow and does its job, in one Python.

    python -m snakemake_executor_plugin_aws_batch_fargate.worker s3://BUCKET/SOURCES SHA256 PLACE -m snakemake …

Snakemake's own command starts Python twice, once for the sources and once for the job, and each time half a second goes
into importing the same modules. What it costs is measured by benchmarks/start.py.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .plan import FILE, VARIABLE


def main(arguments: Sequence[str]) -> int:
    """Does what Snakemake does with `--deploy-sources`, then what it does with the arguments; returns its exit code.

    PLACE is the working directory, from where the sources are unpacked: what lies outside of it is found by the same
    relative paths as on the head.
    """
    query, checksum, place, _, _, *given = arguments
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
        Path(place).mkdir(parents=True, exist_ok=True)
        os.chdir(place)
        if Path(FILE).is_file():
            os.environ[VARIABLE] = str(Path(FILE).absolute())
        # Neither the head's --directory nor the Snakefile's `workdir` leads anywhere else from here.
        options.directory = Path.cwd()
        options.snakefile = Path(options.snakefile).resolve()
        done = done and cli.args_to_api(options, parser)
    except Exception as error:  # as in cli.main
        cli.print_exception(error)
        done = False
    # What is left goes with the process: taking it apart first would cost half as much as importing it did.
    gc.freeze()
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
