"""Terraform, run in the folder of the stack."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from terraflow.errors import UserError

INSTALL = "install it from https://developer.hashicorp.com/terraform/install"


class Terraform:
    """The stack's Terraform. What it prints while it changes something goes to the terminal as it is."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the project's terraform/."""
        self.folder = folder
        self.env = dict(os.environ, TF_IN_AUTOMATION="1", CHECKPOINT_DISABLE="1")

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

    def apply(self, image_tag: str, *, ask: bool) -> None:
        """Brings the account to what the stack says; `ask` shows what would change and waits for a yes."""
        self._loudly("apply", f"-var=image_tag={image_tag}", ask=ask)

    def destroy(self, image_tag: str) -> None:
        """Takes away everything of the stack."""
        self._loudly("destroy", f"-var=image_tag={image_tag}", ask=False)

    def _loudly(self, command: str, *arguments: str, ask: bool) -> None:
        how = [] if ask else ["-input=false", "-auto-approve"]
        done = subprocess.run(self._command(command, *how, *arguments), env=self.env, check=False)
        if done.returncode:
            raise UserError(
                f"terraform {command} ended with exit code {done.returncode}; its reason is above. What it had done by "
                f"then stays, and Terraform knows of it: `make {'deploy' if command == 'apply' else command}` goes on "
                "from there."
            )

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
