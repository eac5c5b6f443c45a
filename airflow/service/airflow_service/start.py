"""The container's command: secrets, tables of the database, then all parts of Airflow under one supervisor.

A part that ends takes the others and the container along, and ECS starts the next one. Secrets stand in files that only
this user may read, on a volume that goes with the task: in no environment variable, which every child would inherit.
"""

import configparser
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import boto3

from airflow_service import keys, login
from airflow_service.files import write_private

PROCFILE = Path(__file__).parent / "Procfile"
# What the stack's task definition sets.
NEEDED = (
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "TERRAFLOW_AIRFLOW_HEADS",
    "TERRAFLOW_AIRFLOW_INBOX",
    "TERRAFLOW_AIRFLOW_SECRET",
    "TERRAFLOW_DATABASE_SECRET",
)
USER = "admin"
# The DAGs of the image; all are on from the start but those that say otherwise.
DAGS, INBOX = Path("/opt/dags"), "terraflow_inbox.py"
# A sheet that waits for its files holds a slot for up to a day and has no head, so there are more slots than heads.
# Batch lets no more heads work at a time than head_max_vcpus: each has one.
POOL, SLOTS_OF_HEAD = "terraflow", 4


def settings(values: Mapping[str, str]) -> str:
    """Return Airflow's airflow.cfg with the keys; all other settings are environment variables or defaults."""
    config = configparser.RawConfigParser()
    config["core"] = {"fernet_key": values["fernet_key"]}
    config["api"] = {"secret_key": values["secret_key"]}
    config["api_auth"] = {"jwt_secret": values["jwt_secret"]}
    with io.StringIO() as text:
        config.write(text)
        return text.getvalue()


def prepare(home: Path, passfile: Path) -> None:
    """Write what the parts of Airflow read. A user whose password is there gets none that is printed into the log."""
    client = boto3.client("secretsmanager")
    values = keys.ensure(client, os.environ["TERRAFLOW_AIRFLOW_SECRET"])
    write_private(home / "airflow.cfg", settings(values))
    passwords = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    write_private(passwords, json.dumps({USER: values["password"]}) + "\n")
    login.refresh(client, os.environ["TERRAFLOW_DATABASE_SECRET"], passfile)


def bring_dags(folder: Path, source: Path = DAGS, *, inbox: bool) -> None:
    """Copy the DAGs into Airflow's folder; that of the inbox only where uploads are Airflow's to start."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=None if inbox else shutil.ignore_patterns(INBOX))


def airflow(*arguments: str) -> None:
    """Run a command of Airflow to its end; end this process when it fails."""
    done = subprocess.run(["airflow", *arguments], check=False)
    if done.returncode:
        sys.exit(f"airflow {' '.join(arguments[:2])} ended with exit code {done.returncode}; its reason is above")


def main() -> None:
    """Prepare, migrate, and become the supervisor."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        sys.exit(f"{', '.join(missing)}: missing in the environment; the stack's task definition sets them")
    prepare(Path(os.environ["AIRFLOW_HOME"]), Path(os.environ["PGPASSFILE"]))
    inbox = os.environ["TERRAFLOW_AIRFLOW_INBOX"] == "true"
    bring_dags(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]), inbox=inbox)
    airflow("db", "migrate")
    # A run whose task is deferred is under way, too.
    slots = SLOTS_OF_HEAD * int(os.environ["TERRAFLOW_AIRFLOW_HEADS"])
    airflow("pools", "set", POOL, str(slots), "Runs that are under way or wait", "--include-deferred")
    supervisor = ["python", "-m", "airflow_service.supervise", "--procfile", str(PROCFILE), "--no-colour", "start"]
    os.execvp(supervisor[0], supervisor)


if __name__ == "__main__":
    main()
