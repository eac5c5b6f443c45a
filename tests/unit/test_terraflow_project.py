"""terraflow agrees with the project's files that it works with: Terraform's outputs, the profile, Docker's context."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import yaml

from shared import ROOT
from terraflow import checkout, checks
from terraflow.image import AIRFLOW_CONTENT, CONTENT, content_tag
from terraflow.stack import Stack


def test_this_checkout_is_found() -> None:
    assert checkout.root() == ROOT


def test_outputs_are_those_of_terraform() -> None:
    declared = (ROOT / "terraform" / "outputs.tf").read_text()

    for field in fields(Stack):
        assert f'output "{field.name}"' in declared


def test_the_profile_tells_nothing_of_an_account() -> None:
    text = (ROOT / "profiles" / "aws" / "config.yaml").read_text()
    settings = yaml.safe_load(text)

    assert settings["default-storage-prefix"].startswith("?")
    assert not any(word in text for word in ("arn:", "amazonaws", "us-east-1"))
    assert checks.largest_job(ROOT / "profiles" / "aws" / "config.yaml") <= 6  # a new account's quota


def test_snakemake_says_that_there_is_no_stack(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("snakemake")), "--profile", "aws", "--dry-run"]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TERRAFLOW_STACK": str(tmp_path / "none.json")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "There is no deployed stack" in done.stderr
    assert "make deploy" in done.stderr
    assert len(done.stderr.splitlines()) < 5, done.stderr


def test_tag_of_this_checkout_is_twelve_hex_digits() -> None:
    assert re.fullmatch("[0-9a-f]{12}", content_tag(ROOT))


def test_docker_is_sent_exactly_what_the_tag_is_made_from() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    # Docker reads these two itself.
    assert sent == set(CONTENT) - {".dockerignore", "envs/Dockerfile"}


def test_docker_is_sent_exactly_what_airflow_s_tag_is_made_from() -> None:
    lines = (ROOT / "airflow" / ".dockerignore").read_text().splitlines()
    sent = {f"airflow/{line.removeprefix('!')}" for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert sent == set(AIRFLOW_CONTENT) - {"airflow/.dockerignore", "airflow/Dockerfile"}
    assert content_tag(ROOT, AIRFLOW_CONTENT) != content_tag(ROOT)
