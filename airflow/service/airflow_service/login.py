"""Keeps the database's login in the file that PGPASSFILE names: libpq and asyncpg read it at each new connection.

RDS makes the password and changes it each week. Connections that are open stay open.
"""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from airflow_service.files import write_private

# A change of the password is seen after this long: $0.11 a month for asking.
SECONDS = 120


def line(text: str) -> str:
    """Return the line of a password file for RDS's secret. Raise ValueError, without the text, for other content.

    Source of the format: PostgreSQL's documentation, "The Password File".
    """
    try:
        secret = json.loads(text)
        user, password = (re.sub(r"([\\:])", r"\\\1", secret[key]) for key in ("username", "password"))
    except (ValueError, KeyError, TypeError):
        raise ValueError("The database's secret is not what RDS writes: expected username and password") from None
    return f"*:*:*:{user}:{password}\n"


def refresh(client: Any, secret_id: str, file: Path) -> bool:  # noqa: ANN401
    """Bring the file up to date; say whether it changed."""
    wanted = line(client.get_secret_value(SecretId=secret_id)["SecretString"])
    if file.exists() and file.read_text() == wanted:
        return False
    write_private(file, wanted)
    return True


def main() -> None:
    """Refresh for ever. Trouble with AWS is told; the password that is there goes on to serve."""
    client = boto3.client("secretsmanager")
    secret_id, file = os.environ["TERRAFLOW_DATABASE_SECRET"], Path(os.environ["PGPASSFILE"])
    while True:
        time.sleep(SECONDS)
        try:
            if refresh(client, secret_id, file):
                print("The database has another password.", flush=True)
        except (BotoCoreError, ClientError, ValueError) as error:
            print(f"The database's password could not be read: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
