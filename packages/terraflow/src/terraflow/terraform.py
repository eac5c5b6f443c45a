"""Runs Terraform in the folder of the stack."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from terraflow.errors import UserError

# Variables without a default, for commands that no image matters to.
NO_IMAGES = ("-var=image_tag=none", "-var=airflow_image_tag=none")
# Exit code of `plan -detailed-exitcode` when there is something to change.
CHANGES = 2
STOPPING = (
    "\nterraflow: Terraform first ends what it has begun, for stopped halfway it could lose track of what it makes; "
    "nothing else follows. Ctrl-C once more stops it all the same."
)
INSTALL = "install it from https://developer.hashicorp.com/terraform/install"


class Terraform:
    """Terraform for the stack. Its output goes to the terminal while it plans or changes something."""

    def __init__(self, folder: Path) -> None:
        """Work in the project's terraform/."""
        self.folder = folder
        self.env = dict(os.environ, TF_IN_AUTOMATION="1", CHECKPOINT_DISABLE="1")
        # Errors and warnings of the last command whose output went to the terminal, in one line.
        self.errors = ""

    def problem(self) -> str | None:
        """Return why Terraform can't be used here; None if it can."""
        if shutil.which("terraform") is None:
            return f"Terraform is missing: {INSTALL}"
        done = self._run("version", "-json")
        if done.returncode:
            return f"terraform does not run: {_message(done)}"
        found, oldest = str(json.loads(done.stdout)["terraform_version"]), self._oldest()
        if _version(found) < _version(oldest):
            return f"Terraform is {found}, needed is {oldest} or newer: {INSTALL}"
        return None

    def init(self) -> None:
        """Fetch the provider and find the state; quick when both are there."""
        self._read("init", "-input=false", "-no-color")

    def variables(self, *names: str) -> dict[str, Any]:
        """Return values of variables, from wherever Terraform takes them. Raise UserError when it refuses one."""
        wanted = ", ".join(f"{name} = var.{name}" for name in names)
        done = self._run("console", "-no-color", *NO_IMAGES, stdin=f"jsonencode({{{wanted}}})\n")
        if done.returncode or "Error:" in done.stderr:
            raise UserError("Terraform refuses the stack's variables (terraform.tfvars, TF_VAR_…):", _message(done))
        values: dict[str, Any] = json.loads(json.loads(done.stdout))
        return values

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the deployed stack; empty when there is none."""
        shown = json.loads(self._read("output", "-json").stdout)
        return {name: output["value"] for name, output in shown.items()}

    def resources(self) -> list[str]:
        """Return the addresses of all resources in the state; empty when there is no stack."""
        done = self._run("state", "list")
        if done.returncode and "No state file was found" not in done.stderr:
            raise UserError(f"terraform can't read its state of {self.folder}:", _message(done))
        return done.stdout.split()

    def state(self) -> list[dict[str, Any]]:
        """Return all resources in the state with their values, as `terraform show -json` has them."""
        shown = json.loads(self._read("show", "-json").stdout)
        found: list[dict[str, Any]] = shown.get("values", {}).get("root_module", {}).get("resources", [])
        return found

    def planned(self, plan: Path) -> list[dict[str, Any]]:
        """Return the changes of a plan: `resource_changes` of `terraform show -json`."""
        found: list[dict[str, Any]] = json.loads(self._read("show", "-json", str(plan)).stdout)["resource_changes"]
        return found

    def plan(self, variables: Mapping[str, str], file: Path) -> bool:
        """Show what would change, and write the plan to the file for `apply`; False when nothing would change."""
        given = [f"-var={name}={value}" for name, value in variables.items()]
        code = self._show("plan", "-input=false", "-detailed-exitcode", *given, f"-out={file}")
        if code not in (0, CHANGES):
            raise UserError(f"terraform plan ended with exit code {code}; its reason is above. Nothing was changed.")
        return code == CHANGES

    def apply(self, plan: Path) -> None:
        """Apply a plan. Raise UserError, which says how to go on, when Terraform fails."""
        self._check("deploy", self._show("apply", "-input=false", str(plan)))

    def destroy(self) -> None:
        """Remove the whole stack. Raise UserError, which says how to go on, when Terraform fails."""
        code = self._show("destroy", "-input=false", "-auto-approve", *NO_IMAGES)
        self._check("destroy", code)

    def _check(self, command: str, code: int) -> None:
        if code:
            raise UserError(
                f"terraform ended with exit code {code}; its reason is above. What it had done by then stays, and "
                f"Terraform knows of it: `make {command}` goes on from there."
            )

    def _show(self, command: str, *arguments: str) -> int:
        """Run Terraform to its end, with its output on the terminal, and return its exit code.

        A resource that Terraform is creating when it is stopped exists in the account and in no state, and the next
        run finds its name taken. So Terraform does not get the terminal's Ctrl-C: the first one only prevents the
        steps that would follow.
        """
        colour = [] if sys.stdout.isatty() else ["-no-color"]
        sys.stdout.flush()
        whole_command = self._command(command, *colour, *arguments)
        interrupts = 0
        with subprocess.Popen(
            whole_command, env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0
        ) as process:
            reader = threading.Thread(target=self._show_errors, args=(process.stderr,))
            reader.start()
            while True:
                try:
                    code = process.wait()
                    break
                except KeyboardInterrupt:
                    interrupts += 1
                    if interrupts > 1 or command == "plan":
                        process.send_signal(signal.SIGINT)
                    else:
                        print(STOPPING, file=sys.stderr)
            reader.join()
        if interrupts and code in (0, CHANGES):
            raise KeyboardInterrupt
        return code

    def _show_errors(self, errors: IO[str]) -> None:
        """Show Terraform's errors as they come, and keep them without colours, frames and line breaks."""
        lines = []
        for line in errors:
            sys.stderr.write(line)
            sys.stderr.flush()
            lines.append(line)
        self.errors = " ".join(re.sub(r"\x1b\[[0-9;]*m|[╷╵│]", " ", "".join(lines)).split())

    def _read(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self._run(*arguments)
        if done.returncode:
            raise UserError(f"terraform {arguments[0]} failed in {self.folder}:", _message(done))
        return done

    def _run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*arguments), env=self.env, input=stdin, capture_output=True, text=True, check=False
        )

    def _command(self, command: str, *arguments: str) -> list[str]:
        return ["terraform", f"-chdir={self.folder}", command, *arguments]

    def _oldest(self) -> str:
        found = re.search(r'required_version\s*=\s*">=\s*([\d.]+)', (self.folder / "versions.tf").read_text())
        return found[1] if found else "0"


def _version(version: str) -> tuple[int, ...]:
    """Return 1.11.4 as (1, 11, 4); a suffix of the numbers does not count."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0]))


def _message(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program printed, without Terraform's frames."""
    text = "\n".join(line.strip("╷╵│ ") for line in (done.stderr or done.stdout).splitlines())
    return re.sub(r"\n{2,}", "\n    ", text).strip()
