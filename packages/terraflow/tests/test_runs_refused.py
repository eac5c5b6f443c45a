"""Commands that look at runs say in words of their own what AWS refuses, and that it is out of reach."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from run_objects import STACK
from terraflow import cli

NAMED = ("status", "logs", "stop", "cost", "timeline", "verify", "remove", "fetch")
COMMANDS = (("runs",), *((name, "cohort7") for name in NAMED))


def error(code: str) -> ClientError:
    """An error of S3."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "ListObjectsV2")


class Refusing:
    """A client whose calls all fail."""

    def __init__(self, problem: Exception) -> None:
        """Raise this."""
        self._problem = problem

    def __getattr__(self, name: str) -> Any:
        """Return a call that fails, also as that of a paginator."""

        def call(*_: object, **__: object) -> None:
            raise self._problem

        return (lambda _: self) if name == "get_paginator" else call


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            error("AccessDenied"),
            "AWS refuses: An error occurred (AccessDenied) when calling the ListObjectsV2",
        ),
        (error("AccessDenied"), "Ask whoever deployed the stack to attach its submit policy to you."),
        (error("NoSuchBucket"), "The bucket of the stack is gone"),
        (error("ExpiredToken"), "AWS does not take the credentials"),
        (NoCredentialsError(), "Sign in anew (aws sso login), or set AWS_PROFILE."),
        (EndpointConnectionError(endpoint_url="https://s3"), "AWS does not answer"),
        (EndpointConnectionError(endpoint_url="https://s3"), "Is there a network, and is the region right?"),
    ],
)
def test_what_aws_refuses_is_said(
    command: tuple[str, ...],
    problem: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("terraflow.stack.deployed", lambda: STACK)
    monkeypatch.setattr("terraflow.runs.find.client", lambda *_: Refusing(problem))
    assert cli.main(list(command)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"terraflow {command[0]}: ")
    assert words in said.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_says_what_exit_codes_mean(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command[0], "--help"])
    said = capsys.readouterr().out
    assert f"Example: terraflow {command[0]}" in said
    assert "exit codes:\n  0  " in said
    assert "--json" in said


# verify takes a folder instead.
@pytest.mark.parametrize("command", [name for name in NAMED if name != "verify"])
def test_a_name_is_needed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([command])
    assert end.value.code == 2
    assert "the following arguments are required: NAME" in capsys.readouterr().err
