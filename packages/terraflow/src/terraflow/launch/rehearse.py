"""The dry run of a head's archive: the workflow's own checks, the executor's, and the jobs that would be submitted."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from snakemake_aws_common.rehearsal import Rehearsal, from_json
from terraflow.errors import UserError
from terraflow.heads import archive
from terraflow.heads.archive import Packed
from terraflow.stack import FILE_VARIABLE

# Named, not imported: terraflow works without it, too.
PROGRAM = "snakemake_executor_plugin_aws_batch_fargate.rehearsal"
# By it the profile knows the run's name.
NAME_VARIABLE = "TERRAFLOW_RUN"
NOTHING = "Nothing was submitted."


class RefusedError(UserError):
    """The dry run ended with an error.

    `is_about_files` says whether files are missing, `is_passing` whether the stack alone is to blame, as it is now.
    """

    def __init__(self, *errors: str, is_passing: bool = False) -> None:
        """Show the errors as they are."""
        text = "\n".join(errors)
        super().__init__(text if re.search("(nothing|no job) was", text) else f"{text}\n{NOTHING}")
        self.is_passing = is_passing
        self.is_about_files = any(error.startswith("MissingInputException") for error in errors)


def rehearse(packed: Packed, run: str | None) -> Rehearsal:
    """Unpack the archive as a head does, plan the run there, and return what it would submit.

    `run` is the name of the run, None for the default one, which may not go on with other data.

    Raise RefusedError with all that would end the run before its first job.
    """
    with tempfile.TemporaryDirectory(prefix="terraflow-") as folder:
        unpacked = Path(folder).resolve()
        manifest = archive.unpack(packed.body, packed.sha256, unpacked)
        files = unpacked / archive.FILES
        result = unpacked / "rehearsal.json"
        environment = {
            **os.environ,
            FILE_VARIABLE: str(unpacked / archive.STACK),
            **({NAME_VARIABLE: run} if run else {}),
        }
        done = subprocess.run(
            [sys.executable, "-m", PROGRAM, str(result), *archive.snakemake_arguments(manifest, unpacked)],
            cwd=files / manifest.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

        def shown(text: str) -> str:
            """Return a message with the paths that its reader knows."""
            return text.replace(f"{files / manifest.directory}/", "").replace(f"{files}/", "")

        if not result.is_file():
            raise RefusedError(shown(_last_words(done)))
        rehearsal = from_json(result.read_text())
        lasting = rehearsal.errors or rehearsal.problems
        if wrong := (*lasting, *rehearsal.passing):
            raise RefusedError(*map(shown, wrong), is_passing=not lasting)
        return rehearsal


def _last_words(done: "subprocess.CompletedProcess[str]") -> str:
    """Return why the program ended before it could write its file: wrong arguments, or a broken installation."""
    lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"Snakemake ended with {done.returncode}."]
    last = lines[-1]
    if "No module named" in last and PROGRAM.partition(".")[0] in last:
        return f"The executor plugin is not installed beside terraflow ({last}); `make setup` installs both."
    _, usage, words = last.partition(": error: ")
    return f"Snakemake does not take these arguments: {words}" if usage else last
