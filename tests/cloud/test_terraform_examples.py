"""The examples of terraform/examples: valid, and planned against the strict AWS to be what their READMEs promise."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import needs
import pytest
from stacks import as_arguments, copy_of_stack, terraform_environment

from shared import ROOT
from strict_aws import Aws

EXAMPLES = sorted(path.parent.name for path in (ROOT / "terraform/examples").glob("*/main.tf"))


class Example:
    """An example in a copy of the stack, initialised."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env = folder, env
        self.terraform("init", "-backend=false", "-no-color")

    def terraform(self, *arguments: str) -> str:
        """Run Terraform in the example's folder; the test fails with its output when it fails."""
        command = ["terraform", f"-chdir={self.folder}", *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def planned(self, **variables: Any) -> list[dict[str, Any]]:
        """Return the resources that a first apply makes: address, kind (Terraform's type) and values."""
        self.terraform("plan", "-no-color", "-out=plan", *as_arguments(variables))
        changes = json.loads(self.terraform("show", "-json", "plan"))["resource_changes"]
        made = [change for change in changes if change["mode"] == "managed"]
        assert {tuple(change["change"]["actions"]) for change in made} == {("create",)}
        return [change["change"]["after"] | {"address": change["address"], "kind": change["type"]} for change in made]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory, aws: Aws) -> dict[str, Example]:
    stack = copy_of_stack(tmp_path_factory.mktemp("examples") / "terraform", aws)
    return {name: Example(stack.folder / "examples" / name, terraform_environment(aws)) for name in EXAMPLES}


def of_type(made: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the planned resources of a kind."""
    return [resource for resource in made if resource["kind"] == kind]


def test_minimal_costs_nothing_while_nothing_runs(examples: dict[str, Example]) -> None:
    made = examples["minimal"].planned()
    assert all(resource["address"].startswith("module.terraflow.") for resource in made)
    kinds = [endpoint["vpc_endpoint_type"] for endpoint in of_type(made, "aws_vpc_endpoint")]
    assert kinds == ["Gateway"] and not of_type(made, "aws_nat_gateway")
    definitions = of_type(made, "aws_batch_job_definition")
    assert len(definitions) == 6
    assert {definition["tags_all"]["stack"] for definition in definitions} == {"terraflow"}


def test_existing_network_makes_no_network_but_the_endpoints(examples: dict[str, Example], aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{i}.0/24")["Subnet"]["SubnetId"] for i in range(2)]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    made = examples["existing-network"].planned(
        region="us-east-1", vpc_id=vpc, subnet_ids=subnets, route_table_ids=[table]
    )
    assert not of_type(made, "aws_vpc") and not of_type(made, "aws_subnet")
    endpoints = of_type(made, "aws_vpc_endpoint")
    assert Counter(endpoint["vpc_endpoint_type"] for endpoint in endpoints) == {"Interface": 4, "Gateway": 1}
    assert all(set(endpoint["subnet_ids"]) == set(subnets) for endpoint in endpoints if endpoint.get("subnet_ids"))
    for environment in of_type(made, "aws_batch_compute_environment"):
        assert set(environment["compute_resources"][0]["subnets"]) == set(subnets)
    [rule] = [group["ingress"] for group in of_type(made, "aws_security_group") if group.get("ingress")]
    assert rule[0]["cidr_blocks"] == ["10.7.0.0/16"]


def test_sensitive_encrypts_with_its_own_key_and_lets_a_group_run(examples: dict[str, Example]) -> None:
    made = examples["sensitive"].planned()
    [key] = of_type(made, "aws_kms_key")
    assert key["enable_key_rotation"] is True
    assert "log-group:/terraflow/clinic" in key["policy"]
    [log_group] = of_type(made, "aws_cloudwatch_log_group")
    assert (log_group["name"], log_group["retention_in_days"]) == ("/terraflow/clinic", 365)
    [attached] = of_type(made, "aws_iam_group_policy_attachment")
    assert attached["group"] == "clinic-people"
    kinds = Counter(endpoint["vpc_endpoint_type"] for endpoint in of_type(made, "aws_vpc_endpoint"))
    assert kinds == {"Interface": 4, "Gateway": 1}


def test_each_has_a_readme_that_the_stack_s_readme_names() -> None:
    text = (needs.TERRAFORM / "README.md").read_text()
    assert len(EXAMPLES) == 3
    for name in EXAMPLES:
        assert f"(examples/{name}/README.md)" in text
