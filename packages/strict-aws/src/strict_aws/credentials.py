"""Temporary credentials: of the containers of jobs, and of tests that call with a role's permissions."""

import datetime
import secrets
import uuid

# Credentials and the ARN that they act for, by the token that ends their address.
_ISSUED: dict[str, dict[str, str]] = {}


def issue(arn: str) -> str:
    """Make credentials of a role or policy and return their token."""
    token = uuid.uuid4().hex
    _ISSUED[token] = {
        "RoleArn": arn,
        "AccessKeyId": "ASIA" + secrets.token_hex(8).upper(),
        "SecretAccessKey": secrets.token_hex(20),
        "Token": secrets.token_hex(40),
    }
    return token


def of_container(token: str) -> dict[str, str]:
    """Return what the credential endpoint in a task answers, which checks no signature. Raises KeyError."""
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=6)
    return _ISSUED[token] | {"Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}


def keys(token: str) -> dict[str, str]:
    """Return `AccessKeyId`, `SecretAccessKey` and `Token`."""
    return {name: value for name, value in _ISSUED[token].items() if name != "RoleArn"}


def arn_of(access_key: str) -> str | None:
    """Return the ARN of the role or policy that an access key acts for, or None for the owner of the account."""
    return next((one["RoleArn"] for one in list(_ISSUED.values()) if one["AccessKeyId"] == access_key), None)
