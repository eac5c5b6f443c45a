"""Airflow's keys and the password of its page: in one secret of Secrets Manager, made when they are first needed."""

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any

# How each value of the secret is made. An installed stack gets what a later version adds; what is there stays.
MAKERS: dict[str, Callable[[], str]] = {
    # Encrypts the connections that people store: 32 bytes (cryptography.fernet).
    "fernet_key": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    # Signs the tokens of the page and of Airflow's tasks: HMAC with SHA-512 wants 64 bytes.
    "jwt_secret": lambda: secrets.token_urlsafe(64),
    # Signs cookies.
    "secret_key": lambda: secrets.token_urlsafe(32),
    "password": lambda: secrets.token_urlsafe(18),
}


def ensure(client: Any, secret_id: str) -> dict[str, str]:  # noqa: ANN401
    """Return the secret's values, and write those that it lacks.

    `client` is boto3's for Secrets Manager. One task runs at a time, so nobody else writes. Raise ValueError, without
    its text, for a secret with other content.
    """
    try:
        text = client.get_secret_value(SecretId=secret_id)["SecretString"]
    except client.exceptions.ResourceNotFoundException:
        # Terraform makes the secret without a value.
        text = "{}"
    try:
        known = json.loads(text)
    except ValueError:
        known = None
    if not isinstance(known, dict) or not all(isinstance(known.get(name, ""), str) for name in MAKERS):
        raise ValueError(f"{secret_id} holds something else than Airflow's keys: expected a JSON object of texts")
    values = known | {name: make() for name, make in MAKERS.items() if not known.get(name)}
    if values != known:
        client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(values))
    return values
