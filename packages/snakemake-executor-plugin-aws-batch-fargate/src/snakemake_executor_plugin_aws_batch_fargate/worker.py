"""The program of a container: it fetches the sources of the workflow, does its job and measures it, in one Python.

    python -m snakemake_executor_plugin_aws_batch_fargate.worker s3://BUCKET/SOURCES SHA256 PLACE -m snakemake …

Snakemake's own command starts Python twice, once for the sources and once for the job, and each time half a second goes
into importing the same modules.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import measuring, source_cache
from .plan import FILE, VARIABLE


def main(arguments: Sequence[str]) -> int:
    """Do what Snakemake does with `--deploy-sources`, then what it does with the arguments; return its exit code.

    PLACE is the working directory below the folder where the sources are unpacked: files outside of it are found by
    the same relative paths as on the head.
    """
    query, checksum, place, _, _, *given = arguments
    # No object that imports make is garbage: looking for garbage takes a seventh of the time.
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
        if Path(source_cache.FOLDER).is_dir():
            source_cache.use(Path(source_cache.FOLDER).absolute(), options)
        # Neither the head's --directory nor the Snakefile's `workdir` leads anywhere else from here.
        options.directory = Path.cwd()
        options.snakefile = Path(options.snakefile).resolve()
        measured = measuring.Measuring()
        measured.begin()
        try:
            done = done and cli.args_to_api(options, parser)
        finally:
            measured.store()
    except Exception as error:  # as in cli.main
        cli.print_exception(error)
        done = False
    # All objects go with the process: taking them apart first would cost half as much as importing them did.
    gc.freeze()
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
