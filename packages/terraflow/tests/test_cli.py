"""The command line as a program: what becomes of output that nobody reads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from terraflow import cli

COMMAND = """
def add_arguments(parser):
    pass

def run(options):
    print("line\\n" * {lines})
    return 0
"""
CALL = """
import sys
from terraflow import cli
cli.COMMANDS["talk"] = ("talk", "", "")
sys.exit(cli.main(["talk"]))
"""


# A few lines leave the program as it ends, many while it prints.
@pytest.mark.parametrize("lines", [1, 100_000])
def test_output_that_nobody_reads_ends_a_command_quietly(tmp_path: Path, lines: int) -> None:
    (tmp_path / "talk.py").write_text(COMMAND.format(lines=lines))
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CALL], stdout=writer, stderr=subprocess.PIPE, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


# The image holds no workflow: a head and a launcher fetch what was published, and import it after that.
@pytest.mark.parametrize("module", ["inbox.command", "launch.command", "heads.process", "heads.conduct"])
def test_what_runs_in_the_image_begins_without_the_workflow_s_package(module: str) -> None:
    script = f"import sys; sys.modules['terraflow_workflow'] = None; import terraflow.{module}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://s3"),
        ReadTimeoutError(endpoint_url="https://s3"),
        ConnectTimeoutError(endpoint_url="https://s3"),
        ConnectionClosedError(endpoint_url="https://s3"),
        ProxyConnectionError(proxy_url="http://proxy"),
        SSLError(endpoint_url="https://s3", error="EOF occurred"),
    ],
)
def test_a_network_in_trouble_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """Four of them are OSErrors, too, which name no file."""

    def run(_: object) -> int:
        raise error

    monkeypatch.setattr("terraflow.runs.listing.run", run)
    assert cli.main(["runs"]) == 1
    assert capsys.readouterr().err == (
        f"terraflow runs: AWS does not answer: {error}. Is there a network, and is the region right?\n"
    )
