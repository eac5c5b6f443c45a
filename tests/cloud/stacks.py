"""Copies of `terraform/`, each in a folder of its own, and what was applied from them."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import needs

from strict_aws import Aws

IMAGE_TAG = "3f9c0a1b2c4d"


@dataclass
class Stack:
    """A copy of `terraform/` in a folder of its own, and what was applied from it."""

    folder: Path
    env: dict[str, str]

    def terraform(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Terraform in the folder; its whole output is in the error when it fails."""
        command = ["terraform", f"-chdir={self.folder}", *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def apply(self, **variables: Any) -> None:
        """Apply the stack with these variables."""
        self.terraform("apply", "-auto-approve", "-no-color", *as_arguments(variables))

    def plan(self, *options: str, **variables: Any) -> dict[str, Any]:
        """Return the plan as Terraform shows it in JSON."""
        plan = self.folder / "tests.tfplan"
        self.terraform("plan", "-no-color", f"-out={plan}", *options, *as_arguments(variables))
        shown: dict[str, Any] = json.loads(self.terraform("show", "-json", str(plan)).stdout)
        return shown

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs by name."""
        outputs = json.loads(self.terraform("output", "-json").stdout)
        return {name: output["value"] for name, output in outputs.items()}


def as_arguments(variables: dict[str, Any]) -> list[str]:
    """`-var` arguments, with an image tag if none is given."""
    written = {"image_tag": IMAGE_TAG} | variables
    return [f"-var={name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in written.items()]


def terraform_environment(aws: Aws) -> dict[str, str]:
    """Return the server's environment, with Terraform's own."""
    own = needs.terraform_env()
    kept = {name: own[name] for name in own if name.startswith(("TF_", "CHECKPOINT_"))}
    return {name: value for name, value in aws.env.items() if not name.startswith("TF_")} | kept


def copy_of_stack(folder: Path, aws: Aws) -> Stack:
    """Return a stack that is initialised and not applied, without state, variables or provider of the checkout."""
    initialised = needs.need_terraform()
    left = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars*", "*.tfplan", "backend.tf", "news.zip*")
    shutil.copytree(needs.TERRAFORM, folder, ignore=left)
    shutil.copytree(initialised / ".terraform", folder / ".terraform", symlinks=True)
    shutil.copy(initialised / ".terraform.lock.hcl", folder)
    return Stack(folder, terraform_environment(aws))


@dataclass
class Deployed:
    """The applied stack: its outputs, and the file that `terraflow deploy` would have written from them."""

    stack: Stack
    outputs: dict[str, Any]
    stack_json: Path
    apply_output: str

    @property
    def env(self) -> dict[str, str]:
        """Environment for whatever works with the stack."""
        return self.stack.env | {"TERRAFLOW_STACK": str(self.stack_json)}


def deploy(folder: Path, aws: Aws, **variables: Any) -> Deployed:
    """Apply the stack, with its defaults but for these variables, from a copy in a folder."""
    stack = copy_of_stack(folder / "terraform", aws)
    done = stack.terraform("apply", "-auto-approve", "-no-color", *as_arguments(variables))
    outputs = stack.outputs
    stack_json = folder / "stack.json"
    stack_json.write_text(json.dumps(outputs, indent=2))
    return Deployed(stack, outputs, stack_json, done.stdout)
