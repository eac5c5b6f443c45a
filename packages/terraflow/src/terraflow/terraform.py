"""Terraform, run in the folder of the stack."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from terraflow.errors import UserError

# Exit code of `plan -detailed-exitcode` when there is something to change.
CHANGES = 2
STOPPING = (
    "\nterraflow: Terraform first ends what it has begun, for stopped halfway it could lose track of what it makes; "
    "nothing else follows. Ctrl-C once more stops it all the same."
)
INSTALL = "install it from https://developer.hashicorp.com/terraform/install"


class Terraform:
    """The stack's Terraform. What it prints while it changes something goes to the terminal as it is."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the project's terraform/."""
        self.folder = folder
        self.env = dict(os.environ, TF_IN_AUTOMATION="1", CHECKPOINT_DISABLE="1")
        # Errors and warnings of what was last run for the user to see, in one line.
        self.complaint = ""

    def problem(self) -> str | None:
        """Why Terraform can't be used here; None if it can."""
        if shutil.which("terraform") is None:
            return f"Terraform is missing: {INSTALL}"
        done = self._quietly("version", "-json")
        if done.returncode:
            return f"terraform does not run: {_words(done)}"
        found, oldest = str(json.loads(done.stdout)["terraform_version"]), self._oldest()
        if _numbers(found) < _numbers(oldest):
            return f"Terraform is {found}, needed is {oldest} or newer: {INSTALL}"
        return None

    def init(self) -> None:
        """Fetches the provider and finds the state; quick when both are there."""
        self._need("init", "-input=false", "-no-color")

    def variables(self, *names: str) -> dict[str, Any]:
        """Values of variables, from wherever Terraform takes them. Raises UserError when it refuses one."""
        wanted = ", ".join(f"{name} = var.{name}" for name in names)
        done = self._quietly("console", "-no-color", "-var=image_tag=none", stdin=f"jsonencode({{{wanted}}})\n")
        if done.returncode or "Error:" in done.stderr:
            raise UserError("Terraform refuses the stack's variables (terraform.tfvars, TF_VAR_…):", _words(done))
        values: dict[str, Any] = json.loads(json.loads(done.stdout))
        return values

    def outputs(self) -> dict[str, Any]:
        """Outputs of what is deployed; empty when nothing is."""
        shown = json.loads(self._need("output", "-json").stdout)
        return {name: output["value"] for name, output in shown.items()}

    def resources(self) -> list[str]:
        """Addresses of everything that Terraform has made and not taken away; empty when there is no stack."""
        done = self._quietly("state", "list")
        if done.returncode and "No state file was found" not in done.stderr:
            raise UserError(f"terraform can't read its state of {self.folder}:", _words(done))
        return done.stdout.split()

    def state(self) -> list[dict[str, Any]]:
        """Everything in the state, with its values, as `terraform show -json` has it; empty when there is no stack."""
        shown = json.loads(self._need("show", "-json").stdout)
        found: list[dict[str, Any]] = shown.get("values", {}).get("root_module", {}).get("resources", [])
        return found

    def planned(self, plan: Path) -> list[dict[str, Any]]:
        """What a plan does to each resource: `resource_changes` of `terraform show -json`."""
        found: list[dict[str, Any]] = json.loads(self._need("show", "-json", str(plan)).stdout)["resource_changes"]
        return found

    def plan(self, image_tag: str, file: Path) -> bool:
        """Shows what would change, and keeps it in the file for `apply`; False when nothing would."""
        code = self._loudly("plan", "-input=false", "-detailed-exitcode", f"-var=image_tag={image_tag}", f"-out={file}")
        if code not in (0, CHANGES):
            raise UserError(f"terraform plan ended with exit code {code}; its reason is above. Nothing was changed.")
        return code == CHANGES

    def apply(self, plan: Path) -> None:
        """Changes what the plan says. Raises UserError that tells how to go on."""
        self._changing("deploy", self._loudly("apply", "-input=false", str(plan)))

    def destroy(self) -> None:
        """Takes away everything of the stack. Raises UserError that tells how to go on."""
        code = self._loudly("destroy", "-input=false", "-auto-approve", "-var=image_tag=none")
        self._changing("destroy", code)

    def _changing(self, command: str, code: int) -> None:
        if code:
            raise UserError(
                f"terraform ended with exit code {code}; its reason is above. What it had done by then stays, and "
                f"Terraform knows of it: `make {command}` goes on from there."
            )

    def _loudly(self, command: str, *arguments: str) -> int:
        """Runs to its end, out of reach of the terminal's Ctrl-C.

        What Terraform is making when it is stopped is made in the account and in no state: the next run would find a
        name taken that nobody knows of. So the first Ctrl-C only keeps what would follow from happening.
        """
        colour = [] if sys.stdout.isatty() else ["-no-color"]
        sys.stdout.flush()
        words = self._command(command, *colour, *arguments)
        interrupts = 0
        with subprocess.Popen(
            words, env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0
        ) as process:
            reader = threading.Thread(target=self._pass_on, args=(process.stderr,))
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

    def _pass_on(self, errors: IO[str]) -> None:
        """Shows what Terraform complains of as it comes, and keeps it without colours, frames and line breaks."""
        lines = []
        for line in errors:
            sys.stderr.write(line)
            sys.stderr.flush()
            lines.append(line)
        self.complaint = " ".join(re.sub(r"\x1b\[[0-9;]*m|[╷╵│]", " ", "".join(lines)).split())

    def _need(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self._quietly(*arguments)
        if done.returncode:
            raise UserError(f"terraform {arguments[0]} failed in {self.folder}:", _words(done))
        return done

    def _quietly(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*arguments), env=self.env, input=stdin, capture_output=True, text=True, check=False
        )

    def _command(self, command: str, *arguments: str) -> list[str]:
        return ["terraform", f"-chdir={self.folder}", command, *arguments]

    def _oldest(self) -> str:
        found = re.search(r'required_version\s*=\s*">=\s*([\d.]+)', (self.folder / "versions.tf").read_text())
        return found[1] if found else "0"


def _numbers(version: str) -> tuple[int, ...]:
    """1.11.4 as (1, 11, 4); what follows the numbers does not count."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0]))


def _words(done: subprocess.CompletedProcess[str]) -> str:
    """What a program said, without Terraform's frames."""
    text = "\n".join(line.strip("╷╵│ ") for line in (done.stderr or done.stdout).splitlines())
    return re.sub(r"\n{2,}", "\n    ", text).strip()
