"""The stack without an AWS: its format, its own tests (`terraform test`) and checkov's findings.

The tests that apply it stand elsewhere; those of who may do what are in terraform/tests/iam.tftest.hcl and beside.
"""

import re
import shutil
import subprocess
from pathlib import Path

import needs
import pytest

from shared import ROOT

CHECKOV = ROOT / "tools/checkov.sh"
EXAMPLES = ("terraform.tfvars.example", "backend.tf.example")


def copied(folder: Path) -> Path:
    """Return the stack's files, without those that Terraform leaves among them."""
    left = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars", "*.tfplan", "backend.tf", "news.zip*")
    return Path(shutil.copytree(needs.TERRAFORM, folder, ignore=left))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy that is initialised, so that the checkout stays clean."""
    initialised = needs.need_terraform()
    folder = copied(tmp_path_factory.mktemp("stack") / "terraform")
    shutil.copytree(initialised / ".terraform", folder / ".terraform", symlinks=True)
    shutil.copy(initialised / ".terraform.lock.hcl", folder)
    return folder


def terraform(
    folder: Path, *arguments: str, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Terraform in a folder, without an account."""
    command = ["terraform", f"-chdir={folder}", *arguments]
    # No test may reach an account that this machine has credentials for.
    env = {name: value for name, value in needs.terraform_env().items() if not name.startswith("AWS_")}
    env |= {"AWS_EC2_METADATA_DISABLED": "true"} | environment
    return subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, check=False)


def checkov(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CHECKOV, folder], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def checkov_here() -> None:
    """checkov's own environment, made when it is missing."""
    done = subprocess.run([CHECKOV, "--install"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_is_formatted(stack: Path) -> None:
    done = terraform(stack, "fmt", "-check", "-recursive", "-diff")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_formatted(stack: Path, example: str) -> None:
    done = terraform(stack, "fmt", "-check", "-diff", "-", stdin=(stack / example).read_text())
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_valid(stack: Path) -> None:
    done = terraform(stack, "validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_own_tests_pass(stack: Path) -> None:
    done = terraform(stack, "test", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.search(r"(\d+) passed, 0 failed\.", done.stdout)
    written = sum(len(re.findall(r"^run ", file.read_text(), re.M)) for file in stack.glob("tests/*.tftest.hcl"))
    assert ran and int(ran[1]) == written > 0, done.stdout


def test_a_policy_that_is_too_long_for_iam_is_told_in_words(stack: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stack, tmp_path / "terraform", symlinks=True))
    iam = (folder / "iam.tf").read_text()
    assert iam.count("<= 6144") == 1
    # A mocked provider makes empty policies: the limit is one that even these exceed.
    (folder / "iam.tf").write_text(iam.replace("<= 6144", "<= 1"))
    (folder / "tests" / "long.tftest.hcl").write_text(
        'mock_provider "aws" {\n  source = "./tests/mocks"\n}\nvariables {\n  image_tag = "1"\n}\nrun "all" {\n}\n'
    )
    done = terraform(folder, "test", "-no-color", "-filter=tests/long.tftest.hcl")
    assert done.returncode == 1
    assert "The submit policy names input_buckets" in done.stderr, done.stdout + done.stderr


def test_bad_values_are_refused_all_at_once_with_what_to_write(stack: Path) -> None:
    bad = {"region": "eu-central-1a", "network": "nat", "image_tag": "latest", "disk_gib": "[20,500]"}
    done = terraform(stack, "plan", "-no-color", **{f"TF_VAR_{name}": value for name, value in bad.items()})
    assert done.returncode == 1
    # Terraform draws a frame and breaks lines.
    message = " ".join(re.sub(r"[│╷╵]", " ", done.stderr).split())
    for says in ('such as "us-east-1"', '"private" or "public"', 'such as "3f9c0a1b2c4d"', "from 20 to 200"):
        assert says in message, done.stderr


@pytest.mark.usefixtures("checkov_here")
def test_checkov_finds_nothing(tmp_path: Path) -> None:
    done = checkov(copied(tmp_path / "terraform"))
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"Passed checks: (\d+), Failed checks: 0", done.stdout)
    assert passed and int(passed[1]) > 100, done.stdout


@pytest.mark.usefixtures("checkov_here")
def test_checkov_sees_a_bucket_that_may_be_public(tmp_path: Path) -> None:
    folder = copied(tmp_path / "terraform")
    storage = folder / "storage.tf"
    opened, found = re.subn(
        r'resource "aws_s3_bucket_public_access_block" "data" \{.*?\n\}\n', "", storage.read_text(), flags=re.S
    )
    assert found == 1
    storage.write_text(opened.replace("  depends_on = [aws_s3_bucket_public_access_block.data]\n", ""))
    done = checkov(folder)
    assert done.returncode == 1
    assert "CKV2_AWS_6" in done.stdout


def test_what_checkov_is_told_to_skip_has_a_reason() -> None:
    skips = [
        line for file in needs.TERRAFORM.glob("*.tf") for line in file.read_text().splitlines() if "checkov:" in line
    ]
    assert skips
    assert [line for line in skips if not re.fullmatch(r"  #checkov:skip=CKV2?_AWS_\d+:.{30,}", line)] == []
