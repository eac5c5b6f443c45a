"""The command line of terraflow."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from terraflow.errors import UserError, explain_aws

# The module of each command, which has add_arguments and run; its purpose, and an example.
COMMANDS = {
    "airflow": (
        "terraflow.airflow",
        "open the page of the stack's Airflow, through a port that SSM forwards to this machine",
        "terraflow airflow --port 8081",
    ),
    "cost": (
        "terraflow.costs.command",
        "show what a run has cost so far, or in all: by rule, sample, day or queue",
        "terraflow cost cohort7 --by sample",
    ),
    "deploy": (
        "terraflow.deploy",
        "make or update everything in the AWS account that `snakemake --profile aws` needs",
        "AWS_PROFILE=lab terraflow deploy",
    ),
    "destroy": (
        "terraflow.destroy",
        "remove the stack; refuses while its bucket holds objects, unless the bucket is named",
        "terraflow destroy --delete-data terraflow-123456789012-eu-central-1",
    ),
    "image": (
        "terraflow.image",
        "build the two Docker images of the cloud's jobs, or Airflow's",
        "terraflow image",
    ),
    "status": (
        "terraflow.runs.status",
        "show how a run does: jobs by rule, what runs, what waits and why, cost so far, expected end",
        "terraflow status cohort7 --watch",
    ),
    "inbox": (
        "terraflow.inbox.command",
        "start the runs of sheets that were uploaded as raw/NAME/samples.tsv and are due, as uploads and the clock do",
        "terraflow inbox cohort7 --budget 20",
    ),
    "launch": (
        "terraflow.launch.command",
        "start the run that a sheet in the bucket wants, with the workflow that `make deploy` has published",
        "terraflow launch --sheet s3://terraflow-123456789012-eu-central-1/raw/cohort7/samples.tsv --budget 20",
    ),
    "run": (
        "terraflow.launch.run",
        "check a run, say what it will take, and have a head in the cloud conduct it",
        "terraflow run config/aws.yaml --name cohort7 --budget 20",
    ),
    "logs": (
        "terraflow.runs.logs",
        "show what a run's head or jobs said; of a run that has failed, why",
        "terraflow logs cohort7 --rule bwa_mem --sample NA12878",
    ),
    "stop": (
        "terraflow.runs.stop",
        "end a run: its head, wherever it is, and all its jobs; what is done stays",
        "terraflow stop cohort7",
    ),
    "runs": (
        "terraflow.runs.listing",
        "list all runs in the stack's bucket: state, start, jobs done of all, cost so far, who",
        "terraflow runs",
    ),
    "stage": (
        "terraflow.stage",
        "upload the files that a sample sheet and the configuration name, and write both anew with s3:// paths",
        "terraflow stage config/samples.tsv",
    ),
    "fetch": (
        "terraflow.fetching.command",
        "bring results of a run to this machine; checksums are compared, and nothing is fetched twice",
        "terraflow fetch cohort7 results-of-cohort7 --only 'variants/*'",
    ),
    "timeline": (
        "terraflow.timeline.command",
        "write a page with a bar for each job of a run, vCPUs and money over time, and what its rules could ask for",
        "terraflow timeline cohort7 --out cohort7.html",
    ),
    "verify": (
        "terraflow.receipt.verify",
        "compare the receipt of a run with what lies there: what is missing, changed, or there besides",
        "terraflow verify cohort7 --deep",
    ),
    "remove": (
        "terraflow.remove",
        "delete a run's objects, after a question; never while the run works",
        "terraflow remove cohort7",
    ),
}
# Commands whose words after `--` go to another program.
PASS_ON = ("run",)
# The exit code of a program that was ended as nobody read on (SIGPIPE), as `head` and `less` do.
UNREAD = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return the exit code of the process."""
    parser = argparse.ArgumentParser(
        prog="terraflow",
        description="Manage the cloud that a workflow runs on, and its data there: Snakemake has no command for these.",
        epilog="Example: " + COMMANDS["stage"][2],
    )
    parser.add_argument("--version", action="version", version=f"terraflow {version('terraflow')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What follows `--` is for another program.
    end = given.index("--") if "--" in given else len(given)
    words, passed_on = given[:end], given[end + 1 :]
    for name, (module, purpose, example) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose, epilog=f"Example: {example}")
        # Only the command that is called: importing boto3 takes a while.
        if name in words[:1]:
            import_module(module).add_arguments(command)
    options = parser.parse_args(words)
    if passed_on and options.command not in PASS_ON:
        parser.error(f"{options.command} passes nothing on to another program: found -- {' '.join(passed_on)}")
    options.passed_on = passed_on
    try:
        code = int(import_module(COMMANDS[options.command][0]).run(options))
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"terraflow {options.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # What is still to be written as Python ends goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except Exception as error:
        # First: botocore's errors of timeouts, TLS and proxies are OSErrors, too.
        reason = explain_aws(error)
        if reason is None and isinstance(error, OSError) and error.filename is not None:
            reason = f"{error.filename}: {error.strerror}"
        if reason is None:
            raise
        print(f"terraflow {options.command}: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"terraflow {options.command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
