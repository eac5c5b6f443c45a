"""A handle on a running server: calls to its services, its settings, its faults and its log of requests."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strict_aws.constants import ADMIN, REGION

# Variables that would lead an SDK elsewhere than to the server.
CLEARED = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_REGION")


def endpoint_of(port: int) -> str:
    """Return the address of the server on this port."""
    return f"http://127.0.0.1:{port}"


def variables(port: int) -> dict[str, str]:
    """Return the variables that make any AWS SDK, the AWS CLI or Terraform use the server on this port."""
    return {
        "AWS_ENDPOINT_URL": endpoint_of(port),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "AKIATESTSTESTSTESTS0",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


class Aws:
    """A running server.

    `endpoint` is its address, `log` the file with its own output, and `env` an environment for other programs: this
    process's, with the variables of `variables()` and the credentials of the account's owner.
    """

    def __init__(self, port: int, log: Path) -> None:
        """Describe the server on this port, which writes its output to `log`."""
        self.endpoint = endpoint_of(port)
        self.log = log
        kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
        self.env = kept | variables(port)

    def client(self, service: str, *, keys: dict[str, str] | None = None, **options: Any) -> Any:
        """Make a boto3 client of a service.

        It calls with `keys`, as `keys_of` returns them, or else with the credentials of the account's owner, who may
        do everything. A failed call is tried once more; `options` go to `boto3.client`.
        """
        # The pytest plugin is loaded by every pytest run of an environment: boto3 takes 0.4 s.
        import boto3
        from botocore.config import Config

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

    def keys_of(self, arn: str) -> dict[str, str]:
        """Make credentials of a role or of a managed policy: `AccessKeyId`, `SecretAccessKey` and `Token`.

        Calls with them need the permissions of that role or policy while the setting `enforce_roles` is on. Raises
        ValueError if there is no such role or policy.
        """
        keys: dict[str, str] = self.ask("keys", arn=arn)
        return keys

    def env_of(self, arn: str) -> dict[str, str]:
        """Return `env` with the credentials of a role or of a managed policy instead of the owner's."""
        keys = self.keys_of(arn)
        return self.env | {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["Token"],
        }

    def settings(self) -> dict[str, Any]:
        """Return all settings with their present values; docs/settings.md describes them."""
        values: dict[str, Any] = self.ask("settings")
        return values

    def set(self, **settings: Any) -> None:
        """Change settings. Raises ValueError for a name that is none."""
        self.ask("settings", **settings)

    @contextmanager
    def changed(self, **settings: Any) -> Iterator[None]:
        """Change settings for the length of a `with`."""
        before = self.settings()
        self.set(**settings)
        try:
            yield
        finally:
            self.set(**{name: before[name] for name in settings})

    def fault(self, **fault: Any) -> None:
        """Make a call or a job fail; docs/faults.md describes the fields. Raises ValueError for a word it lacks."""
        self.ask("faults", **fault)

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that have not struck as often as they were to."""
        waiting: list[dict[str, Any]] = self.ask("faults")
        return waiting

    def forget_faults(self) -> None:
        """Remove all faults that wait."""
        self.ask("forget_faults")

    def requests(self, *, forget: bool = False) -> list[dict[str, Any]]:
        """Return a record of each call since the start, or since the log was last forgotten.

        docs/requests.md describes the fields.
        """
        seen: list[dict[str, Any]] = self.ask("requests", forget=forget)
        return seen

    def deliveries(self, *, forget: bool = False) -> list[dict[str, Any]]:
        """Return a record of each event that a rule has delivered, since the start or since they were last forgotten.

        docs/events.md describes the fields.
        """
        seen: list[dict[str, Any]] = self.ask("deliveries", forget=forget)
        return seen

    def fire(self, name: str) -> dict[str, Any]:
        """Let a schedule, or a rule with a rate or cron expression, fire once; return its `job` or its `event`.

        Raises ValueError if there is none that is on, or if its target refuses.
        """
        fired: dict[str, Any] = self.ask("fire", name=name)
        return fired

    def reset(self) -> None:
        """Stop all jobs and forget everything: the resources of all services, settings, faults and the log."""
        self.ask("reset")

    def ask(self, order: str, **values: Any) -> Any:
        """Give the server an order and return its answer; docs/orders.md lists the orders.

        Raises ValueError, with the server's own words, when the server refuses the order.
        """
        request = urllib.request.Request(self.endpoint + ADMIN + order, json.dumps(values).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as refusal:
            if refusal.code != 400:
                raise
            raise ValueError(json.loads(refusal.read())["message"]) from None
