"""The pytest plugin, as a project that installed the package uses it: the examples of the README, run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from strict_aws import Aws

README = Path(__file__).parents[1] / "README.md"


def examples() -> dict[str, str]:
    """Return the README's Python examples by the file name in their first line."""
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", README.read_text(), re.S)
    return dict(blocks)


def test_the_examples_of_the_readme_run(tmp_path: Path) -> None:
    """The project lies elsewhere, and nothing leads to the plugin but the package's entry point."""
    files = examples()
    assert {"conftest.py", "test_jobs.py", "by_hand.py"} <= files.keys()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    done = subprocess.run([sys.executable, "by_hand.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "FARGATE alone" in done.stdout, done.stdout + done.stderr


def test_one_test_s_faults_settings_and_requests_do_not_reach_the_next(strict_aws_server: Aws, tmp_path: Path) -> None:
    """Run the plugin in a session of its own, whose second test sees what the first has left."""
    (tmp_path / "test_two.py").write_text(
        "def test_first(strict_aws):\n"
        "    strict_aws.fault(call='error', service='s3')\n"
        "    strict_aws.set(containers=0)\n"
        "    strict_aws.client('sts').get_caller_identity()\n"
        "def test_second(strict_aws):\n"
        "    assert strict_aws.faults() == [] and strict_aws.requests() == []\n"
        "    assert strict_aws.settings()['containers'] == 4\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["boto3", "botocore", "docker", "moto", "flask"])
def test_the_plugin_loads_nothing_that_takes_long(module: str) -> None:
    code = f"import strict_aws.pytest_plugin, sys; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
