"""The AWS for tests, seen from a test: a process of its own, its environment for others, and what it can be told."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from strict_aws.state import ADMIN

REGION = "us-east-1"
ACCOUNT = "123456789012"


class Aws:
    """A running server: where it is, how to call it, and what it saw."""

    def __init__(self, port: int, log: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.log = log
        credentials = {"AWS_ACCESS_KEY_ID": "AKIATESTSTESTSTESTS0", "AWS_SECRET_ACCESS_KEY": "tests"}
        cleared = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_REGION")
        self.env = {name: value for name, value in os.environ.items() if name not in cleared} | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **credentials,
        }

    def client(self, service: str, *, keys: dict[str, str] | None = None, **options: Any) -> Any:
        """A boto3 client of a service, with the account owner's credentials or those of a role."""
        given = keys or {
            "AccessKeyId": self.env["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": self.env["AWS_SECRET_ACCESS_KEY"],
        }
        options.setdefault("config", Config(retries={"mode": "standard", "max_attempts": 2}))
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("Token"),
            **options,
        )

    def env_of(self, arn: str) -> dict[str, str]:
        """The environment of someone who has only this role's, or this policy's, permissions.

        They are held to them while the setting `enforce_roles` is on.
        """
        keys = self.ask("lend", arn=arn)
        return self.env | {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["Token"],
        }

    def ask(self, what: str, **values: Any) -> Any:
        """An order to the server (`server.py` lists them), with its answer."""
        request = urllib.request.Request(self.endpoint + ADMIN + what, json.dumps(values).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())

    def reset(self) -> None:
        """Forgets everything: all resources in all services, settings, faults, the log. Stops what runs."""
        self.ask("reset")

    def set(self, **settings: Any) -> None:
        """Changes settings; `state.py` has their names."""
        self.ask("settings", **settings)

    def fault(self, **fault: Any) -> None:
        """Makes calls or jobs fail; `faults.py` has the words."""
        self.ask("faults", **fault)

    def faults(self) -> list[dict[str, Any]]:
        """Faults that still wait for a call or a job."""
        waiting: list[dict[str, Any]] = self.ask("faults")
        return waiting

    def requests(self, *, forget: bool = False) -> list[dict[str, Any]]:
        """Every call since the start or since it was last forgotten; `log.py` has the fields."""
        seen: list[dict[str, Any]] = self.ask("requests", forget=forget)
        return seen


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(log: Path) -> Iterator[Aws]:
    """A server of one's own, from its first answer to its end; its output goes to the file."""
    port = _free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "strict_aws", str(port)], stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        aws = Aws(port, log)
        for _ in range(300):
            try:
                aws.ask("settings")
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"the AWS for tests did not start:\n{log.read_text()}") from None
                time.sleep(0.1)
        yield aws
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
